"""Optional dependencies: what each extra is for, and the one line that installs it for this installation."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

__all__ = ["EXTRAS", "Origin", "extra_missing", "install_line", "origin", "pip_install"]

EXTRAS = {
    "batch": "many studies at once ('dotaliver batch')",
    "napari": "the reading workspace ('dotaliver view')",
    "pacs": "a PACS ('dotaliver pull' and 'push')",
    "sdtm": "SDTM as SAS transport files ('dotaliver recist')",
    "zarr": "OME-Zarr and the cache of decoded images ('dotaliver zarr', '--cache')",
}
"""The extras that a user may want, with what each is for."""

# The reading workspace is a distribution of its own, which the checkout holds.
_PLUGINS = {"napari": "napari-dotaliver"}


@dataclass(frozen=True)
class Origin:
    """Where this installation came from."""

    kind: Literal["editable", "folder", "url", "index"]
    where: str = ""
    """Folder of the source code, or the URL of an archive or repository"""


@cache
def origin() -> Origin:
    """Where dotaliver was installed from, by the ``direct_url.json`` of its distribution (PEP 610)."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution("dotaliver").read_text("direct_url.json")
    except PackageNotFoundError:
        # Run from a source tree that was never installed
        root = Path(__file__).resolve().parents[3]
        return Origin("editable", str(root)) if (root / "pyproject.toml").is_file() else Origin("index")
    try:
        found = json.loads(text or "null")
        return Origin("index") if found is None else _origin_of(found)
    except (ValueError, KeyError, TypeError):
        return Origin("index")


def _origin_of(found: dict[str, object]) -> Origin:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    url = str(found["url"])
    if isinstance(folder := found.get("dir_info"), dict):
        return Origin("editable" if folder.get("editable") else "folder", url2pathname(urlsplit(url).path))
    if isinstance(repository := found.get("vcs_info"), dict):
        return Origin("url", f"{repository['vcs']}+{url}@{repository['commit_id']}")
    return Origin("url", url)


def extra_missing(what: str, extra: str, missing: str | None = None) -> str:
    """One sentence for a feature whose extra is not installed, with the line that installs it.

    Parameters
    ----------
    what : str
        The feature, as the subject of the sentence: "writing OME-Zarr".
    extra : str
        Name of the extra.
    missing : str, optional
        The package that could not be imported.
    """
    absent = "" if missing is None else f" ({missing} is missing)"
    return f"{what} needs the extra '{extra}'{absent}; install it with: {install_line(extra)}"


def install_line(extra: str) -> str:
    """The command that adds an extra to this installation, from where dotaliver itself was installed."""
    made = origin()
    plugin = _PLUGINS.get(extra)
    if made.kind == "index":
        return pip_install(f"dotaliver[{extra}]", *(() if plugin is None else (plugin,)))
    if made.kind == "url":
        return pip_install(f"dotaliver[{extra}] @ {made.where}", *(() if plugin is None else (plugin,)))
    root = Path(made.where)
    if not (root / "pyproject.toml").is_file():
        gone = "in the folder of dotaliver's source code, which is no longer where it was installed from"
        return f"{pip_install(f'.[{extra}]')}, {gone}"
    flag = ("-e",) if made.kind == "editable" else ()
    folders = [f"{root}[{extra}]"]
    if plugin is not None and (root / "plugins" / plugin).is_dir():
        folders.append(str(root / "plugins" / plugin))
    return pip_install(*(part for folder in folders for part in (*flag, folder)))


def pip_install(*arguments: str) -> str:
    """A command that installs into the environment in which dotaliver runs, with pip or, where that is absent, uv."""
    return " ".join((_installer(), *map(_quoted, arguments)))


def _installer() -> str:
    from importlib.util import find_spec

    python = Path(sys.executable)
    if find_spec("pip") is None and shutil.which("uv") is not None:
        return f"uv pip install --python {_quoted(str(python))}"
    on_path = shutil.which("pip")
    if on_path is not None and Path(on_path).parent == python.parent:
        return "pip install"
    return f"{_quoted(str(python))} -m pip install"


def _quoted(argument: str) -> str:
    """An argument as a shell takes it: single quotes, on Windows double ones."""
    import shlex

    if os.name == "nt":
        return argument if argument.isalnum() or argument == "-e" else f'"{argument}"'
    return shlex.quote(argument)
