"""What is drawn inside the axes of each chart; the same for a PNG file and for the page."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..summaries import RunSummary
from .latent_view import LatentView
from .score_text import MINUS
from .style import BLUE, CATEGORIES, GRID, INK, MUTED, ORANGE, PAPER, SEQUENTIAL

# The first looks of the host are far below everything that follows; the axis is fitted to the rest.
EARLY_SHARE = 0.1
# Of a straight climb, two and a half times what the second half of training climbs.
MOST_OF_SETTLED = 10 / 3
# Beyond so many points a noisy curve is a band of ink: its running median is drawn over it.
MOST_POINTS = 300


def tick_text(value: float, _position: int = 0) -> str:
    """`1,330` and `−0.5`: all digits of where a tick is, so that none stands beside the place that it names."""
    text = f"{value:,.0f}" if value == round(value) else f"{value:,.10g}"
    return text.replace("-", MINUS)


def whole_ticks(axes: Axes) -> None:
    """Label the ticks of both axes by `tick_text`."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(tick_text))


def robust_limits(values: list[np.ndarray]) -> tuple[float, float]:
    """Limits of an axis that show all of the later part of the curves, and some of the climb to it.

    The lower limit is the lowest value after the first tenth of each curve, less a margin, but no further below the highest one
    than `MOST_OF_SETTLED` times as far as three quarters of the second halves, and half of each curve's, reach: neither the climb
    nor a spike takes more of the axis. The upper limit is the highest value.
    """
    whole = np.concatenate(values)
    high = float(whole.max())
    late = np.concatenate([curve[int(len(curve) * EARLY_SHARE) :] for curve in values])
    halves = [curve[len(curve) // 2 :] for curve in values]
    usual = float(np.percentile(np.concatenate(halves), 25, method="higher"))
    # Of a few looks a quarter may be none at all; each curve is seen where it usually is.
    usual = min(usual, *(float(np.median(half)) for half in halves))
    low = min(float(np.percentile(late, 1)), usual)
    low = max(low, high - max(MOST_OF_SETTLED * (high - usual), 1e-6 * abs(high) + 1e-9))
    low = max(low, float(whole.min()))
    margin = 0.06 * max(high - low, 1e-6 * abs(high) + 1e-9)
    return low - margin, high + margin


def draw_bound(axes: Axes, summary: RunSummary) -> None:
    """Train and validation ELBO against epochs, with the best epoch marked; the reconstruction where there is no bound."""
    what = "elbo_nats" if summary.has_bound else "reconstruction_nats"
    drawn = _curves(axes, summary, what)
    axes.set_title(
        "Evidence lower bound (higher is better)" if summary.has_bound else "Reconstruction (no bound: the code is one point)"
    )
    axes.set_ylabel("ELBO [nats per example]" if summary.has_bound else "log p(x|z) at the code [nats]")
    if not drawn:
        _nothing(axes, "no epoch was recorded")
        return
    low, high = robust_limits(drawn)
    axes.set_ylim(low, high)
    _mark_spikes(axes, summary, (f"train_{what}", f"validation_{what}"), low)
    epochs, bounds = summary.finite(f"validation_{what}")
    if len(bounds):
        best = int(np.argmax(bounds))
        axes.axvline(epochs[best], color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)))
        axes.plot(
            epochs[best],
            bounds[best],
            "o",
            color=ORANGE,
            markeredgecolor=PAPER,
            markeredgewidth=1.2,
            markersize=7,
            label=f"best: {tick_text(round(float(bounds[best]), 1))}, epoch {epochs[best]:,.0f}",
        )
    shown_from = max(_first_above(summary, column, low) for column in (f"train_{what}", f"validation_{what}"))
    if shown_from > 0:
        axes.set_xlabel(f"epoch (those before {tick_text(shown_from)} lie below the axis)")
    axes.legend(loc="best")


def draw_kl(axes: Axes, summary: RunSummary) -> None:
    """KL against epochs, and the warm-up of its weight where there was one."""
    drawn = _curves(axes, summary, "kl_nats")
    axes.set_title(
        "KL: the code's, and the weights' share" if summary.weights_are_random else "KL: what the code tells about an example"
    )
    axes.set_ylabel("KL of z and KL of the weights / N [nats]" if summary.weights_are_random else "KL(q(z|x) ‖ p(z)) [nats]")
    if not drawn:
        _nothing(axes, "no epoch was recorded" if summary.has_bound else "a deterministic code has no KL")
        return
    # Only a peak of the first epochs may leave the axis.
    settled = np.concatenate([curve[int(len(curve) * EARLY_SHARE) :] for curve in drawn])
    axes.set_ylim(0, max(1.12 * float(settled.max()), 0.1))
    epochs, weights = summary.finite("kl_weight")
    rising = epochs[weights < 0.999 * weights[-1]] if len(weights) else epochs
    if len(rising):
        end = float(rising[-1])
        axes.axvspan(axes.get_xlim()[0], end, color=GRID, alpha=0.6, linewidth=0, label="its weight rises")
    axes.legend(loc="lower right", ncols=2)


def draw_latent_means(axes: Axes, view: LatentView, *, colour_bar: bool = True) -> None:
    """Posterior means in two dimensions over the prior's contours, coloured by what is known of each example."""
    axes.set_title("Where the encoder puts the examples")
    axes.set_xlabel(view.x_label)
    axes.set_ylabel(view.y_label)
    if view.points.shape[1] == 1:
        _draw_one_latent(axes, view)
        return
    axes.set_aspect("equal", adjustable="datalim")
    angle = np.linspace(0, 2 * math.pi, 181)
    for radius in (1, 2, 3) if view.has_normal_prior else ():
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        label = axes.text(0, -radius, f"{radius}σ", fontsize=7.5, color=MUTED, ha="center", va="center", zorder=3)
        label.set_path_effects([withStroke(linewidth=2.5, foreground=PAPER)])
    x, y = view.points.T
    size = float(np.clip(4000 / max(len(x), 1), 4, 22))
    style = {"s": size, "linewidths": 0, "alpha": 0.75, "zorder": 2, "rasterized": True}
    if view.colour is None:
        axes.scatter(x, y, c=BLUE, **style)
        return
    if view.categories:
        colours = ListedColormap(CATEGORIES[: len(view.categories)])
        norm = BoundaryNorm(np.arange(len(view.categories) + 1) - 0.5, len(view.categories))
        dots = axes.scatter(x, y, c=view.colour, cmap=colours, norm=norm, **style)
        ticks = range(len(view.categories))
    else:
        dots = axes.scatter(x, y, c=view.colour, cmap=SEQUENTIAL, **style)
        ticks = None
    if colour_bar and axes.figure is not None and len(x) > 1:
        bar = axes.figure.colorbar(dots, ax=axes, pad=0.02, aspect=28, ticks=ticks)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        bar.set_label(view.colour_label)
        if bar.solids is not None:
            bar.solids.set_alpha(1.0)
        if view.categories:
            bar.ax.set_yticklabels(view.categories)
        bar.ax.tick_params(length=0)


def _draw_one_latent(axes: Axes, view: LatentView) -> None:
    values = view.points[:, 0]
    axes.hist(values, bins=40, density=True, color=BLUE, alpha=0.75, label="posterior means")
    z = np.linspace(-3.5, 3.5, 201)
    if view.has_normal_prior:
        axes.plot(z, np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi), color=INK, linestyle=(0, (4, 3)), label="prior N(0, 1)")
    axes.legend()


def draw_latent_kl(axes: Axes, summary: RunSummary) -> None:
    """A bar for each latent, the most informative first; unused ones are marked."""
    kl = summary.kl_by_latent_nats
    if kl is None:
        heights, label = summary.latent_means.var(axis=0), "variance of the posterior mean"
        axes.set_title("How much each latent is used")
    else:
        heights, label = np.asarray(kl, float), "mean KL [nats]"
        axes.set_title("What each latent carries")
    order = np.argsort(-heights, kind="stable")
    active = np.asarray(summary.latent_is_active)[order]
    positions = np.arange(len(order))
    axes.bar(positions[active], heights[order][active], width=0.78, color=BLUE, label=f"{int(active.sum())} active")
    if not active.all():
        top = max(float(heights.max()), 1e-12)
        # A bar of no height would not be seen.
        stub = np.maximum(heights[order][~active], 0.012 * top)
        axes.bar(positions[~active], stub, width=0.78, color=ORANGE, label=f"{int((~active).sum())} unused")
    axes.set_ylabel(label)
    axes.set_xlabel("latent, the most informative first")
    few = len(order) <= 24
    shown = positions if few else positions[:: math.ceil(len(order) / 16)]
    axes.set_xticks(shown, [f"{order[index]}" for index in shown])
    if len(shown) > 14:
        axes.tick_params(axis="x", labelsize=7)
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.grid(False, axis="x")
    axes.legend(loc="upper right")


def draw_marginal(axes: Axes, real: np.ndarray, samples: np.ndarray, name: str) -> None:
    """One column's values in the data and in the samples, as densities on the same bins."""
    bins = _shared_bins(real, samples)
    axes.hist(_inside(real, bins), bins=bins, density=True, color=BLUE, alpha=0.35, label="data")
    axes.hist(_inside(samples, bins), bins=bins, density=True, histtype="step", color=ORANGE, linewidth=1.6, label="samples")
    axes.set_title(folded(name), fontsize=9)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(tick_text))
    axes.grid(False)
    axes.spines["left"].set_visible(False)


def draw_reconstructed_column(axes: Axes, original: np.ndarray, reconstruction: np.ndarray, name: str) -> None:
    """One column's reconstruction against its original; on the line they are equal."""
    both = np.isfinite(original) & np.isfinite(reconstruction)
    original, reconstruction = original[both], reconstruction[both]
    low, high = (float(original.min()), float(original.max())) if len(original) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.scatter(original, reconstruction, s=9, color=BLUE, alpha=0.55, linewidths=0, zorder=2)
    axes.set_xlim(*ends)
    axes.set_title(folded(name), fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    whole_ticks(axes)


def _curves(axes: Axes, summary: RunSummary, what: str) -> list[np.ndarray]:
    """Draw a figure of training and of validation against epochs; the values that were drawn of each."""
    drawn: list[np.ndarray] = []
    for part, colour in (("train", BLUE), ("validation", ORANGE)):
        epochs, values = summary.finite(f"{part}_{what}")
        if len(values) > MOST_POINTS:
            axes.plot(epochs, values, color=colour, alpha=0.28, linewidth=0.7, rasterized=True)
            epochs, values = _running_median(epochs, values)
        if len(values):
            hidden = " (with elements hidden)" if part == "train" and summary.config.training.hide_elements else ""
            axes.plot(
                epochs, values, color=colour, label=f"{part}{hidden}", marker="o" if len(values) < 15 else None, markersize=3.5
            )
            drawn.append(values)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    whole_ticks(axes)
    epochs = np.asarray(summary.history.get("epoch", ()), float)
    if len(epochs):
        axes.set_xlim(0, max(float(epochs.max()) * 1.015, 1))
    return drawn


def _mark_spikes(axes: Axes, summary: RunSummary, columns: tuple[str, str], low: float) -> None:
    """An arrow at the foot of the axis where a curve left it downwards, and how deep the deepest one went."""
    below: list[tuple[float, float]] = []
    for column, colour in zip(columns, (BLUE, ORANGE), strict=True):
        epochs, values = summary.finite(column)
        left = (values < low) & (epochs > _first_above(summary, column, low))
        if not left.any():
            # An empty line that is not clipped stands at the figure's corner, and the layout would make room for it.
            continue
        below += zip(values[left].tolist(), epochs[left].tolist(), strict=True)
        foot = np.full(left.sum(), 0.02)
        axes.plot(epochs[left], foot, "v", color=colour, markersize=6, transform=axes.get_xaxis_transform(), clip_on=False)
    if below:
        lowest, epoch = min(below)
        text = f"down to {tick_text(float(f'{lowest:.4g}'))} at epoch {epoch:,.0f}"
        side, offset = ("right", -12) if epoch > np.mean(axes.get_xlim()) else ("left", 12)
        foot, style = axes.get_xaxis_transform(), {"fontsize": 8, "color": MUTED, "va": "bottom", "ha": side}
        note = axes.annotate(text, (epoch, 0.02), xycoords=foot, xytext=(offset, 0), textcoords="offset points", **style)
        note.set_path_effects([withStroke(linewidth=2.5, foreground=PAPER)])


def _first_above(summary: RunSummary, column: str, low: float) -> float:
    """The first epoch whose value lies on the axis, or 0 where all do."""
    epochs, values = summary.finite(column)
    inside = values >= low
    return float(epochs[np.argmax(inside)]) if len(values) and not inside[0] else 0.0


def _running_median(epochs: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The medians of `MOST_POINTS` equal stretches of a curve, at the stretches' middles; the two ends are kept."""
    stretches = np.array_split(np.arange(len(values)), MOST_POINTS)
    x = [epochs[0], *(float(np.median(epochs[part])) for part in stretches[1:-1]), epochs[-1]]
    y = [values[0], *(float(np.median(values[part])) for part in stretches[1:-1]), float(np.median(values[stretches[-1]]))]
    return np.array(x), np.array(y)


def _nothing(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)


def _shared_bins(real: np.ndarray, samples: np.ndarray) -> list[float]:
    """Bins over the data's own range, and over the samples' where that is not far wider; a bin a level for few levels."""
    finite = real[np.isfinite(real)]
    if not len(finite):
        return [0.0, 1.0]
    levels = np.unique(finite)
    if len(levels) <= 30 and np.allclose(levels, np.round(levels)) and levels[-1] - levels[0] <= 60:
        return (np.arange(levels[0] - 1, levels[-1] + 1) + 0.5).tolist()
    low, high = np.percentile(finite, [0.5, 99.5])
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    width = (high - low) or max(abs(float(low)), 1.0)
    drawn = samples[np.isfinite(samples)]
    if len(drawn):
        low = max(min(low, float(np.percentile(drawn, 0.5))), low - 0.5 * width)
        high = min(max(high, float(np.percentile(drawn, 99.5))), high + 0.5 * width)
    if high <= low:
        low, high = low - 0.5 * width, low + 0.5 * width
    return np.linspace(low, high, int(np.clip(1.5 * math.sqrt(len(finite)), 8, 32)) + 1).tolist()


def _inside(values: np.ndarray, bins: list[float]) -> np.ndarray:
    # What lies beyond the last bin is counted in it, so that both densities keep their whole mass.
    return np.clip(values[np.isfinite(values)], bins[0], bins[-1])


def folded(name: str) -> str:
    """A column's name on two lines at most."""
    return "\n".join(textwrap.wrap(name, 22, max_lines=2, placeholder="…"))
