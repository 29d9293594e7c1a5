"""The model with one layer of latents: one prior, one encoder, one decoder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray
from typing_extensions import override

from ..config import RunConfig
from ..config.catalogue import class_of, first_with, name_of
from ..config.context import BuildContext
from ..data.examples import Example
from ..data.spec import DataSpec
from ..data.transforms import Affine
from ..densities import AbstractLatentDensity, AbstractPosterior, Space, kl
from ..errors import ConfigurationError, DataError
from ..likelihoods import AbstractElementwise, AbstractLikelihood, Given, Measure
from ..likelihoods.support import check_values
from ..masks import AbstractMask, AtRandom
from ..networks import AbstractNetwork
from ..networks.column_encoder import seen_shape, with_mask
from ..posteriors import AbstractPosteriorFamily, Refinement
from ..priors import AbstractPrior
from .base import AbstractLatentVariableModel, Condition, Draws, Filling, Half, LatentBlock, LogTerms
from .building import build_decoder, build_encoder, sees_mask
from .fitting import check_density, check_shape, check_space
from .gradients import each_draw, scale_gradient, stopped
from .mask_terms import MaskTerms


class SingleLayer(AbstractLatentVariableModel):
    r"""p(x) = \int p(z) p(x|z) dz with q(z|x) from an encoder (Kingma and Welling 2014).

    The likelihood sees y = transform(x), the encoder its own standardised input_transform(x): without centred inputs
    the posterior collapses before anything is learned. A density with respect to Lebesgue measure is brought back to the user's
    units by the log-Jacobian, log p(x|z) = log p(y|z) + log|dy/dx|; a probability mass needs no such term.

    The encoder, the decoder and the prior take a condition where they were built to; each may or may not. A `refinement`
    improves the posterior's parameters for each example by a few gradient steps (semi-amortised inference).

    Where values are missing because of what they are, a `mask` with a law p(s|x) takes part (not-MIWAE, Ipsen et al. 2021):

        log p(x_observed, s|z) = log p(x_observed|z) + sum_j log E_{p(x_j|z)}[p(s_j|x_j)]

    the expectation being p(s_j|x_j) itself where x_j is known. The paper draws what is missing; here it is summed over for each
    element, so that the bound is tighter, and the same for every z.

    Raises `ConfigurationError` when the parts do not fit together.
    """

    transform: Affine
    input_transform: Affine
    encoder: AbstractNetwork
    posterior: AbstractPosteriorFamily
    prior: AbstractPrior
    decoder: AbstractNetwork
    likelihood: AbstractLikelihood
    refinement: Refinement | None = None
    mask: AbstractMask = AtRandom()
    sees_mask: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        seen = seen_shape(self.likelihood.event_shape) if self.sees_mask else self.likelihood.event_shape
        check_shape("encoder", self.encoder.in_shape, "what it sees of an example", seen)
        check_shape("encoder's output", self.encoder.out_shape, "posterior.param_shape", self.posterior.param_shape)
        check_shape("prior", (self.prior.latent_dim,), "the posterior's latents", (self.posterior.latent_dim,))
        check_shape("decoder", self.decoder.in_shape, "the prior's latents", (self.prior.latent_dim,))
        check_shape("decoder's output", self.decoder.out_shape, "likelihood.param_shape", self.likelihood.param_shape)
        check_space(self.prior, self.posterior)
        check_density(self.prior, self.posterior)

    @classmethod
    @override
    def build(cls, config: RunConfig, context: BuildContext, parts: Mapping[str, Any]) -> SingleLayer:
        spec, (encoder_key, decoder_key) = context.spec, context.split(2)

        def part(kind: str, number: int) -> Any:
            own = dataclasses.replace(context, key=jax.random.fold_in(context.key, number))
            section = getattr(config, kind)
            return parts[kind] if kind in parts else class_of(kind, section.name).build(section, own)

        likelihood, prior, posterior = part("likelihood", 1), part("prior", 2), part("posterior", 3)
        reason = None if "likelihood" in parts else likelihood.misfit(spec, context.transform)
        if reason is not None:
            raise DataError(f"likelihood.name is {config.likelihood.name!r}, {reason}.")
        if spec.columns and prior.is_made_of_posterior:
            raise ConfigurationError(
                f"prior.name is {config.prior.name!r}, which is made of the posteriors of examples that it learns; the "
                f"categories of a table cannot be learned so. Set prior.name={first_with('prior', is_made_of_posterior=False)}."
            )
        encoder = build_encoder(config, context, parts, posterior.param_shape, encoder_key, context.condition_dim)
        decoder = build_decoder(config, context, parts, prior.latent_dim, likelihood, decoder_key)
        steps = config.posterior.get("refinement_steps", 0)
        refinement = Refinement(steps, config.posterior.refinement_rate) if steps > 0 else None
        mask = class_of("mask", config.mask.name).build(config.mask, context, likelihood.has_nodes)
        parts_of = context.transform, context.input_transform, encoder, posterior, prior, decoder, likelihood, refinement, mask
        return cls(*parts_of, sees_mask=sees_mask(spec))

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return self.likelihood.event_shape

    @property
    @override
    def condition_dim(self) -> int:
        return max(self.encoder.condition_dim, self.decoder.condition_dim)

    @property
    @override
    def measure(self) -> Measure:
        return self.likelihood.measure

    @property
    @override
    def discrete_elements(self) -> np.ndarray:
        return self.likelihood.discrete

    @override
    def has_mass(self, x: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        return self.likelihood.has_mass(self.transform.forward(x))

    @property
    @override
    def given(self) -> Given | None:
        return self.likelihood.given if self.mask.is_ignorable else "mask too"

    @property
    @override
    def hidden_need_observed(self) -> bool:
        return self.likelihood.hidden_need_observed

    @override
    def log_odds_of_presence(self, x: Float[Array, "..."]) -> Float[Array, "..."] | None:
        if self.mask.is_ignorable:
            return None
        return jnp.where(self.mask.modelled, self.mask.logit(self.input_transform.forward(x)), jnp.inf)

    @property
    @override
    def noise(self) -> Any | None:
        return self.likelihood.noise

    @override
    def with_noise(self, noise: Any | None) -> SingleLayer:
        return dataclasses.replace(self, likelihood=self.likelihood.with_noise(noise))

    @property
    @override
    def noise_is_joined(self) -> bool:
        return self.likelihood.noise_is_joined

    @override
    def element_log_likelihood(self, example: Example, z: Float[Array, " latent"]) -> Float[Array, "..."] | None:
        if not self.noise_is_joined:
            return None
        params = self.decoder(z, condition=example.condition)
        return self.likelihood.element_log_prob(params, self.transform.forward(example.known))

    @property
    @override
    def has_density(self) -> bool:
        return self.posterior.has_density

    @property
    @override
    def space(self) -> Space:
        return self.posterior.space

    @property
    @override
    def latent_blocks(self) -> tuple[LatentBlock, ...]:
        return (
            LatentBlock(
                self.prior.latent_dim,
                self.space,
                type(self.posterior).__name__,
                self.posterior.is_factorised,
                has_factorised_prior=self.prior.is_factorised,
                has_normal_prior=self.prior.is_standard_normal,
                is_flow=self.posterior.is_flow,
                least_dim=max(self.prior.least_latents, self.posterior.least_latents),
                has_prior_of_posterior=self.prior.is_made_of_posterior,
            ),
        )

    @property
    @override
    def outputs_per_example(self) -> int:
        return math.prod(self.likelihood.param_shape)

    @property
    @override
    def encoder_units(self) -> Affine:
        return self.input_transform

    @property
    @override
    def decoder_params(self) -> AbstractNetwork:
        return self.decoder

    @override
    def check_values(
        self, array: np.ndarray, spec: DataSpec | None = None, *, name: str = "X", rows: np.ndarray | None = None
    ) -> None:
        likelihood_name = name_of("likelihood", type(self.likelihood)) or type(self.likelihood).__name__
        check_values(array, self.likelihood, self.transform, likelihood_name=likelihood_name, spec=spec, name=name, rows=rows)

    @override
    def check_observed(self, example: Example) -> None:
        if example.observed is not None:
            reason = self.likelihood.cannot_hide(np.asarray(example.observed))
            if reason is not None:
                raise ConfigurationError(f"observed is False for some elements, but {reason}")

    @override
    def log_terms(self, example: Example, key: PRNGKeyArray, draws: Draws) -> LogTerms:
        condition = example.condition
        draw_keys, encoder_key, decoder_keys = self._keys(key, draws)
        encoded = example if draws.encoded_x is None else dataclasses.replace(example, x=draws.encoded_x)
        with jax.named_scope("X_encoder"):
            posterior = self.posterior.at(self.posterior_params(encoded, encoder_key))
        with jax.named_scope("reparametrization"):
            z, log_posterior = each_draw(posterior.sample_and_log_prob, draw_keys)
            if draws.path_scale is not None:
                z = each_draw(scale_gradient, z, draws.path_scale)
            if draws.path_only:
                log_posterior = each_draw(stopped(posterior).log_prob, z)
        with jax.named_scope("X_decoder"):
            params = each_draw(lambda z, key: self.decoder(z, condition=condition, key=key), z, decoder_keys)
        with jax.named_scope("ELB"):
            y, prior = self.transform.forward(example.known), self._prior(condition)
            return LogTerms(
                log_likelihood=each_draw(lambda param: self._log_likelihood(param, y, example), params),
                log_prior=each_draw(prior.log_prob, z),
                log_posterior=log_posterior,
                kl_by_block=(kl(posterior, prior),),
                z=z,
                posterior=posterior,
                monitors=jax.tree.map(jnp.mean, each_draw(self.likelihood.monitors, params)),
            )

    @override
    def posterior_params(self, example: Example, key: PRNGKeyArray | None = None) -> Float[Array, "..."]:
        """Refined where the model refines them; `key` turns on what is random in training."""
        condition = example.condition
        params = self.encoder(self.seen_by_encoder(example), condition=condition, key=key)
        if self.refinement is not None:
            y, prior = self.transform.forward(example.known), self._prior(condition)

            def log_joint(z: Float[Array, " latent"]) -> Float[Array, ""]:
                return self._log_likelihood(self.decoder(z, condition=condition), y, example) + prior.log_prob(z)

            return self.refinement(params, self.posterior, log_joint)
        return params

    def seen_by_encoder(self, example: Example) -> Float[Array, "..."]:
        """The example in the encoder's own scale, in which 0 is an element's mean and stands where there is no value."""
        seen = self.input_transform.forward(example.known)
        if example.observed is not None:
            seen = jnp.where(example.observed, seen, 0)
        return self._masked(seen, example.observed)

    def _masked(self, seen: Float[Array, "..."], observed: Bool[Any, "..."] | None) -> Float[Array, "..."]:
        if not self.sees_mask:
            return seen
        there = jnp.ones(seen.shape, seen.dtype) if observed is None else jnp.asarray(observed, seen.dtype)
        return with_mask(seen, there)

    @override
    def posterior_from(self, params: Float[Array, "..."]) -> AbstractPosterior:
        return self.posterior.at(params)

    @override
    def log_prior(self, z: Float[Array, " latent"], condition: Condition = None) -> Float[Array, ""]:
        return self._prior(condition).log_prob(z)

    @override
    def log_likelihood(self, example: Example, z: Float[Array, " latent"]) -> Float[Array, ""]:
        y = self.transform.forward(example.known)
        return self._log_likelihood(self.decoder(z, condition=example.condition), y, example)

    @override
    def decode_mean(self, z: Float[Array, " latent"], condition: Condition = None) -> Float[Array, "..."]:
        params = self.decoder(z, condition=condition)
        return _with_codes(self.transform.inverse(self.likelihood.mean_of(params)), self.likelihood.masses_of_codes(params))

    @override
    def decode_probabilities(self, z: Float[Array, " latent"], condition: Condition = None) -> dict[int, Float[Array, " codes"]]:
        return self.likelihood.masses_of_codes(self.decoder(z, condition=condition))

    @override
    def decode_draw(self, z: Float[Array, " latent"], key: PRNGKeyArray, condition: Condition = None) -> Float[Array, "..."]:
        return self.transform.inverse(self.likelihood.draw(self.decoder(z, condition=condition), key))

    @override
    def fill(self, example: Example, z: Float[Array, " latent"], key: PRNGKeyArray) -> Filling:
        found = super().fill(example, z, key)
        if self.mask.is_ignorable:
            return found
        of_mask = self._of_mask
        modelled, nodes = of_mask.modelled(example), of_mask.nodes(self.decoder(z, condition=example.condition), example)
        mean = jnp.where(modelled, self.transform.inverse(jnp.sum(jnp.exp(nodes.log_mass) * nodes.value, axis=0)), found.mean)
        draw = jnp.where(modelled, self.transform.inverse(nodes.draw(key)), found.draw)
        probabilities = {place: of_mask.masses(place, masses, example) for place, masses in found.probabilities.items()}
        return Filling(_with_codes(mean, probabilities), draw, probabilities)

    @override
    def replicate(
        self, example: Example, z: Float[Array, " latent"], keys: Key[Array, " draws"]
    ) -> tuple[Float[Array, "..."], Float[Array, "draws ..."]]:
        if not self.mask.is_ignorable:
            # What is there looks like p(x|z, s) and not like p(x|z).
            drawn = jax.vmap(lambda key: self.fill(example, z, key).draw)(keys)
            return self.fill(example, z, keys[0]).mean, drawn
        total = self._total(self.transform.forward(example.known), example.observed)
        params = self.decoder(z, condition=example.condition)
        mean = self.likelihood.mean_of(params, total)
        draws = jax.vmap(lambda key: self.likelihood.draw(params, key, total))(keys)
        dtype = jnp.result_type(float)
        return self.transform.inverse(mean).astype(dtype), jax.vmap(self.transform.inverse)(draws).astype(dtype)

    @override
    def sample_latent(self, key: PRNGKeyArray, condition: Condition = None) -> Float[Array, " latent"]:
        return self._prior(condition).sample(key)

    @override
    def detached(self, half: Half) -> SingleLayer:
        def parts(model: SingleLayer) -> tuple[Any, ...]:
            if half == "recognition":
                return model.encoder, model.posterior
            return model.prior, model.decoder, model.likelihood, model.mask

        return eqx.tree_at(parts, self, stopped(parts(self)))

    def _prior(self, condition: Condition) -> AbstractLatentDensity:
        def of_seen(x: Float[Array, "..."], condition: Condition) -> AbstractPosterior:
            return self.posterior.at(self.encoder(self._masked(x, None), condition=condition))

        return self.prior.bind(of_seen, condition)

    def _log_likelihood(self, params: Float[Array, "..."], y: Float[Array, "..."], example: Example) -> Float[Array, ""]:
        """log p(x|z) about x in the user's units, or of its observed elements, and of the mask where it has a law."""
        observed = example.observed
        log_prob = self.likelihood.log_prob(params, y, observed=observed, total=self._total(y, observed))
        if not self.mask.is_ignorable:
            log_prob = log_prob + self._of_mask.log_prob(params, y, example)
        return log_prob + self._log_jacobian(y, observed)

    @property
    def _of_mask(self) -> MaskTerms:
        # Only elementwise likelihoods have nodes, without which no element has a law of the mask.
        assert isinstance(self.likelihood, AbstractElementwise)
        return MaskTerms(self.mask, self.likelihood, self.transform, self.input_transform)

    def _total(self, y: Float[Array, "..."], observed: Bool[Any, "..."] | None) -> Float[Array, ""] | None:
        """The sum that a density given it is told."""
        if not self.likelihood.given_total:
            return None
        if observed is not None:
            raise ConfigurationError(
                f"the likelihood {type(self.likelihood).__name__} is one of counts given their sum, which is not known where "
                "some elements are not observed. A likelihood with likelihood.library_size=false does without it."
            )
        return y.sum()

    def _keys(
        self, key: PRNGKeyArray, draws: Draws
    ) -> tuple[Key[Array, " draws"], PRNGKeyArray | None, Key[Array, " draws"] | None]:
        """Keys for the draws, for the encoder and for the decoder at each draw."""
        # A split is a twentieth of a training step, so there is none without need.
        num_samples = draws.num_samples
        if not (draws.training and (self.encoder.is_random_in_training or self.decoder.is_random_in_training)):
            return (key[None] if num_samples == 1 else jax.random.split(key, num_samples)), None, None
        keys = jax.random.split(key, 2 * num_samples + 1)
        return keys[:num_samples], keys[-1], keys[num_samples:-1]

    def _log_jacobian(self, y: Float[Array, "..."], observed: Bool[Any, "..."] | None) -> Float[Array, ""] | float:
        if self.measure == "counting":
            return 0.0
        has_mass = self.likelihood.has_mass(y)
        if observed is None and has_mass is None:
            return self.transform.log_abs_det_jacobian(self.event_shape)
        # A mass is the same in every unit.
        has_density = True if has_mass is None else ~has_mass
        if observed is not None:
            has_density = has_density & observed
        return -jnp.sum(jnp.where(has_density, jnp.log(jnp.abs(jnp.asarray(self.transform.scale))), 0.0))


def _with_codes(mean: Float[Array, "..."], masses: dict[int, Float[Array, " codes"]]) -> Float[Array, "..."]:
    """The means, with the most probable code that training saw in place of each column of categories."""
    for place, of_codes in masses.items():
        mean = mean.at[place].set(jnp.argmax(of_codes[:-1]).astype(mean.dtype))
    return mean
