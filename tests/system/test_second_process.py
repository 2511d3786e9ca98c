"""Work that is given to a second process comes back as if it had been done here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from dotaliver.errors import MaskError
from dotaliver.system.processors import processors
from dotaliver.system.second_process import SecondProcess, Several, Whole

needs_two_processors = pytest.mark.skipif(processors() < 2, reason="there is one processor alone")


def load_nothing() -> None:
    """What the jobs here need."""


@dataclass(frozen=True)
class WhoAmI:
    """Answers with the process that does it and what it was given."""

    given: bytes

    def run(self) -> tuple[int, bytes]:
        return os.getpid(), self.given


@dataclass(frozen=True)
class Refuses:
    def run(self) -> None:
        msg = "the liver mask has no voxels; draw it"
        raise MaskError(msg)


@dataclass(frozen=True)
class Ends:
    """Ends any process but one."""

    only_here: int

    def run(self) -> int:
        if os.getpid() != self.only_here:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()


@dataclass(frozen=True)
class FailsElsewhere:
    """A fault that its own process can tell best."""

    only_here: int

    def run(self) -> str:
        if os.getpid() != self.only_here:
            msg = "a fault"
            raise RuntimeError(msg)
        return "done here"


@dataclass(frozen=True)
class Waits:
    def run(self) -> str:
        time.sleep(0.1)
        return "waited"


@needs_two_processors
def test_jobs_of_any_size_are_done_elsewhere_one_after_the_other():
    with SecondProcess(load_nothing) as helper:
        for size in (0, 10_000_000, 3):
            process, given = helper.begin(WhoAmI(b"x" * size)).result()
            assert process != os.getpid()
            assert given == b"x" * size


@needs_two_processors
def test_a_refusal_comes_back_as_it_is():
    with SecondProcess(load_nothing) as helper:
        with pytest.raises(MaskError, match="draw it"):
            helper.begin(Refuses()).result()
        assert helper.begin(WhoAmI(b"")).result()[0] != os.getpid()


@needs_two_processors
@pytest.mark.parametrize("job", [Ends(os.getpid()), FailsElsewhere(os.getpid())])
def test_a_job_that_its_process_does_not_finish_is_done_here(job):
    with SecondProcess(load_nothing) as helper:
        assert helper.begin(job).result() == job.run()
        assert helper.begin(WhoAmI(b"")).result()[0] == os.getpid()


@needs_two_processors
def test_while_it_is_busy_the_next_job_is_done_here():
    with SecondProcess(load_nothing) as helper:
        first, second = helper.begin(Waits()), helper.begin(WhoAmI(b""))
        assert second.result()[0] == os.getpid()
        assert first.result() == "waited"


@needs_two_processors
def test_a_job_is_under_way_until_its_answer_is_there():
    with SecondProcess(load_nothing) as helper:
        pending, here = helper.begin(Waits()), helper.begin(WhoAmI(b""))
        assert pending.is_under_way
        assert not here.is_under_way  # nobody does it before it is asked for
        while pending.is_under_way:
            time.sleep(0.01)
        assert pending.result() == "waited"
        assert not pending.is_under_way


def test_without_a_second_process_everything_is_done_here(monkeypatch):
    monkeypatch.setattr("dotaliver.system.second_process.processors", lambda: 1)
    for helper in (SecondProcess(), SecondProcess(load_nothing)):
        with helper:
            assert helper.begin(WhoAmI(b"")).result()[0] == os.getpid()
            with pytest.raises(MaskError):
                helper.begin(Refuses()).result()


FORKS = """
import os, signal, sys
from dotaliver.system.second_process import SecondProcess

class Tells:
    def run(self):
        handler = signal.getsignal(signal.SIGTERM)
        return os.getpid(), SEEN, handler == signal.SIG_DFL

def load():
    SEEN.append("loaded there")

SEEN = ["before"]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
with SecondProcess(load, forked=True) as helper:
    process, seen, is_reset = helper.begin(Tells()).result()
    assert process != os.getpid()
    assert seen == ["before", "loaded there"] and SEEN == ["before"], (seen, SEEN)
    assert is_reset
    print(process, flush=True)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@needs_two_processors
@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")
@pytest.mark.parametrize(("end", "status"), [("in order", 0), ("killed", -signal.SIGKILL)])
def test_a_forked_process_has_what_was_loaded_here_and_ends_with_this_one(end, status):
    # Both write to the same pipes, which are read until each of the two has ended
    command = [sys.executable, "-c", FORKS, end]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == status, done.stderr
    assert not done.stderr
    assert int(done.stdout)


@dataclass(frozen=True)
class Squares:
    """A job in parts: each tells its square and the process that took it, after a while."""

    parts: int
    wait_s: float = 0.0
    ends_in: int | None = None
    only_here: int = 0

    def run(self) -> list[int]:
        return [part**2 for part in range(self.parts)]

    def do(self, part: int) -> tuple[int, int]:
        if part == self.ends_in and os.getpid() != self.only_here:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.wait_s)
        return part**2, os.getpid()

    def merged(self, done: Mapping[int, tuple[int, int]]) -> list[int]:
        return [done[part][0] for part in range(self.parts)]


@dataclass(frozen=True)
class WhoDidThem(Squares):
    def merged(self, done: Mapping[int, tuple[int, int]]) -> list[int]:
        return [done[part][1] for part in range(self.parts)]


@needs_two_processors
def test_the_other_process_does_a_shared_job_from_the_first_part_on_and_this_one_from_the_last():
    with SecondProcess(load_nothing) as helper:
        assert helper.begin(WhoAmI(b"")).result()[0] != os.getpid()  # it is there
        who = [process == os.getpid() for process in helper.share(WhoDidThem(20, 0.02)).result()]
        assert who == sorted(who)
        assert 0 < sum(who) < 20
        # What nobody asks for meanwhile is done there as a whole
        pending = helper.share(WhoDidThem(3))
        while pending.is_under_way:
            time.sleep(0.01)
        assert os.getpid() not in pending.result()


@needs_two_processors
@pytest.mark.parametrize("parts", [0, 1, 2, 30])
def test_a_shared_job_comes_to_what_it_comes_to_here(parts):
    with SecondProcess(load_nothing) as helper:
        for _ in range(2):
            assert helper.share(Squares(parts, 0.001)).result() == Squares(parts).run()
        busy, here = helper.begin(Waits()), helper.share(Squares(parts))
        assert here.result() == Squares(parts).run()
        assert busy.result() == "waited"


@needs_two_processors
@pytest.mark.parametrize("part", [0, 2])
def test_parts_that_the_other_process_does_not_finish_are_done_here(part):
    job = Squares(6, 0.01, ends_in=part, only_here=os.getpid())
    with SecondProcess(load_nothing) as helper:
        assert helper.share(job).result() == job.run()
        assert helper.share(job).result() == job.run()


@pytest.mark.parametrize("last", [None, Squares(0), Squares(3)])
@pytest.mark.parametrize("first", [None, Squares(2), Whole(Squares(2))])
def test_several_jobs_are_shared_as_one(first, last):
    several = Several((first, Whole(Waits()), last))
    wanted = tuple(None if job is None else job.run() for job in several.jobs)
    assert several.run() == wanted
    assert several.merged({part: several.do(part) for part in reversed(range(several.parts))}) == wanted
    with SecondProcess(load_nothing) as helper:
        assert helper.share(several).result() == wanted


def test_a_refusal_of_a_shared_job_comes_back():
    with SecondProcess(load_nothing) as helper, pytest.raises(MaskError):
        helper.share(Several((Whole(Refuses()), Squares(3)))).result()
