"""What each part costs: training steps per second beside the plain VAE, and beside the part's own arithmetic.

    python benchmarks/part_costs.py [prior|posterior|likelihood|objective|network|model|objective.wake-sleep ...] --json FILE

The plain VAE is 784-300-300-40 with a Bernoulli likelihood, batches of 100 of static binarised MNIST's shape (random pixels: no
file is needed). Each part takes its turn with the plain VAE in one process, several rounds each, so that a busy machine slows
both; the time is the fastest round's. The arithmetic is what XLA counts in the compiled step: multiplications, additions, and
transcendental functions, each transcendental counted as one operation. A part that takes more than 3 times as long as its
arithmetic explains is marked.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from lowerbound.assembly.build import build_model, build_objective, resolve
from lowerbound.config import RunConfig
from lowerbound.config.catalogue import CATALOGUE
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.models import split_trained
from lowerbound.objectives import recorded
from lowerbound.training.program import CPU_OPTIONS

BATCH, STEPS, ROUNDS, LATENT_DIM, CLASSES = 100, 20, 5, 40, 10
PLAIN: dict[str, dict[str, Any]] = {
    "model": {"latent_dim": LATENT_DIM},
    "likelihood": {"name": "bernoulli"},
    "network": {"name": "mlp", "hidden_widths": [300, 300]},
}
# What a part needs beside it.
BESIDE: dict[str, dict[str, dict[str, Any]]] = {
    "numpyro": {"likelihood": {"distribution": "Laplace"}},
    "hyperspherical-uniform": {"posterior": {"name": "von-mises-fisher"}},
    "von-mises-fisher": {"prior": {"name": "hyperspherical-uniform"}},
    "deterministic": {"objective": {"name": "autoencoder"}},
    "autoencoder": {"posterior": {"name": "deterministic"}},
    "denoising-autoencoder": {"posterior": {"name": "deterministic"}},
    "sparse-autoencoder": {"posterior": {"name": "deterministic"}},
    "rae-l2": {"posterior": {"name": "deterministic"}},
    "iwae": {"objective": {"num_samples": 5}},
    "ciwae": {"objective": {"num_samples": 5}},
    "renyi": {"objective": {"num_samples": 5}},
    "semi-supervised": {"model": {"name": "semi-supervised"}, "objective": {"name": "semi-supervised"}},
    "miwae": {"objective": {"num_samples": 5, "num_groups": 2}},
    "piwae": {"objective": {"num_samples": 5, "num_groups": 2}},
}


def steps_program(config: RunConfig, data: np.ndarray) -> tuple[Callable[[], None], float]:
    """(a call that trains `STEPS` steps, operations in one step)."""
    spec = describe(data)
    is_labelled = config.model.name == "semi-supervised"
    model = build_model(
        resolve(config, spec), spec, jax.random.key(0), examples=data, condition_dim=CLASSES if is_labelled else 0
    )
    model = model.trained_on(50_000)
    objective = build_objective(config, 500, 50_000)
    params: Any
    params, rest = split_trained(model)
    index = jnp.arange(len(data)) if objective.remembers_examples else None
    label = None
    if is_labelled:
        # As in training, behind the batch examples whose label is known.
        data = np.concatenate([data, data[: objective.labelled_batch]])
        label = jnp.zeros((len(data), CLASSES)).at[BATCH:, 0].set(1.0)
    batch, optimizer = Example(jnp.asarray(data), label, index=index), optax.adam(1e-3)
    memory = objective.initial_state(model, len(data), jax.random.key(2))

    def one(state: Any, now: Any) -> tuple[Any, Any]:
        (params, adam), (key, step) = state, now

        def loss(params: Any) -> Any:
            return recorded(objective, eqx.combine(params, rest), batch, key, step, memory, training=True).loss

        value, gradient = jax.value_and_grad(loss)(params)
        updates, adam = optimizer.update(gradient, adam)
        return (optax.apply_updates(params, updates), adam), value

    def many(state: Any, key: Any) -> Any:
        return jax.lax.scan(one, state, (jax.random.split(key, STEPS), jnp.arange(STEPS)))

    state = (params, optimizer.init(params))
    options = CPU_OPTIONS if jax.default_backend() == "cpu" else {}
    compiled = jax.jit(many).lower(state, jax.random.key(1)).compile(options)
    counted = jax.jit(one).lower(state, (jax.random.key(1), jnp.int32(0))).compile(options).cost_analysis() or {}
    operations = counted.get("flops", 0.0) + counted.get("transcendentals", 0.0)
    return lambda: jax.block_until_ready(compiled(state, jax.random.key(1))), operations


def seconds_of(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) / STEPS


@functools.cache
def plain_program() -> tuple[Callable[[], None], float]:
    """The plain VAE's."""
    data = np.random.default_rng(0).integers(0, 2, (BATCH, 28, 28)).astype(np.uint8)
    return steps_program(RunConfig.from_dict(PLAIN), data)


def measure(kind: str, name: str) -> dict[str, Any]:
    """The part and the plain VAE in turns."""
    rng = np.random.default_rng(0)
    needs_levels = kind == "likelihood" and name not in ("bernoulli",)
    data = rng.integers(*((1, 256) if needs_levels else (0, 2)), (BATCH, 28, 28)).astype(np.uint8)
    sections = {key: dict(value) for key, value in PLAIN.items()}
    if kind == "network":
        sections["network"] = {}
    for section, keys in ({kind: {"name": name}} | BESIDE.get(name, {})).items():
        sections[section] = {**sections.get(section, {}), **keys}
    if BESIDE.get(name, {}).get(kind):
        sections[kind]["name"] = name
    part, operations = steps_program(RunConfig.from_dict(sections), data)
    plain, plain_operations = plain_program()
    part(), plain()
    times = [(seconds_of(part), seconds_of(plain)) for _ in range(ROUNDS)]
    ours, theirs = min(time for time, _ in times), min(time for _, time in times)
    return {
        "kind": kind,
        "name": name,
        "steps_per_second": 1 / ours,
        "times_plain": ours / theirs,
        "times_plain_arithmetic": operations / plain_operations,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(CATALOGUE))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print("| part | steps/s | time / plain VAE's | arithmetic / plain VAE's | |\n| --- | ---: | ---: | ---: | --- |")
    for wanted in options.kinds:
        kind, _, only = wanted.partition(".")
        for name in [only] if only else CATALOGUE[kind]:
            row = measure(kind, name)
            rows.append(row)
            mark = "more than its arithmetic explains" if row["times_plain"] > 3 * max(1.0, row["times_plain_arithmetic"]) else ""
            print(
                f"| {kind} {name} | {row['steps_per_second']:.0f} | {row['times_plain']:.2f} | "
                f"{row['times_plain_arithmetic']:.2f} | {mark} |",
                flush=True,
            )
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
