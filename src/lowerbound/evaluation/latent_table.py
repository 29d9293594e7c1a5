"""What each latent carries, and all of them together, over some examples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..data.examples import Example
from ..models import AbstractLatentVariableModel
from .aggregate import AggregateEstimate, aggregate_posterior
from .latents import active_units, kl_by_latent, posterior_means

# What the estimate of all codes together calls otherwise.
_NAMES = {"most_nats": "most_mutual_information_nats", "num_examples": "aggregate_num_examples"}
COLUMNS = ("latent", "KL [nats]", "variance of E[z|x]", "active")


@dataclasses.dataclass(frozen=True, eq=False)
class LatentTable:
    """- `means`: (n, latent_dim), E[z|x]. `variance_of_means`: (latent_dim,), over the examples; `is_active`: where it is not 0.
    - `kl_by_latent_nats`: (latent_dim,), the mean over the examples; None where there is no closed form.
    - `aggregate`: of all codes together; None for a deterministic code.
    """

    means: np.ndarray
    variance_of_means: np.ndarray
    is_active: np.ndarray
    kl_by_latent_nats: np.ndarray | None
    aggregate: AggregateEstimate | None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and text, without the codes of the examples."""
        of_all = {field.name: getattr(self.aggregate, field.name, None) for field in dataclasses.fields(AggregateEstimate)}
        return {
            "num_examples": len(self.means),
            "variance_of_means": self.variance_of_means.tolist(),
            "is_active": self.is_active.tolist(),
            "kl_by_latent_nats": None if self.kl_by_latent_nats is None else self.kl_by_latent_nats.tolist(),
            **{_NAMES.get(name, name.replace("_error", "_standard_error")): value for name, value in of_all.items()},
        }

    def rows(self) -> list[tuple[int, tuple[str, ...]]]:
        """For each latent its number and the cells of `COLUMNS`, the one that carries most first."""
        kl = self.kl_by_latent_nats
        carried = self.variance_of_means if kl is None else kl
        return [
            (
                j,
                (
                    f"z{j}",
                    "" if kl is None else f"{kl[j]:.3f}",
                    f"{self.variance_of_means[j]:.3f}",
                    "yes" if self.is_active[j] else "no",
                ),
            )
            for j in np.argsort(-carried, kind="stable").tolist()
        ]

    @property
    def sentences(self) -> list[str]:
        """What all codes together tell, in words; none for a deterministic code."""
        found = self.aggregate
        if found is None:
            return []
        # So near to the ceiling, the information may well be larger and the divergence smaller.
        at_least, at_most = ("at least ", "at most ") if found.is_saturated else ("", "")
        texts = [
            f"The code tells {at_least}{found.mutual_information_nats:z.2f} ± {found.mutual_information_error:z.2f} nats about "
            f"which example it is, I(x; z); {found.num_examples:,} examples cannot show more than {found.most_nats:z.2f}.",
            f"All codes together are {at_most}{found.aggregate_kl_nats:z.2f} ± {found.aggregate_kl_error:z.2f} nats from the "
            "prior, KL(q(z) || p(z)).",
        ]
        if found.total_correlation_nats is not None:
            rest = found.dimension_wise_kl_nats
            alone = "" if rest is None else f", and {rest:z.2f} ± {found.dimension_wise_kl_error:z.2f} are of each by itself"
            texts.append(
                f"Of these {found.total_correlation_nats:z.2f} ± {found.total_correlation_error:z.2f} nats are because the "
                f"latents depend on each other, their total correlation{alone}."
            )
        return texts

    def __str__(self) -> str:
        lines = [COLUMNS, *(cells for _, cells in self.rows())]
        table = ["".join(f"{cell:>{len(name) + 3}}" for cell, name in zip(line, COLUMNS, strict=True)) for line in lines]
        return "\n".join([*table, *self.sentences])


def latent_table(model: AbstractLatentVariableModel, data: Example | np.ndarray, *, seed: int = 0) -> LatentTable:
    """What each latent of a model carries about these examples; `seed` is that of the draws."""
    means = posterior_means(model, data)
    return LatentTable(
        means=means,
        variance_of_means=np.var(means, axis=0, dtype=np.float64),
        is_active=active_units(means),
        kl_by_latent_nats=kl_by_latent(model, data) if model.has_density else None,
        aggregate=aggregate_posterior(model, data, seed=seed) if model.has_density else None,
    )
