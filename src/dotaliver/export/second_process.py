"""A second process that makes a record's DICOM objects while the first one draws the report.

Both take about as long, and neither lets the other run beside it in one process. The second one starts with the study,
so that it has loaded what it needs by the time that there is something to write. It is given masks, headers and grids,
no voxel of an image, and makes the same bytes as the first would: where it cannot be had or ends early, the first makes
them itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from contextlib import suppress
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import numpy as np

from dotaliver.errors import DotaliverError
from dotaliver.export.seg_sources import SegSources
from dotaliver.geometry import Geometry
from dotaliver.records import Segmentations, StudyVolumes
from dotaliver.score import StudyScore
from dotaliver.volume import Quantity, Volume

__all__ = ["DicomJob", "SecondProcess", "processors"]


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class _Grid:
    """An image without its voxels."""

    geometry: Geometry
    quantity: Quantity

    def as_volume(self) -> Volume:
        """A volume on this grid that holds nothing."""
        return Volume(np.broadcast_to(np.zeros((), dtype=np.uint8), self.geometry.shape), self.geometry, self.quantity)


def _grid(volume: Volume | None) -> _Grid | None:
    return None if volume is None else _Grid(volume.geometry, volume.quantity)


@dataclass(frozen=True, eq=False)
class DicomJob:
    """What the DICOM objects of a record are made of."""

    score: StudyScore
    volumes: StudyVolumes
    segmentations: Segmentations
    sources: SegSources
    labelmap: bool
    deidentified: bool

    def files(self) -> dict[str, bytes]:
        """The objects as the bytes of files, by name."""
        from dotaliver.export.dicom_files import dicom_files

        return dicom_files(
            self.score,
            self.volumes,
            self.segmentations,
            self.sources,
            labelmap=self.labelmap,
            deidentified=self.deidentified,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the images' voxels, of which the objects hold nothing."""
        parts = {each.name: getattr(self.volumes, each.name) for each in fields(self.volumes)}
        for name in ("pet", "ct", "recist_ct"):
            parts[name] = _grid(parts[name])
        # Who the patient is stands in the headers, where it is needed.
        return {**self.__dict__, "volumes": {**parts, "patient_id": None}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With empty images on their grids."""
        parts: dict[str, Any] = {
            name: part.as_volume() if isinstance(part, _Grid) else part for name, part in state["volumes"].items()
        }
        self.__dict__.update({**state, "volumes": StudyVolumes(**parts)})


def _serve(connection: Connection) -> None:
    """Make what is asked for until nobody asks any more."""
    # Whoever stops the first process stops this one too, in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    with suppress(EOFError, OSError):
        import highdicom.seg
        import highdicom.sr  # noqa: F401 -- loaded before they are needed

        while True:
            job: DicomJob = connection.recv()
            try:
                connection.send(job.files())
            except DotaliverError as error:
                connection.send(error)


class SecondProcess:
    """Makes DICOM objects beside this process; to be used in a ``with`` statement.

    Parameters
    ----------
    wanted : bool
        Without it, or with one processor alone, nothing is started and `begin` answers that it did nothing.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._connection: Connection | None = None
        self._process: Any = None
        if wanted and processors() > 1:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True, name="dotaliver-dicom")
            self._process.start()
            theirs.close()

    def begin(self, job: DicomJob) -> bool:
        """Begin a job; whether it was begun."""
        if self._connection is None:
            return False
        try:
            self._connection.send(job)
        except OSError:
            self.close()
            return False
        return True

    def finished(self, job: DicomJob) -> dict[str, bytes]:
        """The files of the job that was begun; made here where the other process ended.

        Raises
        ------
        DotaliverError
            What making them raised.
        """
        result: dict[str, bytes] | DotaliverError | None = None
        if self._connection is not None:
            with suppress(EOFError, OSError):
                result = self._connection.recv()
        if result is None:
            self.close()
            return job.files()
        if isinstance(result, DotaliverError):
            raise result
        return result

    def close(self) -> None:
        """End the other process."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
