"""What each latent of a fitted estimator moves, and what of a label is in its codes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..data.examples import Example
from ..data.labels import label_values
from ..errors import ConfigurationError, DataError, unknown_name_message
from ..evaluation.effects import LatentEffects, latent_effects
from ..evaluation.probe import MOST_ROWS, LabelledRows, Probe, has_classes, probe_codes
from .holes import FillsHoles

# Of each latent, what `print` shows.
_MOST_SHOWN = 4


class Explanation(NamedTuple):
    """`effects`: which quantities each latent moves, with intervals. `probe`: a label from the codes; None without a label."""

    effects: LatentEffects
    probe: Probe | None

    def __str__(self) -> str:
        effects = self.effects
        lines = [f"each latent from its 5 % to its 95 % quantile, in standard deviations [95 %], {effects.num_rows:,} rows"]
        for number, latent in enumerate(effects.latents.tolist()):
            moves = ", ".join(effects.in_words(number, quantity) for quantity in effects.strongest(number, _MOST_SHOWN))
            lines.append(f"z{latent} ({effects.carried[number]:.3f} {effects.carried_unit}): {moves}")
        return "\n".join(lines if self.probe is None else [*lines, self.probe.words])


def explain(
    estimator: FillsHoles, rows: np.ndarray, data: Example, y: Any, target: str | None, num_latents: int, seed: int
) -> Explanation:
    """What `VAE.explain` gives; `rows` and `data` are its rows, as numbers and as the model sees them."""
    spec, model = estimator.spec_, estimator.model_
    labels, name, place = _labels(estimator, rows, y, target)
    effects = latent_effects(model, spec, data, num_latents=num_latents, seed=seed)
    if labels is None:
        return Explanation(effects, None)
    known = np.flatnonzero(~np.isnan(labels))
    if len(known) < 2:
        raise DataError(f"{name} has a class in {len(known)} of {len(labels)} rows; expected two rows or more with one.")
    order = np.random.default_rng(seed).permutation(known)
    halves = (np.sort(half[:MOST_ROWS]) for half in np.array_split(order, 2))
    fitted, asked = (LabelledRows(data[half], rows[half], labels[half]) for half in halves)
    return Explanation(effects, probe_codes(model, spec, fitted, asked, label=name, place=place, seed=seed))


def _labels(estimator: FillsHoles, rows: np.ndarray, y: Any, target: str | None) -> tuple[np.ndarray | None, str, int | None]:
    """The labels, their name, and which element of a row they are."""
    spec = estimator.spec_
    if target is None:
        if y is None:
            return None, "y", None
        values, known = label_values(y, "y")
        if values.shape != (len(rows),):
            raise DataError(f"y has shape {values.shape}; expected ({len(rows)},), a class for each row of X.")
        return np.where(known, np.unique(values, return_inverse=True)[1], np.nan), "y", None
    if y is not None:
        raise ConfigurationError("y and target are both given, and each is a label to tell; expected one of them.")
    if target not in spec.feature_names:
        if not spec.feature_names:
            raise ConfigurationError(f"target is {target!r}, but the columns of this model have no names; give labels as y.")
        raise ConfigurationError(unknown_name_message("target", target, spec.feature_names))
    place = spec.feature_names.index(target)
    values = np.asarray(rows)[:, place]
    if not has_classes(values, spec, place):
        raise DataError(f"target is {target!r}, a column of many numbers; expected one of categories or a few levels.")
    return values, repr(target), place
