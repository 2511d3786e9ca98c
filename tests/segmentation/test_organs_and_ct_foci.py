"""Focal lesions on CT are the same wherever they are looked for: in the part of the CT around the liver as in all."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.pipeline import StudyInput, open_study, segment_study
from dotaliver.records.positions import in_position_of
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci
from dotaliver.segmentation.organs_and_ct_foci import ct_foci_job, with_ct_foci, with_other_organs
from dotaliver.system.processors import processors
from dotaliver.system.second_process import SecondProcess

CONFIG = ScoringConfig()


def load_nothing() -> None:
    """What the jobs here need."""


@pytest.fixture(scope="module")
def volumes(study):
    return open_study(StudyInput(study), CONFIG).volumes


@pytest.fixture(scope="module")
def found(volumes):
    return segment_study(volumes, CONFIG)


@pytest.fixture(scope="module")
def without(found):
    return replace(found, ct_foci=None, ct_search=None)


def test_the_part_around_the_liver_holds_all_that_is_looked_at(volumes, found, without):
    liver, avid = (in_position_of("ct", layer, found.mismatch) for layer in (found.liver, found.lesions))
    labels, search = find_ct_foci(volumes.ct, liver, avid, CONFIG.ct_foci)
    job = ct_foci_job(volumes, without, CONFIG)
    assert job is not None
    assert np.prod(job.ct.geometry.shape) < np.prod(volumes.ct.geometry.shape)
    after = with_ct_foci(volumes, without, job, pickle.loads(pickle.dumps(job)).run(), CONFIG)
    np.testing.assert_array_equal(after.ct_foci.labels.array, labels.array)
    assert after.ct_foci.labels.geometry == volumes.ct.geometry
    assert after.ct_search.foci == search.foci
    assert after.ct_search.detectable == search.detectable


def test_nothing_is_looked_for_twice_or_without_a_liver(volumes, found, without):
    assert ct_foci_job(volumes, found, CONFIG) is None
    assert ct_foci_job(volumes, replace(without, liver=None), CONFIG) is None
    assert ct_foci_job(replace(volumes, ct=None), without, CONFIG) is None
    assert with_other_organs(volumes, found, CONFIG).ct_foci is found.ct_foci


@pytest.mark.skipif(processors() < 2, reason="there is one processor alone")
@pytest.mark.parametrize("few", [0, 1000])
def test_masks_do_not_depend_on_which_process_looks(volumes, found, monkeypatch, few):
    monkeypatch.setattr("dotaliver.pipeline.run._FEW_LESIONS", few)
    given = replace(found, ct_foci=None, ct_search=None, ct_lesions=None, unseen_on_ct={}, body=None)
    with SecondProcess(load_nothing) as helper:
        again = segment_study(volumes, CONFIG, given, helper=helper)
    for name in ("liver", "lesions", "ct_foci", "ct_lesions"):
        assert getattr(again, name).labels.sha256() == getattr(found, name).labels.sha256()
    assert again.body.mask.labels.sha256() == found.body.mask.labels.sha256()
    assert again.ct_search == found.ct_search
    assert again.unseen_on_ct == found.unseen_on_ct
    assert again.ct_lesions.borders == found.ct_lesions.borders
