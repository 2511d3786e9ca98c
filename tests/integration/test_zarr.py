"""The whole flow from OME-Zarr and with a cache: the record, the files and the exit statuses of the DICOM files."""

import json
import shutil

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from dotaliver.dicom.files.headers import CACHE_MARK
from dotaliver.pipeline import read_record
from dotaliver.system.extras import extra_missing
from dotaliver.system.files import write_atomically
from fixtures.command_line import TELLTALES, run_cli


@pytest.fixture(scope="module")
def made(study, tmp_path_factory):
    """The phantom's study as OME-Zarr, by the command line."""
    out = tmp_path_factory.mktemp("zarr") / "out"
    done = run_cli("zarr", study, out)
    assert done.status == 0, done.err
    assert done.out.splitlines() == [
        f"2 series as OME-Zarr in {out}",
        "The headers hold the patient's data, as the DICOM files do",
    ]
    return out


@pytest.fixture(scope="module")
def compressed(study, tmp_path_factory):
    """The phantom's study as JPEG 2000."""
    folder = tmp_path_factory.mktemp("compressed") / "study"
    shutil.copytree(study, folder)
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
        dataset.save_as(path)
    return folder


def record_id(folder):
    return read_record(folder).record_id


def test_the_score_of_ome_zarr_has_the_record_and_the_files_of_the_study(made, scored, tmp_path, masks_only):
    done = run_cli("score", made, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert record_id(tmp_path / "out") == record_id(scored)
    assert (tmp_path / "out" / "lesions.csv").read_bytes() == (scored / "lesions.csv").read_bytes()
    for name in ("segmentation.dcm", "segmentation_ct.dcm"):
        assert (tmp_path / "out" / name).read_bytes() == (scored / name).read_bytes()
    again = run_cli("rescore", tmp_path / "out", "--out", tmp_path / "again")
    assert again.status == 0, again.err
    assert read_record(tmp_path / "again").provenance.revises == record_id(scored)


def test_a_score_of_the_files_is_revised_with_ome_zarr_and_the_other_way(made, study, scored, tmp_path, masks_only):
    for number, images in enumerate((made, study)):
        done = run_cli("rescore", scored, "--study", images, "--out", tmp_path / str(number))
        assert done.status == 0, done.err
    assert record_id(tmp_path / "0") == record_id(tmp_path / "1")


@pytest.mark.slow
def test_it_is_scored_within_a_bound_on_the_memory(made, scored, tmp_path, monkeypatch, masks_only):
    monkeypatch.setattr("dotaliver.dicom.pixels.lazy._HELD_PART", 1 << 40)
    done = run_cli("score", made, "--out", tmp_path / "out", "--memory", "600MiB")
    assert done.status == 0, done.err
    assert record_id(tmp_path / "out") == record_id(scored)


def test_inspect_shows_the_same(made, study):
    found, expected = (json.loads(run_cli("inspect", folder, "--json").out) for folder in (made, study))
    assert found == expected


@pytest.mark.slow
def test_a_batch_finds_it_and_keeps_it_until_its_voxels_change(made, scored, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(made, root / "patient")
    arguments = ("batch", root, "--out", tmp_path / "out", "--workers", 1, "--json")
    first = run_cli(*arguments)
    assert first.status == 0, first.err
    (key,) = {path.name for path in (tmp_path / "out").iterdir() if (path / "score.json").is_file()}
    assert record_id(tmp_path / "out" / key) == record_id(scored)
    assert '"kept": 1' in run_cli(*arguments).out
    shard = next(root.rglob("pt-*/image.ome.zarr/0/c/0/0/0"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    last = run_cli(*arguments)
    assert last.status == 3
    assert '"kept": 0' in last.out


def test_a_cache_is_recorded_without_its_place_and_changes_nothing(
    compressed, scored, tmp_path, request, outlined_once
):
    cache = tmp_path / "Zyxwvut Quirinus"
    for name, options in (("one", ()), ("two", ()), ("three", ("--memory", "600MiB"))):
        done = run_cli("score", compressed, "--out", tmp_path / name, "--cache", cache, *options)
        assert done.status == 0, done.err
        assert record_id(tmp_path / name) == record_id(scored)
        assert read_record(tmp_path / name).provenance.execution.cached
        for path in (tmp_path / name).rglob("*"):
            if path.is_file() and path.suffix != ".dcm":
                assert not [word for word in TELLTALES[:2] if word.encode() in path.read_bytes()]
        # The report of the first has been looked at: those of the others would be the same.
        request.getfixturevalue("masks_only")
    assert len([path for path in cache.iterdir() if path.name != CACHE_MARK]) == 2
    assert not read_record(scored).provenance.execution.cached
    done = run_cli("rescore", tmp_path / "one", "--out", tmp_path / "again", "--cache", cache)
    assert done.status == 0, done.err


@pytest.mark.slow
def test_a_batch_keeps_decoded_series_too(compressed, scored, tmp_path):
    arguments = ("--workers", 1, "--cache", tmp_path / "cache", "--quiet")
    for name in ("one", "two"):
        done = run_cli("batch", compressed, "--out", tmp_path / name, *arguments)
        assert done.status == 0, done.err
        (key,) = {path.name for path in (tmp_path / name).iterdir() if (path / "score.json").is_file()}
        record = read_record(tmp_path / name / key)
        assert record.record_id == record_id(scored)
        assert record.provenance.execution.cached
    assert len([path for path in (tmp_path / "cache").iterdir() if path.name != CACHE_MARK]) == 2


@pytest.mark.parametrize("command", ["score", "inspect"])
def test_an_image_without_headers_is_refused_in_one_sentence(made, tmp_path, command):
    image = shutil.copytree(next(made.glob("pt-*")) / "image.ome.zarr", tmp_path / "brain.ome.zarr")
    done = run_cli(command, image)
    assert done.status == 3
    assert done.err.count("\n") == 1
    assert done.err.startswith("dotaliver: brain.ome.zarr: the OME-Zarr image has no DICOM headers beside it")


def test_an_output_that_is_taken_is_refused(study, tmp_path):
    write_atomically(tmp_path / "note", "kept")
    done = run_cli("zarr", study, tmp_path)
    assert done.status == 3
    assert "there is something in it; choose a new folder" in done.err


@pytest.mark.parametrize(
    "arguments", [("zarr", "OUT"), ("score", "--cache", "OUT"), ("batch", "--cache", "OUT", "--out", "B")]
)
def test_without_the_extra_one_sentence_says_what_to_install(study, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    command, *rest = arguments
    done = run_cli(command, study, *rest)
    assert done.status == 2
    assert done.err == f"dotaliver: {extra_missing('writing OME-Zarr', 'zarr', 'zarr')}\n"
    assert not list(tmp_path.iterdir())
