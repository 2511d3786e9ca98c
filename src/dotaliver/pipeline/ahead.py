"""What measuring and reporting need in any case, made while this process would only wait for the second one.

Each result is kept by the images or masks that it is made of, and is the same whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.placement import place
from dotaliver.records.masks import Segmentations
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.audit.audit import audit_liver
from dotaliver.system.second_process import Pending

__all__ = ["work_ahead"]


def work_ahead(pending: Pending[Any], volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> None:
    """Make one thing after the other for as long as another process is at its job.

    Parameters
    ----------
    pending : Pending
        What is waited for; nothing is made where no other process does it.
    volumes : StudyVolumes
        The images.
    found : Segmentations
        The masks; those that the job may change are not looked at but for their places on the PET.
    config : ScoringConfig
        All of it.
    """
    steps: list[Callable[[], object]] = [
        partial(audit_liver, volumes, found, config),
        _load_report,
        partial(place, found, volumes.pet.geometry),
    ]
    if found.liver is not None:
        steps.append(found.liver.labels.sha256)
    for step in steps:
        if not pending.is_under_way:
            break
        step()


def _load_report() -> None:
    """The modules and the template of the report."""
    from dotaliver.export.report.html import load_page

    load_page()
