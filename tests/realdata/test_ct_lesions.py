"""Lesions outlined on real CTs: what is taken is right, the rest is refused."""

import numpy as np
import pytest
import SimpleITK as sitk

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import labels_from_itk, resample_labels
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.pipeline import StudyInput, open_study, segment_study
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits


def need(data, name):
    folder = data / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not among the real data")
    return folder


def segmented(folder):
    opened = open_study(StudyInput(folder), ScoringConfig())
    return opened.volumes, segment_study(opened.volumes, ScoringConfig())


def size_of(mask, grid):
    return longest_diameter(LabelMap(mask.astype(np.uint8), grid), "ct").diameter.longest_mm


def test_outlined_lesions_of_a_portal_venous_ct_have_their_true_diameters(data):
    folder = need(data, "hybrid_moderate")
    volumes, found = segmented(folder / "study")
    image = sitk.Cast(sitk.ReadImage(str(folder / "truth_lesions.nii.gz")), sitk.sitkUInt16)
    grid = volumes.ct.geometry
    truth = resample_labels(labels_from_itk(image), grid)
    outlines = found.ct_lesions.labels
    assert len(outlines.labels) >= 5  # of nine
    errors_mm, tolerances_mm, held = [], [], []
    for label in outlines.labels:
        mask = outlines.where(label)
        under = np.bincount(truth.array[mask], minlength=2)
        under[0] = 0
        wanted_mm = size_of(truth.where(int(under.argmax())), grid)
        errors_mm.append(abs(size_of(mask, grid) - wanted_mm))
        tolerances_mm.append(max(2.0, 0.1 * wanted_mm))
        held.append(errors_mm[-1] <= found.ct_lesions.borders[label].diameter_error_mm)
    share = np.divide(errors_mm, tolerances_mm)
    # Two readers of one diameter differ by 10 % and more, and the slices are 5 mm thick. Two dark lesions at the
    # capsule go over into muscle and fat that are as dark.
    assert np.median(share) < 0.7
    assert np.mean(share <= 1.0) >= 0.75
    assert np.max(share) < 2.0
    assert np.sum(held) >= len(held) - 1


@pytest.mark.slow
def test_in_confluent_disease_no_lesion_is_told_from_another(data):
    _, found = segmented(need(data, "hybrid_massive") / "study")
    assert not found.ct_lesions.labels.labels
    assert set(found.unseen_on_ct) == set(found.lesions.labels.labels)
    assert all("of the liver" in reason for reason in found.unseen_on_ct.values())


@pytest.fixture(scope="module")
def fdg(data):
    return segmented(need(data, "petct_fdg_ge"))


@pytest.mark.slow
def test_an_fdg_liver_does_not_run_along_the_spine(fdg):
    _, found = fdg
    labels = found.liver.labels
    heights = labels.geometry.index_to_lps(np.argwhere(labels.mask))[:, 2]
    # Livers measure up to 200 mm along the body; marrow and muscle as warm as this one would add the spine's length.
    assert np.ptp(heights) < 220.0


@pytest.mark.slow
def test_noise_in_an_fdg_liver_and_blur_of_its_neighbours_make_no_measurable_disease(fdg):
    volumes, found = fdg
    score = score_labels(volumes, found, ReaderEdits(), ScoringConfig())
    assert score.criteria["INC4"].verdict == "indeterminate"
    for lesion in score.lesions:
        codes = {flag.code for flag in lesion.flags}
        assert lesion.diameter_source == "pet" or "LESION_MERGES_WITH_NEIGHBOUR" in codes
