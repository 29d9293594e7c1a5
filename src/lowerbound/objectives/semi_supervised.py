"""The bound of a model whose label is a latent variable, with a classifier that learns from the labels that are known."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..models import AbstractLatentVariableModel, Draws, SemiSupervised
from .base import AbstractObjective, LossRecord, Need, is_on
from .schedule import Step


class SemiSupervisedELBO(AbstractObjective):
    r"""Kingma et al. 2014, "Semi-supervised Learning with Deep Generative Models", eqs. 6 to 9.

        L(x, y) = E_q(z|x,y)[log p(x|z, y)] - KL(q(z|x, y) || p(z|y)) + log p(y)     <= log p(x, y)   where y is known
        U(x)    = \sum_y q(y|x) (L(x, y) - log q(y|x))                               <= log p(x)      where it is not
        loss    = mean over the batch of -(L or U)  +  a * mean over its labelled examples of -log q(y|x)

    The sum over the classes is exact: each is decoded in every step, so a step costs as many decodings as there are classes. The
    second mean is over labelled examples alone. As few have a label, training adds `labelled_batch` of them to each batch, drawn
    anew each time, each with `labelled_weight` in the first mean. With 0 the loss is the paper's, whose alpha, 0.1 N, is N times
    a; there the few labels hardly reach the decoder. In `labelled_steps` the weight falls to a twentieth, by the same factor in
    each step: once the classes have their meaning, examples that come in every step would only be learned by heart.
    docs/results.md says what both change.

    - `num_samples`: draws of z for each example and class. `classification_weight`: a; with 0 the loss is a bound.
    - `labelled_steps`: 0 leaves the weight as it is.
    """

    num_samples: int = eqx.field(static=True, default=1)
    classification_weight: float = eqx.field(converter=float, default=1.0)
    labelled_batch: int = eqx.field(static=True, default=50)
    labelled_weight: float = eqx.field(converter=float, default=1.0)
    labelled_steps: int = eqx.field(static=True, default=0)
    needs: ClassVar[tuple[Need, ...]] = ("density", "classes")
    bound_name: ClassVar[str] = "ELBO"

    @property
    @override
    def is_bound(self) -> bool:
        return not is_on(self.classification_weight)

    @override
    def __call__(
        self,
        model: AbstractLatentVariableModel,
        batch: Example,
        key: PRNGKeyArray,
        step: Step,
        state: Any = None,
        *,
        training: bool = False,
    ) -> LossRecord:
        assert isinstance(model, SemiSupervised)
        batch = batch.on_device()
        classifier_key, terms_key = jax.random.split(key)
        keys = jax.random.split(classifier_key, len(batch))
        log_q = jax.vmap(lambda example, key: model.class_log_probs(example, key if training else None))(batch, keys)
        draws = Draws(self.num_samples, training)
        terms = jax.vmap(model.terms_by_class, (0, 0, None))(batch, jax.random.split(terms_key, len(batch)), draws)
        label = jnp.zeros_like(log_q) if batch.condition is None else batch.condition
        is_known = label.any(axis=1)
        share = jnp.where(is_known[:, None], label, jnp.exp(log_q))
        log_likelihood = (share * terms.log_likelihood.mean(axis=2)).sum(axis=1)
        kl = (share * jax.vmap(jax.vmap(lambda term: term.kl))(terms)).sum(axis=1) + class_kl(log_q, is_known)
        known = is_known.astype(jnp.float32)
        missed = -(label * log_q).sum(axis=1) @ known / jnp.maximum(known.sum(), 1.0)
        loss = -batch.mean(log_likelihood - kl)
        if is_on(self.classification_weight):
            loss = loss + self.classification_weight * missed
        monitors = jax.tree.map(lambda values: batch.mean((share * values).sum(axis=1)), terms.monitors)
        return LossRecord(loss, log_likelihood - kl, log_likelihood, kl, monitors)


def class_kl(log_q: Float[Array, "batch classes"], is_known: Bool[Array, " batch"]) -> Float[Array, " batch"]:
    """KL(q(y|x) || p(y)) with p(y) = 1 / K, in nats; of a label that is known -log p(y).

    From the logarithms: of a class that is so improbable that its share is 0 in float32, x log x has no gradient.
    """
    log_classes = math.log(log_q.shape[1])
    return jnp.where(is_known, log_classes, (jnp.exp(log_q) * (log_q + log_classes)).sum(axis=1))
