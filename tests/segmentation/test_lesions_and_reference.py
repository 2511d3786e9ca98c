"""The steps after every segmenter, where no liver was found."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.lazy import lazy_planes
from dotaliver.segmentation.lesions_and_reference import add_lesions_and_reference
from fixtures.arrays import Case


@pytest.mark.parametrize("in_parts", [False, True], ids=["in memory", "read in parts"])
def test_without_a_liver_hot_foci_are_listed_as_candidates(in_parts):
    case = Case()
    volumes = case.volumes()
    if in_parts:
        pet = volumes.pet
        volumes = replace(volumes, pet=lazy_planes(pet.array.__getitem__, pet.dtype, pet.geometry, pet.quantity))
    found = case.segmentations(liver=None, lesions=None, references=())
    done = add_lesions_and_reference(volumes, found, ScoringConfig())
    assert done.lesions is not None
    assert done.lesions.labels.array[np.unravel_index(case.suv.argmax(), case.suv.shape)] > 0
    assert "LESIONS_NOT_BOUND_BY_LIVER" in {flag.code for flag in done.flags}
    reference = done.reference("liver")
    assert reference is not None
    assert reference.method == "none"
