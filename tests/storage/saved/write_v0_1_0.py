"""Wrote `v0.1.0/`, with the sources of release 0.1.0. It is kept to say what is in there; it need not run with later ones.

    PYTHONPATH=OLD_SOURCES/src:tests/bits python tests/storage/saved/write_v0_1_0.py runs
    PYTHONPATH=OLD_SOURCES/src:tests/bits XLA_FLAGS=... python tests/storage/saved/write_v0_1_0.py estimators

The runs were written with the XLA flags that users have (none), so that resuming them can be held to the bit; the estimators
with those of `tests/conftest.py`, which compile quickly.

- `pixels.npy`, `table.npy`, `labels.npy`: the data, made here.
- `estimators/NAME/`: folders of `VAE.save`. `runs/NAME/`: folders of runs, without pictures and pages.
- `estimators.json`, `runs.json`: what each gave under 0.1.0.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import record
import safetensors.numpy
from lowerbound.recipes.build import build_objective  # noqa: F401  (a sign that these are the sources of 0.1.0)

from lowerbound import VAE
from lowerbound.config import RunConfig
from lowerbound.data.datasets import load_dataset
from lowerbound.data.examples import examples_of
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import Unfinished, evaluate
from lowerbound.likelihoods import Gaussian
from lowerbound.objectives import IWAE
from lowerbound.posteriors import LowRankGaussian
from lowerbound.runs.training import TrainingRun

HERE = Path(__file__).parent / "v0.1.0"
NUM_SAMPLES = 16
DATA: dict[str, Any] = {}


def make_data() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 2))
    DATA["table"] = (z @ rng.normal(size=(2, 6)) * [1, 2, 5, 10, 20, 50] + rng.normal(size=(60, 6)) + 100).astype(np.float32)
    light = 1 / (1 + np.exp(-(z @ rng.normal(size=(2, 16)) + 0.3 * rng.normal(size=(60, 16)))))
    DATA["pixels"] = np.round(255 * light).astype(np.uint8).reshape(60, 4, 4)
    DATA["labels"] = (z[:, 0] > 0).astype(np.int64)
    DATA["bits"] = (DATA["pixels"] > 127).astype(np.uint8)
    DATA["few"] = (DATA["pixels"] // 64).astype(np.uint8)
    DATA["open"] = np.clip(DATA["pixels"] / 255, 0.02, 0.98)
    DATA["positive"] = np.exp(DATA["open"])
    DATA["colours"] = np.stack([DATA["pixels"], DATA["pixels"] // 2, 255 - DATA["pixels"]], axis=-1)
    for name in ("table", "pixels", "labels"):
        np.save(HERE / f"{name}.npy", DATA[name])


BASE = {"latent_dim": 2, "hidden_widths": (4,), "epochs": 3, "batch_size": 20, "learning_rate": 0.01, "random_state": 0}
MLP = {"name": "mlp", "hidden_widths": [4]}


def estimators() -> dict[str, tuple[str, dict[str, Any]]]:
    """By name: the data, and what differs from `BASE`. Every part of the catalogue is in one of them."""
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "gaussian": ("table", {}),
        "optimal-scale": ("table", {"config": {"likelihood": {"name": "gaussian", "scale": "optimal"}}}),
        "averaged": ("table", {"config": {"training": {"ema_decay": 0.9}}}),
        "conditional": ("table", {"prior": "learned-gaussian", "config": {"prior": {"hidden_width": 4}}}),
        "objects": (
            "table",
            {
                "likelihood": Gaussian((6,), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])),
                "posterior": LowRankGaussian(2, rank=1),
                "objective": IWAE(num_samples=3),
            },
        ),
    }
    small_flow = {"num_layers": 2, "hidden_width": 4, "num_bins": 3}
    priors = {
        "standard-normal": {},
        "learned-gaussian": {"hidden_width": 4},
        "mixture-of-gaussians": {"num_components": 3},
        "vamp": {"num_components": 3},
        "spline-flow": small_flow,
        "autoregressive-flow": {"num_layers": 2, "hidden_width": 4},
    }
    inside = {"hidden_width": 4, "context_dim": 3}
    posteriors = {
        "diagonal-gaussian": {},
        "low-rank-gaussian": {"rank": 1},
        "full-gaussian": {"refinement_steps": 2, "refinement_rate": 0.05},
        "planar": {"num_flows": 2},
        "householder": {"num_flows": 2},
        "sylvester-orthogonal": {"num_flows": 2, "num_directions": 2},
        "sylvester-householder": {"num_flows": 2, "num_reflections": 2},
        "sylvester-triangular": {"num_flows": 2},
        "inverse-autoregressive": {"num_flows": 2, **inside},
        "coupling-spline": {"num_flows": 2, "num_bins": 3, **inside},
    }
    image = {"channels": [2, 3], "hidden_widths": [200, 200]}
    networks = {
        "mlp": {"hidden_widths": [4], "activations": "tanh"},
        "mlp ": {"hidden_widths": [4, 4], "layer_norm": True, "residual": True, "dropout": 0.1},
        "gated-mlp": {"hidden_widths": [4], "decoder_widths": [5]},
        "conv": image,
        "resnet": {**image, "layer_norm": True},
    }
    likelihoods = {
        "gaussian": ("table", {"scale": "shared"}),
        "low-rank-gaussian": ("table", {"rank": 2}),
        "laplace": ("table", {}),
        "student-t": ("table", {}),
        "log-normal": ("positive", {}),
        "continuous-bernoulli": ("open", {}),
        "beta": ("open", {}),
        "quantized-gaussian": ("pixels", {}),
        "numpyro": ("table", {"distribution": "Cauchy"}),
        "bernoulli": ("bits", {}),
        "discretized-logistic": ("pixels", {"mean": "sigmoid"}),
        "discretized-logistic-mixture": ("colours", {"num_components": 2}),
        "categorical": ("few", {}),
        "ordinal": ("few", {}),
        "poisson": ("few", {}),
        "negative-binomial": ("few", {"library_size": False}),
        "zero-inflated-negative-binomial": ("few", {"dispersion": "from-z"}),
        "multinomial": ("few", {}),
    }
    objectives = {
        "elbo": {"beta": 0.5, "warmup_epochs": 2},
        "iwae": {"num_samples": 3, "gradient": "dreg"},
        "miwae": {"num_samples": 2, "num_groups": 2},
        "ciwae": {"num_samples": 3, "elbo_weight": 0.3},
        "piwae": {"num_samples": 2, "num_groups": 2},
        "renyi": {"num_samples": 3, "alpha": 0.5},
        "beta-tc": {"beta": 2.0},
        "dip-i": {"diagonal_weight": 3.0},
        "dip-ii": {},
        "info-vae": {"mmd_weight": 5.0},
    }
    each = {"prior": priors, "posterior": posteriors, "network": networks, "objective": objectives}
    turns = {kind: itertools.cycle(named) for kind, named in each.items()}
    for likelihood, (data, keys) in likelihoods.items():
        names = {kind: next(turn) for kind, turn in turns.items()}
        if data == "table" and names["network"] in ("conv", "resnet"):
            names["network"] = "mlp"
        sections: dict[str, Any] = {kind: {"name": name.strip(), **each[kind][name]} for kind, name in names.items()}
        sections["likelihood"] = {"name": likelihood, **keys}
        sections["training"] = {"optimizer": "adam"}
        made[f"{likelihood}-likelihood"] = (data, {"config": sections})
    sphere = {"prior": {"name": "hyperspherical-uniform"}, "posterior": {"name": "von-mises-fisher"}, "network": MLP}
    made["sphere"] = ("table", {"config": sphere})
    for name in ("autoencoder", "denoising-autoencoder", "sparse-autoencoder", "rae-l2", "wae-mmd"):
        sections = {"posterior": {"name": "deterministic"}, "objective": {"name": name}, "network": MLP}
        made[name] = ("table", {"config": sections})
    return made


def numbers(vae: VAE, data: np.ndarray, condition: np.ndarray | None) -> dict[str, Any]:
    """What an estimator says of some examples."""
    data = data[:6]
    given: dict[str, Any] = {} if condition is None else {"condition": condition[:6]}
    found = {"transform": vae.transform(data, **given), "reconstruct": vae.reconstruct(data, **given)}
    if vae.model_.has_density:
        found["score_samples"] = vae.score_samples(data, NUM_SAMPLES, **given)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()}


def write_estimators() -> None:
    file = Path("estimators.json")
    expected = json.loads(file.read_text()) if file.exists() else {}
    for name, (data, changes) in estimators().items():
        if name in expected:
            continue
        config = {section: dict(keys) for section, keys in changes.get("config", {}).items()}
        names = {
            section: config[section].pop("name")
            for section in ("likelihood", "prior", "posterior", "objective")
            if "name" in config.get(section, {})
        }
        widths = config.get("network", {}).pop("hidden_widths", None)
        more: dict[str, Any] = {**BASE, **names, **changes, "config": config}
        if widths is not None:
            more["hidden_widths"] = tuple(widths)
        for section, key, parameter in (
            ("network", "decoder_widths", "decoder_widths"),
            ("network", "activations", "activations"),
            ("network", "dropout", "dropout"),
            ("objective", "beta", "beta"),
            ("likelihood", "mean", "mean"),
        ):
            if key in config.get(section, {}):
                value = config[section].pop(key)
                more[parameter] = tuple(value) if isinstance(value, list) else value
        if name in ("autoencoder", "denoising-autoencoder", "sparse-autoencoder", "rae-l2", "wae-mmd", "sphere"):
            more["early_stopping_patience"] = 0
        condition = DATA["labels"] if name == "conditional" else None
        try:
            vae = VAE(**more).fit(DATA[data], condition=condition)
        except ConfigurationError:
            # Some objectives need a posterior that is a product over latents.
            more.pop("objective")
            vae = VAE(**{**more, "config": {**config, "objective": {}}}).fit(DATA[data], condition=condition)
        vae.save(HERE / "estimators" / name)
        expected[name] = {"data": data, **numbers(VAE.load(HERE / "estimators" / name), DATA[data], condition)}
        file.write_text(json.dumps(expected) + "\n")


RUN: dict[str, Any] = {
    "model": {"latent_dim": 2},
    "network": {"hidden_widths": [4], "dropout": 0.1},
    "training": {"epochs": 8, "batch_size": 20, "learning_rate": 0.01, "checkpoint_every_seconds": 0.0, "validate_every": 2},
}
RUNS: dict[str, dict[str, Any]] = {
    "vamp-averaged-iwae": {
        "data": {"name": "pixels.npy"},
        "prior": {"name": "vamp", "num_components": 3},
        "objective": {"name": "iwae", "num_samples": 3},
        "training": {"ema_decay": 0.9, "early_stopping_patience": 100},
    },
    "flow-adamax": {
        "data": {"name": "table.npy"},
        "posterior": {"name": "inverse-autoregressive", "num_flows": 2, "hidden_width": 4, "context_dim": 3},
        "objective": {"beta": 2.0, "warmup_epochs": 4},
        "training": {"optimizer": "adamax", "learning_rate_schedule": "cosine", "gradient_clip": 10.0},
    },
    "adamw": {
        "data": {"name": "pixels.npy"},
        "likelihood": {"name": "discretized-logistic"},
        "training": {"optimizer": "adamw", "weight_decay": 0.01, "learning_rate_warmup_epochs": 2, "early_stopping_patience": 3},
    },
    "adagrad": {"data": {"name": "table.npy"}, "training": {"optimizer": "adagrad"}},
}


def begin(name: str, folder: str) -> TrainingRun:
    config = RunConfig().updated(RUN).updated(RUNS[name])
    return TrainingRun.begin(
        Path("runs") / folder, config, load_dataset(config.data.name), recipe="default", command="lowerbound train"
    )


def write_runs() -> dict[str, Any]:
    """Each is stopped in the middle and kept; a copy is resumed to the end. The first one's copy is kept too, as it ended."""
    expected: dict[str, Any] = {}
    for name in RUNS:
        answers = iter((None, "stopped by SIGINT"))
        begin(name, name).run(should_stop=answers.__next__)
        whole = f"{name}-whole"
        shutil.copytree(Path("runs") / name, Path("runs") / whole)
        run = TrainingRun.resume(Path("runs") / whole, load_dataset(RUNS[name]["data"]["name"]))
        run.run()
        stored = safetensors.numpy.load((run.folder.model / "weights.safetensors").read_bytes())
        model, spec, _ = run.folder.load_model()
        test = examples_of(run.dataset, run.split.test, spec)
        found = evaluate(model, spec, test, num_samples=NUM_SAMPLES, split="test").to_json()
        expected[name] = {
            "leaves": {
                leaf: {**record.identity(array), "values": array.ravel().tolist()} for leaf, array in sorted(stored.items())
            },
            "metrics": {column: list(values) for column, values in run.folder.metrics.read().items() if "second" not in column},
            "evaluation": {key: value for key, value in found.items() if isinstance(value, int | float)},
        }
        (run.folder.path / "evaluation.json").write_text(json.dumps(found, indent=2) + "\n")
        if name != "vamp-averaged-iwae":
            shutil.rmtree(run.folder.path)
            continue
        # Its training ended, and an evaluation of its training examples was killed in the middle.
        shutil.rmtree(run.folder.checkpoints)
        unfinished = Unfinished(run.folder.path / "unfinished", seconds=0.0)

        def killed(done: int) -> None:
            if done > 10:
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            evaluate(
                model,
                spec,
                examples_of(run.dataset, run.split.train, spec),
                num_samples=1000,
                split="train",
                unfinished=unfinished,
                on_progress=killed,
            )
        found = evaluate(model, spec, examples_of(run.dataset, run.split.train, spec), num_samples=1000, split="train").to_json()
        expected["train, 1000 samples"] = {key: value for key, value in found.items() if isinstance(value, int | float)}
    for path in Path("runs").glob("*/checkpoints"):
        for old in sorted(path.iterdir())[:-1]:
            shutil.rmtree(old)
    return expected


if __name__ == "__main__":
    os.chdir(HERE)
    (what,) = sys.argv[1:]
    make_data()
    if what == "estimators":
        write_estimators()
    else:
        shutil.rmtree("runs", ignore_errors=True)
        Path("runs.json").write_text(json.dumps(write_runs()) + "\n")
