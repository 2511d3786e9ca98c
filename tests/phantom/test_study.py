"""One study: the same from the same seed, and its truth agrees with its voxels."""

import numpy as np
import pytest

from dotaliver.image.volume import LabelMap, Quantity
from dotaliver.phantom.presets import preset
from dotaliver.phantom.spec import LesionSpec, LiverSpec, NeighbourSpec, PatientSpec, PhantomSpec, ScannerSpec
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.phantom.tissues import Tissue

SMALL = {"ct_matrix": 128, "ct_pixel_mm": 3.5, "ct_slice_mm": 5.0}
SMALL |= {"pet_matrix": 72, "pet_pixel_mm": 6.0, "pet_slice_mm": 5.0}


def small_scanner(**changes):
    return ScannerSpec.model_validate(SMALL | changes)


def test_the_same_seed_gives_the_same_voxels_and_another_seed_another_patient(moderate):
    again = make_phantom(preset("moderate", 3, "small"))
    other = make_phantom(preset("moderate", 8, "small"))
    for name in ("ct", "pet", "organs", "liver", "lesions", "lesions_on_pet"):
        assert getattr(again, name).sha256() == getattr(moderate, name).sha256()
        assert getattr(other, name).sha256() != getattr(moderate, name).sha256()
    assert again.truth == moderate.truth


def test_images_have_their_quantities_and_share_a_frame(moderate):
    assert moderate.ct.quantity is Quantity.HU
    assert moderate.ct.array.dtype == np.int16
    assert moderate.pet.quantity is Quantity.BQML
    assert moderate.pet.array.dtype == np.float32
    assert moderate.pet.array.min() >= 0
    frames = {moderate.ct.geometry.frame_of_reference_uid, moderate.pet.geometry.frame_of_reference_uid}
    assert len(frames) == 1
    assert None not in frames


@pytest.mark.parametrize("name", ["moderate", "massive", "cold", "clean"])
def test_truth_agrees_with_the_masks(name, request):
    study = request.getfixturevalue(name)
    truth = study.truth
    assert truth.liver_ml == pytest.approx(study.liver.volume_ml(), rel=1e-9)
    assert truth.tumour_ml == pytest.approx(study.lesions.volume_ml(), rel=1e-9, abs=1e-9)
    assert truth.burden == pytest.approx(study.lesions.volume_ml() / study.liver.volume_ml(), rel=1e-9)
    assert study.lesions.labels == tuple(lesion.label for lesion in truth.lesions)
    assert not (study.lesions.mask & ~study.liver.mask).any()
    for lesion in truth.lesions:
        own = study.lesions.where(lesion.label)
        assert lesion.volume_ml == pytest.approx(own.sum() * study.ct.geometry.voxel_volume_ml, rel=1e-9)
        centre = study.ct.geometry.index_to_lps(np.argwhere(own).mean(axis=0))
        assert np.allclose(lesion.centre_lps_mm, centre, atol=1e-6)
        assert lesion.diameter_mm == pytest.approx((6000 * lesion.volume_ml / np.pi) ** (1 / 3))
        assert lesion.necrotic_core_ml < lesion.volume_ml


def test_the_liver_is_one_piece_of_a_human_size(moderate):
    from scipy import ndimage

    assert ndimage.label(moderate.liver.mask)[1] == 1
    assert 900 < moderate.truth.liver_ml < 2600
    assert moderate.truth.liver_in_ct_field == pytest.approx(1.0)
    tissues = moderate.organs.array[moderate.liver.mask]
    assert tissues.min() >= Tissue.LIVER
    assert tissues.max() <= Tissue.LIVER_LESION


def test_organs_lie_where_a_physician_looks_for_them(clean):
    """LPS: x towards the patient's left, y towards the back, z towards the head."""
    grid = clean.ct.geometry
    at = {
        t: grid.index_to_lps(np.argwhere(clean.organs.where(int(t)))).mean(axis=0)
        for t in Tissue
        if t
        in {
            Tissue.LIVER,
            Tissue.SPLEEN,
            Tissue.AORTA,
            Tissue.VENA_CAVA,
            Tissue.STOMACH_CONTENT,
            Tissue.HEART_BLOOD,
            Tissue.BONE,
            Tissue.LUNG,
        }
    }
    assert at[Tissue.LIVER][0] < -30 < 60 < at[Tissue.SPLEEN][0]
    assert at[Tissue.SPLEEN][1] > at[Tissue.STOMACH_CONTENT][1]
    assert at[Tissue.STOMACH_CONTENT][0] > 10
    assert at[Tissue.VENA_CAVA][0] < at[Tissue.AORTA][0]
    assert at[Tissue.HEART_BLOOD][2] > at[Tissue.LIVER][2] + 50
    assert at[Tissue.LUNG][2] > at[Tissue.LIVER][2]
    kidneys = grid.index_to_lps(np.argwhere(clean.organs.where(Tissue.KIDNEY_CORTEX)))
    assert kidneys[:, 1].mean() > 20
    assert (kidneys[:, 0] < -20).any()
    assert (kidneys[:, 0] > 20).any()


def test_lesions_on_the_pet_are_those_of_the_ct_moved_by_the_exact_shift():
    spec = preset("moderate", 3, "small")
    scanner = spec.scanner.model_copy(
        update={"breathing_shift_mm": 10.0, "pet_matrix": 128, "pet_pixel_mm": 3.5, "pet_slice_mm": 5.0}
    )
    study = make_phantom(spec.model_copy(update={"scanner": scanner}))
    assert study.truth.pet_shift_lps_mm == (0.0, 0.0, -10.0)
    # Same voxels on both grids, and 10 mm are two slices of 5 mm: towards the feet is a lower slice number
    assert study.ct.geometry.is_close(study.pet.geometry)
    assert (study.lesions_on_pet.array[:-2] == study.lesions.array[2:]).all()
    for lesion in study.truth.lesions:
        assert np.allclose(np.subtract(lesion.centre_on_pet_lps_mm, lesion.centre_lps_mm), (0, 0, -10))


def test_the_pet_shows_uptake_at_the_moved_place():
    lesion = LesionSpec(diameter_mm=40, contrast=6, roughness=0, elongation=1)
    spec = PhantomSpec(
        name="one",
        seed=11,
        matrix="small",
        lesions=(lesion,),
        scanner=small_scanner(breathing_shift_mm=15, pet_liver_cov=0.0),
    )
    study = make_phantom(spec)
    grid = study.pet.geometry
    truth = study.truth.lesions[0]
    z, y, x = (int(n) for n in np.rint(grid.lps_to_index(truth.centre_on_pet_lps_mm)))
    hot = np.where(study.lesions_on_pet.mask, study.pet.array, 0).astype(float)
    box = (slice(z - 6, z + 7), slice(y - 6, y + 7), slice(x - 6, x + 7))
    weight = np.clip(study.pet.array[box].astype(float) - 0.5 * hot.max(), 0, None)
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), axis=-1)
    centre = grid.index_to_lps((index * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum())
    assert np.linalg.norm(centre - truth.centre_on_pet_lps_mm) < 2.0


def test_normal_liver_has_the_planned_mean_and_the_scanners_noise():
    """Away from borders and vessels the PET's mean is the planned uptake; voxels vary by 10 to 15 %."""
    from scipy import ndimage

    spec = preset("clean", 6, "small")
    scanner = spec.scanner.model_copy(update={"breathing_shift_mm": 0.0, "pet_liver_cov": 0.125})
    liver = spec.liver.model_copy(update={"uptake_texture": 0.0})
    study = make_phantom(spec.model_copy(update={"scanner": scanner, "liver": liver}))
    volumes = study_volumes(study)
    from dotaliver.image.itk import occupancy_on

    parenchyma = LabelMap(study.organs.where(Tissue.LIVER), study.ct.geometry)
    share = occupancy_on(parenchyma, volumes.pet.geometry)
    core = ndimage.minimum_filter(share, 3) > 0.999
    values = volumes.pet.array[core]
    assert values.size > 200
    assert values.mean() == pytest.approx(study.truth.liver_suv, rel=0.03)
    assert 0.10 <= values.std() / values.mean() <= 0.15


@pytest.mark.parametrize("burden", [0.55, 0.97])
def test_any_burden_can_be_asked_for(burden):
    lesions = tuple(LesionSpec(diameter_mm=30 + n, place="anywhere") for n in range(12))
    spec = PhantomSpec(name="b", seed=2, matrix="small", lesions=lesions, burden=burden, scanner=small_scanner())
    assert make_phantom(spec).truth.burden == pytest.approx(burden, abs=0.004)


FAMILIES = {
    "riedel": {"liver": LiverSpec(riedel_mm=90)},
    "hemihepatectomy": {"liver": LiverSpec(right_scale=0.0, left_scale=1.7)},
    "long left lobe": {"liver": LiverSpec(left_length=1.8)},
    "cirrhotic": {"liver": LiverSpec(nodularity_mm=2.5, right_scale=0.7)},
    "no spleen": {"neighbours": NeighbourSpec(spleen=False, gallbladder=False)},
    "horseshoe": {"neighbours": NeighbourSpec(horseshoe_kidney=True)},
    "fluid": {"neighbours": NeighbourSpec(ascites_mm=12, effusion_mm=60)},
    "obese": {"patient": PatientSpec(weight_kg=128, subcutaneous_fat_mm=55, width_scale=1.12, depth_scale=1.2)},
    "streaks": {"scanner": small_scanner(ct_streaks_hu=15, contrast_phase="native")},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_values_of_the_specification(name):
    fields = {"scanner": small_scanner()} | FAMILIES[name]
    study = make_phantom(PhantomSpec(name=name, seed=1, matrix="small", **fields))
    assert 300 < study.truth.liver_ml < 3500
    organs = set(study.organs.labels)
    assert (Tissue.SPLEEN in organs) == (name != "no spleen")
    assert (Tissue.GALLBLADDER in organs) == (name != "no spleen")
    assert (Tissue.FLUID in organs) == (name == "fluid")


def test_a_field_of_view_that_cuts_the_liver_is_told():
    study = make_phantom(PhantomSpec(name="cut", seed=1, matrix="small", scanner=small_scanner(ct_top_mm=30.0)))
    assert 0.2 < study.truth.liver_in_ct_field < 0.9
    assert study.truth.liver_ml < study.truth.liver_ml_whole
    assert study.pet.geometry.corners_lps_mm()[:, 2].max() > study.ct.geometry.corners_lps_mm()[:, 2].max() + 50
    # The PET sees the liver above the CT all the same
    volumes = study_volumes(study)
    above = volumes.pet.geometry.index_to_lps(np.argwhere(volumes.pet.array > 0.7 * study.truth.liver_suv))[:, 2]
    assert above.max() > 40


def test_study_volumes_are_ready_for_the_pipeline(moderate):
    volumes = study_volumes(moderate)
    assert volumes.pet.quantity is Quantity.SUVBW
    assert volumes.pet.array.dtype == np.float32
    truth = moderate.truth
    left = 2 ** (-truth.uptake_time_min * 60 / 4062.6)
    slope = truth.weight_kg * 1000 / (truth.injected_activity_mbq * 1e6 * left)
    assert volumes.suv is not None
    assert volumes.suv.slope_per_bqml == pytest.approx(slope, rel=1e-9)
    assert abs(volumes.suv.alternative_percent or 0.0) < 1e-3
    assert volumes.acquisition.tracer_is_sstr
    assert 50 <= volumes.acquisition.uptake_time_min <= 75
    assert 100 <= volumes.acquisition.injected_activity_mbq <= 200
    assert volumes.identity.pet.pixel_sha256 == moderate.pet.sha256()
    assert len(volumes.identity.ct.sop_instance_uids) == moderate.ct.geometry.shape[0]
