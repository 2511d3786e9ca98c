"""A study as OME-Zarr is the study: same images, same choice, same record; what is no longer it is refused."""

import json
import os
import shutil

import numpy as np
import pydicom
import pytest
import zarr
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.slice_headers import slice_headers
from dotaliver.dicom.study import load_chosen, load_study
from dotaliver.errors import ConfigError, DotaliverError, FileFormatError, OutputError, StudyError
from dotaliver.export.zarr_study import write_zarr_study
from fixtures.dicom_series import AXIAL, ramp, rewritten, write_series, write_study
from fixtures.enhanced_dicom import enhanced


def load(folder, **options):
    return load_chosen(choose_series(index_folder(folder)), ScoringConfig(), **options)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def series_folder(out, modality):
    (found,) = out.glob(f"{modality}-*")
    return found


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study")


@pytest.fixture
def made(tmp_path, study):
    return write_zarr_study(study, tmp_path / "out").folder


def same(found, expected):
    assert found.identity == expected.identity
    assert found.acquisition == expected.acquisition
    assert found.suv == expected.suv
    assert found.flags == expected.flags
    assert found.patient_id == expected.patient_id
    for one, other in ((found.pet, expected.pet), (found.ct, expected.ct)):
        np.testing.assert_array_equal(one.loaded().array, other.array)
        assert (one.geometry, one.quantity, one.dtype) == (other.geometry, other.quantity, other.dtype)


SYNTAXES = [None, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("memory_bytes", [None, 1])
def test_it_is_read_like_the_files(tmp_path, syntax, memory_bytes):
    large = {"stored": ramp((6, 32, 40)), "slopes": (1, 0.5, 0.333333, 1.189561907, 2.75, 1e-3)}
    study = write_study(tmp_path / "study", pet=large)
    for path in (study / "pet").iterdir() if syntax is not None else ():
        rewritten(path, syntax)
    before = contents(study)
    out = write_zarr_study(study, tmp_path / "out").folder
    assert contents(study) == before
    found = load(out, memory_bytes=memory_bytes)
    same(found, load(study))
    assert found.pet.in_memory == (memory_bytes is None)


@pytest.mark.parametrize("cosines", [AXIAL, (1, 0, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0), (0.8, 0.6, 0, 0, 0, -1)])
def test_whatever_way_the_slices_and_files_run(tmp_path, cosines):
    study = tmp_path / "study"
    paths = write_series(study, stored=ramp((6, 5, 4)), cosines=cosines)
    for k, path in enumerate(paths):
        path.rename(study / f"{(k * 5) % 6}.x")
    out = write_zarr_study(study, tmp_path / "out").folder
    one, other = index_folder(study).series[0], index_folder(out).series[0]
    assert [p.dataset.SOPInstanceUID for p in other.slices] == [p.dataset.SOPInstanceUID for p in one.slices]
    found, expected = load(out), load(study)
    np.testing.assert_array_equal(found.pet.array, expected.pet.array)
    assert (found.pet.geometry, found.identity) == (expected.pet.geometry, expected.identity)


def test_a_multi_frame_object_has_one_header_and_one_image(tmp_path):
    paths = write_series(tmp_path / "single", stored=ramp((6, 5, 4)))
    (tmp_path / "study").mkdir()
    enhanced(paths, tmp_path / "study" / "all.dcm")
    out = write_zarr_study(tmp_path / "study", tmp_path / "out").folder
    assert len(list((series_folder(out, "pt") / "dicom").iterdir())) == 1
    found, expected = load(out), load(tmp_path / "study")
    np.testing.assert_array_equal(found.pet.array, expected.pet.array)
    assert found.identity == expected.identity


def test_headers_are_those_of_the_files_without_pixels(study, made):
    theirs = {pydicom.dcmread(p).SOPInstanceUID: pydicom.dcmread(p) for p in (study / "pet").iterdir()}
    for path in (series_folder(made, "pt") / "dicom").iterdir():
        header = pydicom.dcmread(path)
        whole = theirs.pop(header.SOPInstanceUID)
        assert "PixelData" not in header
        del whole.PixelData
        assert header == whole
        assert header.file_meta == whole.file_meta
    assert not theirs


def test_derived_objects_find_the_same_headers(study, made):
    for one, other in zip(index_folder(study).series, index_folder(made).series, strict=True):
        assert slice_headers(one) == slice_headers(other)


def test_level_0_holds_stored_values_and_no_patient(tmp_path, made, study):
    image = series_folder(made, "ct") / "image.ome.zarr"
    np.testing.assert_array_equal(zarr.open_group(image, mode="r")["0"][...], ramp((9, 8, 8), -100))
    metadata = b"".join(p.read_bytes() for p in image.rglob("zarr.json"))
    for secret in (b"Secret", b"PAT-1", b"20260302", b"1.2.826"):
        assert secret not in metadata


def test_what_forms_no_volume_is_copied_and_has_its_word(tmp_path):
    study = write_study(tmp_path / "study")
    write_series(study / "scout", modality="CT", number=1, stored=ramp((1, 40, 40)))
    write_series(study / "dynamic", number=7, stored=ramp((4, 5, 4)), positions=np.repeat([[0, 0, 0], [0, 0, 3]], 2, 0))
    (study / "notes").mkdir()
    (study / "notes" / "a note.txt").write_text("text")
    done = write_zarr_study(study, tmp_path / "out")
    assert len(done.images) == 2
    assert done.copied == 1 + 4 + 1
    expected = load(study)
    assert any(flag.code == "FILES_LEFT_OUT" for flag in expected.flags)
    same(load(done.folder), expected)


# --- what is refused ----------------------------------------------------------------------------------------------


def refused(folder, *words, error=DotaliverError):
    """Loading the folder stops with one sentence that has these words and no path of this machine."""
    with pytest.raises(error) as refusal:
        load(folder)
    sentence = str(refusal.value)
    for word in words:
        assert word in sentence
    assert "\n" not in sentence
    assert str(folder) not in sentence


def test_an_image_without_headers_is_refused(made):
    shutil.rmtree(series_folder(made, "ct") / "dicom")
    refused(made, "image.ome.zarr: the OME-Zarr image has no DICOM headers beside it", "'dotaliver zarr'")


def test_so_is_an_image_alone(made):
    image = series_folder(made, "ct") / "image.ome.zarr"
    refused(image, "image.ome.zarr: the OME-Zarr image has no DICOM headers beside it", error=FileFormatError)
    image.rename(made.parent / "brain.zarr")
    refused(made.parent / "brain.zarr", "brain.zarr: the OME-Zarr image has no DICOM headers")


def test_headers_without_their_image_are_refused(made):
    shutil.rmtree(series_folder(made, "ct") / "image.ome.zarr")
    refused(made, "cut short before its pixels")


@pytest.mark.parametrize("which", [0, 4, 8])
def test_a_header_too_few_is_refused(made, which):
    sorted((series_folder(made, "ct") / "dicom").iterdir())[which].unlink()
    words = ("missing",) if which == 4 else ("9 x 8 x 8 voxels", "describe 8 x 8 x 8", "copy the folder again")
    refused(made, *words)


def test_headers_of_another_size_or_type_are_refused(made):
    headers = sorted((series_folder(made, "ct") / "dicom").iterdir())
    for path in headers:
        header = pydicom.dcmread(path)
        header.Rows = 9
        header.save_as(path)
    refused(made, "9 x 8 x 8 voxels of int16", "describe 9 x 9 x 8 of int16")
    for path in headers:
        header = pydicom.dcmread(path)
        header.Rows, header.PixelRepresentation = 8, 0
        header.save_as(path)
    refused(made, "9 x 8 x 8 voxels of int16", "describe 9 x 8 x 8 of uint16")


def test_the_order_of_header_files_does_not_matter(study, made):
    headers = sorted((series_folder(made, "ct") / "dicom").iterdir())
    for path in headers:
        path.rename(path.with_name(f"x{9 - int(path.stem)}.dcm"))
    np.testing.assert_array_equal(load(made).ct.array, load(study).ct.array)


def level(made):
    return series_folder(made, "ct") / "image.ome.zarr" / "0"


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


def others_voxels(made):
    """Voxels of the same shape in which one plane differs, as a whole file with checksums of its own."""
    array = zarr.open_array(level(made), mode="r+")
    array[3] = array[3] + 1


DAMAGE = {
    "voxels that are gone": (lambda m: (level(m) / "c" / "0" / "0" / "0").unlink(), "is missing"),
    "voxels cut short": (lambda m: (level(m) / "c" / "0" / "0" / "0").write_bytes(b"abc"), "is damaged"),
    "a changed byte": (lambda m: flip(level(m) / "c" / "0" / "0" / "0", 40), ""),
    "another image": (others_voxels, "plane 3 is not the one that was written (by its SHA-256)"),
    "no array": (lambda m: shutil.rmtree(level(m)), "no Zarr array"),
    "no hashes": (
        lambda m: (level(m).parent / "zarr.json").write_text(
            (level(m).parent / "zarr.json").read_text().replace("plane_sha256", "other")
        ),
        "does not state the order and the SHA-256 of its planes",
    ),
    "no metadata": (lambda m: (level(m).parent / "zarr.json").unlink(), "does not state the order"),
    "a link as metadata": (
        lambda m: (
            (level(m).parent / "zarr.json").rename(m / "z.json"),
            (level(m).parent / "zarr.json").symlink_to(m / "z.json"),
        ),
        "link",
    ),
    "an image that a link leads to": (
        lambda m: (
            level(m).parent.rename(m.parent / "elsewhere"),
            (series_folder(m, "ct") / "image.ome.zarr").symlink_to(m.parent / "elsewhere"),
        ),
        "it is a symbolic link",
    ),
    "voxels that a link leads to": (
        lambda m: ((level(m) / "c").rename(m.parent / "c"), (level(m) / "c").symlink_to(m.parent / "c")),
        "leads out of the folder by a link",
    ),
}


@pytest.mark.parametrize("memory_bytes", [None, 1])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_image_is_refused_and_never_zeros(made, damage, memory_bytes):
    spoil, words = DAMAGE[damage]
    spoil(made)
    with pytest.raises(FileFormatError, match=r"ct-[0-9a-f]{12}/image\.ome\.zarr: ") as refusal:
        load(made, memory_bytes=memory_bytes)
    assert words in str(refusal.value)
    assert str(refusal.value).endswith("; copy the folder again, or make it again with 'dotaliver zarr'")


def test_a_small_folder_that_claims_a_large_image_is_refused_before_memory_is_taken(made):
    """Headers and metadata agree on planes of 65 535 x 65 535 voxels; the files hold a few bytes."""
    for path in (series_folder(made, "ct") / "dicom").iterdir():
        header = pydicom.dcmread(path)
        header.Rows = header.Columns = 65535
        header.save_as(path)
    path = level(made) / "zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [9, 65535, 65535]}))
    refused(made, f"bytes of files cannot hold {9 * 65535 * 65535 * 2} bytes of voxels")


def test_pixels_that_lie_in_two_places_are_refused(study, made):
    shutil.copytree(study / "ct", made / "copied")
    refused(made, "2 times")


def test_ordinary_files_beside_somebody_elses_zarr_are_read_as_ever(study):
    (study / "dicom").mkdir()
    for path in (study / "ct").iterdir():
        path.rename(study / "dicom" / path.name)
    zarr.create_group(study / "image.ome.zarr", zarr_format=3)
    assert load(study).ct is not None


# --- writing ------------------------------------------------------------------------------------------------------


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, study):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(OutputError, match="there is something in it; choose a new folder"):
        write_zarr_study(study, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["mine"]  # noqa: PTH208
    with pytest.raises(OutputError, match="lies in the study's folder"):
        write_zarr_study(study, study / "new" / "out")
    assert sorted(p.name for p in study.iterdir()) == ["ct", "pet"]


def test_an_empty_folder_will_do(tmp_path, study):
    (tmp_path / "out").mkdir()
    same(load(write_zarr_study(study, tmp_path / "out").folder), load_study(study, ScoringConfig()))


def test_nothing_is_left_of_a_study_that_cannot_be_read(tmp_path, study):
    path = next((study / "ct").iterdir())
    rewritten(path, RLELossless)
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    with pytest.raises(FileFormatError, match=path.name):
        write_zarr_study(study, tmp_path / "new" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["study"]


def test_a_full_disk_leaves_nothing(tmp_path, study, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dotaliver.omezarr.writing.ImageWriter.put", full)
    with pytest.raises(OutputError, match="there is no room left to write it"):
        write_zarr_study(study, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["study"]


def test_ome_zarr_is_not_made_of_ome_zarr(tmp_path, made):
    with pytest.raises(StudyError, match="holds OME-Zarr already"):
        write_zarr_study(made, tmp_path / "again")


def test_the_extra_is_asked_for_in_one_sentence(tmp_path, study, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(ConfigError, match=r"pip install .*\[zarr\]"):
        write_zarr_study(study, tmp_path / "out")
