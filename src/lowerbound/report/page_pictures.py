"""The pictures inside the page: charts as SVG that follow the page's colours, images as PNG in the page itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from ..data.spec import DataSpec
from ..summaries import RunSummary
from .charts import draw_bound, draw_kl, draw_latent_kl, draw_latent_means
from .figures import columns_of, pair_picture, sample_picture
from .images import Picture, enlarge, png_bytes
from .latent_view import choose_view
from .score_text import number
from .style import sheet, svg_markup

# Drawn at the size at which a phone shows them, so that their text can be read there.
CHART_SIZE = (440, 310)
COLUMN_SIZE = (230, 160)
PICTURE_WIDTH, WIDE_PICTURE_WIDTH = 900, 1800


def charts(summary: RunSummary) -> list[str]:
    """The learning curves, as SVG."""
    best = summary.finite("validation_elbo_nats")[1]
    reached = f" Best validation bound: {number(float(best.max()))} nats." if len(best) else ""
    kl = f" At the end: {number(summary.last('train_kl_nats'))} nats." if np.isfinite(summary.last("train_kl_nats")) else ""
    bound = "Evidence lower bound" if summary.has_bound else "Reconstruction log p(x|z)"
    return [
        chart("bound", f"{bound} in nats against epochs.{reached}", lambda axes: draw_bound(axes, summary)),
        chart("kl", f"KL in nats against epochs.{kl}", lambda axes: draw_kl(axes, summary)),
    ]


def latent_charts(summary: RunSummary) -> list[str]:
    """The latent space and each latent's share, as SVG."""
    view = choose_view(summary)
    active = int(summary.latent_is_active.sum())
    shares = f"What each of {summary.latent_dim} latents carries; {active} are active."
    return [
        chart("latent-means", view.described, lambda axes: draw_latent_means(axes, view), height=370),
        chart("latent-kl", shares, lambda axes: draw_latent_kl(axes, summary), height=370),
    ]


def column_charts(summary: RunSummary, what: str) -> str:
    """A table's columns, one small SVG each: "samples" or "reconstructions"."""
    both, columns = "real and samples" if what == "samples" else "originals and reconstructions", columns_of(summary, what)
    pieces = [chart(f"{what}-{index}", f"{name}: {both}", draw, *COLUMN_SIZE) for index, (name, draw) in enumerate(columns)]
    cards = "".join(f'<div class="card">{piece}</div>' for piece in pieces)
    rest = summary.spec.num_elements - len(columns)
    return cards + (f'<p class="small">and {rest} more {"column" if rest == 1 else "columns"}, not shown</p>' if rest else "")


def grid(images: np.ndarray, spec: DataSpec, description: str) -> str:
    """Up to 100 images as one `<img>`."""
    picture = sample_picture(images, spec)
    whole = sample_picture(np.full(images.shape, spec.high), spec, background=0)
    return _image(picture, whole, description, PICTURE_WIDTH)


def reconstruction_grid(summary: RunSummary) -> str:
    """Originals above reconstructions as one `<img>`."""
    spec = summary.spec
    picture = pair_picture(summary.originals, summary.reconstructions, spec)
    white = np.full(summary.originals.shape, spec.high)
    whole = pair_picture(white, white, spec, background=0)
    description = f"{summary.split_shown} examples, each above its reconstruction"
    return _image(picture, whole, description, WIDE_PICTURE_WIDTH)


def chart(
    name: str, description: str, draw: Callable[[Axes], None], width: int = CHART_SIZE[0], height: int = CHART_SIZE[1]
) -> str:
    """A picture of one pair of axes, as SVG."""
    with sheet(width, height) as figure:
        draw(figure.subplots())
        return svg_markup(figure, name, description)


def _image(picture: Picture, inside: Picture, description: str, width: int) -> str:
    """`inside` is white where a picture lies and black between them: there the page's own colour shows through."""
    large = enlarge(np.concatenate([picture, inside[..., :1]], axis=2), width)
    content = base64.b64encode(png_bytes(large, optimize=True)).decode("ascii")
    height, width = large.shape[:2]
    return (
        f'<img class="picture" src="data:image/png;base64,{content}" alt="{html.escape(description)}" '
        f'width="{width}" height="{height}" loading="lazy">'
    )
