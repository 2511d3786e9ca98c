"""An output folder has one run at a time; one that was killed does not keep the next from it."""

import subprocess
import sys

import pytest

from dotaliver.batch.lock import held
from dotaliver.batch.workspace import Workspace
from dotaliver.errors import OutputError
from fixtures.batches import environment, until

_HOLD = """
import sys, time
from pathlib import Path
from dotaliver.batch.lock import held
from dotaliver.batch.workspace import Workspace
with held(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_with_the_first_ones_name_until_that_is_killed(tmp_path):
    workspace = Workspace(tmp_path / "out")
    command = [sys.executable, "-c", _HOLD, str(workspace.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as owner:
        try:
            assert owner.stdout.readline() == "held\n"
            with pytest.raises(OutputError, match=rf"another batch.*process {owner.pid} on .*since"), held(workspace):
                pass
        finally:
            owner.kill()

    def free():
        with held(workspace):
            return True

    assert until(free, "the lock of a killed run")


def test_the_lock_is_free_after_a_run_that_failed(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(ZeroDivisionError), held(workspace):
        1 / 0  # noqa: B018
    with held(workspace):
        assert (workspace.state / "owner.json").exists()
    assert not (workspace.state / "owner.json").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another"), held(Workspace(tmp_path / "file")):
        pass
