"""The HTML templates: every text that is put into one is escaped, and a name that is missing is an error."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dotaliver.export.report.tables import number
from dotaliver.export.report.words import clause

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["page_template"]


@lru_cache
def page_template(name: str) -> Template:
    """A Jinja template of ``export/report/templates`` by its file's name, compiled once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dotaliver", "export/report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["clause"] = clause
    return environment.get_template(name)
