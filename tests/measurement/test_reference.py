import numpy as np
import pytest

from dotaliver.config.criteria import Inc7Config
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import GeometryError
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.placement import place
from dotaliver.measurement.reference import measure_references, peak_limit_factor
from dotaliver.records.edits import ReaderEdits, ReferenceEdit
from dotaliver.records.masks import ReferenceRegion
from fixtures.arrays import Case, ball, layer


def references(case, segmentations=None, edits=ReaderEdits(), config=ScoringConfig()):  # noqa: B008
    segmentations = segmentations or case.segmentations()
    placement = place(segmentations, case.geometry)
    return measure_references(case.volumes().pet, segmentations, edits, placement, config, 1.0)


def codes(found):
    return [flag.code for flag in found.flags]


def test_the_factor_is_about_4_for_a_liver_of_one_and_a_half_litres():
    # P(highest of 1500 normal means < k) = 0.95 at k = 3.98 (tables: 1 - 0.05/1500 = 0.9999667).
    assert peak_limit_factor(1500.0, Inc7Config()) == pytest.approx(3.985, abs=0.01)
    assert peak_limit_factor(0.0, Inc7Config()) == 2.0


def test_the_highest_of_n_normal_means_stays_under_the_limit_in_the_stated_share():
    random = np.random.default_rng(0)
    highest = random.standard_normal((4000, 800)).max(axis=1)
    assert np.mean(highest < peak_limit_factor(800.0, Inc7Config())) == pytest.approx(0.95, abs=0.012)


def test_a_sphere_of_constant_uptake_has_its_mean_and_no_scatter():
    case = Case()
    found, _ = references(case)
    liver = found.liver
    assert liver.suv_mean == pytest.approx(5.0, rel=1e-12)
    assert liver.suv_sd == pytest.approx(0.0, abs=1e-6)
    assert liver.suv_max == 5.0
    assert liver.volume_ml == pytest.approx(14.137, abs=1e-3)
    assert liver.centre_lps_mm == case.reference_centre
    assert codes(found) == []


def test_the_noise_over_one_millilitre_is_that_of_the_spheres_weights():
    # Independent voxels with SD s: a weighted mean has SD s * sqrt(sum w^2) / sum w.
    case = Case(lesions=(), noise=0.25)
    found, spheres = references(case)
    from dotaliver.image.spheres import sphere_kernel, sphere_radius_mm

    weights = sphere_kernel((3.0, 3.0, 3.0), sphere_radius_mm(1.0), 8)
    expected = 0.25 * 5.0 * np.sqrt((weights**2).sum()) / weights.sum()
    assert found.liver.peak_sd == pytest.approx(expected, rel=0.12)
    assert found.liver.peak_sd_spheres == spheres.lesion_free.sum() > 1000
    factor = peak_limit_factor(case.liver.sum() * 0.027, Inc7Config())
    assert found.liver.peak_limit == pytest.approx(found.liver.suv_mean + factor * found.liver.peak_sd, rel=1e-9)


def test_lesions_do_not_enter_the_noise():
    case = Case(lesions=((96.0, 12.0, 60.0),))
    found, _ = references(case)
    # No scatter at all is left, so the lower bound of 2 % holds.
    assert found.liver.peak_sd == pytest.approx(0.02 * 5.0)


def test_lesions_that_nobody_outlined_do_not_enter_the_noise():
    """Six lesions of 2.4 × liver: a plain SD over all places would put U at 2.6 × L, above them."""
    case = Case(lesions=(), noise=0.25)
    clean = references(case)[0].liver.peak_limit
    for x, y, z in ((-28, 0, 0), (28, 0, 0), (0, 28, 0), (0, 0, 28), (0, 0, -28), (20, 25, -20)):
        case.suv[ball(case.geometry, np.add(case.centre, (x, y, z)), 10.0)] *= 2.4
    liver = references(case)[0].liver
    assert liver.peak_limit == pytest.approx(clean, rel=0.06)
    assert liver.peak_limit < 2.4 * liver.suv_mean / 1.5


def test_a_scatter_that_noise_does_not_explain_is_flagged():
    case = Case(lesions=())
    half = case.geometry.index_to_lps(np.argwhere(case.liver))[:, 0] > 72.0
    case.suv[tuple(np.argwhere(case.liver)[half].T)] = 2.0
    found, _ = references(case)
    assert "NORMAL_LIVER_SCATTER_IMPLAUSIBLE" in codes(found)


def test_too_little_parenchyma_gives_an_assumed_noise():
    case = Case(lesions=((72.0, 44.0, 20.0),))
    found, _ = references(
        case, case.segmentations(references=(ReferenceRegion("liver", "low_mode", region=rim(case)),))
    )
    assert found.liver.peak_sd == pytest.approx(0.08 * found.liver.suv_mean)
    assert codes(found) == ["REFERENCE_LOW_MODE", "REFERENCE_NOISE_ASSUMED"]


def rim(case):
    return LabelMap(case.liver & (case.labels == 0), case.geometry)


def test_a_region_is_read_voxel_by_voxel():
    case = Case(lesions=())
    place_ = ball(case.geometry, (60.0, 72.0, 72.0), 9.0)
    case.suv[place_] = np.linspace(4, 6, place_.sum())
    regions = (ReferenceRegion("liver", "low_mode", region=LabelMap(place_, case.geometry)),)
    liver = references(case, case.segmentations(references=regions))[0].liver
    values = np.linspace(4, 6, place_.sum()).astype(np.float32)
    assert liver.suv_mean == pytest.approx(values.mean(dtype=float), rel=1e-9)
    assert liver.suv_sd == pytest.approx(values.std(dtype=float), rel=1e-6)
    assert liver.volume_ml == pytest.approx(place_.sum() * 0.027)


def test_the_readers_sphere_comes_first_and_is_flagged():
    case = Case()
    edits = ReaderEdits(references=(ReferenceEdit(centre_lps_mm=(96.0, 72.0, 72.0), diameter_mm=15.0),))
    found, _ = references(case, edits=edits)
    assert found.liver.method == "reader"
    assert found.liver.suv_mean == pytest.approx(20.0)
    assert codes(found)[:2] == ["REFERENCE_BY_READER", "REFERENCE_UPTAKE_UNUSUAL"]


def test_a_readers_sphere_outside_the_image_is_refused_by_name():
    edits = ReaderEdits(references=(ReferenceEdit(centre_lps_mm=(2.0, 72.0, 72.0), diameter_mm=30.0),))
    with pytest.raises(GeometryError, match="liver reference sphere"):
        references(Case(), edits=edits)


def test_a_sphere_placed_by_a_program_that_leaves_the_image_gives_no_value_and_fails_nothing():
    case = Case()
    outside = ReferenceRegion("spleen", "sphere", (2.0, 72.0, 72.0), 30.0)
    found, _ = references(case, case.segmentations(references=(outside,)))
    assert found.values["spleen"].suv_mean is None
    assert found.values["spleen"].reason == "the sphere leaves the PET"


@pytest.mark.parametrize(
    ("region", "code"),
    [
        (ReferenceRegion("liver", "small_sphere", Case.reference_centre, 18.0), "REFERENCE_SPHERE_SMALL"),
        (ReferenceRegion("liver", "none", reason="no calm place"), "REFERENCE_NOT_FOUND"),
    ],
)
def test_how_the_reference_came_about_is_flagged(region, code):
    case = Case()
    found, _ = references(case, case.segmentations(references=(region,)))
    assert code in codes(found)


def test_organs_that_were_not_outlined_have_a_reason():
    found, _ = references(Case())
    for organ in ("spleen", "blood_pool"):
        assert found.values[organ].suv_mean is None
        assert "not looked for" in found.values[organ].reason


def test_without_a_liver_the_limit_rests_on_a_usual_volume_and_an_assumed_noise():
    case = Case()
    found, spheres = references(case, case.segmentations(liver=None))
    assert spheres is None
    assert found.liver.peak_limit == pytest.approx(5.0 * (1 + 0.08 * peak_limit_factor(1500.0, Inc7Config())))


def test_the_liver_mask_may_be_empty():
    case = Case(lesions=())
    empty = layer(np.zeros(case.liver.shape), case.geometry)
    assert references(case, case.segmentations(liver=empty))[1] is None


def test_a_region_without_uptake_is_no_reference():
    case = Case(lesions=())
    case.suv[:] = 0.0
    found, _ = references(case)
    assert found.liver.suv_mean is None
    assert codes(found) == ["REFERENCE_NOT_FOUND"]
