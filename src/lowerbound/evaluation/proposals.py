"""Where importance samples are drawn from: the posterior as it is, widened, refined for each example, or mixed with the prior."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from typing_extensions import override

from ..config.rules import COUNT, POSITIVE, OneOf, Real, check_fields
from ..data.examples import Example
from ..densities import AbstractPosterior, mean_of_draws
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel


class AbstractProposal(eqx.Module):
    """A frozen value: with a model and one example it gives the density r(z) that the example's importance samples come from.

    Any r that is above 0 wherever p(x, z) is gives E_r[p(x, z) / r(z)] = p(x). The nearer r is to p(z|x), the less the weights
    vary; an r narrower than p(z|x) has weights of large or infinite variance, which few draws show.
    """

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is, for people: "the posterior widened 1.2 times"."""

    @abstractmethod
    def check(self, model: AbstractLatentVariableModel) -> None:
        """Raise `ConfigurationError` when the model has no such density."""

    @abstractmethod
    def density(self, model: AbstractLatentVariableModel, example: Example, key: PRNGKeyArray) -> AbstractPosterior:
        """r(z) for one example; `key` is for whatever noise finding it needs."""


class Amortised(AbstractProposal):
    """q(z|x), as the encoder gives it."""

    @property
    @override
    def description(self) -> str:
        return "the posterior"

    @override
    def check(self, model: AbstractLatentVariableModel) -> None:
        """Every model has one."""

    @override
    def density(self, model: AbstractLatentVariableModel, example: Example, key: PRNGKeyArray) -> AbstractPosterior:
        return model.encode(example)


class Refined(AbstractProposal):
    r"""q(z; lambda*) with the posterior's unconstrained parameters lambda optimised for the one example.

        lambda* = argmax_lambda L(x; lambda) by Adam from the encoder's lambda(x), L the ELBO or IWAE_S of the example

    (Cremer et al. 2018, Inference Suboptimality in Variational Autoencoders, arXiv 1801.03558, section 3.) What the encoder lost
    by answering for all examples at once is won back; the model's weights stay as they are, and the importance weights are
    right whatever lambda* is. The noise is new in each step, and the rate falls to 0 along a cosine, so that it averages out.

    - `num_steps`: steps for each example. `rate`: Adam's first rate, in the unconstrained parameters' own units.
    - `num_draws`: S, draws of z in each step.
    - `bound`: "elbo" finds the best fit in KL(q||p), which is rather too narrow; "iwae" the best for S importance samples, wider.

    Raises `ConfigurationError` for numbers that cannot be.
    """

    num_steps: int = eqx.field(static=True, default=100)
    rate: float = eqx.field(static=True, default=0.02)
    num_draws: int = eqx.field(static=True, default=8)
    bound: str = eqx.field(static=True, default="elbo")

    def __check_init__(self) -> None:
        check_fields(self, num_steps=COUNT, num_draws=COUNT, rate=POSITIVE, bound=OneOf(("elbo", "iwae")))

    @property
    @override
    def description(self) -> str:
        return f"the posterior refined for each example by {self.num_steps:,} steps"

    @override
    def check(self, model: AbstractLatentVariableModel) -> None:
        """Every posterior has unconstrained parameters."""

    @override
    def density(self, model: AbstractLatentVariableModel, example: Example, key: PRNGKeyArray) -> AbstractPosterior:
        optimizer = optax.adam(optax.cosine_decay_schedule(self.rate, self.num_steps))

        def loss(params: PyTree[Float[Array, "..."]], key: PRNGKeyArray) -> Float[Array, ""]:
            posterior = model.posterior_from(params)
            log_weights = jax.vmap(lambda key: log_weight(model, posterior, example, key)[0])(
                jax.random.split(key, self.num_draws)
            )
            return -log_weights.mean() if self.bound == "elbo" else -jax.nn.logsumexp(log_weights)

        def step(
            state: tuple[PyTree[Float[Array, "..."]], optax.OptState], key: PRNGKeyArray
        ) -> tuple[tuple[PyTree[Float[Array, "..."]], optax.OptState], None]:
            params, moments = state
            gradient = jax.grad(loss)(params, key)
            # Optax's schedules mix integers and floats.
            with jax.numpy_dtype_promotion("standard"):
                updates, moments = optimizer.update(gradient, moments)
            return (optax.apply_updates(params, updates), moments), None

        start = model.posterior_params(example)
        (params, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), jax.random.split(key, self.num_steps))
        return model.posterior_from(jax.lax.stop_gradient(params))


class Widened(AbstractProposal):
    r"""Another proposal `of`, spread about its mean m by a factor f: z = m + f (z_0 - m) with z_0 ~ r_0.

        r(z) = r_0(m + (z - m) / f) / f^J

    for any density over R^J (a change of variables), flows included. A posterior fitted by the ELBO is narrower than p(z|x) where
    the two differ in shape; a little width bounds the weights.

    - `factor`: f > 0; 1.2 for example. Below 1 it narrows, which is for experiments only.

    Raises `ConfigurationError` when the factor is not above 0; `check` does for latents on a sphere.
    """

    factor: float = eqx.field(static=True, default=1.2)
    of: AbstractProposal = Amortised()

    def __check_init__(self) -> None:
        check_fields(self, factor=POSITIVE)

    @property
    @override
    def description(self) -> str:
        return f"{self.of.description}, widened {self.factor:g} times"

    def check(self, model: AbstractLatentVariableModel) -> None:
        """Raise `ConfigurationError` when z lives on a sphere, which has no room for it."""
        self.of.check(model)
        if model.space == "hypersphere":
            raise ConfigurationError(
                "a widened proposal spreads z about the posterior's mean, which leads off the unit sphere on which this model's "
                "latents live. Use Refined() (--proposal refined), which stays on it, or Defensive(prior_share=0.1) "
                "(--prior-share 0.1), which mixes in the prior."
            )

    @override
    def density(self, model: AbstractLatentVariableModel, example: Example, key: PRNGKeyArray) -> AbstractPosterior:
        inner = self.of.density(model, example, key)
        return WidenedDensity(inner, inner.mean, self.factor)


class Defensive(AbstractProposal):
    r"""A mixture with the prior (Hesterberg 1995, "Weighted average importance sampling and defensive mixture distributions").

        r(z) = (1 - a) r_0(z) + a p(z)   =>   w = p(x|z) p(z) / r(z) <= p(x|z) / a

    so that no weight is unbounded where the likelihood is not. It needs r_0 at any z: flows are inverted.

    - `prior_share`: a, between 0 and 1. `of`: the proposal r_0.

    Raises `ConfigurationError` when the share is not between 0 and 1.
    """

    prior_share: float = eqx.field(static=True, default=0.1)
    of: AbstractProposal = Amortised()

    def __check_init__(self) -> None:
        check_fields(self, prior_share=Real(0.0, below=1.0, strictly_above=True))

    @property
    @override
    def description(self) -> str:
        return f"{self.of.description}, with {self.prior_share:.3g} of the draws from the prior"

    @override
    def check(self, model: AbstractLatentVariableModel) -> None:
        self.of.check(model)

    @override
    def density(self, model: AbstractLatentVariableModel, example: Example, key: PRNGKeyArray) -> AbstractPosterior:
        return DefensiveDensity(self.of.density(model, example, key), model, example.condition, self.prior_share)


# By the names that the command line has for them, as they are by default.
NAMED_PROPOSALS: dict[str, Callable[[], AbstractProposal]] = {"posterior": Amortised, "widened": Widened, "refined": Refined}


def as_proposal(given: Any) -> AbstractProposal:
    """A proposal by its name, one as it is, or the posterior for None; raises `ConfigurationError` for anything else."""
    if given is None or isinstance(given, AbstractProposal):
        return given or Amortised()
    if isinstance(given, str) and given in NAMED_PROPOSALS:
        return NAMED_PROPOSALS[given]()
    raise ConfigurationError(
        f"proposal is {given!r}; expected {', '.join(map(repr, NAMED_PROPOSALS))}, a value such as "
        "lowerbound.evaluation.Refined(num_steps=200), or None for the posterior."
    )


class WidenedDensity(AbstractPosterior):
    """The law of centre + factor (z_0 - centre) with z_0 ~ inner."""

    inner: AbstractPosterior
    centre: Float[Array, " latent"]
    factor: float = eqx.field(static=True)

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        z, log_inner = self.inner.sample_and_log_prob(key)
        return self.centre + self.factor * (z - self.centre), log_inner - self._log_volume()

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log r_0(centre + (z - centre) / factor) - J log factor."""
        return self.inner.log_prob(self.centre + (z - self.centre) / self.factor) - self._log_volume()

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return self.centre

    def _log_volume(self) -> Float[Array, ""]:
        return self.centre.shape[0] * jnp.log(jnp.asarray(self.factor, self.centre.dtype))


class DefensiveDensity(AbstractPosterior):
    """(1 - prior_share) inner + prior_share p(z)."""

    inner: AbstractPosterior
    model: AbstractLatentVariableModel
    condition: Float[Array, " condition"] | None
    prior_share: float = eqx.field(static=True)

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        choice_key, prior_key, inner_key = jax.random.split(key, 3)
        of_prior = jax.random.uniform(choice_key) < self.prior_share
        z = jnp.where(of_prior, self.model.sample_latent(prior_key, self.condition), self.inner.sample(inner_key))
        return z, self.log_prob(z)

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        log_inner = self.inner.log_prob(z) + jnp.log1p(jnp.asarray(-self.prior_share, z.dtype))
        return jnp.logaddexp(log_inner, self.model.log_prior(z, self.condition) + jnp.log(jnp.asarray(self.prior_share, z.dtype)))

    @property
    def mean(self) -> Float[Array, " latent"]:
        """Over a fixed set of draws."""
        return mean_of_draws(self)


def log_weight(
    model: AbstractLatentVariableModel, proposal: AbstractPosterior, example: Example, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Of one draw z ~ r: (log w = log p(x|z) + log p(z) - log r(z), log p(x|z), log r(z) - log p(z)), in nats."""
    z, log_proposal = proposal.sample_and_log_prob(key)
    log_likelihood = model.log_likelihood(example, z)
    surplus = log_proposal - model.log_prior(z, example.condition)
    return log_likelihood - surplus, log_likelihood, surplus
