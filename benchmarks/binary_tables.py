"""log p(x) of binary tables: VAEs beside independent columns, mixtures of Bernoullis and the published tractable models.

    python benchmarks/binary_tables.py [nltcs plants] [--settings defaults ...] [--seeds 0 1 2] [--total] --folder FOLDER

The tables are two of the twenty on which tractable models are compared (Lowd and Davis 2010; Van Haaren and Davis 2012), with
the rows of training, validation and test as they come. The evidence is importance-sampled: of each row, log p(x) is at least
what is shown, in expectation. The mixture's number of components, its EM's end and its smoothing are chosen by the validation
rows, by which also the VAEs end their training; the setting of the VAE to be looked at is the best by the validation rows, whose
scores stand beside. --total adds exp(log p(x)) over all 65,536 rows that 16 columns can hold, which is 1 in
expectation if what is called a probability is one. Models and figures lie in FOLDER, and the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from defaults import done_in, keep, options_of

# Nats a row of test, as published and rounded: probabilistic circuits and sum-product networks of the last decade.
PUBLISHED = {"nltcs": "about -6.0", "plants": "about -12 to -13"}
# What VAE(...) is given beside its defaults.
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "iwae": {"objective": "iwae", "config": {"objective": {"num_samples": 10}}},
    "iwae-flow": {"objective": "iwae", "config": {"objective": {"num_samples": 10}}, "prior": "autoregressive-flow"},
}
SAMPLES, SAMPLES_OF_TOTAL = 1000, 64
COMPONENTS = (8, 16, 32, 64, 128, 256)
# Of the counts that each column of a component is given before it sees a row.
SMOOTHING = (0.1, 1.0)
_ROUNDS, _PATIENCE, _STARTS = 200, 10, 2


class Parts(NamedTuple):
    """Rows of zeros and ones."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def read(name: str, data_dir: Path) -> Parts:
    """A table's three parts, which are stored eight columns to a byte."""
    with np.load(data_dir / "debd_binary" / f"{name}.npz") as arrays:
        width = int(arrays["n_vars"])
        return Parts(*(np.unpackbits(arrays[part], axis=1)[:, :width] for part in ("train", "valid", "test")))


def independent(parts: Parts) -> dict[str, Any]:
    """Each column by its share of ones in training, one row of each kind added."""
    share = (parts.train.sum(axis=0) + 1) / (len(parts.train) + 2)
    masses = [rows @ np.log(share) + (1 - rows.astype(np.float64)) @ np.log1p(-share) for rows in (parts.validation, parts.test)]
    return scored(*masses)


class Mixture:
    """A mixture of independent Bernoulli columns, fitted by EM to rows that count `weight` times each."""

    def __init__(self, rows: np.ndarray, weight: np.ndarray, components: int, smoothing: float, rng: np.random.Generator) -> None:
        self.rows, self.weight, self.smoothing = rows.astype(np.float32), weight.astype(np.float64), smoothing
        self.base = np.average(rows, axis=0, weights=weight)
        self.log_shares = np.full(components, -np.log(components))
        # Halfway from the columns' own shares to rows drawn from the data.
        drawn = rows[rng.choice(len(rows), components, p=weight / weight.sum())]
        self._set_probabilities(np.clip(0.5 * self.base + 0.5 * drawn, 0.01, 0.99))

    def _set_probabilities(self, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities
        self.logits, self.offset = np.log(probabilities) - np.log1p(-probabilities), np.log1p(-probabilities).sum(axis=1)

    def _joint(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(exp(log p(x, component) - most), its sum over components, most), in float32."""
        each = rows @ self.logits.T.astype(np.float32) + (self.offset + self.log_shares).astype(np.float32)
        most = each.max(axis=1, keepdims=True)
        masses = np.exp(each - most)
        return masses, masses.sum(axis=1, keepdims=True), most

    def log_prob(self, rows: np.ndarray) -> np.ndarray:
        """log p(x) of each row, exact up to float32's rounding."""
        _, total, most = self._joint(rows.astype(np.float32))
        return (np.log(total) + most)[:, 0].astype(np.float64)

    def step(self) -> None:
        """One round of EM; columns are drawn towards their own share by `smoothing` counts."""
        masses, total, _ = self._joint(self.rows)
        given = masses * (self.weight[:, None] / total).astype(np.float32)
        counts = given.sum(axis=0, dtype=np.float64)
        ones = (given.T @ self.rows).astype(np.float64)
        self._set_probabilities(np.clip((ones + self.smoothing * self.base) / (counts[:, None] + self.smoothing), 1e-6, 1 - 1e-6))
        self.log_shares = np.log((counts + 1e-3) / (counts + 1e-3).sum())


def mixture(parts: Parts) -> dict[str, Any]:
    """The mixture with the best validation log-probability over numbers of components, smoothings, starts and rounds."""
    rows, weight = np.unique(parts.train, axis=0, return_counts=True)
    best: tuple[float, dict[str, Any], np.ndarray, np.ndarray] | None = None
    for components, smoothing, start in itertools.product(COMPONENTS, SMOOTHING, range(_STARTS)):
        model, since, own = Mixture(rows, weight, components, smoothing, np.random.default_rng(start)), 0, -np.inf
        for done in range(1, _ROUNDS + 1):
            model.step()
            of_validation = model.log_prob(parts.validation)
            since = 0 if of_validation.mean() > own + 1e-4 else since + 1
            own = max(own, of_validation.mean())
            if best is None or of_validation.mean() > best[0]:
                chosen = {"components": components, "smoothing": smoothing, "rounds": done}
                best = of_validation.mean(), chosen, of_validation, model.log_prob(parts.test)
            if since >= _PATIENCE:
                break
    assert best is not None
    return {"chosen": best[1], **scored(best[2], best[3])}


def scored(validation: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Means over rows in nats, and the test's standard error over its rows."""
    error = float(test.std(ddof=1) / np.sqrt(len(test)))
    return {"validation_nats": float(validation.mean()), "test_nats": float(test.mean()), "standard_error": error}


def of_vae(parts: Parts, setting: str, seed: int, folder: Path) -> dict[str, Any]:
    """A VAE trained, or read where it was trained before, and its evidence."""
    from lowerbound import VAE
    from lowerbound.evaluation import estimate_evidence

    seconds, file = time.perf_counter(), folder / "seconds.txt"
    if file.exists():
        vae = VAE.load(folder / "model")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        vae = VAE(random_state=seed, validation=parts.validation, **SETTINGS[setting]).fit(parts.train)
        vae.save(folder / "model")
        # Busy minutes are not known of a fit among others; those of the clock are.
        file.write_text(f"{time.perf_counter() - seconds:.1f}\n")
    estimates = [estimate_evidence(vae.model_, rows, SAMPLES, seed=seed) for rows in (parts.validation, parts.test)]
    of_test = estimates[1]
    ess = np.asarray(of_test.effective_sample_size)
    return {
        **scored(*(np.asarray(each.log_evidence, np.float64) for each in estimates)),
        "samples": SAMPLES,
        "elbo_nats": float(np.mean(of_test.elbo, dtype=np.float64)),
        # What twice as many samples still add tells how far below log p(x) the mean may be.
        "half_bound_nats": float(np.mean(of_test.half_bound, dtype=np.float64)),
        "effective_sample_size": {"median": float(np.median(ess)), "lowest 1 %": float(np.quantile(ess, 0.01))},
        "training_minutes": float(file.read_text()) / 60,
        "choices": [choice.words for choice in getattr(vae, "choices_", ())],
    }


def total(folder: Path, width: int, seed: int) -> dict[str, float]:
    """The sum of the estimates of p(x) over all rows of `width` zeros and ones, and its Monte Carlo error."""
    from lowerbound import VAE
    from lowerbound.evaluation import estimate_evidence

    rows = ((np.arange(2**width)[:, None] >> np.arange(width)) & 1).astype(np.uint8)
    estimate = estimate_evidence(VAE.load(folder / "model").model_, rows, SAMPLES_OF_TOTAL, seed=seed)
    masses = np.exp(np.asarray(estimate.log_evidence, np.float64))
    # var[mean of K weights] is about p^2 (1/ESS - 1/K), row by row, and rows are independent.
    ess = np.maximum(np.asarray(estimate.effective_sample_size, np.float64), 1.0)
    error = np.sqrt(np.sum(masses**2 * np.maximum(1 / ess - 1 / SAMPLES_OF_TOTAL, 0)))
    return {"sum": float(masses.sum()), "standard_error": float(error), "samples": SAMPLES_OF_TOTAL}


def table(rows: list[dict[str, Any]]) -> str:
    """One line a model, those of several seeds one by one."""
    lines = [
        "| table | model | seed | validation, nats | test, nats | error | ELBO | with K/2 | ESS median (lowest 1 %) | minutes |",
        "| --- | --- | ---: |" + " ---: |" * 7,
    ]
    for row in rows:
        cells = [row["set"], row["model"] + (f" {row['chosen']}" if "chosen" in row else ""), row.get("seed", "")]
        cells += [f"{row['validation_nats']:.3f}", f"{row['test_nats']:.3f}", f"{row['standard_error']:.3f}"]
        if "samples" in row:
            ess = row["effective_sample_size"]
            cells += [
                f"{row['elbo_nats']:.3f}",
                f"{row['half_bound_nats']:.3f}",
                f"{ess['median']:.0f} ({ess['lowest 1 %']:.0f})",
            ]
            cells += [f"{row['training_minutes']:.1f}"]
        else:
            cells += [""] * 4
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [f"| {name} | published | | | {PUBLISHED[name]} | | | | | |" for name in dict.fromkeys(row["set"] for row in rows)]
    for row in rows:
        if "total" in row:
            found = row["total"]
            lines.append(
                f"\n{row['set']}, {row['model']}, seed {row['seed']}: p(x) over all rows sums to {found['sum']:.4f} "
                f"(Monte Carlo error {found['standard_error']:.4f})."
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="TABLE", help=f"of {', '.join(PUBLISHED)}; both by default")
    parser.add_argument("--settings", nargs="+", default=["defaults"], choices=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--total", action="store_true", help="sum p(x) over all rows of nltcs's 16 columns")
    parser.add_argument("--folder", type=Path, default=Path("binary_tables"))
    options = options_of(parser)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = done_in(options.json)

    def found(name: str, model: str, seed: int | None = None) -> dict[str, Any] | None:
        return next((row for row in rows if (row["set"], row["model"], row.get("seed")) == (name, model, seed)), None)

    for name in options.sets or PUBLISHED:
        parts = read(name, options.data_dir)
        for model, fit in (("independent columns", independent), ("mixture of Bernoullis", mixture)):
            if found(name, model) is None:
                rows.append({"set": name, "model": model, **fit(parts)})
                keep(rows, options.json)
        for setting, seed in itertools.product(options.settings, options.seeds):
            folder = options.folder / f"{name}-{setting}-{seed}"
            row = found(name, setting, seed)
            if row is None:
                row = {"set": name, "model": setting, "seed": seed, **of_vae(parts, setting, seed, folder)}
                rows.append(row)
                keep(rows, options.json)
            if options.total and name == "nltcs" and "total" not in row:
                row["total"] = total(folder, parts.train.shape[1], seed)
                keep(rows, options.json)
    print(table(rows))


if __name__ == "__main__":
    main()
