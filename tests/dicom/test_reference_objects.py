"""Digital reference objects of our own: known SUVs, turned into voxels by each vendor's way, and read back.

The forward way (SUV to stored values) is written out here by the definitions, apart from the code that is tested.
Inside the mask of every object the SUV is 0.20 at least, 1.00 in the median and 4.00 at most, whatever the header
does to hide it, as in the objects of the IBSI SUV manual.
"""

import math

import nibabel
import numpy as np
import pytest

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.pipeline.inspection import inspect_study
from fixtures.dicom_series import REMOVED, write_series

SHAPE = (6, 12, 10)
WEIGHT_G, HEIGHT_CM, DOSE_BQ, HALF_LIFE_S = 70_000.0, 175.0, 150e6, 4062.6
DECAY = math.log(2) / HALF_LIFE_S
# Injection at 10:00, START at 11:00
SCAN_S = 3600.0


def truth():
    """SUV of every voxel, and the mask: a third each of the three values, and others outside."""
    suv = np.full(SHAPE, 0.07)
    suv[1:5, 2:10, 2:8] = 1.0
    suv[1:5, 2:4, 2:8], suv[1:5, 8:10, 2:8] = 0.2, 4.0
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:5, 2:10, 2:8] = 1
    return suv, mask


def at_scan(suv, *, dose_bq=DOSE_BQ, seconds=SCAN_S, half_life_s=HALF_LIFE_S):
    """Bq/ml decay corrected to an instant that many seconds after the injection."""
    return suv * dose_bq * math.exp(-math.log(2) / half_life_s * seconds) / WEIGHT_G


def write_object(folder, voxels, *, slopes=None, **changes):
    """Voxels as stored integers, each slice with the finest slope that holds it or the one given."""
    if slopes is None:
        slopes = np.full(SHAPE[0], voxels.max() / 30_000)
    stored = np.round(voxels / np.reshape(slopes, (-1, 1, 1))).astype(np.int16)
    elements = {
        "PatientWeight": "70",
        "PatientSize": "1.75",
        "PatientSex": "M",
        "SeriesTime": "110000",
        "AcquisitionTime": "110000",
        "ActualFrameDuration": "300000",
        "FrameReferenceTime": REMOVED,
    }
    tracer = {"RadiopharmaceuticalStartTime": "100000", "RadiopharmaceuticalStartDateTime": "20260302100000"}
    return write_series(
        folder,
        stored=stored,
        slopes=[f"{s:.10g}" for s in slopes],
        elements=elements | changes.pop("elements", {}),
        tracer=tracer | changes.pop("tracer", {}),
        origin=(0.0, 0.0, 0.0),
        **changes,
    )


def within_mask(folder, tmp_path, config=None):
    _, mask = truth()
    # RAS: x and y turn their sign, array axes turn round
    affine = np.diag([-1.5, -2.0, 3.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(mask.transpose(2, 1, 0), affine), tmp_path / "mask.nii.gz")
    found = inspect_study(folder, mask=tmp_path / "mask.nii.gz", config=config)
    assert found.refused is None, found.refused
    return found


def check(folder, tmp_path, flags=(), config=None):
    found = within_mask(folder, tmp_path, config)
    told = found.suv.within_mask
    assert [f"{v:.2f}" for v in (told.min, told.median, told.max)] == ["0.20", "1.00", "4.00"]
    assert told.voxels == 4 * 8 * 6
    raised = {f.code for f in found.flags} - {"VOXELS_LARGE", "SLICES_THICK", "NO_CT", "UPTAKE_TIME_OUT_OF_RANGE"}
    assert raised == set(flags)


LEAN_JAMES_G = 1000 * (1.10 * 70 - 128 * (70 / 175) ** 2)
LEAN_MORGAN_G = 1000 * (1.10 * 70 - 120 * (70 / 175) ** 2)
LEAN_JANMA_G = 1000 * 9270 * 70 / (6680 + 216 * 70 / 1.75**2)
IDEAL_G = 1000 * (48.0 + 1.06 * (175 - 152))
SURFACE_CM2 = 1e4 * 0.007184 * 175**0.725 * 70**0.425


def test_plain(tmp_path):
    write_object(tmp_path / "pet", at_scan(truth()[0]))
    check(tmp_path / "pet", tmp_path)


@pytest.mark.parametrize("first", [1.0, None])
def test_a_slope_for_every_slice(tmp_path, first):
    voxels = at_scan(truth()[0])
    slopes = voxels.max() / 30_000 * np.array([1.0, 1.31, 2.7, 1.0, 1.9, 3.3])
    if first is not None:  # the slope from which others take the type of all voxels
        slopes[0] = first
    write_object(tmp_path / "pet", voxels, slopes=slopes)
    check(tmp_path / "pet", tmp_path)


@pytest.mark.parametrize(
    ("kind", "size_g"),
    [
        (REMOVED, WEIGHT_G),
        ("BW", WEIGHT_G),
        ("LBM", LEAN_MORGAN_G),
        ("LBMJAMES128", LEAN_JAMES_G),
        ("LBMJANMA", LEAN_JANMA_G),
        ("IBW", IDEAL_G),
    ],
)
def test_grams_per_millilitre_of_every_type(tmp_path, kind, size_g):
    elements = {"Units": "GML", "SUVType": kind}
    write_object(tmp_path / "pet", truth()[0] * size_g / WEIGHT_G, elements=elements)
    check(tmp_path / "pet", tmp_path)


def test_square_centimetres_per_millilitre(tmp_path):
    write_object(tmp_path / "pet", truth()[0] * SURFACE_CM2 / WEIGHT_G, elements={"Units": "CM2ML"})
    check(tmp_path / "pet", tmp_path)


@pytest.mark.parametrize(("to_suv", "to_activity"), [(0.0005, None), (None, 2.5), (0.0, 2.5), (0.0005, 2.5)])
def test_counts_by_either_factor(tmp_path, to_suv, to_activity):
    suv = truth()[0]
    counts = suv / to_suv if to_suv else at_scan(suv) / to_activity
    if to_suv and to_activity:
        to_activity = float(at_scan(suv).max() / counts.max())
    elements = {"Units": "CNTS", "Manufacturer": "Philips Medical Systems"}
    elements[0x70530010, "LO"] = "Philips PET Private Group"
    for tag, value in ((0x70531000, to_suv), (0x70531009, to_activity)):
        if value is not None:
            elements[tag, "DS"] = f"{value:.10g}"
    write_object(tmp_path / "pet", counts, elements=elements)
    check(tmp_path / "pet", tmp_path)


def test_corrected_to_the_injection(tmp_path):
    write_object(tmp_path / "pet", at_scan(truth()[0], seconds=0), elements={"DecayCorrection": "ADMIN"})
    check(tmp_path / "pet", tmp_path)


def beds(first_s, second_s):
    """Instants of two beds of three slices, in seconds after the injection at 10:00, as elements."""

    def clock(s):
        return f"{10 + int(s) // 3600:02d}{int(s) % 3600 // 60:02d}{s % 60:09.6f}"

    return {"AcquisitionTime": [clock(first_s)] * 3 + [clock(second_s)] * 3}


def test_not_corrected_at_all_bed_by_bed(tmp_path):
    starts, length_s = np.repeat([3600.0, 3900.0], 3), 300.0
    mean = (1 - math.exp(-DECAY * length_s)) / (DECAY * length_s)
    voxels = truth()[0] * DOSE_BQ / WEIGHT_G * (np.exp(-DECAY * starts) * mean)[:, None, None]
    elements = {"DecayCorrection": "NONE", "CorrectedImage": ["NORM", "ATTN", "SCAT"]}
    write_object(tmp_path / "pet", voxels, elements=elements, per_slice=beds(3600, 3900))
    check(tmp_path / "pet", tmp_path)


def test_not_corrected_though_the_list_of_corrections_says_so_where_the_user_states_it(tmp_path):
    mean = (1 - math.exp(-DECAY * 300)) / (DECAY * 300)
    elements = {"DecayCorrection": "NONE"}
    write_object(tmp_path / "pet", at_scan(truth()[0]) * mean, elements=elements)
    refused = inspect_study(tmp_path / "pet").refused
    assert "contradict each other; correct the files or give --decay-correction" in refused
    stated = ScoringConfig(assume=AssumedValues(decay_correction="NONE"))
    check(tmp_path / "pet", tmp_path, ["DECAY_CORRECTION_GIVEN"], stated)


def frame_reference_ms(start_s, length_s):
    """When the mean activity of a frame is its activity, in ms after the series' reference."""
    mean = (1 - math.exp(-DECAY * length_s)) / (DECAY * length_s)
    return 1000 * (start_s - math.log(mean) / DECAY)


def test_a_series_time_after_the_scan_is_passed_over_for_the_frames(tmp_path):
    # scanned from 11:00, the first bed left out of the series; derived at 11:30
    per_slice = beds(3900, 4200)
    per_slice["FrameReferenceTime"] = [f"{frame_reference_ms(s, 300):.1f}" for s in [300] * 3 + [600] * 3]
    write_object(tmp_path / "pet", at_scan(truth()[0]), elements={"SeriesTime": "113000"}, per_slice=per_slice)
    check(tmp_path / "pet", tmp_path)


def test_acquisition_times_of_many_beds_in_any_order(tmp_path):
    write_object(tmp_path / "pet", at_scan(truth()[0]), per_slice=beds(4500, 3700))
    check(tmp_path / "pet", tmp_path)


@pytest.mark.parametrize("shift_days", [0, -23])
def test_ge_stamp_where_series_and_acquisition_are_later(tmp_path, shift_days):
    day = 2 if shift_days == 0 else 7  # 2026-03-02 less 23 days is 2026-02-07
    month = 3 if shift_days == 0 else 2
    private = {(0x00090010, "LO"): "GEMS_PETD_01", (0x0009100D, "DT"): f"2026{month:02d}{day:02d}110000.00"}
    private[0x0009103B, "DT"] = f"2026{month:02d}{day:02d}100000.00"
    late = {"SeriesTime": "113000", "AcquisitionTime": "113000", "Manufacturer": "GE MEDICAL SYSTEMS"}
    write_object(tmp_path / "pet", at_scan(truth()[0]), elements=late | private)
    # Series Time is a valid way too, and half an hour off: the stamp counts, and the doubt is told
    check(tmp_path / "pet", tmp_path, ["REFERENCE_TIMES_DIFFER"])


def test_siemens_stamp_where_the_series_is_later(tmp_path):
    private = {(0x00710010, "LO"): "SIEMENS MED PT", (0x00711022, "DT"): "20260302110000.000000"}
    late = {"SeriesTime": "113000", "AcquisitionTime": "110500", "Manufacturer": "SIEMENS"}
    write_object(tmp_path / "pet", at_scan(truth()[0]), elements=late | private)
    check(tmp_path / "pet", tmp_path)


@pytest.mark.parametrize(
    ("tracer", "elements", "flags"),
    [
        ({"RadiopharmaceuticalStartDateTime": REMOVED}, {}, []),
        ({"RadiopharmaceuticalStartTime": REMOVED}, {}, []),
        ({"RadiopharmaceuticalStartDateTime": "20260302"}, {}, []),
        # over midnight: injected at 23:30, scanned at 00:30
        (
            {"RadiopharmaceuticalStartDateTime": "20260301233000", "RadiopharmaceuticalStartTime": "233000"},
            {"SeriesTime": "003000", "AcquisitionTime": "003000"},
            [],
        ),
        (
            {"RadiopharmaceuticalStartDateTime": REMOVED, "RadiopharmaceuticalStartTime": "233000"},
            {"SeriesTime": "003000", "AcquisitionTime": "003000"},
            ["INJECTION_DATE_ASSUMED"],
        ),
        ({"RadionuclideTotalDose": "150"}, {}, ["DOSE_READ_AS_MBQ"]),
        ({"RadionuclideHalfLife": REMOVED}, {}, ["HALF_LIFE_FROM_NUCLIDE"]),
        ({}, {"PatientWeight": "70000"}, ["WEIGHT_READ_AS_GRAMS"]),
        ({}, {"Manufacturer": "", "CorrectedImage": ["NORM", "DTIM", "ATTN", "SCAT", "DECY"]}, []),
    ],
)
def test_headers_that_say_it_another_way(tmp_path, tracer, elements, flags):
    write_object(tmp_path / "pet", at_scan(truth()[0]), tracer=tracer, elements=elements)
    check(tmp_path / "pet", tmp_path, flags)


@pytest.mark.parametrize(
    ("elements", "tracer", "named"),
    [
        ({"Units": "PROPCNTS"}, {}, "PROPCNTS"),
        ({"Units": "PROPCPS"}, {}, "PROPCPS"),
        ({"Units": "1CM"}, {}, "1CM"),
        ({"Units": "CNTS"}, {}, "7053,1000"),
        ({"PatientWeight": REMOVED}, {}, "0010,1030"),
        ({}, {"RadionuclideTotalDose": REMOVED}, "0018,1074"),
        ({}, {"RadiopharmaceuticalStartTime": REMOVED, "RadiopharmaceuticalStartDateTime": REMOVED}, "0018,1072"),
        ({}, {"RadiopharmaceuticalStartDateTime": "20260302120000"}, "precedes the injection"),
    ],
)
def test_objects_without_an_answer_are_refused_by_name(tmp_path, elements, tracer, named):
    write_object(tmp_path / "pet", at_scan(truth()[0]), elements=elements, tracer=tracer)
    found = inspect_study(tmp_path / "pet")
    assert found.suv is None
    assert named in found.refused
