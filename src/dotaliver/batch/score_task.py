"""Score one study exactly as `score` or `rescore` does, and make its row and thumbnail."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.batch.records import Row, RunSettings, StudyTask

if TYPE_CHECKING:
    from dotaliver.pipeline import Outcome

__all__ = ["Scored", "score_task"]


@dataclass(frozen=True)
class Scored:
    """What is reported about a scored study; its files are written by then."""

    row: Row = field(default_factory=dict)
    lesions: tuple[Row, ...] = ()
    thumbnail_png: bytes | None = field(default=None, repr=False)


def score_task(task: StudyTask, folder: Path, settings: RunSettings, progress: Callable[[str], None]) -> Scored:
    """Score one study, or a stored score again, and write its files into a folder.

    Raises
    ------
    DotaliverError
        Where the study cannot be scored.
    """
    from dotaliver import pipeline
    from dotaliver.batch.summary import lesion_rows, study_row
    from dotaliver.config.scoring import ExecutionConfig, ScoringConfig

    config, protocol, own = settings.config, settings.protocol, task.options
    measured_on = own.recist_image or settings.recist_image
    cache = None if settings.cache is None else Path(settings.cache)
    if settings.rescore:
        execution = ExecutionConfig(cache=cache)
        where = task.place.path
        study = pipeline.StudyInput(where, recist_image=measured_on, fdg=own.fdg_folder)
        if own.analogue is not None:
            config = own.settings(config or pipeline.read_record(where).config)
        outcome = pipeline.rescore(
            where, study=study, config=config, protocol=protocol, execution=execution, progress=progress
        )
    else:
        source = pipeline.StudyInput(
            task.place.path, recist_image=measured_on, part=task.place.part, fdg=own.fdg_folder
        )
        execution = ExecutionConfig(threads=1, memory_bytes=settings.bound_bytes, cache=cache)
        rules = own.settings(config or ScoringConfig()).with_protocol(protocol)
        outcome = pipeline.score_study(source, rules, execution=execution, progress=progress)
    options = pipeline.OutputOptions(**settings.outputs.model_dump())
    pipeline.save(outcome, folder, options, progress=progress)
    return Scored(study_row(outcome.score), lesion_rows(outcome.score), _thumbnail(outcome))


_THUMBNAIL_PX = (84, 110)
# Uptake shown as black, relative to normal liver, as in the report
_BLACK_RATIO, _BLACK_PERCENTILE = 3.0, 99.5


def _thumbnail(outcome: Outcome) -> bytes:
    """Anterior maximum-intensity projection of the PET, head up."""
    import numpy as np
    from PIL import Image

    from dotaliver.export.report.views import project
    from dotaliver.image.orientation import anatomical

    pet = anatomical(outcome.opened.volumes.pet)
    front = project(pet, "coronal").array
    normal = outcome.score.references.get("liver")
    mean = None if normal is None else normal.suv_mean
    upper = _BLACK_RATIO * mean if mean else float(np.percentile(front, _BLACK_PERCENTILE))
    level = np.clip(front / max(upper, 1e-6), 0.0, 1.0)
    picture = Image.fromarray((255 * (1.0 - level)).astype(np.uint8), mode="L")
    down, _, across = pet.geometry.size_mm
    scale = min(_THUMBNAIL_PX[0] / across, _THUMBNAIL_PX[1] / down)
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    stream = io.BytesIO()
    picture.resize(size).save(stream, format="png", optimize=True)
    return stream.getvalue()
