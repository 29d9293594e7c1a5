"""Whether the parts of a model fit together; each check raises `ConfigurationError` with what works instead."""

from __future__ import annotations

from ..config.catalogue import first_with
from ..errors import ConfigurationError
from ..posteriors import AbstractPosteriorFamily
from ..priors import AbstractPrior

_SPACES = {"euclidean": "R^latent_dim", "hypersphere": "the unit sphere |z| = 1"}


def check_space(prior: AbstractPrior, posterior: AbstractPosteriorFamily) -> None:
    """z of the prior and of the posterior live in one space."""
    if prior.space is None or prior.space == posterior.space:
        return
    fits = first_with("prior", space=posterior.space)
    raise ConfigurationError(
        f"the prior {type(prior).__name__} lives in {_SPACES[prior.space]}, the posterior {type(posterior).__name__} in "
        f"{_SPACES[posterior.space]}; they must share their space. With this posterior, prior.name={fits} works."
    )


def check_density(prior: AbstractPrior, posterior: AbstractPosteriorFamily) -> None:
    """A prior that is made of the posterior's density is given one."""
    if prior.is_made_of_posterior and not posterior.has_density:
        raise ConfigurationError(
            f"{type(prior).__name__} is made of the posterior's density, but {type(posterior).__name__} is a deterministic code, "
            f"which has none. With this posterior, prior.name={first_with('prior', space=posterior.space)} works; with this "
            f"prior, posterior.name={first_with('posterior', has_density=True)} does."
        )


def check_shape(what: str, got: tuple[int, ...], source: str, expected: tuple[int, ...]) -> None:
    """Two parts that meet have one shape there; `what` and `source` name them."""
    if tuple(got) != tuple(expected):
        raise ConfigurationError(
            f"{what} has shape {tuple(got)}, but {source} is {tuple(expected)}. "
            f"Build it with shape {tuple(expected)}, or use lowerbound.assembly.build.build_model, which does."
        )
