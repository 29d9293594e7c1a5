"""`VAE()` and `lowerbound train` choose alike: one function plans for both, and what is given stands at either door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from lowerbound import VAE
from lowerbound.data.dataset import Dataset
from lowerbound.errors import ConfigurationError
from lowerbound.objectives import ELBO
from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import StandardNormal
from lowerbound.recipes import resolve_config
from lowerbound.runs.planning import Before, Plan, plan

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2)) @ RNG.normal(size=(2, 4)) + 0.1 * RNG.normal(size=(60, 4))
PICTURES = RNG.integers(0, 256, (60, 4, 3)).astype(np.uint8)
# What makes a fit short; the data choose the rest.
SHORT: dict[str, Any] = {"hidden_widths": (4,), "epochs": 1, "batch_size": 20, "random_state": 0}
SHORT_FLAGS = {"network": {"hidden_widths": (4,)}, "training": {"epochs": 1, "batch_size": 20}}


def _command_line(data: np.ndarray, **flags: dict[str, Any]) -> Plan:
    config, recipe = resolve_config("x.npy", flags={"data": {"test": 0}, **flags})
    return plan(config, Dataset("x.npy", data), recipe.given)


def _estimator(data: np.ndarray, before: Before | None = None, **parameters: Any) -> Plan:
    """What `fit` would do; only one test trains."""
    asked = VAE(**SHORT, **parameters)._configuration()
    return plan(asked.config, Dataset("X", data), asked.given, parts=asked.parts, before=before)


def test_a_fit_says_what_was_chosen_and_keeps_it_when_saved_and_warm_started(tmp_path: Any) -> None:
    fitted = VAE(**SHORT, warm_start=True).fit(X)
    assert fitted.choices_ == _command_line(X, **SHORT_FLAGS).choices
    assert {choice.section for choice in fitted.choices_} == {"likelihood", "network", "model", "prior", "training", "objective"}
    before = fitted.config_
    fitted.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    assert loaded.automatic is False
    assert [choice.words for choice in loaded.choices_] == [choice.words for choice in fitted.choices_]
    again: Any = clone(loaded)
    assert again._configuration().config.updated(before.to_dict()) == before
    fitted.fit(X)
    assert fitted.config_ == before
    assert {choice.section for choice in fitted.choices_} == {"training", "objective"}


@pytest.mark.parametrize("data", [X, PICTURES], ids=["table", "pictures"])
def test_what_is_chosen_is_what_the_command_line_chooses(data: np.ndarray) -> None:
    expected, got = _command_line(data, **SHORT_FLAGS), _estimator(data)
    assert got.choices == expected.choices
    assert got.config.updated({"data": {"name": "x.npy"}}) == expected.config
    asked = VAE(random_state=0)._configuration()
    assert plan(asked.config, Dataset("X", data), asked.given).choices == _command_line(data).choices


def test_what_is_given_stands_by_name_or_as_a_part() -> None:
    parts = {"prior": StandardNormal(3), "posterior": DiagonalGaussian(3), "objective": ELBO(beta=0.5)}
    got = _estimator(X, **parts, dropout=0.25)
    chosen = {(choice.section, key) for choice in got.choices for key in choice.values}
    assert not {"model", "prior", "posterior", "objective"} & {section for section, _ in chosen}
    assert not {("network", "dropout"), ("network", "hidden_widths"), ("training", "epochs")} & chosen
    # The parts know their number of latents.
    assert (got.config.model.latent_dim, got.config.prior.name) == (3, "standard-normal")
    assert (got.config.network.dropout, got.config.training.epochs) == (0.25, 1)
    assert ("training", "learning_rate") in chosen


def test_a_model_to_go_on_from_is_kept_and_its_training_chosen_anew() -> None:
    first, more = _estimator(X), np.concatenate([X] * 10)
    then = _estimator(more, before=Before(first.spec, first.config))
    for kind in ("model", "prior", "posterior", "likelihood", "network"):
        assert getattr(then.config, kind) == getattr(first.config, kind)
    assert {choice.section for choice in then.choices} == {"training", "objective"}
    # So many rows would have got another prior.
    assert _estimator(more).config.prior != first.config.prior
    with pytest.raises(ConfigurationError, match=r"prior.name is 'vamp', but the model to go on from has 'standard-n"):
        _estimator(X, before=Before(first.spec, first.config), prior="vamp")


def test_a_part_that_lacks_what_was_given_is_not_chosen() -> None:
    large = np.zeros((10, 40, 40), np.uint8) + RNG.integers(0, 256, (10, 40, 40)).astype(np.uint8)
    chosen = _command_line(large, network={"hidden_widths": (8,)}, likelihood={"scale_floor": 1.0})
    assert (chosen.config.network.name, chosen.config.network.hidden_widths) == ("mlp", (8,))
    assert (chosen.config.likelihood.name, chosen.config.likelihood.scale_floor) == ("gaussian", 1.0)
    words = [choice.words for choice in chosen.choices]
    assert "network: name=mlp (because hidden_widths was set, which conv does not have)" in words
    # The negative control: where nothing was given, both are others.
    free = _command_line(large).config
    assert (free.network.name, free.likelihood.name) == ("conv", "neighbour-logistics")


def test_a_recipe_and_automatic_false_choose_nothing() -> None:
    assert VAE.from_recipe("post-2018").automatic is False
    assert _estimator(X, automatic=False).choices == ()
    with pytest.raises(ConfigurationError, match=r"automatic is 'yes' \(text\); expected true or false"):
        VAE(automatic="yes")._configuration()
