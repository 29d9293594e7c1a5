"""Two dimensions of the latent space that show the most, and what to colour the examples by."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..summaries import RunSummary

MOST_CATEGORIES = 10
# A chart of more dots is no clearer, and a page of them is large.
MOST_POINTS = 5000


@dataclasses.dataclass(frozen=True)
class LatentView:
    """- `points`: (n, 2), or (n, 1) where there is one latent. `x_label`, `y_label`: what the axes are.
    - `colour`: (n,) numbers, an index into `categories` where there are any; `colour_label`: what they are. None and "" where
      nothing is known of the examples.
    - `has_normal_prior`: whether the prior is N(0, I), whose circles may be drawn.
    """

    points: np.ndarray
    x_label: str
    y_label: str
    colour: np.ndarray | None
    colour_label: str
    categories: tuple[str, ...] = ()
    has_normal_prior: bool = True

    @property
    def described(self) -> str:
        """One sentence, for those who cannot see the chart."""
        coloured = f", coloured by {self.colour_label}" if self.colour_label else ""
        return f"Posterior means of {len(self.points)} examples: {self.x_label} and {self.y_label}{coloured}."


def choose_view(summary: RunSummary) -> LatentView:
    """Two latents as they are, or the two principal axes of the posterior means where there are more.

    The principal axes are orthonormal and the origin is kept, so the prior N(0, I) is N(0, I) in the picture too.
    """
    means = np.asarray(summary.latent_means, np.float64)
    kept = np.linspace(0, len(means) - 1, min(len(means), MOST_POINTS)).round().astype(int)
    dim = means.shape[1]
    if dim == 1:
        points, x_label, y_label = means, "E[z|x]", "density"
    elif dim == 2:
        use = means.var(axis=0) if summary.kl_by_latent_nats is None else np.asarray(summary.kl_by_latent_nats)
        first, second = np.argsort(-use, kind="stable")[:2]
        points = means[:, [first, second]]
        x_label, y_label = f"latent {first}, E[z|x]", f"latent {second}, E[z|x]"
    else:
        points, shares = _principal_axes(means)
        x_label, y_label = (
            f"principal axis {number} of {dim} ({share:.0%} of variance)" for number, share in enumerate(shares, start=1)
        )
    colour, colour_label, categories = _choose_colour(summary, points)
    colour = None if colour is None else colour[kept]
    is_normal = all(block.has_normal_prior for block in summary.latent_blocks)
    return LatentView(points[kept], x_label, y_label, colour, colour_label, categories, is_normal)


def _principal_axes(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = means - means.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] if len(axes) >= 2 else np.vstack([axes, np.zeros_like(axes)])
    # The sign of an axis is arbitrary; fixed, so that a picture drawn twice is the same picture.
    axes = axes * np.where(axes[np.arange(2), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    variances = np.resize(singular**2, 2) if len(singular) < 2 else singular[:2] ** 2
    total = float((singular**2).sum()) or 1.0
    return means @ axes.T, variances / total


def _choose_colour(summary: RunSummary, points: np.ndarray) -> tuple[np.ndarray | None, str, tuple[str, ...]]:
    """Labels, as categories where they are few enough; else the factor that the picture explains best; else nothing."""
    if summary.labels is not None:
        names, index = np.unique(summary.labels, return_inverse=True)
        if len(names) <= MOST_CATEGORIES:
            return index, "label", tuple(str(name) for name in names)
        return np.asarray(summary.labels, float), "label", ()
    if summary.factors is not None and summary.factors.shape[1] > 0:
        explained = _explained(np.asarray(summary.factors, np.float64), points)
        best = int(np.argmax(explained))
        name = summary.factor_names[best] if best < len(summary.factor_names) else f"factor {best}"
        return np.asarray(summary.factors[:, best], float), name, ()
    return None, "", ()


def _explained(factors: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The share of each factor's variance that a quadratic function of the points explains."""
    columns = [np.ones(len(points)), *points.T, *(points**2).T]
    design = np.stack(columns, axis=1)
    fitted = design @ np.linalg.lstsq(design, factors, rcond=None)[0]
    variance = factors.var(axis=0)
    return 1 - (factors - fitted).var(axis=0) / np.where(variance > 0, variance, np.inf)
