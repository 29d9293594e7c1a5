"""The model whose label is a latent variable too: Kingma's M2, for data of which few have a label."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray
from typing_extensions import override

from ..config import RunConfig
from ..config.context import BuildContext
from ..data.examples import Example
from ..densities import MixturePosterior
from ..errors import ConfigurationError
from ..networks import AbstractNetwork
from .around import AbstractAround
from .base import Draws, Filling, Half, LatentBlock, LogTerms
from .building import build_encoder
from .gradients import stopped
from .single_layer import SingleLayer

Label = Float[Array, " classes"] | None


class PosteriorParams(NamedTuple):
    """Of q(z|x): the logarithms of the classes' weights, and the parameters of q(z|x, y) for each class y."""

    log_weights: Float[Array, " classes"]
    by_class: Float[Array, "classes ..."]


class SemiSupervised(AbstractAround):
    r"""p(x) = \sum_y p(y) \int p(z|y) p(x|z, y) dz with a class y that is known of some examples (Kingma et al. 2014, M2).

        p(y) = 1 / K,   q(y|x) = Categorical(classifier(x)),   q(z|x) = \sum_y q(y|x) q(z|x, y)

    The label is the example's condition, one-hot; where it is not known all of it is 0, or there is none. The sums over classes
    are exact, in p as in q: log p(x|z) = log \sum_y p(y|z) p(x|z, y) is that of a model whose only latents are z, so that
    every estimate of log p(x) works as for any other. Of an example with a label every density is one given the label.

    - `given_class`: p(x, z|y) and q(z|x, y), with y as its condition. `classifier`: from x, as the encoder sees it, to the logits
      of q(y|x).

    The objective `semi-supervised` trains it; `class_log_probs` is what it has learned. q(z|x) is a mixture, of whose draws only
    the parameters of the components have a gradient.
    """

    given_class: SingleLayer
    classifier: AbstractNetwork
    infers_condition: ClassVar[bool] = True

    def __check_init__(self) -> None:
        if self.classifier.out_shape != (self.given_class.condition_dim,):
            raise ConfigurationError(
                f"classifier has the output's shape {self.classifier.out_shape}, but given_class takes "
                f"{self.given_class.condition_dim} classes; expected the same number."
            )

    @property
    @override
    def inner(self) -> SingleLayer:
        return self.given_class

    @classmethod
    @override
    def build(cls, config: RunConfig, context: BuildContext, parts: Mapping[str, Any]) -> SemiSupervised:
        if context.condition_dim < 2:
            raise ConfigurationError(
                f"model.name is {config.model.name!r}, but the examples have {context.condition_dim or 'no'} classes; expected "
                "two or more: --set data.condition=labels, or =COLUMN of a table; in Python fit(X, condition=y)."
            )
        key = jax.random.fold_in(context.key, _CLASSIFIER)
        classifier = build_encoder(config, context, parts, (context.condition_dim,), key, 0)
        # Before training no class is more probable than another.
        start = np.zeros(context.condition_dim, np.float32)
        return cls(SingleLayer.build(config, context, parts), classifier.with_output_bias(start))

    @property
    def num_classes(self) -> int:
        """K."""
        return self.given_class.condition_dim

    def class_log_probs(self, example: Example, key: PRNGKeyArray | None = None) -> Float[Array, " classes"]:
        """log q(y|x) of each class y, whatever label the example has; `key` turns on what is random in training."""
        return jax.nn.log_softmax(self.classifier(self.given_class.seen_by_encoder(example), key=key))

    def terms_by_class(self, example: Example, key: PRNGKeyArray, draws: Draws) -> LogTerms:
        """What `given_class` says of the example with each label in turn: the classes along the first axis of everything."""

        def of(label: Float[Array, " classes"], key: PRNGKeyArray) -> LogTerms:
            return self.given_class.log_terms(dataclasses.replace(example, condition=label), key, draws)

        return jax.vmap(of)(self._labels, jax.random.split(key, self.num_classes))

    @override
    def completed(self, example: Example) -> Example:
        log_probs = self.class_log_probs(example)
        best = jax.nn.one_hot(jnp.argmax(log_probs), self.num_classes, dtype=log_probs.dtype)
        label = _known(example.condition, self.num_classes)
        return dataclasses.replace(example, condition=jnp.where(label.any(), label, best))

    @property
    @override
    def latent_blocks(self) -> tuple[LatentBlock, ...]:
        (block,) = self.given_class.latent_blocks
        mixed = f"mixture of {self.num_classes} {block.posterior}"
        return (block._replace(posterior=mixed, is_factorised=False),)

    @property
    @override
    def outputs_per_example(self) -> int:
        return self.num_classes * self.given_class.outputs_per_example

    @override
    def log_terms(self, example: Example, key: PRNGKeyArray, draws: Draws) -> LogTerms:
        encoded = example if draws.encoded_x is None else dataclasses.replace(example, x=draws.encoded_x)
        posterior = self.encode(encoded)
        z, log_posterior = jax.vmap(posterior.sample_and_log_prob)(jax.random.split(key, draws.num_samples))
        return LogTerms(
            log_likelihood=jax.vmap(lambda z: self.log_likelihood(example, z))(z),
            log_prior=jax.vmap(lambda z: self.log_prior(z, example.condition))(z),
            log_posterior=log_posterior,
            kl_by_block=(None,),
            z=z,
            posterior=posterior,
            monitors={},
        )

    @override
    def posterior_params(self, example: Example) -> PosteriorParams:
        def of(label: Float[Array, " classes"]) -> Float[Array, "..."]:
            return self.given_class.posterior_params(dataclasses.replace(example, condition=label))

        label = _known(example.condition, self.num_classes)
        log_weights = jnp.where(label.any(), jnp.log(label), self.class_log_probs(example))
        return PosteriorParams(log_weights, jax.vmap(of)(self._labels))

    @override
    def posterior_from(self, params: PosteriorParams) -> MixturePosterior:
        return MixturePosterior(eqx.filter_vmap(self.given_class.posterior_from)(params.by_class), params.log_weights)

    @override
    def log_prior(self, z: Float[Array, " latent"], condition: Label = None) -> Float[Array, ""]:
        return jax.nn.logsumexp(self._log_joint_prior(z, condition))

    @override
    def log_likelihood(self, example: Example, z: Float[Array, " latent"]) -> Float[Array, ""]:
        def of(label: Float[Array, " classes"]) -> Float[Array, ""]:
            return self.given_class.log_likelihood(dataclasses.replace(example, condition=label), z)

        log_class = jax.nn.log_softmax(self._log_joint_prior(z, example.condition))
        return jax.nn.logsumexp(log_class + jax.vmap(of)(self._labels))

    @override
    def decode_mean(self, z: Float[Array, " latent"], condition: Label = None) -> Float[Array, "..."]:
        """Where no label is given: the mean over the classes, each with p(y|z)."""
        each = jax.vmap(lambda label: self.given_class.decode_mean(z, label))(self._labels)
        return jnp.tensordot(jax.nn.softmax(self._log_joint_prior(z, condition)), each, axes=1)

    @override
    def decode_probabilities(self, z: Float[Array, " latent"], condition: Label = None) -> dict[int, Float[Array, " codes"]]:
        """Where no label is given: the mean over the classes, each with p(y|z)."""
        each = jax.vmap(lambda label: self.given_class.decode_probabilities(z, label))(self._labels)
        weights = jax.nn.softmax(self._log_joint_prior(z, condition))
        return {place: weights @ masses for place, masses in each.items()}

    @override
    def decode_draw(self, z: Float[Array, " latent"], key: PRNGKeyArray, condition: Label = None) -> Float[Array, "..."]:
        label_key, draw_key = jax.random.split(key)
        return self.given_class.decode_draw(z, draw_key, self._drawn_label(z, label_key, condition))

    @override
    def fill(self, example: Example, z: Float[Array, " latent"], key: PRNGKeyArray) -> Filling:
        label_key, draw_key = jax.random.split(key)
        drawn = dataclasses.replace(example, condition=self._drawn_label(z, label_key, example.condition))
        return self.given_class.fill(drawn, z, draw_key)

    @override
    def replicate(
        self, example: Example, z: Float[Array, " latent"], keys: Key[Array, " draws"]
    ) -> tuple[Float[Array, "..."], Float[Array, "draws ..."]]:
        def mean(label: Float[Array, " classes"]) -> Float[Array, "..."]:
            return self.given_class.replicate(dataclasses.replace(example, condition=label), z, keys[:1])[0]

        def draw(key: PRNGKeyArray) -> Float[Array, "..."]:
            label_key, draw_key = jax.random.split(key)
            drawn = dataclasses.replace(example, condition=self._drawn_label(z, label_key, example.condition))
            return self.given_class.replicate(drawn, z, draw_key[None])[1][0]

        weights = jax.nn.softmax(self._log_joint_prior(z, example.condition))
        return jnp.tensordot(weights, jax.vmap(mean)(self._labels), axes=1), jax.vmap(draw)(keys)

    @override
    def sample_latent(self, key: PRNGKeyArray, condition: Label = None) -> Float[Array, " latent"]:
        label_key, latent_key = jax.random.split(key)
        logits = _log_given(condition, self.num_classes)
        label = self._labels[jax.random.categorical(label_key, logits)]
        return self.given_class.sample_latent(latent_key, label)

    @override
    def detached(self, half: Half) -> SemiSupervised:
        classifier = self.classifier
        if half == "recognition":
            classifier = stopped(classifier)
        return dataclasses.replace(self, given_class=self.given_class.detached(half), classifier=classifier)

    @property
    def _labels(self) -> Float[Array, "classes classes"]:
        return jnp.eye(self.num_classes, dtype=jnp.float32)

    def _log_joint_prior(self, z: Float[Array, " latent"], condition: Label) -> Float[Array, " classes"]:
        """log p(y) p(z|y) of each class, or of the given one alone log p(z|y), the others having none."""
        each = jax.vmap(lambda label: self.given_class.log_prior(z, label))(self._labels)
        return _log_given(condition, self.num_classes) + each

    def _drawn_label(self, z: Float[Array, " latent"], key: PRNGKeyArray, condition: Label) -> Float[Array, " classes"]:
        """y ~ p(y|z), or the one that is given."""
        return self._labels[jax.random.categorical(key, self._log_joint_prior(z, condition))]


# Any number that `SingleLayer.build` does not fold into its key.
_CLASSIFIER = 2014


def _known(condition: Label, num_classes: int) -> Float[Array, " classes"]:
    """The label, one-hot; zeros where there is none."""
    return jnp.zeros(num_classes, jnp.float32) if condition is None else condition


def _log_given(condition: Label, num_classes: int) -> Float[Array, " classes"]:
    """log p(y) of each class where no label is given; else 0 for it and -infinity for the others."""
    label = _known(condition, num_classes)
    uniform = jnp.full(num_classes, -math.log(num_classes), jnp.float32)
    return jnp.where(label.any(), jnp.log(label), uniform)
