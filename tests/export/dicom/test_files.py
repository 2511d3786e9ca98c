"""The DICOM objects of a record are the same wherever they are made."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np

from dotaliver.export.dicom.files import DicomJob
from dotaliver.image.volume import Volume
from fixtures.derived_dicom import sources
from fixtures.scores import small_case, with_diagnostic_ct


def job_of(case) -> DicomJob:
    return DicomJob(case.score, case.volumes, case.segmentations, sources(case), labelmap=False, deidentified=False)


def test_a_job_that_was_sent_makes_the_same_bytes():
    for case in (small_case(), with_diagnostic_ct(small_case())):
        job = job_of(case)
        there = pickle.loads(pickle.dumps(job))
        assert there.run() == job.run()
        assert {"segmentation.dcm", "measurements.dcm"} <= job.run().keys()


def test_no_voxel_of_an_image_is_sent():
    case = small_case()
    ct = case.volumes.ct
    large = Volume(np.random.default_rng(1).normal(size=ct.geometry.shape), ct.geometry, ct.quantity)
    with_noise = replace(case, volumes=replace(case.volumes, ct=large))
    assert len(pickle.dumps(job_of(with_noise))) == len(pickle.dumps(job_of(case)))
