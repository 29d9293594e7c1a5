"""The model whose label may be missing, against mixtures of Gaussians and quadrature; its bounds are in `lowerbound verify`."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from registry import DATA, model_of
from support.chance import agrees

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import Label, class_probabilities, completed, estimate_evidence, label_probabilities, sample
from lowerbound.models import SemiSupervised
from lowerbound.objectives import ELBO, SemiSupervisedELBO, check_needs
from lowerbound.training import Trainer
from lowerbound.verification import semi_supervised
from lowerbound.verification.semi_supervised import TRUTH

LABELS = np.eye(3, dtype=np.float32)


def _random_model() -> SemiSupervised:
    """One latent, four pixels or so, weights as they come: nothing in it is exact."""
    model = model_of("8-bit-semi-supervised", jax.random.key(3), model={"name": "semi-supervised", "latent_dim": 1})
    assert isinstance(model, SemiSupervised)
    return model


def test_every_figure_is_right_and_a_blunt_classifier_is_found_wrong() -> None:
    assert [figure.name for figure in semi_supervised.labels() if not figure.is_right] == []
    wrong = [figure.name for figure in semi_supervised.labels(TRUTH.model(class_scale=0.5)) if not figure.is_right]
    assert wrong[0] == "log-weight furthest from log p(x)"


def test_class_probabilities_of_the_truth_are_bayes_rule() -> None:
    x, _ = TRUTH.draw(50, seed=2)
    found = class_probabilities(TRUTH.model(), x)
    np.testing.assert_allclose(found, scipy.special.softmax(TRUTH.log_joint(x), axis=1), atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    # A label that is given is not looked at.
    np.testing.assert_array_equal(class_probabilities(TRUTH.model(), Example(x, LABELS[np.zeros(50, int)])), found)


def test_log_p_of_x_is_the_integral_over_z_and_the_sum_over_classes() -> None:
    model, x = _random_model(), np.random.default_rng(1).integers(0, 256, (3, 3, 2)).astype(np.float32)
    grid = np.linspace(-7, 7, 561)

    @eqx.filter_jit
    def on_grid(condition: jax.Array | None) -> jax.Array:
        def one(z: jax.Array, x: jax.Array) -> jax.Array:
            return model.log_likelihood(Example(x, condition), z[None]) + model.log_prior(z[None], condition)

        return jax.vmap(jax.vmap(one, (0, None)), (None, 0))(jnp.asarray(grid, jnp.float32), jnp.asarray(x))

    def integrated(condition: jax.Array | None) -> np.ndarray:
        return scipy.special.logsumexp(np.asarray(on_grid(condition), np.float64), axis=1) + np.log(grid[1] - grid[0])

    exact = integrated(None)
    # The classes in turn: log p(x) = log sum_y p(x|y) / 3.
    each = np.stack([integrated(jnp.asarray(label)) for label in LABELS])
    np.testing.assert_allclose(scipy.special.logsumexp(each, axis=0) - np.log(3), exact, atol=1e-3)
    assert np.abs(each[0] - each[1]).max() > 0.01
    found = estimate_evidence(model, x, 4000)
    # Of 4,000 draws the bound is below by a hundredth of a nat at most; one run in a million is further off.
    assert np.abs(np.asarray(found.log_evidence) - exact).max() < 0.05
    given = estimate_evidence(model, Example(x, LABELS[[1, 1, 1]]), 4000)
    assert np.abs(np.asarray(given.log_evidence) - each[1]).max() < 0.05


def test_the_mixture_s_mean_and_variance_are_those_of_its_draws() -> None:
    x, _ = TRUTH.draw(1, seed=5)
    posterior = TRUTH.model(class_scale=0.2).encode(Example(jnp.asarray(x[0])))
    keys = jax.random.split(jax.random.key(0), 20_000)
    z, log_q = eqx.filter_jit(lambda q, keys: jax.vmap(q.sample_and_log_prob)(keys))(posterior, keys)
    z, variance = np.asarray(z, np.float64), np.asarray(posterior.variance)
    assert agrees(z.mean(axis=0), np.asarray(posterior.mean), np.sqrt(variance / len(z)))
    spread = np.std((z - z.mean(axis=0)) ** 2, axis=0) / np.sqrt(len(z))
    assert agrees(z.var(axis=0), variance, spread)
    for each, expected in zip(z[:3].astype(np.float32), log_q, strict=False):
        assert float(posterior.log_prob(jnp.asarray(each))) == pytest.approx(float(expected), rel=1e-5)


def test_samples_without_a_label_are_of_all_classes_and_with_one_of_it() -> None:
    model = TRUTH.model()
    drawn = np.asarray(sample(model, 9000, seed=1), np.float64)
    spread = np.sqrt(np.diag(TRUTH.weight @ TRUTH.weight.T) + TRUTH.scale**2 + TRUTH.centres.var(axis=0))
    assert agrees(drawn.mean(axis=0), TRUTH.centres.mean(axis=0), spread / np.sqrt(9000))
    of_one = np.asarray(sample(model, 9000, condition=LABELS[np.full(9000, 2)], seed=1), np.float64)
    within = np.sqrt(np.diag(TRUTH.weight @ TRUTH.weight.T) + TRUTH.scale**2)
    assert agrees(of_one.mean(axis=0), TRUTH.centres[2], within / np.sqrt(9000))
    # The negative control: another class's centre is told from it.
    assert not agrees(of_one.mean(axis=0), TRUTH.centres[1], within / np.sqrt(9000))


def test_a_missing_label_is_completed_by_the_most_probable_class_and_a_known_one_stays() -> None:
    x, _ = TRUTH.draw(20, seed=3)
    best = TRUTH.log_joint(x).argmax(axis=1)
    known = LABELS[(best + 1) % 3]
    known[10:] = 0
    found = completed(TRUTH.model(), Example(x, known)).condition
    np.testing.assert_array_equal(np.asarray(found), np.concatenate([known[:10], LABELS[best[10:]]]))
    np.testing.assert_array_equal(np.asarray(completed(TRUTH.model(), Example(x)).condition), LABELS[best])


def test_the_loss_counts_an_added_example_for_its_label_alone() -> None:
    model, (x, y) = TRUTH.model(class_scale=0.3), TRUTH.draw(6, seed=4)
    objective, key = SemiSupervisedELBO(classification_weight=2.0), jax.random.key(0)
    label = LABELS[y] * (np.arange(6) >= 4)[:, None]
    weight = np.asarray([1, 1, 1, 1, 0, 0], np.float32)
    record = objective(model, Example(x, label, weight=weight), key, jnp.int32(0), training=True)
    missed = -np.log(class_probabilities(model, x)[np.arange(6), y])[4:].mean()
    expected = -np.asarray(record.bound)[:4].mean() + 2.0 * missed
    assert float(record.loss) == pytest.approx(expected, rel=1e-5)
    # What weighs nothing is in no bound, and without labels there is nothing to miss.
    bare = objective(model, Example(x), key, jnp.int32(0), training=True)
    assert float(bare.loss) == pytest.approx(-np.asarray(bare.bound).mean(), rel=1e-6)


def test_a_classifier_that_is_sure_has_a_gradient() -> None:
    """Of classes so improbable that float32 has 0 for them: the KL's own gradient, log q(y|x) + 1, is not finite there."""
    model = _random_model()
    sure = np.zeros(model.num_classes, np.float32)
    sure[0] = 200.0
    model = dataclasses.replace(model, classifier=model.classifier.with_output_bias(sure))
    batch = Example(jnp.asarray(DATA["8-bit"][:3]))
    assert float(jnp.exp(jax.vmap(model.class_log_probs)(batch)).min()) == 0

    @eqx.filter_value_and_grad
    def loss(model: SemiSupervised) -> jax.Array:
        return SemiSupervisedELBO()(model, batch, jax.random.key(0), None).loss

    for leaf in jax.tree.leaves(eqx.filter_jit(loss)(model)):
        assert np.isfinite(np.asarray(leaf)).all()


def test_training_learns_the_classes_from_three_labels() -> None:
    far = dataclasses.replace(TRUTH, centres=4 * TRUTH.centres)
    x, y = far.draw(600, seed=6)
    label = np.zeros((600, 3), np.float32)
    first = [np.flatnonzero(y == number)[0] for number in range(3)]
    label[first] = LABELS
    start = eqx.tree_at(lambda model: model.classifier.layers[0].weight, far.model(class_scale=0.0), jnp.zeros((4, 3)))
    options = TrainingConfig(epochs=20, batch_size=50, learning_rate=0.02)
    trainer = Trainer(start, Example(x, label), Example(x[:0], label[:0]), SemiSupervisedELBO(labelled_batch=3), options)
    found = class_probabilities(trainer.model_of(trainer.run(trainer.start())), x).argmax(axis=1)
    best = np.mean(far.log_joint(x).argmax(axis=1) != y)
    # Bayes' rule with the true law, and a nearest neighbour of the three that have a label.
    nearest = np.square(x[:, None] - x[first][None]).sum(axis=2).argmin(axis=1)
    assert np.mean(found != y) <= best + 0.01 < np.mean(nearest != y)


def test_batches_have_labelled_examples_behind_them() -> None:
    x, _ = TRUTH.draw(40, seed=7)
    label = np.zeros((40, 3), np.float32)
    label[:5] = LABELS[[0, 1, 2, 0, 1]]
    options = TrainingConfig(epochs=1, batch_size=10)
    trainer = Trainer(
        TRUTH.model(), Example(x, label), Example(x[:0]), SemiSupervisedELBO(labelled_batch=4, labelled_weight=0.5), options
    )
    batches = trainer.feed.fetch(jax.random.key(0), 0, trainer.schedule)
    rows = np.asarray(batches.rows(jax.random.key(0), jnp.int32(0), trainer.schedule))
    assert rows.shape == (4, 14)
    assert sorted(rows[:, :10].ravel()) == list(range(40))
    assert rows[:, 10:].max() < 5
    assert len(np.unique(rows[:, 10:])) > 1
    batch = batches.batch(jnp.asarray(rows[0]), jax.random.key(0), jnp.int32(0))
    np.testing.assert_array_equal(np.asarray(batch.weight), [1.0] * 10 + [0.5] * 4)
    # The weight falls by the same factor in each step, to a twentieth.
    objective = SemiSupervisedELBO(labelled_batch=4, labelled_weight=0.5, labelled_steps=2)
    falling: Any = Trainer(TRUTH.model(), Example(x, label), Example(x[:0]), objective, options).feed
    for step, expected in ((0, 0.5), (1, 0.5 * 0.05**0.5), (2, 0.025), (9, 0.025)):
        weights = np.asarray(falling.batch(jnp.asarray(rows[0]), jax.random.key(0), jnp.int32(step)).weight)
        np.testing.assert_allclose(weights, [1.0] * 10 + [expected] * 4, rtol=1e-6)
    # A chunk that starts later draws those that one from the start would have come to.
    later = np.asarray(batches.rows(jax.random.key(0), jnp.int32(2), trainer.schedule))
    np.testing.assert_array_equal(later[:2, 10:], rows[2:, 10:])


def test_what_does_not_go_together_is_refused_with_what_does() -> None:
    with pytest.raises(ConfigurationError, match=r"does not know of labels .* set objective.name=semi-supervised"):
        check_needs(ELBO(), TRUTH.model())
    with pytest.raises(ConfigurationError, match=r"takes its condition for known; set model.name=semi-supervised"):
        check_needs(SemiSupervisedELBO(), model_of("table-gaussian-standard", jax.random.key(0)))
    x, y = TRUTH.draw(20, seed=8)
    for label, message in (
        (None, "none of the 20 training examples has one"),
        (LABELS[np.minimum(y, 1)], r"no training example has the label number 2 \(from 0\)"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            Trainer(TRUTH.model(), Example(x, label), Example(x[:0]), SemiSupervisedELBO(), TrainingConfig(batch_size=5))


@pytest.mark.parametrize("by_classes", [True, False], ids=["label inferred", "label given"])
def test_classes_by_bayes_rule_are_those_of_the_truth(by_classes: bool) -> None:
    x, _ = TRUTH.draw(40, seed=3)
    shares = np.asarray([0.7, 0.2, 0.1])
    log_joint = TRUTH.log_joint(x) + np.log(shares)
    truth = np.exp(log_joint - scipy.special.logsumexp(log_joint, axis=1, keepdims=True))
    label = Label("y", None, (0.0, 1.0, 2.0), shares)
    # With the exact posterior each weight is p(x|y) itself; with another the draws, which all classes share, err alike here.
    for model in (TRUTH.model(), TRUTH.model(variance_factor=1.5)):
        exact = model if by_classes else model.given_class
        found = label_probabilities(exact, Example(x), label, by="bayes", num_samples=2)
        np.testing.assert_allclose(found, truth, atol=2e-5)
    # The control: shares that training did not have.
    equal = label_probabilities(exact, Example(x), label._replace(shares=np.ones(3) / 3), by="bayes", num_samples=2)
    assert np.abs(equal - truth).max() > 0.2
