"""`network.name = "auto"`: what it stands for, for data of many shapes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model

from lowerbound.assembly.build import resolve
from lowerbound.assembly.networks import resolve_network
from lowerbound.config import RunConfig
from lowerbound.config.catalogue import class_of
from lowerbound.data.describe import describe
from lowerbound.data.spec import DataSpec
from lowerbound.errors import ConfigurationError

MLP_400: dict[str, Any] = {"name": "mlp", "hidden_widths": (400, 400)}


def _spec(shape: tuple[int, ...]) -> DataSpec:
    return describe(np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.uint8))


def _auto(shape: tuple[int, ...], **keys: Any) -> RunConfig:
    return resolve_network(RunConfig.from_dict({"network": {"name": "auto", **keys}}), _spec(shape))


CHOICES: dict[tuple[int, ...], dict[str, Any]] = {
    (1,): {"name": "mlp", "hidden_widths": (64, 64)},
    (13,): {"name": "mlp", "hidden_widths": (64, 64)},
    (20,): {"name": "mlp", "hidden_widths": (128, 128)},
    (3072,): {"name": "mlp", "hidden_widths": (512, 512)},
    (28, 20): MLP_400,
    (8, 8): MLP_400,
    (28, 28): MLP_400,
    (28, 28, 1): MLP_400,
    (5, 3): MLP_400,
    (5, 3, 3): MLP_400,
    (32, 32, 3): {"name": "conv", "channels": (32, 64, 128)},
    (64, 64): {"name": "conv", "channels": (32, 64, 128, 128)},
    (79, 79): {"name": "conv", "channels": (32, 64, 128, 128)},
    (200, 4, 3): {"name": "conv", "channels": (32, 64, 128)},
    (256, 256, 3): {"name": "conv", "channels": (32, 64, 128, 128, 128, 128)},
}


@pytest.mark.parametrize(("shape", "expected"), CHOICES.items(), ids=str)
def test_the_choice_and_that_it_fits_the_data(shape: tuple[int, ...], expected: dict[str, Any]) -> None:
    config = _auto(shape)
    assert {key: getattr(config.network, key) for key in expected} == expected
    network = class_of("network", config.network.name)
    sizes = {"condition_dim": 0, "image_shape": shape, "key": jax.random.key(0)}
    for in_shape, out_shape in ((shape, (2, 5)), ((5,), (2, *shape))):
        built = network.build(config.network, in_shape, out_shape, **sizes)
        assert jax.eval_shape(built, jnp.ones(in_shape)).shape == out_shape


def test_a_network_that_is_named_stays_as_it_is() -> None:
    config = RunConfig.from_dict({"network": {"name": "conv", "channels": [5]}})
    assert resolve_network(config, _spec((28, 20))) == config


def test_keys_that_are_set_are_kept() -> None:
    network = _auto((28, 20), hidden_widths=[50, 40, 30], activations="tanh", dropout=0.1).network
    assert (network.name, network.hidden_widths, network.activations, network.dropout) == ("mlp", (50, 40, 30), "tanh", 0.1)
    network = _auto((32, 32, 3), channels=[8], blocks=3).network
    assert (network.name, network.channels, network.blocks) == ("resnet", (8,), 3)


def test_a_key_that_the_chosen_network_does_not_read_is_refused_by_the_choice_s_name() -> None:
    with pytest.raises(ConfigurationError, match=r"network.hidden_widths is \[50\], but network.name is 'conv'"):
        _auto((32, 32, 3), hidden_widths=[50])
    with pytest.raises(ConfigurationError, match=r"network.blocks is 2, but network.name is 'mlp'"):
        _auto((13,), blocks=2)


def test_the_resolved_configuration_rebuilds_the_same_model() -> None:
    config, spec = RunConfig.from_dict({"network": {"name": "auto"}}), _spec((5, 3))
    resolved = resolve(config, spec)
    assert resolved.network.name == "mlp"
    first, second = (build_model(c, spec, jax.random.key(0)) for c in (config, resolved))
    leaves, others = jax.tree.leaves(first), jax.tree.leaves(second)
    assert all(np.array_equal(a, b) for a, b in zip(leaves, others, strict=True))


@pytest.mark.parametrize(
    ("network", "encoder", "decoder"),
    [
        ({"name": "mlp", "hidden_widths": [7, 5]}, [15, 7, 5, 4], [2, 5, 7, 30]),
        ({"name": "mlp", "hidden_widths": [7, 5], "decoder_widths": [6]}, [15, 7, 5, 4], [2, 6, 30]),
        ({"name": "gated-mlp", "hidden_widths": [7], "decoder_widths": []}, [15, 14, 4], [2, 30]),
    ],
    ids=["mirrored", "its own", "linear"],
)
def test_the_decoder_has_widths_of_its_own(network: dict[str, Any], encoder: list[int], decoder: list[int]) -> None:
    config = RunConfig.from_dict({"network": network, "model": {"latent_dim": 2}, "likelihood": {"name": "gaussian"}})
    model: Any = build_model(config, _spec((5, 3)), jax.random.key(0))

    def widths(part: Any) -> list[int]:
        return [part.layers[0].weight.shape[0], *(layer.weight.shape[1] for layer in part.layers)]

    # A gated layer holds its values and its gates side by side.
    assert (widths(model.encoder), widths(model.decoder)) == (encoder, decoder)


def test_a_decoder_starts_at_the_datas_mean_or_at_zero_as_asked() -> None:
    data = np.full((10, 4), 3.0, np.float32) + np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    biases = {}
    for where in ("data", "zero"):
        sections = {
            "model": {"latent_dim": 2},
            "data": {"scaling": "none"},
            "network": {"hidden_widths": [5], "output_bias": where, "initial_scale": 0.01},
        }
        model: Any = build_model(RunConfig.from_dict(sections), describe(data), jax.random.key(0))
        biases[where] = np.asarray(model.decoder.layers[-1].bias).reshape(2, 4)
        assert float(np.std(np.asarray(model.encoder.layers[0].weight))) == pytest.approx(0.01, rel=0.5)
    np.testing.assert_allclose(biases["data"][0], data.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(biases["zero"], 0.0)
