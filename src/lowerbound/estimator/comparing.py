"""Fitted models side by side on the same examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config.rules import COUNT
from ..errors import ConfigurationError, DataError
from ..evaluation import AbstractProposal, Comparison, Subject, check_comparable, compare, contribution, masses_of
from ..evaluation.latents import check_density
from .vae import VAE


def compare_models(
    models: Mapping[str, VAE | str | Path],
    X: Any,
    num_samples: int = 1000,
    *,
    condition: Any = None,
    proposal: AbstractProposal | str | None = None,
) -> Comparison:
    """Rank fitted models by their log p(x) of the same examples, with paired standard errors, as `lowerbound compare` does.

    - `models`: by name, fitted estimators, or folders of runs and of saved ones.
    - `num_samples`, `proposal`: of each, as in `VAE.evaluate`.

    Raises `ConfigurationError` for fewer than two models, and where two of them give numbers about different things (a density
    and a probability, p(x) and p(x|c)); `DataError` when the examples are not like those of `fit`.

    >>> import numpy as np
    >>> from lowerbound import VAE, compare_models
    >>> X = np.random.default_rng(0).normal(size=(60, 3)) ** 3
    >>> small = dict(latent_dim=1, hidden_widths=(4,), epochs=2, random_state=0, automatic=False)
    >>> models = {name: VAE(likelihood=name, **small).fit(X[:40]) for name in ("gaussian", "laplace")}
    >>> comparison = compare_models(models, X[40:], 20)
    >>> comparison.num_examples, len(comparison.contenders), comparison.contenders[0].behind_nats
    (20, 2, 0.0)
    """
    count = COUNT.convert("num_samples", num_samples)
    if not isinstance(models, Mapping) or len(models) < 2:
        got = (
            f"names {', '.join(map(repr, models)) or 'nothing'}"
            if isinstance(models, Mapping)
            else f"is a {type(models).__name__}"
        )
        raise ConfigurationError(f"models {got}; expected two fitted models or more by name: {{'one': vae, 'other': other}}.")
    fitted = {name: model if isinstance(model, VAE) else VAE.load(model) for name, model in models.items()}
    subjects: dict[str, Subject] = {}
    for name, vae in fitted.items():
        if not hasattr(vae, "model_"):
            raise DataError(f"models[{name!r}] is not fitted; call its fit first.")
        check_density(vae.model_, "log p(x) to compare", name)
        given = vae.spec_.condition
        told, masses = None if given is None else given.words, masses_of(vae.model_, vae.spec_)
        subjects[name] = Subject(vae.model_.measure, vae.model_.given, split="", condition=told, masses=masses)
    check_comparable(subjects)
    return compare(
        {name: contribution(vae.model_, vae.examples_of(X, condition), count, proposal=proposal) for name, vae in fitted.items()},
        subjects,
    )
