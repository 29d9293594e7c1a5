"""The multilayer perceptrons against their formulas in NumPy, and what each refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.chance import agrees

from lowerbound.config import PartConfig
from lowerbound.errors import ConfigurationError
from lowerbound.networks import MLP, AbstractNetwork, GatedMLP, LayerNorm

IN, OUT, CONDITION = (3, 2), (2, 5), 2
_RNG = np.random.default_rng(3)
X, C = (jnp.asarray(_RNG.normal(size=shape), jnp.float32) for shape in (IN, (CONDITION,)))
INPUT = np.concatenate([np.ravel(X), C])


def _jittered(network: Any) -> Any:
    """Every trained number moved away from where it starts, as biases at 0 and scales at 1 would hide a mistake."""
    rng = np.random.default_rng(7)
    return jax.tree.map(
        lambda leaf: leaf + jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32) if eqx.is_inexact_array(leaf) else leaf,
        network,
    )


def _affine(layer: Any, x: np.ndarray) -> np.ndarray:
    return x @ np.asarray(layer.weight) + np.asarray(layer.bias)


def _normalised(norm: LayerNorm, x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * np.asarray(norm.weight) + np.asarray(norm.bias)


def _plain(network: MLP, *, skipped: tuple[int, ...] = (), normalise: bool = False) -> np.ndarray:
    """tanh layers; `skipped` are the layers that a skip goes around."""
    hidden = INPUT
    for number, layer in enumerate(network.layers[:-1]):
        before = _affine(layer, hidden)
        after = np.tanh(_normalised(network.norms[number], before) if normalise else before)
        hidden = hidden + after if number in skipped else after
    return _affine(network.layers[-1], hidden).reshape(OUT)


def _mlp(widths: tuple[int, ...], **options: Any) -> MLP:
    return _jittered(
        MLP(IN, OUT, hidden_widths=widths, activations="tanh", condition_dim=CONDITION, key=jax.random.key(0), **options)
    )


def test_layer_norm_comes_before_the_activation() -> None:
    network = _mlp((7, 6), layer_norm=True)
    found = np.asarray(network(X, condition=C))
    np.testing.assert_allclose(found, _plain(network, normalise=True), rtol=1e-4, atol=1e-5)
    assert np.abs(found - _plain(network)).max() > 0.1


def test_a_skip_goes_around_each_hidden_layer_as_wide_as_the_one_before_it_and_around_no_other() -> None:
    # The first is as wide as the input (6 + 2), which is no hidden layer.
    network = _mlp((8, 8, 5, 5), residual=True)
    found = np.asarray(network(X, condition=C))
    np.testing.assert_allclose(found, _plain(network, skipped=(1, 3)), rtol=1e-4, atol=1e-5)
    for wrong in ((), (0, 1, 3), (1,)):
        assert np.abs(found - _plain(network, skipped=wrong)).max() > 0.05


def test_both_together() -> None:
    network = _mlp((6, 6), residual=True, layer_norm=True)
    expected = _plain(network, skipped=(1,), normalise=True)
    np.testing.assert_allclose(network(X, condition=C), expected, rtol=1e-4, atol=1e-5)


def test_of_one_example_with_many_conditions_the_first_product_is_taken_once() -> None:
    network = MLP((500,), (1,), hidden_widths=(40,), condition_dim=10, key=jax.random.key(0))

    def cost(num_conditions: int, num_examples: int) -> float:
        def of(x: jax.Array) -> jax.Array:
            return jax.vmap(lambda condition: network(x, condition=condition))(jnp.eye(10)[:num_conditions])

        compiled: Any = jax.jit(jax.vmap(of)).lower(jnp.ones((num_examples, 500))).compile()
        return compiled.cost_analysis()["flops"]

    assert cost(10, 20) < 1.5 * cost(1, 20)
    # The control: other examples are so many products.
    assert cost(1, 200) > 8 * cost(1, 20)


def test_all_weights_may_start_from_one_scale_and_biases_stay_at_zero() -> None:
    network = MLP((50,), (2, 30), hidden_widths=(100,), initial_scale=0.02, key=jax.random.key(0))
    for layer in network.layers:
        weight = np.asarray(layer.weight, np.float64)
        assert agrees(np.mean(weight**2), 0.02**2, 0.02**2 * math.sqrt(2 / weight.size))
        np.testing.assert_array_equal(layer.bias, 0.0)
    # The negative control: by default each layer has its own.
    scales = [float(jnp.std(layer.weight)) for layer in MLP((50,), (2, 30), hidden_widths=(100,), key=jax.random.key(0)).layers]
    assert scales == pytest.approx([50**-0.5, 0.1 * 100**-0.5], rel=0.1)


def test_layer_norm_by_hand() -> None:
    """(1, 2, 6): mean 3, variance (4 + 1 + 9) / 3, divided by n."""
    norm = LayerNorm(jnp.array([1.0, 2.0, 1.0]), jnp.array([0.0, 0.0, 5.0]))
    root = math.sqrt(14 / 3 + 1e-5)
    np.testing.assert_allclose(norm(jnp.array([1.0, 2.0, 6.0])), [-2 / root, -2 / root, 3 / root + 5], rtol=1e-6)
    # Numbers that are all the same are its edge: a constant, with a finite gradient.
    value, gradient = jax.value_and_grad(lambda x: norm(x)[2])(jnp.full(3, 4.0))
    assert value == 5.0
    assert np.isfinite(gradient).all()


def test_without_the_new_options_the_arrays_are_those_of_before() -> None:
    """Two weights and biases, drawn as ever: the first number of each, and nothing else."""
    network = MLP((3,), (2,), hidden_widths=(4,), key=jax.random.key(0))
    leaves = [leaf for leaf in jax.tree.leaves(network) if eqx.is_array(leaf)]
    assert [leaf.shape for leaf in leaves] == [(3, 4), (4,), (4, 2), (2,)]
    seeds = np.random.SeedSequence([0, 0]).spawn(2)
    first, second = (
        np.random.default_rng(seed).standard_normal(shape) for seed, shape in zip(seeds, [(3, 4), (4, 2)], strict=True)
    )
    np.testing.assert_array_equal(leaves[0], (first / math.sqrt(3)).astype(np.float32))
    np.testing.assert_array_equal(leaves[2], (0.1 / math.sqrt(4) * second).astype(np.float32))


def _gated_by_hand(network: GatedMLP, gate: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    hidden = INPUT
    for layer in network.layers[:-1]:
        width = layer.bias.shape[0] // 2
        weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
        value = hidden @ weight[:, :width] + bias[:width]
        hidden = value * gate(hidden @ weight[:, width:] + bias[width:])
    return _affine(network.layers[-1], hidden).reshape(OUT)


def test_a_gated_layer_is_a_linear_value_times_the_sigmoid_of_a_linear_gate() -> None:
    network = _jittered(GatedMLP(IN, OUT, hidden_widths=(7, 6), condition_dim=CONDITION, key=jax.random.key(0)))
    found = np.asarray(network(X, condition=C))
    np.testing.assert_allclose(found, _gated_by_hand(network, lambda v: 1 / (1 + np.exp(-v))), rtol=1e-4, atol=1e-5)
    assert np.abs(found - _gated_by_hand(network, np.tanh)).max() > 0.05


def test_gated_layers_keep_the_size_of_what_goes_through_them() -> None:
    """At the start, of inputs from N(0, 1): the mean square after each of three wide layers, to a fifth."""
    network = GatedMLP((500,), (500,), hidden_widths=(500, 500, 500), key=jax.random.key(0))
    hidden = jnp.asarray(np.random.default_rng(0).normal(size=(64, 500)), jnp.float32)
    for layer in network.layers[:-1]:
        value, gate = jnp.split(jax.vmap(layer)(hidden), 2, axis=1)
        hidden = value * jax.nn.sigmoid(gate)
        assert float(jnp.square(hidden).mean()) == pytest.approx(1.0, rel=0.35)
        # The negative control: values drawn like the gates would have shrunk to a third in each layer.
        assert float(jnp.square(hidden / 1.85).mean()) < 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: MLP(IN, OUT, hidden_widths=(6, 6), dropout=0.5, residual=True, layer_norm=True, key=jax.random.key(0)),
        lambda: GatedMLP(IN, OUT, hidden_widths=(6,), dropout=0.5, key=jax.random.key(0)),
    ],
    ids=["mlp", "gated-mlp"],
)
def test_dropout_acts_with_a_key_alone_and_a_bias_is_added_to_the_output(make: Callable[[], AbstractNetwork]) -> None:
    network = make()
    assert network.is_random_in_training
    np.testing.assert_array_equal(network(X), network(X))
    assert np.abs(network(X, key=jax.random.key(1)) - network(X)).max() > 1e-4
    bias = np.random.default_rng(0).normal(size=OUT)
    np.testing.assert_allclose(network.with_output_bias(bias)(X), np.asarray(network(X)) + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (MLP, {"hidden_widths": (5, 4), "residual": True}, r"network.residual is true, but network.hidden_widths is \[5, 4\]"),
        (MLP, {"hidden_widths": (5,), "residual": True}, r"expected equal widths, for example \[200, 200\]"),
        (MLP, {"hidden_widths": (5, 1), "layer_norm": True}, "network.layer_norm is true, but a hidden layer has a single unit"),
        (MLP, {"dropout": 1.0}, r"network.dropout is 1.0 \(a number\); expected a number >= 0 and < 1"),
        (GatedMLP, {"dropout": -0.1}, r"network.dropout is -0.1 \(a number\); expected a number >= 0 and < 1"),
    ],
)
def test_what_is_refused(make: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(IN, OUT, **options, key=jax.random.key(0))


def test_built_from_a_configuration() -> None:
    sizes = {"condition_dim": 0, "image_shape": IN, "key": jax.random.key(0)}
    config = PartConfig("network", "mlp", {"hidden_widths": (6, 6), "layer_norm": True, "residual": True, "dropout": 0.25})
    network: Any = MLP.build(config, IN, OUT, **sizes)
    assert (len(network.norms), network.residual, network.dropout.p) == (2, True, 0.25)
    gated: Any = GatedMLP.build(PartConfig("network", "gated-mlp", {"hidden_widths": (6, 4), "dropout": 0.25}), IN, OUT, **sizes)
    assert [layer.weight.shape for layer in gated.layers] == [(6, 12), (6, 8), (4, 10)]
    with pytest.raises(ConfigurationError, match=r"network.activations is 'tanh', but network.name is 'gated-mlp'"):
        PartConfig("network", "gated-mlp", {"activations": "tanh"})
