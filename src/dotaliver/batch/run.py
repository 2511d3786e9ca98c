"""A batch from start to end: find studies, compare with earlier results, score on a cluster, collect."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dotaliver.batch.cluster import ClusterChoice
from dotaliver.batch.cluster_run import ClusterRun
from dotaliver.batch.cohort import Cohort, write_cohort
from dotaliver.batch.discovery import find_studies
from dotaliver.batch.file_index import open_index
from dotaliver.batch.interruption import Interruption
from dotaliver.batch.lock import held
from dotaliver.batch.plan import Plan, planned
from dotaliver.batch.progress import Reporter
from dotaliver.batch.records import DEFAULT_SCORER, Outputs, RunSettings, StudyRecord, StudyTask
from dotaliver.batch.stored_scores import find_scores
from dotaliver.batch.study_options import NO_OPTIONS, options_of_studies
from dotaliver.batch.workspace import Workspace
from dotaliver.config.protocol import TrialProtocol
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError, StudyError
from dotaliver.longitudinal.manifest import read_manifest
from dotaliver.system.files import output_folder

__all__ = ["BatchInput", "BatchResult", "run_batch"]

# Share of a process's memory that a score may plan with; the rest is Python and late measurements
_PLANNED_SHARE = 0.8


@dataclass(frozen=True)
class BatchInput:
    """The request for a batch."""

    root: Path
    out: Path
    cluster: ClusterChoice = field(default_factory=ClusterChoice)
    config: ScoringConfig | None = None
    """None: the usual settings; of a stored score its own"""
    protocol: TrialProtocol | None = None
    """Takes the place of the one in the settings"""
    manifest: Path | None = None
    rescore: bool = False
    recist_image: str | None = None
    """Series that diameters are measured on, by number, UID or description; a study without it is refused"""
    fresh: bool = False
    outputs: Outputs = field(default_factory=Outputs)
    timeout_s: float | None = 1800.0
    memory_bytes: int | None = None
    cache: Path | None = None
    scorer: str = DEFAULT_SCORER


@dataclass(frozen=True)
class BatchResult:
    """How a batch ended."""

    records: tuple[StudyRecord, ...] = field(repr=False)
    cohort: Cohort
    kept: int
    others: int
    """Scores of earlier runs in the folder whose studies were not found now, and are not in the cohort."""
    stopped: bool


def run_batch(given: BatchInput, reporter: Reporter | None = None) -> BatchResult:
    """Score every study below a folder, and write the cohort's tables and page.

    Ctrl-C or a termination signal ends the run in order: processes are stopped, and the cohort of what is done is
    written; the same call continues it.

    Raises
    ------
    StudyError
        Where there is nothing to score.
    OutputError
        Where the output folder cannot be written, or another run holds it.
    ClusterError
        Where the cluster cannot be reached or is lost.
    CourseError
        Where the manifest cannot be read, or a row of it is wrong.
    """
    reporter = reporter or Reporter()
    manifest = () if given.manifest is None else read_manifest(given.manifest)
    options = {} if given.manifest is None else options_of_studies(given.manifest)
    if given.rescore and given.out.resolve() == given.root.resolve():
        msg = "--rescore writes new records to another folder; name one with --out"
        raise ConfigError(msg)
    workspace = Workspace(given.out.resolve())
    with output_folder(workspace.folder), _no_trace_of_nothing(workspace), held(workspace):
        settings = _settings(given)
        workspace.prepare(settings.run_id)
        workspace.forget_attempts(settings.run_id)
        with Interruption() as stop:
            found = _found(given, workspace, reporter, stop)
            tasks = [
                task.model_copy(update={"options": options.get(task.study_uid or "", NO_OPTIONS)}) for task in found
            ]
            plan = planned(workspace, tasks, settings, fresh=given.fresh)
            reporter.begin(plan.total, len(plan.kept))
            records = {record.key: record for record in plan.kept}
            records |= _tell_refusals(workspace, plan, reporter)
            if plan.to_do and not stop.asked:
                run = ClusterRun(workspace, settings, reporter, stop)
                records |= run.scored(plan.to_do, given.cluster)
        cohort = write_cohort(workspace, list(records.values()), manifest)
        others = workspace.keys() - {*(task.key for task in tasks)}
        return BatchResult(tuple(records.values()), cohort, len(plan.kept), len(others), stop.asked)


def _settings(given: BatchInput) -> RunSettings:
    memory = given.memory_bytes
    return RunSettings(
        run_id=secrets.token_hex(8),
        config=given.config if given.rescore else given.config or ScoringConfig(),
        protocol=given.protocol,
        rescore=given.rescore,
        recist_image=given.recist_image,
        outputs=given.outputs,
        scorer=given.scorer,
        timeout_s=given.timeout_s,
        memory_bytes=memory or given.cluster.memory_share(),
        bound_bytes=None if memory is None else int(_PLANNED_SHARE * memory),
        cache=None if given.cache is None else str(given.cache.resolve()),
    )


def _found(given: BatchInput, workspace: Workspace, reporter: Reporter, stop: Interruption) -> list[StudyTask]:
    def report(files: int) -> None:
        reporter.looked(files)
        if stop.asked:
            raise KeyboardInterrupt

    if given.rescore:
        return find_scores(given.root, workspace.folder)
    with open_index(workspace.state / "files.sqlite") as index:
        return find_studies(given.root, workspace.folder, index, report)


@contextlib.contextmanager
def _no_trace_of_nothing(workspace: Workspace) -> Iterator[None]:
    """Restore a folder that was not a batch's, where there is nothing to score."""
    was_there = workspace.state.exists()
    try:
        yield
    except StudyError:
        if not was_there:
            shutil.rmtree(workspace.state, ignore_errors=True)
        raise


def _tell_refusals(workspace: Workspace, plan: Plan, reporter: Reporter) -> dict[str, StudyRecord]:
    """The rows of what cannot be scored, without asking a worker."""
    for record in plan.refused:
        workspace.retire(record.key)
        workspace.write_record(record)
        reporter.ended(record)
    return {record.key: record for record in plan.refused}
