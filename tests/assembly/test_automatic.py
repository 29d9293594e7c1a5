"""What the default recipe chooses from the data, and that whatever a person sets stands."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from lowerbound.assembly.automatic import choose, with_choices
from lowerbound.assembly.build import resolve
from lowerbound.assembly.laws import law_of, with_laws
from lowerbound.config import RunConfig
from lowerbound.data.columns import RawTable, infer_columns
from lowerbound.data.dataset import Dataset
from lowerbound.data.describe import describe
from lowerbound.data.describe_dataset import describe_dataset
from lowerbound.recipes import resolve_config

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (300, 8, 8)).astype(np.uint8)
RATES = RNG.gamma(2.0, 1.0, (400, 30))

# What the data are, and the likelihood that they call for.
LAWS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "photographs": (PIXELS, {"name": "neighbour-logistics", "num_components": 3}),
    "colours": (PIXELS.reshape(100, 8, 8, 3), {"name": "neighbour-logistics", "num_components": 3}),
    "digits on a ground": (PIXELS * (PIXELS > 200), {"name": "discretized-logistic-mixture", "num_components": 3}),
    "bits": (PIXELS % 2, {"name": "neighbour-bernoulli"}),
    "levels in rows": (PIXELS.reshape(300, 64), {"name": "discretized-logistic-mixture", "num_components": 3}),
    "bits in rows": (PIXELS[..., 0] % 2, {"name": "bernoulli"}),
    "normal": (RNG.normal(size=(400, 5)), {"name": "gaussian"}),
    "heavy": (RNG.standard_t(3, size=(4000, 5)), {"name": "student-t"}),
    "far out": (RNG.normal(size=(400, 5)) * np.where(np.arange(400) % 100 == 0, 60.0, 1.0)[:, None], {"name": "student-t"}),
    "skewed": (np.exp(1.5 * RNG.normal(size=(400, 5))), {"name": "log-normal"}),
    "few counts": (RNG.poisson(RATES[:, :5]).astype(np.int64), {"name": "negative-binomial", "library_size": False}),
    "even counts": (RNG.poisson(0.6, (2000, 5)).astype(np.int64), {"name": "poisson", "library_size": False}),
    "many counts": (RNG.poisson(5.0, (2000, 5)).astype(np.int64), {"name": "poisson", "library_size": False}),
    "ages": (np.rint(RNG.gamma(9.0, 4.5, (2000, 1))), {"name": "negative-binomial", "library_size": False}),
    "shares": (RNG.beta(0.5, 2.0, (400, 5)), {"name": "beta"}),
    # Far from both ends, and scaled by their extremes: values beyond may come.
    "inner shares": (RNG.beta(40, 60, (400, 5)), {"name": "gaussian"}),
    "scaled": ((lambda x: (x - x.min(0)) / np.ptp(x, axis=0))(RNG.normal(size=(400, 5))), {"name": "gaussian"}),
    "cells": (RNG.poisson(3 * RATES).astype(np.int64), {"name": "negative-binomial", "library_size": True}),
    "words": (RNG.poisson(0.05 * RNG.gamma(1.0, 1.0, (200, 1200))).astype(np.int64), {"name": "multinomial"}),
    # Whole numbers that are no counts: marks from 0 to 100, and levels far from 0.
    "marks": (RNG.integers(0, 101, (400, 5)).astype(np.int64), {"name": "gaussian"}),
    "levels": (np.rint(RNG.normal(80, 15, (400, 5))), {"name": "gaussian"}),
    "large": (
        RNG.integers(0, 256, (20, 129, 128)).astype(np.uint8),
        {"name": "discretized-logistic-mixture", "num_components": 3},
    ),
}


@pytest.mark.parametrize("what", LAWS)
def test_the_likelihood_is_of_the_data_s_kind(what: str) -> None:
    array, expected = LAWS[what]
    assert law_of(describe(array), array).likelihood == expected


@pytest.mark.parametrize(
    ("what", "is_real"), [("normal", True), ("heavy", True), ("skewed", True), ("shares", True), ("bits", False)]
)
def test_numbers_that_are_missing_because_of_what_they_are_have_one_scale(what: str, is_real: bool) -> None:
    array, plain = LAWS[what]
    expected = {"name": "gaussian", "scale": "shared"} if is_real else plain
    assert law_of(describe(array), array, is_at_random=False).likelihood == expected


def test_columns_of_numbers_with_missing_values_are_gaussian_where_that_tells_of_them() -> None:
    full, holed = RNG.normal(size=(2, 300))
    holed[:100] = np.nan
    table = RawTable("t", ("full", "holed"), (full, holed))
    columns = infer_columns(table)
    encoded = np.stack([column.encode(table) for column in columns], axis=1)
    dataset = Dataset("t", encoded, feature_names=table.names, table=table, columns=columns)
    spec = describe_dataset(dataset, np.arange(300))
    assert [column.likelihood for column in with_laws(spec).columns] == ["gaussian-mixture"] * 2
    assert [column.likelihood for column in with_laws(spec, is_at_random=False).columns] == ["gaussian-mixture", "gaussian"]
    assert law_of(spec, encoded, is_at_random=False).likelihood == {"name": "mixed", "scale": "shared"}


def test_pixels_that_may_be_hidden_or_are_all_that_a_code_says_do_not_know_each_other() -> None:
    spec, plain = describe(PIXELS), {"name": "discretized-logistic-mixture", "num_components": 3}
    with_holes = dataclasses.replace(spec, holes=(0.1,) * spec.num_elements)
    assert law_of(with_holes, PIXELS).likelihood == law_of(spec, PIXELS, may_join=False).likelihood == plain
    codes = ("posterior.name=deterministic", "objective.name=autoencoder")
    for asked in (("training.hide_elements=0.5",), codes):
        assert _chosen(PIXELS, *asked).likelihood.name == plain["name"]


def _chosen(array: np.ndarray, *overrides: str) -> RunConfig:
    config, recipe = resolve_config("x.npy", overrides=overrides)
    assert recipe.given is not None
    spec = describe(array)
    choices = choose(config, recipe.given, spec, array)
    assert all(choice.reason and choice.section in choice.words for choice in choices)
    return resolve(with_choices(config, recipe.given, choices), spec)


def test_pictures_get_a_learned_prior_and_a_rate_that_falls() -> None:
    config = _chosen(PIXELS)
    assert (config.prior.name, config.prior.num_components) == ("mixture-of-gaussians", 15)
    assert (config.network.name, config.network.hidden_widths) == ("mlp", (400, 400))
    assert (config.training.learning_rate_schedule, config.training.skip_spikes) == ("cosine", True)


def test_few_examples_are_given_less_to_learn_by_heart_than_many() -> None:
    few, many = _chosen(PIXELS), _chosen(RNG.normal(size=(30_000, 4)))
    assert few.training.weight_decay > many.training.weight_decay > 0
    assert few.network.dropout > many.network.dropout == 0
    assert few.training.epochs > many.training.epochs


def test_random_weights_have_a_prior_and_no_decay_besides() -> None:
    training = _chosen(RNG.normal(size=(300, 4)), "model.name=bayesian-decoder").training
    assert training.weight_decay == 0


def test_as_many_steps_as_the_network_affords_that_is_trained() -> None:
    """Widths of full layers turn the convolutions that large pictures would get away, and their price with them."""
    large = RNG.integers(0, 256, (300, 40, 40)).astype(np.uint8)
    full = _chosen(large, "network.hidden_widths=[8]", "likelihood.name=gaussian")
    assert (full.network.name, _chosen(large).network.name) == ("mlp", "conv")
    named = _chosen(large, "network.name=mlp", "network.hidden_widths=[8]", "likelihood.name=gaussian")
    assert full.training.epochs == named.training.epochs > _chosen(large, "likelihood.name=gaussian").training.epochs


def test_a_warm_up_is_a_part_of_the_epochs_that_were_asked_for() -> None:
    """Else twelve epochs of rows, which take thousands by default, end before the KL term counts."""
    asked, free = _chosen(RNG.normal(size=(300, 4)), "training.epochs=40"), _chosen(RNG.normal(size=(300, 4)))
    assert (asked.training.epochs, asked.objective.warmup_epochs) == (40, 2)
    assert free.objective.warmup_epochs == free.training.epochs // 20 > 40
    assert asked.training.early_stopping_patience < free.training.early_stopping_patience


def test_few_rows_whose_values_recur_have_a_little_dropout_and_all_the_steps() -> None:
    plain = RNG.normal(size=(600, 4))
    recurring = np.where(RNG.random((600, 4)) < 0.3, 0.0, plain)
    assert _chosen(plain).network.dropout == 0
    chosen = _chosen(recurring)
    assert (chosen.likelihood.name, chosen.network.dropout) == ("inflated-gaussian-mixture", 0.05)
    assert chosen.training.epochs * (600 // chosen.training.batch_size) == 45_000
    assert _chosen(np.tile(recurring, (5, 1))).network.dropout == 0


def test_rows_of_numbers_train_three_times_as_long_as_others() -> None:
    rows, pictures = RNG.normal(size=(6000, 4)), RNG.integers(0, 2, (6000, 4, 4)).astype(np.uint8)
    steps = [chosen.training.epochs * (6000 // chosen.training.batch_size) for chosen in (_chosen(rows), _chosen(pictures))]
    assert steps == [45_000, 15_000]


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("likelihood.name=gaussian", "likelihood", "name", "gaussian"),
        ("network.name=gated-mlp", "network", "name", "gated-mlp"),
        ("network.name=mlp", "network", "hidden_widths", (400, 400)),
        ("training.weight_decay=0.5", "training", "weight_decay", 0.5),
        ("network.hidden_widths=[8]", "network", "hidden_widths", (8,)),
        ("network.name=resnet", "network", "name", "resnet"),
        ("model.latent_dim=2", "model", "latent_dim", 2),
        ("prior.name=vamp", "prior", "name", "vamp"),
        ("prior.name=standard-normal", "prior", "name", "standard-normal"),
        ("posterior.name=planar", "posterior", "name", "planar"),
        ("objective.name=iwae", "objective", "name", "iwae"),
        ("training.optimizer=adagrad", "training", "optimizer", "adagrad"),
        ("training.epochs=3", "training", "epochs", 3),
        ("data.validation=0", "data", "validation", 0),
        ("training.early_stopping_patience=0", "training", "early_stopping_patience", 0),
    ],
)
def test_what_is_set_stands_and_the_rest_fits_it(override: str, section: str, key: str, value: Any) -> None:
    assert getattr(getattr(_chosen(PIXELS, override), section), key) == value


@pytest.mark.parametrize(
    ("overrides", "prior"),
    [
        (("posterior.name=von-mises-fisher", "prior.name=hyperspherical-uniform"), "hyperspherical-uniform"),
        (("posterior.name=deterministic", "objective.name=autoencoder"), "standard-normal"),
        (("posterior.name=planar",), "mixture-of-gaussians"),
    ],
)
def test_a_learned_prior_is_chosen_where_the_posterior_allows_one(overrides: tuple[str, ...], prior: str) -> None:
    assert _chosen(PIXELS, *overrides).prior.name == prior


def test_few_examples_learn_no_prior_but_on_demand() -> None:
    assert _chosen(PIXELS[:100]).prior.name == "standard-normal"
    asked = _chosen(PIXELS[:100], "prior.num_components=3").prior
    assert (asked.name, asked.num_components) == ("mixture-of-gaussians", 3)


def _chosen_for_table(count: int, texts: int = 1) -> RunConfig:
    """Of a column of numbers and some of texts."""
    columns = [RNG.choice(np.asarray(["x", "y"], object), count) for _ in range(texts)]
    table = RawTable("t", ("a", "b", "c")[: texts + 1], (RNG.normal(size=count), *columns))
    columns = infer_columns(table)
    encoded = np.stack([column.encode(table) for column in columns], axis=1)
    dataset = Dataset("t", encoded, feature_names=table.names, table=table, columns=columns)
    spec = describe_dataset(dataset, np.arange(count))
    config, recipe = resolve_config("t.csv")
    assert recipe.given is not None
    return resolve(with_choices(config, recipe.given, choose(config, recipe.given, spec, encoded)), spec)


@pytest.mark.parametrize(("count", "latents", "components", "bumps"), [(19_999, 2, 50, 5), (20_000, 4, 200, 20)])
def test_tables_of_many_rows_have_a_finer_prior_and_finer_laws(count: int, latents: int, components: int, bumps: int) -> None:
    config = _chosen_for_table(count)
    assert (config.model.latent_dim, config.prior.num_components, config.likelihood.num_components) == (
        latents,
        components,
        bumps,
    )


@pytest.mark.parametrize(
    ("count", "texts", "dropout", "steps"),
    [(399, 1, 0.3, 4_000), (400, 1, 0.1, 45_000), (2499, 1, 0.1, 45_000), (2500, 1, 0.0, 7_500), (2499, 2, 0.3, 7_497)],
)
def test_tables_of_few_rows_have_dropout_and_those_of_numbers_all_the_steps(
    count: int, texts: int, dropout: float, steps: int
) -> None:
    config = _chosen_for_table(count, texts)
    assert config.network.dropout == dropout
    assert config.training.epochs * (count // config.training.batch_size) == pytest.approx(steps, rel=0.01)


def test_only_the_default_recipe_is_automatic() -> None:
    assert resolve_config("x.npy", "faces")[1].given is None
    assert resolve_config("x.npy", overrides=["model.latent_dim=3"])[1].given == {
        "data": {"name": "x.npy"},
        "model": {"latent_dim": 3},
    }
