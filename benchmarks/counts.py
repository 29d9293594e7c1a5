"""What a VAE makes of counts: the kinds of cells found again in its codes, and the other half of documents predicted.

    python benchmarks/counts.py cells [--seeds 0 1 2] --folder FOLDER --json FILE
    python benchmarks/counts.py newsgroups [--seeds 0 1 2] --folder FOLDER --json FILE

Cells (smFISH of mouse cortex): models and PCA see the counts of all cells and no label. Of each representation the adjusted Rand
index of k-means with as many clusters as labels (the mean over ten starts, and that of the start with the least squares; of the
latter also the difference to PCA on twelve random parts of 80 % of the cells, from which its error comes), and the accuracy of
the 15 nearest neighbours in five folds. Representations: the posterior means of the VAE with its defaults, of the recipe `counts`
and of it with a mixture as prior, PCA of log1p of counts per median total at the same sizes, that without PCA, raw counts; with
--scvi PYTHON, the interpreter of an environment that has scvi-tools, the latents of scVI's own program.

Newsgroups: document completion (Wallach et al. 2009). Of each test document half of its words, at random, is given; perplexity
is that of the other half, exp(-sum log p / number of words), each word predicted from the given half alone. The VAE is the recipe
`documents`; beside it the training words' shares, and scikit-learn's LatentDirichletAllocation with as many topics.

Models and figures lie in FOLDER and FILE, and the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _peers import ask
from defaults import done_in, keep, options_of

STARTS, NEIGHBOURS, FOLDS = 10, 15, 5
PARTS, SHARE = 12, 0.8
SAMPLES = 200
LDA_PASSES, WORDS_SHOWN, TOPICS_SHOWN = 20, 8, 10


def fitted(make: Callable[[], Any], data: np.ndarray, folder: Path) -> tuple[Any, float]:
    """The model, trained or read where it was trained before, and the minutes of its training by the clock."""
    from lowerbound import VAE

    file = folder / "seconds.txt"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        vae = make().fit(data)
        vae.save(folder / "model")
        file.write_text(f"{time.perf_counter() - start:.1f}\n")
    return VAE.load(folder / "model"), float(file.read_text()) / 60


def normalised(counts: np.ndarray) -> np.ndarray:
    """log1p of counts per median total."""
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.log1p(counts / total * np.median(total))


def recovered(codes: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, Any]:
    """How well labels can be found again in the codes."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    count = len(np.unique(labels))
    found = [KMeans(count, random_state=start).fit(codes) for start in range(STARTS)]
    scores = [adjusted_rand_score(labels, each.labels_) for each in found]
    # Of random parts of the cells; the same parts for each representation.
    rng, parts = np.random.default_rng(0), []
    for part in range(PARTS):
        rows = np.sort(rng.permutation(len(codes))[: int(SHARE * len(codes))])
        best = KMeans(count, n_init=STARTS, random_state=part)  # pyright: ignore[reportArgumentType]
        clusters = best.fit_predict(codes[rows])
        parts.append(adjusted_rand_score(labels[rows], clusters))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    accuracy = cross_val_score(KNeighborsClassifier(NEIGHBOURS), codes, labels, cv=folds)
    return {
        "rand_index": float(np.mean(scores)),
        "rand_index_spread": float(np.std(scores, ddof=1)),
        "rand_index_of_best": scores[int(np.argmax([each.score(codes) for each in found]))],
        "rand_index_of_parts": parts,
        "accuracy": float(accuracy.mean()),
        "accuracy_error": float(accuracy.std(ddof=1) / np.sqrt(FOLDS)),
    }


def of_scvi(counts: np.ndarray, size: int, python: Path, folder: Path, seed: int) -> tuple[np.ndarray, float]:
    """The latents of scVI with its defaults, and the minutes of its training."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "counts.npy", counts)
    said = ask(python, "scvi", folder, seed, size)
    return np.load(folder / "codes.npy"), float(said["seconds"]) / 60


def of_recipe(seed: int) -> Any:
    from lowerbound import VAE

    return VAE.from_recipe("counts", random_state=seed)


def with_mixture(seed: int) -> Any:
    from lowerbound import VAE

    more = {"prior": {"num_components": 20}}
    return VAE.from_recipe("counts", random_state=seed, prior="mixture-of-gaussians", config=more)


def by_default(seed: int) -> Any:
    from lowerbound import VAE

    return VAE(random_state=seed)


_VAES = {"VAE, recipe counts": of_recipe, "VAE, recipe counts, 20 Gaussians as prior": with_mixture, "VAE, defaults": by_default}


def cells(options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """A row for each representation and seed."""
    from sklearn.decomposition import PCA

    from lowerbound.data.counts import read_annotation, read_counts

    file = options.data_dir / "single_cell" / "smfish.h5ad"
    counts, labels = np.asarray(read_counts(file).values), read_annotation(file, "str_labels")
    shares = normalised(counts)

    def note(name: str, seed: int, codes: np.ndarray, minutes: float | None = None, bound: float | None = None) -> None:
        row = {"part": "cells", "name": name, "seed": seed, "size": codes.shape[1], "kinds": len(np.unique(labels))}
        rows.append({**row, "minutes": minutes, "validation_bound": bound, **recovered(codes, labels, seed)})
        keep(rows, options.json)

    for name, values in (("log1p of shares", shares), ("raw counts", counts.astype(np.float64))):
        if not _is_done(rows, "cells", name, 0):
            note(name, 0, values)
    asked: list[tuple[str, int]] = [(name, seed) for name in _VAES for seed in options.seeds]
    for name, seed in asked:
        if not _is_done(rows, "cells", name, seed):
            folder = options.folder / f"cells-{name.split()[-1]}-{seed}"
            vae, minutes = fitted(functools.partial(_VAES[name], seed), counts, folder)
            note(name, seed, np.asarray(vae.transform(counts)), minutes, float(np.nanmax(vae.history_["validation_bound_nats"])))
        size = min(next(row["size"] for row in rows if row["name"] == name), counts.shape[1])
        if not _is_done(rows, "cells", f"PCA to {size}", 0):
            note(f"PCA to {size}", 0, PCA(size, random_state=0).fit_transform(shares))
    for seed in options.seeds if options.scvi else ():
        if not _is_done(rows, "cells", "scVI", seed):
            note("scVI", seed, *of_scvi(counts, size_of_scvi(), options.scvi, options.folder / f"scvi-{seed}", seed))


def size_of_scvi() -> int:
    """As many latents as the recipe that has scVI's model."""
    from lowerbound.recipes import load_recipe

    return load_recipe("counts").run_config().model.latent_dim


def halves(counts: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each document half of its words (rounded down), drawn without replacement, and the others."""
    rng = np.random.default_rng(seed)
    counts = counts.astype(np.int64)
    given = np.stack([rng.multivariate_hypergeometric(row, int(row.sum()) // 2) for row in counts])
    return given, counts - given


def measured(log_probs: np.ndarray, num_words: np.ndarray) -> dict[str, float]:
    """Perplexity, and its standard error over documents by the ratio's linearisation."""
    from lowerbound.evaluation.completion import perplexity

    value, total = perplexity(log_probs, num_words), num_words.sum()
    residual = log_probs - log_probs.sum() / total * num_words
    return {"perplexity": value, "perplexity_error": float(value * residual.std(ddof=1) * np.sqrt(len(residual)) / total)}


def newsgroups(options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """A row for each model and seed."""
    from lowerbound import VAE
    from lowerbound.data.datasets import load_dataset
    from lowerbound.evaluation import completion, kl_by_latent

    dataset = load_dataset("20newsgroups", data_dir=options.data_dir)
    assert dataset.split is not None
    counts = np.asarray(dataset.examples)
    training, validation, test = (counts[part] for part in (dataset.split.train, dataset.split.validation, dataset.split.test))
    vocabulary = (options.data_dir / "20newsgroups_etm" / "vocab.txt").read_text().split()
    test = test[test.sum(axis=1) >= 2]
    if options.documents:
        test = test[np.sort(np.random.default_rng(0).permutation(len(test))[: options.documents])]
    given, held_out = halves(test, 0)
    num_words = held_out.sum(axis=1)

    def note(name: str, seed: int, log_probs: np.ndarray, **more: Any) -> None:
        row = {"part": "newsgroups", "name": name, "seed": seed, "documents": len(test), "words": int(num_words.sum())}
        rows.append({**row, **measured(log_probs, num_words), **more})
        keep(rows, options.json)

    def words(weights: np.ndarray) -> str:
        return " ".join(vocabulary[place] for place in np.argsort(-weights)[:WORDS_SHOWN])

    if not _is_done(rows, "newsgroups", "unigram", 0):
        shares = training.sum(axis=0) + 1.0
        note("unigram", 0, held_out @ np.log(shares / shares.sum()))
    for seed in options.seeds:
        if not _is_done(rows, "newsgroups", "VAE, recipe documents", seed):

            def make(seed: int = seed) -> VAE:
                return VAE.from_recipe("documents", random_state=seed, validation=validation)

            vae, minutes = fitted(make, training, options.folder / f"newsgroups-documents-{seed}")
            found = completion(vae.model_, given, held_out, num_samples=SAMPLES, seed=seed)
            weights = np.asarray(vae.model_.decoder.layers[-1].weight)
            weights = weights if weights.shape[0] == vae.model_.decoder.in_shape[0] else weights.T
            kl = kl_by_latent(vae.model_, test)
            assert kl is not None
            first = np.argsort(-kl)[:TOPICS_SHOWN]
            together = measured(found.together, num_words)
            note(
                "VAE, recipe documents",
                seed,
                found.word_by_word,
                together=together,
                samples=SAMPLES,
                effective_sample_size=float(np.median(found.effective_sample_size)),
                effective_sample_size_together=float(np.median(found.effective_sample_size_together)),
                size=len(kl),
                minutes=minutes,
                topics=[f"KL {kl[place]:.2f}: {words(weights[place])} | {words(-weights[place])}" for place in first],
            )
        if not _is_done(rows, "newsgroups", "LDA", seed):
            note("LDA", seed, **of_lda(training, given, held_out, seed, words))


def of_lda(
    training: np.ndarray, given: np.ndarray, held_out: np.ndarray, seed: int, words: Callable[[np.ndarray], str]
) -> dict[str, Any]:
    """scikit-learn's variational LDA: p(word | given) = sum_k E[theta_k | given] E[beta_k]."""
    import scipy.sparse
    from sklearn.decomposition import LatentDirichletAllocation

    from lowerbound.recipes import load_recipe

    size = load_recipe("documents").run_config().model.latent_dim
    lda = LatentDirichletAllocation(size, learning_method="online", max_iter=LDA_PASSES, batch_size=256, random_state=seed)
    start = time.perf_counter()
    lda.fit(scipy.sparse.csr_array(training))
    minutes = (time.perf_counter() - start) / 60
    topics = lda.components_ / lda.components_.sum(axis=1, keepdims=True)
    theta = lda.transform(scipy.sparse.csr_array(given))
    log_probs = np.sum(held_out * np.log(theta @ topics), axis=1)
    used = np.argsort(-theta.mean(axis=0))[:TOPICS_SHOWN]
    return {
        "log_probs": log_probs,
        "size": size,
        "minutes": minutes,
        "topics": [f"share {theta[:, place].mean():.3f}: {words(topics[place])}" for place in used],
    }


def _is_done(rows: list[dict[str, Any]], part: str, name: str, seed: int) -> bool:
    return any((row["part"], row["name"], row["seed"]) == (part, name, seed) for row in rows)


def show(rows: list[dict[str, Any]]) -> None:
    """A table for each part, one line a model and seed; and the words of some topics."""
    of_cells, of_documents = ([row for row in rows if row["part"] == part] for part in ("cells", "newsgroups"))
    if of_cells:
        head = "codes | seed | size | adjusted Rand index (starts) | of the best start | minus PCA's, on parts"
        print(f"| {head} | k-NN accuracy (folds) | validation bound | minutes |\n| --- |{' ---: |' * 8}")
    for row in of_cells:
        rand, accuracy = (f"{row[key]:.3f} ({row[error]:.3f})" for key, error in _CELL_FIGURES)
        bound = f"{row['validation_bound']:.2f}" if row.get("validation_bound") is not None else ""
        best = [f"{row['rand_index_of_best']:.3f}", _beside_pca(row, of_cells), accuracy, bound]
        cells = [row["name"], row["seed"], row["size"], rand, *best, _minutes(row)]
        print(f"| {' | '.join(map(str, cells))} |")
    if of_documents:
        print("\n| model | seed | perplexity (error over documents) | words together | ESS of K, each (together) | minutes |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in of_documents:
        cells = [row["name"], row["seed"], f"{row['perplexity']:.1f} ({row['perplexity_error']:.1f})"]
        together = row.get("together")
        cells += [f"{together['perplexity']:.1f} ({together['perplexity_error']:.1f})" if together else ""]
        own, both = (row.get(f"effective_sample_size{end}") for end in ("", "_together"))
        cells += [f"{own:.0f} ({both:.0f}) of {row['samples']}" if own else ""]
        print(f"| {' | '.join(map(str, [*cells, _minutes(row)]))} |")
    for row in of_documents:
        if row.get("topics"):
            print(f"\n{row['name']}, seed {row['seed']}:\n" + "\n".join(f"- {topic}" for topic in row["topics"]))


_CELL_FIGURES = (("rand_index", "rand_index_spread"), ("accuracy", "accuracy_error"))


def _beside_pca(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The mean difference to PCA of the same size over the parts, and its standard error: a jackknife that leaves out many."""
    for other in rows:
        if other["name"] == f"PCA to {row['size']}" and other is not row:
            apart = np.subtract(row["rand_index_of_parts"], other["rand_index_of_parts"])
            return f"{apart.mean():+.3f} ({np.sqrt(SHARE / (1 - SHARE)) * apart.std(ddof=1):.3f})"
    return ""


def _minutes(row: dict[str, Any]) -> str:
    return f"{row['minutes']:.1f}" if row.get("minutes") is not None else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="cells, newsgroups; both by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--documents", type=int, default=0, help="test documents to complete, drawn at random; all by default")
    parser.add_argument("--scvi", type=Path, metavar="PYTHON", help="an interpreter with the package scvi-tools")
    parser.add_argument("--folder", type=Path, default=Path("counts"))
    options = options_of(parser)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows, known = done_in(options.json), {"cells": cells, "newsgroups": newsgroups}
    for part in options.parts or known:
        if part not in known:
            raise SystemExit(f"no part {part!r}; expected {' or '.join(known)}")
        known[part](options, rows)
    show(rows)


if __name__ == "__main__":
    main()
