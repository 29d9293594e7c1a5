"""The networks for images: their sizes, their convolutions against loops in NumPy, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model
from support.chance import agrees

from lowerbound.config import PartConfig, RunConfig, TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.faces import generate_faces
from lowerbound.errors import ConfigurationError
from lowerbound.models import split_trained
from lowerbound.networks import MLP, AbstractNetwork, ConvNetwork, ResNet
from lowerbound.networks.convolution import Convolution, HalvingConvolution, halving_factors, pixel_shuffle, pixel_unshuffle
from lowerbound.networks.cpu_convolution import Padding
from lowerbound.objectives import ELBO
from lowerbound.training import Trainer

SHAPES = [(79, 79, 3), (5, 7), (28, 20), (1, 9), (9, 1, 1), (32, 32, 3), (1, 1), (3, 2, 2), (5, 4, 4), (64, 3)]
both = pytest.mark.parametrize("cls", [ConvNetwork, ResNet])
LATENT = 3


def _encoder(cls: Any, shape: tuple[int, ...], **options: Any) -> Any:
    return cls(shape, (2, LATENT), **{"image_shape": shape, "channels": (4, 6), "key": jax.random.key(0), **options})


def _decoder(cls: Any, shape: tuple[int, ...], heads: tuple[int, ...] = (2,), **options: Any) -> Any:
    return cls((LATENT,), (*heads, *shape), **{"image_shape": shape, "channels": (4, 6), "key": jax.random.key(0), **options})


def _lines(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """The convolutions of a program as XLA is given them."""
    text = jax.jit(function).lower(*arguments).as_text()
    return [line for line in text.splitlines() if "stablehlo.convolution" in line]


def _convolved_by_hand(x: np.ndarray, weight: np.ndarray, padding: Padding, stride: tuple[int, int] = (1, 1)) -> np.ndarray:
    x = np.pad(x, [*padding, (0, 0)])
    sizes = [(n - k) // s + 1 for n, k, s in zip(x.shape[:2], weight.shape[:2], stride, strict=True)]
    y = np.zeros((*sizes, weight.shape[3]))
    for i, j in np.ndindex(*sizes):
        window = x[i * stride[0] :, j * stride[1] :][: weight.shape[0], : weight.shape[1]]
        y[i, j] = np.einsum("hwc,hwco->o", window, weight)
    return y


@pytest.mark.parametrize(("kernel", "padding"), [((3, 3), ((1, 1), (1, 1))), ((2, 3), ((0, 0), (2, 1)))])
def test_a_convolution_is_the_sum_over_its_window(kernel, padding) -> None:
    convolution = Convolution.initial(kernel, 2, 3, 1.0, np.random.SeedSequence(0), padding=padding)
    convolution = eqx.tree_at(lambda c: c.bias, convolution, jnp.array([1.0, -2.0, 3.0]))
    x = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
    expected = _convolved_by_hand(x, np.asarray(convolution.weight), padding) + np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(convolution(jnp.asarray(x)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 4), (2, 7), (1, 6), (1, 1)])
def test_halving_is_a_convolution_of_stride_two_with_a_kernel_of_four_by_four(size) -> None:
    halving = HalvingConvolution.initial(size, 2, 3, 1.0, np.random.SeedSequence(0))
    (a, b), weight = halving_factors(size), np.asarray(halving.convolution.weight)
    # From blocks to places: [block row, block column, (row in it, column in it, channel), out].
    kernel = weight.reshape(a, b, a, b, 2, 3).transpose(0, 2, 1, 3, 4, 5).reshape(a * a, b * b, 2, 3)
    above, left = ((1, 1 + n % 2) if n > 1 else (0, 0) for n in size)
    x = np.random.default_rng(0).normal(size=(*size, 2)).astype(np.float32)
    expected = _convolved_by_hand(x, kernel, (above, left), stride=(a, b))
    assert expected.shape == (-(-size[0] // 2), -(-size[1] // 2), 3)
    np.testing.assert_allclose(halving(jnp.asarray(x)), expected, rtol=1e-4, atol=1e-5)


def test_the_pixel_shuffle_against_its_formula() -> None:
    height, width, channels, (a, b) = 2, 3, 2, (2, 3)
    x = np.arange(height * width * a * b * channels, dtype=np.float32).reshape(height, width, -1)
    y = np.asarray(pixel_shuffle(jnp.asarray(x), (a, b)))
    assert y.shape == (a * height, b * width, channels)
    for i, j, p, q, c in np.ndindex(height, width, a, b, channels):
        assert y[a * i + p, b * j + q, c] == x[i, j, (p * b + q) * channels + c]
    np.testing.assert_array_equal(pixel_unshuffle(jnp.asarray(y), (a, b)), x)


@both
@pytest.mark.parametrize("condition_dim", [0, 4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_size_is_encoded_and_put_out_exactly(cls, shape, condition_dim) -> None:
    options = {"channels": (4, 5, 6), "condition_dim": condition_dim}
    condition = jnp.ones(condition_dim)

    def shape_of(network: AbstractNetwork) -> tuple[int, ...]:
        return jax.eval_shape(lambda x: network(x, condition=condition), jnp.ones(network.in_shape)).shape

    assert shape_of(_encoder(cls, shape, **options)) == (2, LATENT)
    for heads in ((), (1,), (3,), (2, 3)):
        assert shape_of(_decoder(cls, shape, heads, **options)) == (*heads, *shape)


@both
def test_every_output_can_be_reached_from_the_latents(cls) -> None:
    """No row or column of an odd picture is left to the bias, and no head is another's copy."""
    decoder = _decoder(cls, (5, 7, 3))
    jacobian = np.asarray(jax.jacobian(decoder)(jnp.ones(LATENT)))
    assert (np.abs(jacobian).max(axis=-1) > 0).all()
    outputs = np.asarray(decoder(jnp.ones(LATENT))).reshape(-1)
    assert len(np.unique(outputs)) == outputs.size


@both
def test_every_pixel_and_every_number_of_the_condition_reaches_the_code(cls) -> None:
    encoder = _encoder(cls, (5, 7, 3), condition_dim=2)
    by_pixel, by_condition = jax.jacobian(lambda x, c: encoder(x, condition=c), (0, 1))(jnp.ones((5, 7, 3)), jnp.ones(2))
    assert (np.abs(by_pixel).max(axis=(0, 1)) > 0).all()
    assert (np.abs(by_condition).max(axis=(0, 1)) > 0).all()


@both
def test_a_missing_condition_is_told(cls) -> None:
    for network in (_encoder(cls, (5, 7), condition_dim=2), _decoder(cls, (5, 7), condition_dim=2)):
        with pytest.raises(
            ConfigurationError, match="trained with a condition of 2 numbers for each example, but none was given"
        ):
            network(jnp.ones(network.in_shape))


@both
def test_without_a_key_nothing_is_random_and_with_one_whole_channels_are_dropped(cls) -> None:
    for network in (_encoder(cls, (5, 7), dropout=0.5), _decoder(cls, (5, 7), dropout=0.5)):
        assert network.is_random_in_training
        x = jnp.ones(network.in_shape)
        np.testing.assert_array_equal(network(x), network(x))
        first, second = (network(x, key=jax.random.key(seed)) for seed in (1, 2))
        assert np.abs(first - second).max() > 1e-6
        np.testing.assert_array_equal(first, network(x, key=jax.random.key(1)))
    assert not _encoder(cls, (5, 7)).is_random_in_training


def test_dropout_drops_a_channel_everywhere_and_keeps_the_mean() -> None:
    step = _encoder(ConvNetwork, (5, 7), dropout=0.25).body.activated[0]
    x = jnp.ones((2, 3, 4000))
    y = np.asarray(step(x, iter([jax.random.key(0)])))
    assert (y == y[:1, :1]).all()
    assert np.unique(y).tolist() == pytest.approx([0.0, 1 / 0.75])
    # 4,000 channels, each 0 or 4/3.
    assert agrees(y.mean(), 1.0, np.sqrt(1 / 3 / 4000))


@both
def test_there_is_no_transposed_convolution(cls) -> None:
    decoder = _decoder(cls, (9, 11, 3), channels=(4, 5, 6))
    found = _lines(lambda z: decoder(z), jnp.ones(LATENT))
    assert len(found) == 3 + (6 if cls is ResNet else 0)
    assert not any("lhs_dilate = [2, 2]" in line for line in found)

    # The negative control: what one looks like.
    def transposed(x: jax.Array) -> jax.Array:
        return jax.lax.conv_transpose(x, jnp.ones((4, 4, 2, 2)), (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    assert ["lhs_dilate = [2, 2]" in line for line in _lines(transposed, jnp.ones((1, 3, 3, 2)))] == [True]


@both
def test_the_decoder_owns_a_bias_for_every_output(cls) -> None:
    decoder, bias = _decoder(cls, (5, 7, 3)), np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype(np.float32)
    z = jnp.ones(LATENT)
    np.testing.assert_allclose(decoder.with_output_bias(bias)(z) - decoder(z), bias, rtol=1e-4, atol=1e-6)
    assert decoder.body.convolutions[-1].bias is None
    assert split_trained(decoder)[0].body.output_bias.shape == bias.shape
    # Nearly constant at the start, so that the bias is what the likelihood sees.
    assert np.abs(decoder(z)).max() < 0.5
    encoder, bias = _encoder(cls, (5, 7)), np.arange(6.0).reshape(2, 3)
    x = jnp.ones((5, 7))
    np.testing.assert_allclose(encoder.with_output_bias(bias)(x) - encoder(x), bias, rtol=1e-4, atol=1e-5)


def test_a_residual_block_adds_two_convolutions_of_what_the_activation_leaves() -> None:
    block = _encoder(ResNet, (8, 10), activations="relu").body.blocks[0][0]
    x = np.random.default_rng(0).normal(size=(4, 5, 4)).astype(np.float32)
    branch = x
    for convolution in block.convolutions:
        branch = _convolved_by_hand(np.maximum(branch, 0), np.asarray(convolution.weight), ((1, 1), (1, 1)))
    np.testing.assert_allclose(block(jnp.asarray(x), iter(())), x + branch, rtol=1e-4, atol=1e-5)
    assert np.abs(branch).max() > 0.01


def test_layer_norm_is_over_the_channels_of_each_place() -> None:
    step = _encoder(ConvNetwork, (5, 7), layer_norm=True, activations="tanh").body.activated[0]
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    expected = np.tanh((x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5))
    np.testing.assert_allclose(step(jnp.asarray(x), iter(())), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("cls", "in_shape", "out_shape", "options", "message"),
    [
        (ConvNetwork, (13,), (2, 3), {"image_shape": (13,)}, r"one example of the data has shape \(13,\).* Set network.name=mlp"),
        (ResNet, (3,), (2, 13), {"image_shape": (13,)}, r"network.name is 'resnet', a network for images"),
        (ResNet, (2, 2, 2, 2), (3,), {"image_shape": (2, 2, 2, 2)}, r"expected height x width, or height x width x channels"),
        (ConvNetwork, (3,), (2, 35), {"image_shape": (5, 7)}, r"needs numbers of shape \(2, 35\); set network.name=mlp"),
        (ConvNetwork, (5, 7), (3,), {"channels": ()}, r"network.channels is \[\]; expected the number of channels at each"),
        (
            ConvNetwork,
            (5, 7),
            (3,),
            {"activations": "rule"},
            "network.activations is 'rule', which does not exist. Did you mean 'relu'",
        ),
        (ConvNetwork, (5, 7), (3,), {"dropout": 1.5}, r"network.dropout is 1.5 \(a number\); expected a number >= 0 and < 1"),
        (ConvNetwork, (5, 7), (3,), {"channels": (1, 4), "layer_norm": True}, "network.layer_norm is true"),
        (ResNet, (5, 7), (3,), {"blocks": 0}, r"network.blocks is 0 \(an integer\); expected an integer >= 1"),
    ],
)
def test_what_is_refused(cls, in_shape, out_shape, options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        cls(in_shape, out_shape, **{"image_shape": (5, 7), **options}, key=jax.random.key(0))


def test_built_from_a_configuration() -> None:
    sizes = {"condition_dim": 0, "image_shape": (5, 7), "key": jax.random.key(0)}
    config = PartConfig(
        "network", "resnet", {"channels": (4, 5, 6), "blocks": 2, "activations": "silu", "dropout": 0.25, "layer_norm": True}
    )
    network: Any = ResNet.build(config, (5, 7), (2, 3), **sizes)
    assert (network.channels, network.blocks, network.activations) == ((4, 5, 6), 2, "silu")
    assert (network.dropout, network.layer_norm) == (0.25, True)
    assert [len(blocks) for blocks in network.body.blocks] == [2, 2, 2]
    conv: Any = ConvNetwork.build(PartConfig("network", "conv", {"channels": (4, 5)}), (LATENT,), (2, 5, 7), **sizes)
    shapes = [leaf.shape for leaf in jax.tree.leaves(split_trained(conv.body.convolutions)[0])]
    assert shapes == [(3, 3, 5, 16), (16,), (3, 3, 4, 8)]
    with pytest.raises(ConfigurationError, match=r"network.activations is \('elu', 'tanh'\) \(a list\); expected one of"):
        PartConfig("network", "conv", {"activations": ("elu", "tanh")})
    with pytest.raises(ConfigurationError, match=r"network.blocks is 2, but network.name is 'conv', which does not read it"):
        PartConfig("network", "conv", {"blocks": 2})


def _trained_losses(network: dict[str, Any]) -> list[float]:
    """The loss at the end of each of four epochs of ten steps on 200 faces."""
    faces = generate_faces(200).images
    config = RunConfig.from_dict({"network": network, "likelihood": {"name": "gaussian"}, "model": {"latent_dim": 4}})
    model = build_model(config, describe(faces), jax.random.key(0))
    records: list[Any] = []
    trainer = Trainer(model, faces, faces[:20], ELBO(), TrainingConfig(epochs=4, batch_size=20, learning_rate=3e-3))
    trainer.run(trainer.start(), on_record=lambda record, progress: records.append(record))
    return [record.loss for record in records]


def test_forty_steps_on_faces_lower_the_loss() -> None:
    losses = _trained_losses({"name": "resnet", "channels": [8, 8]})
    assert losses[-1] < losses[0] - 50
    assert np.isfinite(losses).all()


def test_an_image_network_has_far_fewer_weights_than_a_perceptron_for_large_images() -> None:
    shape = (79, 79, 3)
    sizes = {"condition_dim": 0, "image_shape": shape, "key": jax.random.key(0)}

    def count(network: AbstractNetwork) -> int:
        return sum(leaf.size for leaf in jax.tree.leaves(split_trained(network)[0]))

    conv: Any = ConvNetwork.build(PartConfig("network", "conv"), shape, (2, LATENT), **sizes)
    assert count(conv) < count(MLP.build(PartConfig("network", "mlp"), shape, (2, LATENT), **sizes)) / 10
