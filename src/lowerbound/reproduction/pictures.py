"""Figures 4 and 5: what the trained models decode."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..evaluation import sample
from ..evaluation.walks import manifold
from ..report.figures import sample_picture
from ..report.labelled_grid import small_picture
from ..report.style import put_title, save_png, sheet
from ..runs.folder import RunFolder
from .plan import AEVB, Curve, Plan
from .record import Home, Point, Reproduction

_WIDTH = 1120
# As many cells in a row as in the paper.
_PLANE, _SAMPLES = 20, 100


class Panel(NamedTuple):
    """A picture with what it shows."""

    title: str
    picture: np.ndarray


def save_planes(plan: Plan, found: Reproduction, home: Home, path: Path) -> int:
    """Figure 4: E[x|z] over the plane of two latents, of each set whose model is there; gives how many are drawn."""
    panels = []
    for curve, point, run in _newest(plan, found, home, 4):
        model, spec, _ = run.load_model()
        # Any examples do: the prior is N(0, I), whose quantiles the plane is laid out by.
        plane = manifold(model, np.zeros((1, *spec.event_shape), np.float32), size=_PLANE)
        picture = small_picture(plane.means.reshape(-1, *plane.means.shape[2:]), spec, _PLANE)
        panels.append(Panel(f"{curve.source.title}, {point.samples:,} training samples", picture))
    title = "E[x|z] over the two latents, at equal steps of the quantiles of N(0, 1)"
    return _save(panels, title, path)


def save_samples(plan: Plan, found: Reproduction, home: Home, path: Path) -> int:
    """Figure 5: new digits of each model that is there; gives how many are drawn."""
    panels = []
    for curve, point, run in _newest(plan, found, home, 5):
        model, spec, _ = run.load_model()
        picture = sample_picture(sample(model, _SAMPLES, draw=False, seed=found.seed), spec)
        panels.append(Panel(f"{curve.latents} latents, {point.samples:,} training samples", picture))
    return _save(panels, "Decoder means E[x|z] of z ~ N(0, I)", path)


def _newest(plan: Plan, found: Reproduction, home: Home, figure: int) -> list[tuple[Curve, Point, RunFolder]]:
    """The curves of a figure that have been trained, with their newest point and its run."""
    wanted = [curve for curve in plan.curves if figure in curve.figures and curve.method == AEVB and not curve.split]
    points = [(curve, found.points_of(curve.name)[-1]) for curve in wanted if found.points_of(curve.name)]
    return [(curve, point, RunFolder.open(home.run(curve, point.step))) for curve, point in points]


def _save(panels: list[Panel], title: str, path: Path) -> int:
    if not panels:
        path.unlink(missing_ok=True)
        return 0
    cell = (_WIDTH - 40) / max(2, len(panels))
    height = max(cell * panel.picture.shape[0] / panel.picture.shape[1] for panel in panels)
    with sheet(_WIDTH, height + 90) as figure:
        put_title(figure, title, _WIDTH)
        grid = figure.subplots(1, max(2, len(panels)), squeeze=False)[0]
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(grid, panels, strict=False):
            axes.imshow(panel.picture, interpolation="nearest")
            axes.set_title(panel.title)
            axes.set_axis_off()
            axes.set_anchor("N")
        save_png(figure, path)
    return len(panels)
