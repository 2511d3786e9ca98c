"""A zip of DICOM files as a study, and archives that would do harm."""

import stat
import zipfile

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.files.archive import unpack
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.study import load_study
from dotaliver.errors import FileFormatError
from fixtures.dicom_series import write_study


def zipped(folder, target, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(target, "w", compression) as archive:
        for path in sorted(folder.rglob("*.dcm")):
            archive.write(path, path.relative_to(folder))
    return target


def test_a_zip_is_the_study_in_it_and_leaves_nothing_behind(tmp_path):
    folder = write_study(tmp_path / "study")
    archive = zipped(folder, tmp_path / "study.zip")
    one, other = load_study(archive, ScoringConfig()), load_study(folder, ScoringConfig())
    np.testing.assert_array_equal(one.pet.array, other.pet.array)
    np.testing.assert_array_equal(one.ct.array, other.ct.array)
    index = index_folder(archive)
    place = index.series[0].slices[0].path
    assert place.exists()
    del index
    assert not place.exists()


@pytest.mark.parametrize("name", ["../outside.dcm", "/outside.dcm", "a/../../outside.dcm", "C:\\outside.dcm"])
def test_members_may_not_leave_the_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(FileFormatError, match="leads out of it"):
        index_folder(tmp_path / "study.zip")
    assert not (tmp_path / "outside.dcm").exists()


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.writestr(link, "/etc/hostname")
    with pytest.raises(FileFormatError, match="leads out of it"):
        unpack(tmp_path / "study.zip")


def test_an_archive_that_explodes_is_refused(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.dcm", bytes(100 * 2**20))
    assert path.stat().st_size < 2**18
    with pytest.raises(FileFormatError, match="more than a study can hold"):
        unpack(path)


@pytest.mark.parametrize("damage", [b"no zip at all", None])
def test_what_is_no_zip_is_refused(tmp_path, damage):
    path = tmp_path / "study.zip"
    if damage is None:
        zipped(write_study(tmp_path / "study"), path)
        content = bytearray(path.read_bytes())
        content[200:900] = bytes(700)
        damage = bytes(content)
    path.write_bytes(damage)
    with pytest.raises(FileFormatError, match=r"study.zip: the archive is damaged, encrypted or not a zip"):
        index_folder(path)
