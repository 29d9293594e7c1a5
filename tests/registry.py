"""Every part, once. A new part adds one line here and is held to every invariant in `test_parts.py` and `oracles/`."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from checks import Density, lattice
from jaxtyping import Array, PRNGKeyArray

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.transforms import Affine
from lowerbound.likelihoods import AbstractLikelihood, Bernoulli, DiscretizedLogistic, Gaussian
from lowerbound.models import AbstractLatentVariableModel
from lowerbound.networks import MLP, AbstractNetwork
from lowerbound.objectives import ELBO, AbstractObjective
from lowerbound.posteriors import AbstractPosteriorFamily, DiagonalGaussian
from lowerbound.priors import AbstractPrior, StandardNormal
from lowerbound.recipes import list_recipes
from lowerbound.recipes.build import build_model

LATENT_DIM = 2
EXTREME = 50.0
Make = Callable[[PRNGKeyArray], Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """A part as its tests see it.

    - `make(key)`: the part, with fresh weights where it has weights.
    - `inputs(part, key)`: ordinary inputs; `extremes(part)`: inputs at the edge of what may come, +-50 for raw network outputs.
    - `call(part, *inputs)`: all that the part can say of the inputs; `shapes(part)`: the shapes of the same.
    - `density(part, key)`: a density at random parameters, where the part has one.
    """

    make: Make
    inputs: Callable[[Any, PRNGKeyArray], tuple[Any, ...]]
    extremes: Callable[[Any], list[tuple[Any, ...]]]
    call: Callable[..., dict[str, Any]]
    shapes: Callable[[Any], dict[str, Any]]
    density: Callable[[Any, PRNGKeyArray], Density] | None = None


# Likelihoods ---------------------------------------------------------------------------------------------------------------

# Two elements each, so that a grid holds the whole event and a wrong dependence between elements is seen.
LIKELIHOODS: dict[str, Callable[[], AbstractLikelihood]] = {
    "gaussian-free": lambda: Gaussian((2,), np.float32(0.01)),
    "gaussian-sigmoid": lambda: Gaussian((1, 2), np.float32(0.01), np.array([[[0.0, -1.0]], [[1.0, 3.0]]])),
    "gaussian-floor-per-element": lambda: Gaussian((2,), np.array([0.01, 0.5])),
    "bernoulli": lambda: Bernoulli((2,)),
    "discretized-logistic-bounded": lambda: DiscretizedLogistic((1, 2)),
    "discretized-logistic-free": lambda: DiscretizedLogistic((2,), -1.0, 1.0, 17, bounded_mean=False),
}


def _numpyro(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPyro's own distributions mix dtypes (Bernoulli's does), which strict promotion would refuse."""
    return jax.numpy_dtype_promotion("standard")(function)


def levels_of(likelihood: AbstractLikelihood) -> tuple[float, float, int] | None:
    """(lowest, highest, how many) of a discrete likelihood's levels."""
    if isinstance(likelihood, Bernoulli):
        return 0.0, 1.0, 2
    if isinstance(likelihood, DiscretizedLogistic):
        return likelihood.low, likelihood.high, likelihood.num_levels
    return None


def _likelihood(make: Callable[[], AbstractLikelihood]) -> Case:
    def inputs(part: AbstractLikelihood, key: PRNGKeyArray) -> tuple[Any, ...]:
        params_key, sample_key = jax.random.split(key)
        params = jax.random.normal(params_key, part.param_shape)
        return params, jnp.asarray(part.distribution(params).sample(sample_key), jnp.float32), sample_key

    def extremes(part: AbstractLikelihood) -> list[tuple[Any, ...]]:
        low, high, _ = levels_of(part) or (0.0, 1.0, 0)
        num_heads = math.prod(part.param_shape) // math.prod(part.event_shape)
        one = np.ones(part.event_shape, np.float32)
        every_combination = itertools.product((-EXTREME, EXTREME), repeat=num_heads)
        params = [jnp.asarray([raw * one for raw in heads]).reshape(part.param_shape) for heads in every_combination]
        return [(p, jnp.asarray(limit * one), jax.random.key(0)) for p in params for limit in (low, high)]

    def call(part: AbstractLikelihood, params: Array, x: Array, key: PRNGKeyArray) -> dict[str, Any]:
        distribution = part.distribution(params)
        return {
            "log_prob": distribution.log_prob(x),
            "mean": distribution.mean,
            "sample": jnp.asarray(distribution.sample(key), jnp.float32),
            "monitors": part.monitors(params),
        }

    def shapes(part: AbstractLikelihood) -> dict[str, Any]:
        monitors = dict.fromkeys(part.monitors(jnp.zeros(part.param_shape)), ())
        return {"log_prob": (), "mean": part.event_shape, "sample": part.event_shape, "monitors": monitors}

    def density(part: AbstractLikelihood, key: PRNGKeyArray) -> Density:
        distribution = part.distribution(jax.random.normal(key, part.param_shape))
        levels = levels_of(part)
        if levels is not None:
            axes = lattice(*levels, dimensions=2)
        else:
            centre, width = (np.asarray(x, np.float64).ravel() for x in (distribution.mean, jnp.sqrt(distribution.variance)))
            axes = tuple(np.linspace(m - 9 * s, m + 9 * s, 361) for m, s in zip(centre, width, strict=True))
        log_prob, sample = _numpyro(distribution.log_prob), _numpyro(distribution.sample)
        return Density(log_prob, sample, axes, levels is not None, part.event_shape)

    return Case(lambda key: make(), _numpyro(inputs), extremes, _numpyro(call), shapes, density)


# Priors and posteriors -----------------------------------------------------------------------------------------------------

PRIORS: dict[str, Callable[[PRNGKeyArray], AbstractPrior]] = {
    "standard-normal": lambda key: StandardNormal(LATENT_DIM),
}

POSTERIORS: dict[str, Callable[[PRNGKeyArray], AbstractPosteriorFamily]] = {
    "diagonal-gaussian": lambda key: DiagonalGaussian(LATENT_DIM),
}


def _prior(make: Make) -> Case:
    def density(part: AbstractPrior, key: PRNGKeyArray) -> Density:
        return Density(part.log_prob, part.sample, (np.linspace(-9, 9, 361),) * 2, False, (LATENT_DIM,))

    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, (LATENT_DIM,)), key),
        extremes=lambda part: [(jnp.full(LATENT_DIM, value), jax.random.key(0)) for value in (-EXTREME, EXTREME)],
        call=lambda part, z, key: {"log_prob": part.log_prob(z), "sample": part.sample(key)},
        shapes=lambda part: {"log_prob": (), "sample": (LATENT_DIM,)},
        density=density,
    )


def _posterior(make: Make) -> Case:
    def extremes(part: AbstractPosteriorFamily) -> list[tuple[Any, ...]]:
        raw = (-EXTREME, EXTREME)
        both = [jnp.stack([jnp.full(LATENT_DIM, mean), jnp.full(LATENT_DIM, spread)]) for mean in raw for spread in raw]
        return [(params, jnp.zeros(LATENT_DIM), jax.random.key(0)) for params in both]

    def call(part: AbstractPosteriorFamily, params: Array, z: Array, key: PRNGKeyArray) -> dict[str, Any]:
        posterior = part.condition(params)
        draw, log_prob_of_draw = posterior.sample_and_log_prob(key)
        kl = posterior.kl_to(StandardNormal(LATENT_DIM))
        return {"log_prob": posterior.log_prob(z), "mean": posterior.mean, "draw": draw, "of_draw": log_prob_of_draw, "kl": kl}

    def density(part: AbstractPosteriorFamily, key: PRNGKeyArray) -> Density:
        posterior = part.condition(jax.random.normal(key, part.param_shape))
        keys = jax.random.split(jax.random.key(0), 1000)
        draws = np.asarray(jax.vmap(lambda k: posterior.sample_and_log_prob(k)[0])(keys), np.float64)
        axes = tuple(np.linspace(m - 9 * s, m + 9 * s, 361) for m, s in zip(draws.mean(0), draws.std(0), strict=True))
        return Density(posterior.log_prob, lambda k: posterior.sample_and_log_prob(k)[0], axes, False, (LATENT_DIM,))

    z = (LATENT_DIM,)
    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, part.param_shape), jax.random.normal(key, z), key),
        extremes=extremes,
        call=call,
        shapes=lambda part: {"log_prob": (), "mean": z, "draw": z, "of_draw": (), "kl": z},
        density=density,
    )


# Networks ------------------------------------------------------------------------------------------------------------------

_mlp = functools.partial(MLP, (3, 2), (2, 5), hidden_widths=(8, 7))

NETWORKS: dict[str, Callable[[PRNGKeyArray], AbstractNetwork]] = {
    "mlp": lambda key: _mlp(key=key),
    "mlp-linear": lambda key: _mlp(hidden_widths=(), key=key),
    "mlp-dropout": lambda key: _mlp(dropout=0.5, key=key),
    "mlp-elu-tanh": lambda key: _mlp(activations=("elu", "tanh"), key=key),
    "mlp-relu-silu": lambda key: _mlp(activations=("relu", "silu"), key=key),
    "mlp-gelu-softplus": lambda key: _mlp(activations=("gelu", "softplus"), key=key),
}


def _network(make: Make) -> Case:
    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, part.in_shape), key),
        extremes=lambda part: [(jnp.full(part.in_shape, value), jax.random.key(0)) for value in (-EXTREME, EXTREME)],
        call=lambda part, x, key: {"evaluated": part(x), "in_training": part(x, key)},
        shapes=lambda part: {"evaluated": part.out_shape, "in_training": part.out_shape},
    )


# Transforms ----------------------------------------------------------------------------------------------------------------

TRANSFORMS: dict[str, Callable[[], Affine]] = {
    "affine": lambda: Affine(shift=0.0, scale=255.0),
    "affine-per-element": lambda: Affine(shift=np.array([1.0, -2.0, 300.0]), scale=np.array([0.5, -4.0, 1000.0])),
}
TRANSFORM_EVENT_SHAPE = (3,)


def _transform(make: Callable[[], Affine]) -> Case:
    def call(part: Affine, x: Array) -> dict[str, Any]:
        log_det = part.log_abs_det_jacobian(TRANSFORM_EVENT_SHAPE)
        return {"forward": part.forward(x), "inverse": part.inverse(x), "log_det": jnp.asarray(log_det, jnp.float32)}

    shape = TRANSFORM_EVENT_SHAPE
    return Case(
        lambda key: make(),
        inputs=lambda part, key: (255 * jax.random.uniform(key, shape),),
        extremes=lambda part: [(jnp.full(shape, value),) for value in (-1e6, 1e6)],
        call=call,
        shapes=lambda part: {"forward": shape, "inverse": shape, "log_det": ()},
    )


# Models --------------------------------------------------------------------------------------------------------------------

_IMAGE_SHAPE = (3, 2)
_RNG = np.random.default_rng(0)
DATA: dict[str, np.ndarray] = {
    "8-bit": _RNG.integers(0, 256, (50, *_IMAGE_SHAPE)).astype(np.uint8),
    "binary": _RNG.integers(0, 2, (50, *_IMAGE_SHAPE)).astype(np.uint8),
    "table": (_RNG.normal(size=(50, 4)) * [1, 10, 100, 1000]).astype(np.float32),
}
_SMALL = {"model": {"latent_dim": LATENT_DIM}, "network": {"hidden_widths": [8], "activations": "elu"}}

# (kind of data, configuration): each likelihood on the kinds of data that it fits.
CONFIGURATIONS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "8-bit-gaussian-free": ("8-bit", {**_SMALL, "likelihood": {"name": "gaussian"}}),
    "8-bit-gaussian-sigmoid": ("8-bit", {**_SMALL, "likelihood": {"name": "gaussian", "mean": "sigmoid"}}),
    "8-bit-discretized-logistic": ("8-bit", {**_SMALL, "likelihood": {"name": "discretized-logistic"}}),
    "binary-bernoulli": ("binary", {**_SMALL, "likelihood": {"name": "bernoulli"}}),
    "table-gaussian-standard": ("table", {**_SMALL, "likelihood": {"name": "gaussian"}}),
    "table-gaussian-dropout": ("table", {**_SMALL, "network": {"hidden_widths": [8], "dropout": 0.3}}),
}
# Every preset, at its own size of network; held to the invariants of training, which are made of all the others.
RECIPES: dict[str, RunConfig] = {recipe.name: recipe.run_config() for recipe in list_recipes()}


def model_of(name: str, key: PRNGKeyArray, **changes: Any) -> AbstractLatentVariableModel:
    """The model of one of `CONFIGURATIONS`, with fresh weights."""
    kind, config = CONFIGURATIONS[name]
    return build_model(RunConfig.from_dict(config).updated(changes), describe(DATA[kind]), key)


def _model(name: str) -> Case:
    def inputs(part: AbstractLatentVariableModel, key: PRNGKeyArray) -> tuple[Any, ...]:
        return jnp.asarray(DATA[CONFIGURATIONS[name][0]][0]), jax.random.normal(key, (part.latent_dim,)), key

    def call(part: AbstractLatentVariableModel, x: Array, z: Array, key: PRNGKeyArray) -> dict[str, Any]:
        terms = part.log_terms(x, key, 3)
        return {
            "log_likelihood": terms.log_likelihood,
            "log_prior": terms.log_prior,
            "log_posterior": terms.log_posterior,
            "log_weight": terms.log_weight,
            "kl": terms.kl,
            "encoded": part.encode(x).mean,
            "decode_mean": part.decode_mean(z),
            "decode_draw": part.decode_draw(z, key),
            "latent": part.sample_latent(key),
        }

    def shapes(part: AbstractLatentVariableModel) -> dict[str, Any]:
        samples = dict.fromkeys(("log_likelihood", "log_prior", "log_posterior", "log_weight"), (3,))
        events = dict.fromkeys(("decode_mean", "decode_draw"), part.event_shape)
        return {**samples, **events, "kl": (), "encoded": (part.latent_dim,), "latent": (part.latent_dim,)}

    def extremes(part: AbstractLatentVariableModel) -> list[tuple[Any, ...]]:
        data = DATA[CONFIGURATIONS[name][0]]
        z = jnp.full((part.latent_dim,), EXTREME)
        return [(jnp.full_like(data[0], limit), z, jax.random.key(0)) for limit in (data.min(), data.max())]

    return Case(functools.partial(model_of, name), inputs, extremes, call, shapes)


# Objectives ----------------------------------------------------------------------------------------------------------------

OBJECTIVES: dict[str, Callable[[], AbstractObjective]] = {
    "elbo": lambda: ELBO(),
    "elbo-5-samples": lambda: ELBO(num_samples=5),
    "elbo-beta-4-warm-up": lambda: ELBO(beta=4.0, warmup_steps=10),
}


def _objective(make: Callable[[], AbstractObjective]) -> Case:
    batch = DATA["8-bit"][:4]

    def inputs(part: AbstractObjective, key: PRNGKeyArray) -> tuple[Any, ...]:
        return model_of("8-bit-gaussian-sigmoid", key), jnp.asarray(batch), key, jnp.int32(3)

    def extremes(part: AbstractObjective) -> list[tuple[Any, ...]]:
        model = model_of("8-bit-gaussian-sigmoid", jax.random.key(0))
        limits = [jnp.full_like(batch, limit) for limit in (0, 255)]
        return [(model, limit, jax.random.key(0), jnp.int32(step)) for limit in limits for step in (0, 10**8)]

    def call(part: AbstractObjective, model: Any, batch: Array, key: PRNGKeyArray, step: Array) -> dict[str, Any]:
        record = part(model, batch, key, step, training=True)
        return {**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)}, "w": part.kl_weight(step)}

    each = (len(batch),)
    shapes = {"loss": (), "bound": each, "log_likelihood": each, "kl": each, "monitors": {"fraction_at_floor": ()}, "w": ()}
    return Case(lambda key: make(), inputs, extremes, call, lambda part: shapes)


# All of them ---------------------------------------------------------------------------------------------------------------

CASES: dict[str, Case] = {
    **{f"likelihood-{name}": _likelihood(make) for name, make in LIKELIHOODS.items()},
    **{f"prior-{name}": _prior(make) for name, make in PRIORS.items()},
    **{f"posterior-{name}": _posterior(make) for name, make in POSTERIORS.items()},
    **{f"network-{name}": _network(make) for name, make in NETWORKS.items()},
    **{f"transform-{name}": _transform(make) for name, make in TRANSFORMS.items()},
    **{f"model-{name}": _model(name) for name in CONFIGURATIONS},
    **{f"objective-{name}": _objective(make) for name, make in OBJECTIVES.items()},
}
DENSITIES = {name: case for name, case in CASES.items() if case.density is not None}
