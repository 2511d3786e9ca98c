"""Series as folders hold them: odd images, copies, links and rounded positions change no answer."""

import shutil

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.files.even_grid import even_grid
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.study import load_study
from dotaliver.errors import SeriesError, StudyError
from fixtures.dicom_series import REMOVED, ramp, write_series, write_study

CORONAL = ["1", "0", "0", "0", "0", "-1"]
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def add(source, target, **elements):
    """One more object in the series of a file, with other elements."""
    ds = pydicom.dcmread(source)
    ds.SOPInstanceUID = generate_uid()
    for keyword, value in elements.items():
        if value is REMOVED:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(target)


ODD = {
    "localizer": ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": CORONAL}, "localizer"),
    "mip": (
        {"ImageType": ["DERIVED", "SECONDARY", "MIP"], "ImageOrientationPatient": CORONAL},
        "maximum-intensity projection",
    ),
    "dose screen": (
        {
            "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"],
            "ImagePositionPatient": REMOVED,
            "Rows": 2,
            "Columns": 2,
        },
        "screen capture",
    ),
    "secondary capture": (
        {"SOPClassUID": SECONDARY_CAPTURE, "ImagePositionPatient": REMOVED, "ImageOrientationPatient": REMOVED},
        "Secondary Capture Image",
    ),
    "colour": ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour image"),
    "unmarked": ({"ImageOrientationPatient": CORONAL}, "image in another plane"),
    "no place": ({"ImagePositionPatient": REMOVED}, "image without a position"),
}


@pytest.mark.parametrize("series", ["pet", "ct"])
@pytest.mark.parametrize("name", ["000 first.dcm", "zzz last.dcm"])
@pytest.mark.parametrize("kind", ODD)
def test_odd_images_in_a_series_are_set_aside_by_name(tmp_path, series, name, kind):
    plain = load_study(write_study(tmp_path / "study"), ScoringConfig())
    elements, called = ODD[kind]
    folder = tmp_path / "study" / series
    add(folder / "002.dcm", folder / name, **elements)
    study = load_study(tmp_path / "study", ScoringConfig())
    np.testing.assert_array_equal(getattr(study, series).array, getattr(plain, series).array)
    assert study.identity == plain.identity
    (flag,) = set(study.flags) - set(plain.flags)
    modality = {"pet": "PT series 3", "ct": "CT series 2"}[series]
    assert flag.sentence == f"Images of {modality} that are not slices of its volume were set aside: 1 × {called}."


def test_a_series_of_nothing_but_projections_is_named_as_such(tmp_path):
    write_series(tmp_path / "pet", elements={"ImageType": ["DERIVED", "SECONDARY", "MIP"]})
    with pytest.raises(StudyError, match=r"PT series 3: a maximum-intensity projection, not a volume"):
        choose_series(index_folder(tmp_path))


def test_a_lost_slice_is_not_excused_by_an_image_that_was_set_aside(tmp_path):
    paths = write_series(tmp_path)
    ds = pydicom.dcmread(paths[5])
    del ds.ImagePositionPatient
    ds.save_as(paths[5])
    (series,) = index_folder(tmp_path).series
    with pytest.raises(SeriesError, match=r"Number of Slices \(0054,0081\) says 6 and 5 are there"):
        stack_of(series)


def test_two_stacks_in_one_series_are_not_sorted_out(tmp_path):
    write_series(tmp_path, uid="1.2.3", modality="CT")
    write_series(tmp_path, uid="1.2.3", modality="CT", cosines=(1, 0, 0, 0, 0, -1), name="x{n}.dcm")
    (series,) = index_folder(tmp_path).series
    assert not series.set_aside
    with pytest.raises(SeriesError, match="differ in orientation"):
        stack_of(series)


# --- copies ----------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_file_order_names_copies_subfolders_and_links_change_nothing(tmp_path_factory, data):
    """Everything that enters `record_id` from the files: identity with pixel hashes, arithmetic, acquisition, flags."""
    root = tmp_path_factory.mktemp("study")
    write_study(root / "plain")
    plain = load_study(root / "plain", ScoringConfig())
    files = sorted((root / "plain").rglob("*.dcm"))
    names = data.draw(st.permutations(range(len(files))))
    other = root / "other"
    for n, (path, name) in enumerate(zip(files, names, strict=True)):
        folder = other / data.draw(st.sampled_from(["", "a", "a/b", "z"]))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{name:03d}")
        if data.draw(st.booleans()):
            shutil.copy(path, folder / f"copy of {n}.dcm")
        if data.draw(st.booleans()):
            (folder / f"link to {n}").symlink_to(folder / f"{name:03d}")
    (other / "round").symlink_to(other)
    changed = load_study(other, ScoringConfig())
    for what in ("identity", "suv", "acquisition", "flags", "patient_id"):
        assert getattr(changed, what) == getattr(plain, what)
    np.testing.assert_array_equal(changed.pet.array, plain.pet.array)
    assert changed.pet.geometry == plain.pet.geometry and changed.ct.geometry == plain.ct.geometry


def test_copies_in_another_wrapping_are_copies(tmp_path):
    paths = write_series(tmp_path)
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.file_meta.ImplementationVersionName = "ARCHIVE"
        ds.save_as(path.with_suffix(".archived"))
    (series,) = index_folder(tmp_path).series
    assert len(stack_of(series).slices) == 6


@pytest.mark.parametrize("change", ["pixels", "slope"])
def test_different_objects_with_one_uid_are_refused(tmp_path, change):
    paths = write_series(tmp_path)
    ds = pydicom.dcmread(paths[2])
    if change == "pixels":
        ds.PixelData = bytes(len(ds.PixelData))
    else:
        ds.RescaleSlope = "2"
    ds.save_as(tmp_path / "again.dcm")
    (series,) = index_folder(tmp_path).series
    with pytest.raises(SeriesError, match=r"1 slice\(s\) are duplicated and differ"):
        stack_of(series)


# --- links -----------------------------------------------------------------------------------------------------------


def test_links_out_of_the_study_are_said_and_not_followed(tmp_path):
    write_series(tmp_path / "study" / "pet")
    write_series(tmp_path / "archive", modality="CT", number=2, stored=ramp((9, 8, 8)))
    (tmp_path / "study" / "ct").symlink_to(tmp_path / "archive")
    (tmp_path / "study" / "gone").symlink_to(tmp_path / "nothing")
    choice = choose_series(index_folder(tmp_path / "study"))
    assert choice.ct is None
    (flag,) = (f for f in choice.flags if f.code == "LINKS_LEFT_OUT")
    assert flag.sentence.startswith(
        "2 symbolic link(s) lead out of the study's folder or nowhere and were not followed"
    )
    assert "INC4" in flag.weakens


def test_a_folder_of_links_alone_is_refused_with_them(tmp_path):
    write_series(tmp_path / "archive")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "pet").symlink_to(tmp_path / "archive")
    with pytest.raises(StudyError, match=r"holds no files, and 1 symbolic link\(s\) that lead out of it"):
        index_folder(tmp_path / "study")


def test_a_link_to_the_study_and_links_in_circles_are_read_once(tmp_path):
    write_study(tmp_path / "study")
    (tmp_path / "study" / "pet" / "up").symlink_to("..")
    (tmp_path / "linked").symlink_to(tmp_path / "study")
    choice = choose_series(index_folder(tmp_path / "linked"))
    assert choice.ct is not None and not {"LINKS_LEFT_OUT"} & {f.code for f in choice.flags}


# --- positions -------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    spacing=st.floats(0.625, 10.0),
    start=st.floats(-1000.0, 1000.0),
    count=st.integers(3, 400),
    digits=st.integers(1, 3),
)
def test_rounded_positions_of_an_even_stack_are_even(spacing, start, count, digits):
    grid = even_grid(np.round(start + spacing * np.arange(count), digits))
    assert grid.is_even and grid.missing == 0
    assert grid.spacing_mm == pytest.approx(spacing, abs=0.2 / count)


@settings(max_examples=200, deadline=None)
@given(spacing=st.floats(0.625, 10.0), count=st.integers(8, 200), data=st.data())
def test_missing_slices_are_counted_whatever_the_rounding(spacing, count, data):
    lost = data.draw(st.sets(st.integers(1, count - 2), min_size=1, max_size=count // 4))
    places = np.round(spacing * np.delete(np.arange(count), list(lost)), 1)
    grid = even_grid(places)
    assert grid.is_even and grid.missing == len(lost)


@pytest.mark.parametrize("spacing", [1.25, 3.27, 0.625])
def test_a_series_with_positions_rounded_to_a_tenth_is_read(tmp_path, spacing):
    places = np.array([[0.0, 0.0, z] for z in np.round(12.34 + spacing * np.arange(12), 1)])
    write_series(tmp_path, stored=ramp((12, 5, 4)), positions=places)
    (series,) = index_folder(tmp_path).series
    assert stack_of(series).geometry.spacing_mm[0] == pytest.approx(spacing, abs=0.01)
