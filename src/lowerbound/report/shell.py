"""The frame of every page: one self-contained file of HTML, with no script, and nothing fetched from anywhere."""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Mapping
from typing import NamedTuple

from .. import __version__


class Section(NamedTuple):
    """A part of a page: its name among the links at the top, its heading, and what it shows, as HTML."""

    link: str
    heading: str
    content: str


def table(head: str, rows: str, kind: str = "") -> str:
    """A table that scrolls where the screen is narrow, of cells and rows as HTML; `kind`: its class in the style sheet."""
    of_kind = f' class="{kind}"' if kind else ""
    return f'<div class="card scroll"><table{of_kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def heads(*names: str, values: bool = False) -> str:
    """Escaped heads of columns; those of numbers stand to the right."""
    of_kind = ' class="value"' if values else ""
    return "".join(f"<th{of_kind}>{html.escape(name)}</th>" for name in names)


def page(title: str, kicker: str, heading: str, lead: str, sections: Mapping[str, Section], version: str = __version__) -> str:
    """The whole page.

    - `title`: of the window. `kicker`: the small line above the heading. `lead`: HTML below it.
    - `sections`: by the name that links to them end with.
    - `version`: of the release that made what the page shows.
    """
    links = "".join(f'<a href="#{name}">{html.escape(section.link)}</a>' for name, section in sections.items())
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{html.escape(section.heading)}</h2>'
        f"{section.content}</section>"
        for name, section in sections.items()
    )
    style = importlib.resources.files("lowerbound.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n"
        f'<link rel="icon" href="data:,">\n<style>\n{style}</style>\n</head>\n<body>\n'
        f'<header><div><p class="kicker">{html.escape(kicker)}</p><h1>{html.escape(heading)}</h1>'
        f'<p class="lead">{lead}</p><nav aria-label="Sections">{links}</nav></div></header>\n'
        f"<main>{body}</main>\n<footer>Made by lowerbound {html.escape(version)}. This page is one file: it can be moved and "
        "sent.</footer>\n</body>\n</html>\n"
    )
