"""A finished score is never lost to a file that cannot be made, nor to a header with a wrong date."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.slice_headers import slice_headers
from dotaliver.dicom.files.stack import stack_of
from dotaliver.errors import OutputError
from dotaliver.export.dicom.files import encoded_files, made_or_left_out
from dotaliver.export.dicom.source_headers import SegSources, usable_headers
from dotaliver.export.outputs import OutputOptions, ScoreFiles, _nifti, write_score
from fixtures.derived_dicom import sources
from fixtures.dicom_series import write_series
from fixtures.scores import small_case

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")


@pytest.mark.parametrize("birth", ["00000000", "19500230", "1950-02-30", "unknown"])
def test_invalid_dates_times_and_numbers_are_left_out_of_derived_objects(tmp_path, birth):
    elements = {"PatientBirthDate": birth, "StudyDate": "20240931", "StudyTime": "9:15:00", "SeriesDate": "20240931"}
    write_series(tmp_path, elements=elements | {"PatientAge": "old", "PatientWeight": "78"})
    (series,) = index_folder(tmp_path).series
    (header, *_) = usable_headers(SegSources(slice_headers(series)), "pet", stack_of(series).geometry)
    assert (header.PatientBirthDate, header.StudyDate, header.StudyTime) == ("", "", "")
    assert "SeriesDate" not in header and "PatientAge" not in header
    assert header.PatientWeight == 78 and header.PatientID == "PAT-1"


def test_what_cannot_be_made_is_left_out_and_said_without_its_values(caplog):
    def fails():
        raise ValueError("19500230")

    assert made_or_left_out("measurements.dcm", fails, None) is None
    assert "measurements.dcm could not be made and is left out (ValueError)" in caplog.text
    assert "19500230" not in caplog.text


def test_a_full_disk_is_still_an_error():
    def full():
        raise OutputError("the folder is full")

    with pytest.raises(OutputError, match="full"):
        made_or_left_out("anything", full, None)


def test_of_several_objects_the_one_that_cannot_be_written_is_left_out(tmp_path, caplog):
    good = pydicom.dcmread(write_series(tmp_path)[0])
    files = encoded_files({"good.dcm": good, "bad.dcm": None}, deidentified=False)
    assert set(files) == {"good.dcm"}
    assert "bad.dcm could not be made" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_nifti_that_could_not_be_written_whole_is_no_file(tmp_path) -> None:
    """On a full disk the library writes a part and says nothing."""
    import resource

    labels = small_case().segmentations.liver.labels
    noise = np.random.default_rng(0).integers(0, 60_000, labels.geometry.shape).astype(np.uint16)
    labels = labels.with_array(noise)
    assert len(_nifti(labels, tmp_path / "whole.nii.gz")) > 20_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(OutputError, match="could not be written whole"):
            _nifti(labels, tmp_path / "half.nii.gz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_the_report_everything_else_is_written(tmp_path) -> None:
    case = small_case()
    files = ScoreFiles(case.score, case.volumes, case.segmentations, sources(case))
    written = []
    for name, options in (("with", OutputOptions()), ("without", OutputOptions(report=False))):
        write_score(files, tmp_path / name, "{}", options)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    whole, numbers = written
    assert "report.html" in whole and {"score.json", "measurements.dcm"} <= set(numbers)
    assert numbers == {name: content for name, content in whole.items() if name != "report.html"}


def test_a_score_and_its_report_load_no_plotting_library() -> None:
    """Loading matplotlib alone takes longer than drawing the report; highdicom is loaded where objects are made."""
    script = (
        "import sys, dotaliver.pipeline, dotaliver.cli.score\n"
        "from dotaliver.export.report.html import report_html\n"
        "early = set(sys.modules)\n"
        "from fixtures.scores import small_case\n"
        "case = small_case()\n"
        "report_html(case.score, case.volumes, case.segmentations)\n"
        "print(*{'highdicom', 'pandas', 'dask', 'zarr', 'jinja2', 'reportlab'} & early)\n"
        "print(*{'matplotlib', 'highdicom'} & set(sys.modules))\n"
    )
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    assert done.stdout.split() == []
