"""What a central reading writes: pages, tables and audit trail in a folder, and the final tables of each subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.agreement.audit import audit_trail
from dotaliver.agreement.central import CentralReading
from dotaliver.agreement.results import Comparison
from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import DotaliverError
from dotaliver.export.agreement.pages import CasePictures, agreement_html, comparison_html
from dotaliver.export.agreement.tables import audit_csv, comparison_csv, figures_csv
from dotaliver.longitudinal.manifest import read_manifest
from dotaliver.pipeline.followup import save_course
from dotaliver.pipeline.reading_results import agreement_figures, compare_cases, final_course
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.system.files import output_folder, write_atomically
from dotaliver.system.progress import Progress, silent

if TYPE_CHECKING:
    from dotaliver.export.report.figures import Picture

__all__ = ["write_agreement", "write_audit", "write_comparison", "write_final_courses"]


def write_comparison(reading: CentralReading, out: Path, progress: Progress = silent) -> tuple[Comparison, ...]:
    """Compare the readers, close the cases without a disagreement, and write ``comparison.html`` and ``.csv``.

    Raises
    ------
    StudyError
        Where a signed reading was changed.
    OutputError
        Where the folder cannot be written.
    """
    cases = compare_cases(reading)
    with output_folder(out):
        pictures = _pictures(reading, [case for case in cases if case.differences], progress)
        progress("writing")
        write_atomically(out / "comparison.csv", comparison_csv(cases))
        write_atomically(out / "comparison.html", comparison_html(cases, reading.state(), pictures))
    return cases


def write_agreement(reading: CentralReading, out: Path) -> None:
    """Write ``agreement.html`` and ``agreement.csv``; errors as `write_comparison`."""
    figures = agreement_figures(reading)
    with output_folder(out):
        write_atomically(out / "agreement.csv", figures_csv(figures))
        write_atomically(out / "agreement.html", agreement_html(figures, reading.state()))


def write_audit(reading: CentralReading, file: Path) -> int:
    """Write the audit trail as CSV; the number of its rows. Errors as `write_comparison`."""
    rows = tuple(audit_trail(reading))
    write_atomically(file, audit_csv(rows))
    return len(rows)


def write_final_courses(
    reading: CentralReading, manifest: Path, out: Path, config: RecistConfig, progress: Progress = silent
) -> tuple[Path, ...]:
    """Write course, tables and SDTM of every closed case with several scans, a folder for each subject.

    Raises
    ------
    CourseError
        Where the manifest does not fit.
    OutputError
        Where a folder cannot be written.
    """
    rows = read_manifest(manifest)
    state = reading.state()
    written = []
    for case in state.plan.originals:
        if len(case.scans) < 2 or state.case(case.code).closed is None:
            continue
        progress(f"case {case.code}")
        made = final_course(reading, case.code, rows, config, progress)
        trial = made.course.trial
        folder = out / (case.code if trial is None else trial.unique_subject_id.replace("/", "_"))
        save_course(made, folder, progress)
        written.append(folder)
    return tuple(written)


def _pictures(reading: CentralReading, cases: Sequence[Comparison], progress: Progress) -> CasePictures:
    found: dict[tuple[str, str], tuple[Picture, ...]] = {}
    for case in cases:
        for reader, logged in case.readings.items():
            progress(f"drawing case {case.code} as {reader} read it")
            shown = (_picture(reading, folder, reader) for folder in reading.scans_of(logged))
            found[case.code, reader] = tuple(picture for picture in shown if picture is not None)
    return found


def _picture(reading: CentralReading, folder: Path, reader: str) -> Picture | None:
    """The projection with liver and lesions as a reader left them; None where the images are not found any more."""
    from dotaliver.export.report.pictures import mip
    from dotaliver.export.report.scene import scene_of
    from dotaliver.pipeline.opening import open_study
    from dotaliver.pipeline.stored_score import relocated, require_same_pixels, stored_masks

    score = ScoreFolder(folder).record()
    try:
        study = relocated(reading.automatic(score.study.study_instance_uid), None, score)
        volumes = open_study(study, score.config).volumes
        require_same_pixels(score, volumes)
        masks = stored_masks(folder, study, score, volumes, score.config)
    except DotaliverError:
        return None
    drawn = mip(scene_of(score, volumes, masks))
    return replace(drawn, caption=f"Scan of {score.study.study_date or 'unknown date'}, reader {reader}")
