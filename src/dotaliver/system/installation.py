"""What is installed: required packages, extras and plugins, with their versions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dotaliver.system.extras import EXTRAS, install_line, origin

__all__ = ["Extra", "Package", "extras", "memory_bytes", "plugins", "required_packages"]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:>=\s*([0-9][0-9.]*))?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Package:
    """A package that is needed, and what is installed of it."""

    name: str
    needed: str | None
    """Lowest version that is accepted"""
    version: str | None
    """Version that is installed; None where the package is missing"""

    @property
    def is_fit(self) -> bool:
        """Whether it is installed, and not too old."""
        if self.version is None:
            return False
        return self.needed is None or _numbers(self.version) >= _numbers(self.needed)


@dataclass(frozen=True)
class Extra:
    """An optional feature, and what is missing for it."""

    name: str
    purpose: str
    missing: tuple[str, ...]
    """Packages that are missing or too old"""
    install: str | None
    """The command that installs them; None where nothing is missing"""


def _numbers(version: str) -> tuple[int, ...]:
    """The release part of a version, for comparison: 3.0.1 of 3.0.1rc1."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _requirements() -> list[tuple[str, str | None]]:
    """Every declared requirement with the extra that it belongs to."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("dotaliver") or []
    except PackageNotFoundError:
        import tomllib

        project = tomllib.loads((Path(origin().where) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        optional = project["optional-dependencies"].items()
        return [(line, None) for line in project["dependencies"]] + [
            (line, name) for name, group in optional for line in group
        ]
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = _EXTRA.search(marker)
        found.append((requirement, None if extra is None else extra[1]))
    return found


def _packages(lines: Iterable[str]) -> tuple[Package, ...]:
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None or match[1] == "dotaliver":
            continue
        try:
            installed: str | None = version(match[1])
        except PackageNotFoundError:
            installed = None
        packages[match[1]] = Package(match[1], match[2], installed)
    return tuple(packages[name] for name in sorted(packages, key=str.lower))


def required_packages() -> tuple[Package, ...]:
    """The packages without which nothing works."""
    return _packages(line for line, extra in _requirements() if extra is None)


def extras() -> tuple[Extra, ...]:
    """Each extra with what is missing for it; the reading workspace also needs its plugin."""
    found = []
    requirements = _requirements()
    for name, purpose in EXTRAS.items():
        packages = _packages(line for line, extra in requirements if extra == name)
        missing = [package.name for package in packages if not package.is_fit]
        if name == "napari" and not plugins("dotaliver.viewers"):
            missing.append("napari-dotaliver")
        found.append(Extra(name, purpose, tuple(missing), install_line(name) if missing else None))
    return tuple(found)


def plugins(group: str) -> tuple[str, ...]:
    """Names of the entry points of a group."""
    from importlib.metadata import entry_points

    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def memory_bytes() -> int | None:
    """Memory of the machine, or of the container that bounds this process; None where it cannot be read."""
    import os

    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = int(_CGROUP_LIMIT.read_text(encoding="ascii"))
    except (OSError, ValueError):  # none, or "max"
        return whole
    return min(whole, limit)
