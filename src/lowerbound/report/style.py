"""The look of every chart, and how a chart becomes a PNG file or a piece of a page."""

from __future__ import annotations

import contextlib
import html
import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from ..errors import TooLargeError
from ..storage.atomic import write_bytes
from ..storage.memory import check_fits

# Wong (2011), doi 10.1038/nmeth.1618: told apart with any kind of colour blindness; the sixth and later serve labels only.
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"
CATEGORIES = (BLUE, ORANGE, GREEN, PURPLE, "#e69f00", SKY, "#7f5539", "#5c5c5c", "#8f7ee7", "#a3b100")
INK, MUTED, GRID, PAPER = "#1c2430", "#5b6675", "#dfe3e8", "#ffffff"
SEQUENTIAL = "viridis"
# In points; a line of a title is so many CSS pixels high.
TITLE_SIZE, TITLE_LINE = 10.5, 19

# What the page's style sheet redefines for a dark screen.
_CSS_COLOURS = {
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PURPLE: "--purple",
    SKY: "--sky",
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    PAPER: "--card",
}

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": TITLE_SIZE,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.prop_cycle": cycler(color=CATEGORIES),
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "svg.fonttype": "none",
}


# Matplotlib draws 65,535 pixels on a side, at twice the sharpness: a picture, its copy and the file's bytes.
_LONGEST_SIDE, _BYTES_OF_PIXEL = 32_000, 50


@contextlib.contextmanager
def sheet(width: float | int, height: float | int, *, tight: bool = True) -> Iterator[Figure]:
    """An empty figure of so many CSS pixels, to draw on and save inside the `with`; matplotlib's settings stay a person's own.

    - `tight`: let matplotlib make room for labels; otherwise everything is placed by hand.

    Raises `TooLargeError` for more pixels than can be drawn.
    """
    what = f"a picture of {width:,.0f} x {height:,.0f} pixels"
    remedy = "ask for fewer examples, steps or latents, or for an array (a .npy file)"
    if max(width, height) > _LONGEST_SIDE:
        raise TooLargeError(f"{what} is too large: a side has {_LONGEST_SIDE:,} at most; {remedy}.")
    check_fits(_BYTES_OF_PIXEL * width * height, what, remedy)
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A column may be named in any script; where the font lacks a sign, a box is drawn.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Where all values are one, matplotlib makes room around it.
        warnings.filterwarnings("ignore", message="Attempting to set identical")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)  # pyright: ignore[reportCallIssue, reportArgumentType]
        yield Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained" if tight else None)


def wrapped(figure: Figure, title: str, width: float) -> str:
    """The title in as many lines as it takes to stay within `width` CSS pixels, in the type of titles; words that are longer than
    a line (a path) are broken."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    font = FontProperties(family=_SETTINGS["font.family"], size=TITLE_SIZE, weight=_SETTINGS["axes.titleweight"])

    def is_within(line: str) -> bool:
        return renderer.get_text_width_height_descent(line, font, False)[0] <= width

    for columns in range(len(title), 1, -1):
        lines = textwrap.wrap(title, columns)
        if all(map(is_within, lines)):
            return "\n".join(lines)
    return title


def put_title(figure: Figure, title: str, width: float) -> int:
    """Put a title above everything in a figure of so many CSS pixels; gives how many lines it takes."""
    lines = wrapped(figure, title, 0.98 * width)
    figure.suptitle(lines, x=0.01, ha="left", fontsize=TITLE_SIZE, fontweight="bold")
    return lines.count("\n") + 1


def save_png(figure: Figure, path: str | Path) -> None:
    """Write the figure at two image pixels to a CSS pixel, or raise `SavingError` and leave the file as it was."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def svg_markup(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element for a page: real text, and colours that follow the page's style sheet.

    - `name`: unique in the page. `description`: what it shows, for those who cannot see it.
    """
    with matplotlib.rc_context({"svg.hashsalt": name}):
        buffer = io.StringIO()
        FigureCanvasSVG(figure).figure.savefig(buffer, format="svg", transparent=True)
    markup = buffer.getvalue()
    markup = markup[markup.index("<svg") :]
    markup = re.sub(r"<metadata>.*?</metadata>", "", markup, flags=re.DOTALL)
    markup = re.sub(r"<!--.*?-->", "", markup, flags=re.DOTALL)
    markup = re.sub(r' xmlns(:xlink)?="[^"]*"| version="[^"]*"', "", markup).replace("xlink:href", "href")
    # Matplotlib names every group, with the same names in every figure; in a page an id must be unique.
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', markup))
    markup = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", markup)
    width, height = (round(inches * 100) for inches in figure.get_size_inches())
    opening = (
        f'<svg class="chart" viewBox="0 0 {width * 0.72:g} {height * 0.72:g}" role="img" aria-label="{html.escape(description)}">'
    )
    markup = re.sub(r"<svg[^>]*>", lambda _: opening, markup, count=1)
    for colour, variable in _CSS_COLOURS.items():
        markup = markup.replace(colour, f"var({variable})")
    return re.sub(r"\n\s*", "\n", markup)
