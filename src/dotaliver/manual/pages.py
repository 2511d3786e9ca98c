"""The pages of the manual, by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dotaliver.errors import ConfigError

__all__ = ["PAGES", "Page", "page", "picture"]

PAGES = (
    "index",
    "reading",
    "verdicts",
    "body",
    "follow-up",
    "cohort",
    "central-reading",
    "tables",
    "suv",
    "conformance",
    "viewers",
    "large-studies",
    "extending",
    "security",
    "benchmarks",
)
"""Names of the pages in reading order; the index comes first."""

# Printed from the table that the code follows
_SUV = "suv"


@dataclass(frozen=True)
class Page:
    """One page."""

    name: str
    text: str
    """Markdown"""

    @property
    def title(self) -> str:
        """The heading of the page."""
        return next(line for line in self.text.splitlines() if line.startswith("# ")).removeprefix("# ")


@cache
def page(name: str) -> Page:
    """A page by its name; `ConfigError` lists the pages where there is none of that name."""
    if name not in PAGES:
        msg = f"the manual has no page '{name}'; its pages are {', '.join(PAGES)}"
        raise ConfigError(msg)
    if name == _SUV:
        from dotaliver.dicom.pet.rules import rules_page

        return Page(name, rules_page())
    return Page(name, files("dotaliver").joinpath("manual", f"{name}.md").read_text(encoding="utf-8"))


def picture(name: str) -> bytes:
    """A picture that a page shows, as PNG."""
    return files("dotaliver").joinpath("manual", "pictures", name).read_bytes()
