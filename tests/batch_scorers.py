"""Scoring functions for batches in tests: what a study does stands in a file ``behaviour.txt`` beside its slices.

Words in it, one after the other: ``sleep SECONDS``, ``hang``, ``eat`` (memory without end), ``segfault``, ``raise``,
``refuse``, ``no-disk``, ``no-network``, ``wait FILE`` (until the file is there), ``print WORDS``, ``kill PID``,
``unlink FILE``, ``write FILE``.
Afterwards a file ``result.txt`` is written.
"""

import os
import signal
import time
from pathlib import Path

from dotaliver.batch.score_task import Scored
from dotaliver.errors import FileFormatError, OutputError, StudyError
from dotaliver.system.files import output_folder, write_atomically


def behave(task, folder, settings, progress):
    """Do what the study says, and leave its name, the process and the number of earlier studies behind."""
    place = Path(task.place.folder)
    script = (place if place.is_dir() else place.parent) / "behaviour.txt"
    for line in script.read_text().splitlines() if script.exists() else ():
        word, _, rest = line.partition(" ")
        progress(word)
        _ACTIONS[word](rest, place)
    _counter["studies"] = _counter.get("studies", 0) + 1
    with output_folder(folder):
        write_atomically(folder / "result.txt", f"{task.key} {settings.config['segmenter']}")
    row = {"pid": os.getpid(), "count": _counter["studies"], "config_sha256": "", "flags": ""}
    return Scored(row, ({"label": 1, "volume_ml": 2.5},), None)


def dummy(task, folder, settings, progress):
    """Nothing at all: what is left is bookkeeping."""
    return Scored({"pid": os.getpid()})


_counter: dict[str, int] = {}


def _eat(_rest, _place):
    held = []
    for _ in range(4000):
        held.append(bytearray(os.urandom(1) * (8 << 20)))
        time.sleep(0.01)


def _segfault(_rest, _place):
    import faulthandler

    faulthandler._sigsegv()


def _raise(rest, _place):
    raise ValueError(rest)


def _refuse(rest, place):
    msg = f"{place.name}/{rest}: the file is damaged"
    raise StudyError(msg)


def _no_disk(_rest, _place):
    msg = "there is no room left to write it"
    raise OutputError(msg)


def _no_network(rest, _place):
    msg = f"{rest}: the file cannot be read"
    raise FileFormatError(msg) from OSError(5, "Input/output error")


def _wait(rest, place):
    (place / "waiting").touch()
    while not (place / rest).exists():
        time.sleep(0.02)


_ACTIONS = {
    "sleep": lambda rest, _: time.sleep(float(rest)),
    "hang": lambda *_: _hang(),
    "eat": _eat,
    "segfault": _segfault,
    "raise": _raise,
    "refuse": _refuse,
    "no-disk": _no_disk,
    "no-network": _no_network,
    "wait": _wait,
    "kill": lambda rest, _: os.kill(int(rest), signal.SIGKILL),
    "unlink": lambda rest, _: Path(rest).unlink(),
    "write": lambda rest, place: (place / rest).write_text("new"),
    "print": lambda rest, _: print(rest),  # noqa: T201
}


def _hang():
    while True:
        pass
