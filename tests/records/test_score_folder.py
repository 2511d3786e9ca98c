"""Where the masks of a score lie, in folders of this version and of earlier ones."""

from __future__ import annotations

import pytest

from dotaliver.records.score_folder import ScoreFolder, dosimetry_mask, is_score_file

NEW = ("segmentation.dcm", "segmentation_ct_candidates.dcm", "segmentation_liver.dcm")


def named(folder, name: str, drawn_on) -> str:
    return ScoreFolder(folder).file_of_mask(name, drawn_on).name


def test_masks_that_would_overlap_are_looked_for_in_files_of_their_own(tmp_path) -> None:
    for name in NEW:
        (tmp_path / name).touch()
    assert named(tmp_path, "liver", "pet") == "segmentation_liver.dcm"
    assert named(tmp_path, "ct_foci", "ct") == "segmentation_ct_candidates.dcm"
    assert named(tmp_path, "lesions", "pet") == "segmentation.dcm"


def test_folders_of_earlier_versions_have_them_in_the_file_of_the_image(tmp_path) -> None:
    (tmp_path / "segmentation.dcm").touch()
    (tmp_path / "segmentation_ct.dcm").touch()
    assert named(tmp_path, "liver", "pet") == "segmentation.dcm"
    assert named(tmp_path, "liver", "ct") == named(tmp_path, "ct_foci", "ct") == "segmentation_ct.dcm"


@pytest.mark.parametrize("name", ["Liver", "Liver_Right", "NonTumouralLiver_Left", "TotalTumorBurden", "Lesions"])
def test_masks_for_dosimetry_are_files_of_a_score(name: str) -> None:
    assert is_score_file(dosimetry_mask(name))


@pytest.mark.parametrize("name", ["dosimetry-.nii.gz", "dosimetry-../x.nii.gz", "dosimetry-x.nii", "mine-Liver.nii.gz"])
def test_files_of_others_are_not(name: str) -> None:
    assert not is_score_file(name)
