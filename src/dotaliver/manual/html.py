"""The manual as HTML: pages that need nothing else, no network, no script and no other file but each other."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.manual.pages import PAGES, Page, page, picture
from dotaliver.system.files import output_folder, write_atomically

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

__all__ = ["page_html", "whole_manual_html", "write_manual"]

_STYLE = """
:root { --ink: #1c2430; --soft: #5a6675; --line: #d9dfe6; --wash: #f5f7f9; --link: #0b5c8f; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 15.5px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.page { display: grid; grid-template-columns: 230px minmax(0, 1fr); gap: 40px; max-width: 1160px; margin: 0 auto;
  padding: 28px; }
nav { font-size: 14px; border-right: 1px solid var(--line); padding-right: 18px; }
nav a { display: block; padding: 4px 0; }
nav a.here { color: var(--ink); font-weight: 600; text-decoration: none; }
main { min-width: 0; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 14px; padding-bottom: 10px; border-bottom: 2px solid var(--ink); }
h2 { font-size: 20px; margin: 34px 0 8px; padding-bottom: 4px; border-bottom: 1px solid var(--line); }
h3 { font-size: 16.5px; margin: 24px 0 6px; }
p, ul, ol { margin: 8px 0 12px; max-width: 80ch; } li { margin: 3px 0; }
a { color: var(--link); }
img { max-width: 100%; height: auto; border: 1px solid var(--line); border-radius: 4px; vertical-align: top; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 10px 0 16px; }
th, td { text-align: left; vertical-align: top; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
.table { overflow-x: auto; }
.wide table { font-size: 12.5px; } .wide td, .wide th { min-width: 100px; }
.wide td:last-child { overflow-wrap: break-word; }
thead:not(:has(th:not(:empty))) { display: none; }
th { font-weight: 600; }
code { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; background: var(--wash);
  padding: 1px 4px; border-radius: 3px; }
pre { background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: 11px 14px;
  overflow-x: auto; }
pre code { background: none; padding: 0; }
blockquote { margin: 10px 0; padding: 2px 14px; border-left: 4px solid var(--line); color: var(--soft); }
section + section { border-top: 2px solid var(--ink); margin-top: 48px; padding-top: 28px; }
footer { margin-top: 40px; padding-top: 10px; border-top: 1px solid var(--line); font-size: 13px; color: var(--soft); }
@media (max-width: 820px) { .page { display: block; } nav { border: 0; margin-bottom: 24px; } }
@media print { nav { display: none; } .page { display: block; padding: 0; } }
"""
# More columns than this get a smaller font and scroll
_MOST_NARROW_COLUMNS = 4
# Names of flags may break after an underscore, not within a word
_LONG_CODE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
_LINK = re.compile(r"^([a-z-]+)\.md(?:#(.*))?$")


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it: lower case, hyphens, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _body(shown: Page, link: Callable[[str, str], str], prefix: str = "") -> str:
    """A page's text as HTML: anchors on headings, links to pages by `link`, pictures inside."""
    markdown = _markdown()
    text = "\n".join(line for line in shown.text.splitlines() if not line.startswith("<!--"))
    tokens = markdown.parse(text)
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", prefix + slug(following.content))
    for token in tokens:
        if token.type == "fence":
            token.content = token.content.rstrip() + "\n"
        for child in token.children or ():
            if child.type == "link_open" and (match := _LINK.match(str(child.attrGet("href")))):
                child.attrSet("href", link(match[1], match[2] or ""))
            if child.type == "image" and str(child.attrGet("src")).startswith("pictures/"):
                data = base64.b64encode(picture(str(child.attrGet("src")).removeprefix("pictures/"))).decode()
                child.attrSet("src", f"data:image/png;base64,{data}")
    rendered: str = markdown.renderer.render(tokens, markdown.options, {})
    return re.sub(r"<table>.*?</table>", _in_a_box, rendered, flags=re.DOTALL)


def _in_a_box(table: re.Match[str]) -> str:
    """A table that scrolls by itself where it is wider than the page."""
    style = "table wide" if table[0].split("</tr>", 1)[0].count("<th") > _MOST_NARROW_COLUMNS else "table"
    text = _LONG_CODE.sub(lambda code: code[0].replace("_", "_<wbr>"), table[0])
    return f'<div class="{style}">{text}</div>'


def _document(title: str, navigation: str, body: str) -> str:
    from dotaliver import __version__

    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<div class="page">
<nav>
{navigation}
</nav>
<main>
{body}
<footer>dotaliver {html.escape(__version__)}. Research use; not a medical device.</footer>
</main>
</div>
</body>
</html>
"""


def _navigation(link: Callable[[str, str], str], here: str | None = None) -> str:
    entries = []
    for name in PAGES:
        mark = ' class="here"' if name == here else ""
        title = html.escape(page(name).title)
        words = f"<strong>{title}</strong>" if name == PAGES[0] else title
        entries.append(f'<a{mark} href="{html.escape(link(name, ""))}">{words}</a>')
    return "\n".join(entries)


def page_html(name: str) -> str:
    """One page; its links lead to the files that `write_manual` writes beside it."""

    def link(to: str, anchor: str) -> str:
        return f"{to}.html" + (f"#{anchor}" if anchor else "")

    shown = page(name)
    return _document(f"{shown.title} · dotaliver manual", _navigation(link, name), _body(shown, link))


def whole_manual_html() -> str:
    """Every page in one document, to be carried as one file."""

    def link(to: str, anchor: str) -> str:
        return f"#{to}-{anchor}" if anchor else f"#{to}"

    sections = [f'<section id="{name}">\n{_body(page(name), link, f"{name}-")}</section>' for name in PAGES]
    return _document("dotaliver manual", _navigation(link), "\n".join(sections))


def write_manual(out: Path, name: str | None = None) -> Path:
    """Write the manual as HTML; returns the file to open.

    Parameters
    ----------
    out : Path
        A file that ends in ``.html`` takes one page, or with no ``name`` every page in one document; anything else is
        a folder for one file per page.
    name : str, optional
        The page that is wanted.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    if out.suffix.lower() in {".html", ".htm"}:
        text = whole_manual_html() if name is None else page_html(name)
        with output_folder(out.parent):
            write_atomically(out, text)
        return out
    pages = {each: page_html(each) for each in PAGES}
    with output_folder(out):
        for each, text in pages.items():
            write_atomically(out / f"{each}.html", text)
    return out / f"{name or PAGES[0]}.html"
