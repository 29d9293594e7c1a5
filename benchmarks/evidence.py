"""The evidence of binarised MNIST: how near to the machine's matrix rate, in how much memory, and how it compares with pythae.

    pip install 'torch==2.13.0' 'pythae>=0.1.2'        # for the comparison alone
    python benchmarks/evidence.py [--data-dir DIR] [--examples N] [--samples K] [--json FILE]

A VAE 784-500-500-20 (elu, Bernoulli) is trained for a few epochs; its log-evidence of the 10,000 test images is estimated with
5,000 importance samples each. What the decoder's products take is needed, 2 (20 x 500 + 500 x 500 + 500 x 784) operations a
sample; the encoder runs once an image. The machine's rate is that of a product of two 2048 x 2048 float32 matrices, in
JAX and in NumPy, measured before and after; the faster counts. pythae's `get_nll` gets the same weights and its own
default batch, and takes turns with ours on the same images and K.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from _job import product_flops_per_second, random_matrices
from rich.console import Console
from rich.progress import Progress

from lowerbound import VAE
from lowerbound.data.datasets import load_dataset
from lowerbound.evaluation import estimate_evidence

HIDDEN, LATENTS, PIXELS = 500, 20, 784
FLOPS_PER_SAMPLE = 2 * (LATENTS * HIDDEN + HIDDEN * HIDDEN + HIDDEN * PIXELS)
FLOPS_PER_IMAGE = 2 * (PIXELS * HIDDEN + HIDDEN * HIDDEN + HIDDEN * 2 * LATENTS)
TEST = 10_000


class Turn(NamedTuple):
    """Of one contender: the seconds of each turn, and its log-evidence of each image."""

    seconds: list[float]
    nats: np.ndarray


def matrix_rate() -> float:
    """Operations a second of the machine's fastest float32 product."""
    first, second = random_matrices()
    a, b = jnp.asarray(first), jnp.asarray(second)
    product = jax.jit(jnp.matmul)
    return max(
        product_flops_per_second(lambda: product(a, b).block_until_ready(), 12),
        product_flops_per_second(lambda: first @ second, 12),
    )


def peak_gigabytes() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def arrays_of(model: Any) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[tuple[np.ndarray, np.ndarray]], Any]:
    """(weight, bias) of each layer of the encoder and of the decoder, and what the encoder sees of x."""

    def of(network: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in network.layers]

    return of(model.encoder), of(model.decoder), model.input_transform


def pythae_with(model: Any) -> Callable[[np.ndarray, int], np.ndarray]:
    """pythae's VAE with the model's weights: a function of (images, K) that gives the log-evidence of each by `get_nll`."""
    import torch
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    torch.manual_seed(0)
    encoder, decoder, transform = arrays_of(model)
    shift, scale = (torch.from_numpy(np.array(each, np.float32).reshape(-1)) for each in (transform.shift, transform.scale))

    def network(layers: list[tuple[np.ndarray, np.ndarray]]) -> torch.nn.Sequential:
        parts: list[torch.nn.Module] = []
        for weight, bias in layers:
            linear = torch.nn.Linear(*weight.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight.T.copy()))
                linear.bias.copy_(torch.from_numpy(bias.copy()))
            parts += [linear, torch.nn.ELU()]
        return torch.nn.Sequential(*parts[:-1])

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            BaseEncoder.__init__(self)
            self.layers = network(encoder)

        def forward(self, x: torch.Tensor) -> ModelOutput:
            mean, log_variance = self.layers((x.reshape(len(x), PIXELS) - shift) / scale).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            BaseDecoder.__init__(self)
            self.layers = network(decoder)

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENTS, reconstruction_loss="bce")
    theirs = PythaeVAE(config, encoder=Encoder(), decoder=Decoder())

    def log_evidence(images: np.ndarray, samples: int) -> np.ndarray:
        with torch.no_grad():
            rows = torch.from_numpy(images.astype(np.float32))[:, None]
            return np.array([theirs.get_nll(row[None], n_samples=samples) for row in rows])

    return log_evidence


def take_turns(contenders: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, Turn]:
    """Every contender in turn, so that what else the machine does falls on all."""
    found = {name: Turn([], run()) for name, run in contenders.items()}
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            nats = run()
            found[name].seconds.append(time.perf_counter() - start)
            found[name] = found[name]._replace(nats=nats)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("LOWERBOUND_DATA"))
    parser.add_argument("--examples", type=int, default=TEST, help="test images of the long run")
    parser.add_argument("--samples", type=int, default=5000, help="K")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of training")
    parser.add_argument("--peer-examples", type=int, default=20, help="images on which pythae takes turns with ours")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console(width=120)
    dataset = load_dataset("binarized-mnist", data_dir=options.data_dir)
    train, test = dataset.examples[:-TEST], dataset.examples[-TEST:]
    # Fewer than all are a random part: the file may be in an order.
    test = test[np.sort(np.random.default_rng(0).permutation(TEST)[: options.examples])]
    vae = VAE(latent_dim=LATENTS, hidden_widths=(HIDDEN, HIDDEN), likelihood="bernoulli", epochs=options.epochs, random_state=0)
    model = vae.fit(train[:20_000]).model_
    needed = len(test) * (options.samples * FLOPS_PER_SAMPLE + FLOPS_PER_IMAGE)
    # The compiler is not what is measured.
    estimate_evidence(model, test[:64], options.samples)
    before, rates = peak_gigabytes(), [matrix_rate()]
    start = time.perf_counter()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evidence", total=len(test))
        found = estimate_evidence(model, test, options.samples, on_progress=lambda done: progress.update(task, completed=done))
    seconds = time.perf_counter() - start
    rates.append(matrix_rate())
    nats = np.asarray(found.log_evidence, np.float64)
    record: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "jax": jax.__version__,
        "examples": len(test),
        "samples": options.samples,
        "seconds": seconds,
        "gigaflops": needed / seconds / 1e9,
        "matrix_gigaflops": [rate / 1e9 for rate in rates],
        "share_of_matrix_rate": needed / seconds / max(rates),
        "memory_grown_gigabytes": peak_gigabytes() - before,
        "log_evidence_nats": float(nats.mean()),
        "standard_error": float(nats.std(ddof=1) / np.sqrt(len(nats))),
    }
    console.print(
        f"{len(test):,} images, K = {options.samples:,}: {seconds:.0f} s, {record['gigaflops']:.0f} GFLOP/s, "
        f"{record['share_of_matrix_rate']:.0%} of the matrix rate ({', '.join(f'{rate / 1e9:.0f}' for rate in rates)} before and "
        f"after, GFLOP/s); memory grew by {record['memory_grown_gigabytes']:.2f} GB; log p(x) = {nats.mean():.3f} +- "
        f"{record['standard_error']:.3f} nats"
    )
    if importlib.util.find_spec("pythae") is None:
        console.print("pythae is not installed: left out")
    else:
        few, theirs = test[: options.peer_examples], pythae_with(model)
        turns = take_turns(
            {
                "lowerbound": lambda: np.asarray(estimate_evidence(model, few, options.samples).log_evidence, np.float64),
                "pythae": lambda: theirs(few, options.samples),
            },
            options.rounds,
        )
        ours, peer = turns["lowerbound"], turns["pythae"]
        difference = ours.nats - peer.nats
        # Both estimates' own noise is in it; where a few samples carry all the weight their formula for it says too little.
        error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
        ratios = [theirs / own for own, theirs in zip(ours.seconds, peer.seconds, strict=True)]
        record["pythae"] = {
            "examples": len(few),
            "seconds_ours": ours.seconds,
            "seconds_pythae": peer.seconds,
            "median_ratio": statistics.median(ratios),
            "mean_difference_nats": float(difference.mean()),
            "standard_error_of_it": error,
            "largest_difference_nats": float(np.abs(difference).max()),
        }
        console.print(
            f"pythae get_nll on {len(few)} images, same weights, same K: {statistics.median(peer.seconds):.1f} s against "
            f"{statistics.median(ours.seconds):.2f} s, {statistics.median(ratios):.1f} times (each round: "
            f"{', '.join(f'{ratio:.1f}' for ratio in ratios)}); mean difference {difference.mean():+.3f} +- "
            f"{error:.3f} nats, largest of an image {np.abs(difference).max():.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
