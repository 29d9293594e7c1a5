"""The pictures and the table of docs/ladder.md: every rung trained on the built-in digits, and PCA beside it.

    python docs/make_ladder.py docs/images

Takes about two minutes on 2 cores. The runs themselves go to a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from lowerbound.data.datasets import load_configured
from lowerbound.data.examples import Example
from lowerbound.evaluation import decode, estimate_evidence, posterior_means, reconstruction, sample
from lowerbound.recipes import load_recipe
from lowerbound.report.labelled_grid import save_labelled_grid, small_picture
from lowerbound.runs.training import TrainingRun

RUNGS = ("linear", "stacked", "denoising", "sparse", "variational")
SHOWN = 14
# In the elements' own standard deviations, as the denoising rung's.
NOISE = 0.5


def main(pictures: str) -> None:
    """Train, write `ladder_NAME.png` for each rung, and print the table."""
    print("| rung | numbers in the code | error | PCA's | with noise on x | PCA's | near 0 | ELBO [nats] |")
    print("|---|---|---|---|---|---|---|---|")
    for rung in RUNGS:
        with tempfile.TemporaryDirectory() as folder:
            climb(rung, Path(folder) / "run", Path(pictures) / f"ladder_{rung}.png")


def climb(rung: str, folder: Path, picture: Path) -> None:
    """One rung: its row of the table and its picture."""
    config = load_recipe(f"textbook-{rung}").run_config()
    run = TrainingRun.begin(folder, config, load_configured(config.data), recipe=f"textbook-{rung}", command="")
    model, test = run.run(), run.part("test")
    train, x = (np.asarray(part.x, np.float32) for part in (run.part("train"), test))
    pca = PCA(model.latent_dim).fit(train.reshape(len(train), -1))

    def by_pca(images: np.ndarray) -> np.ndarray:
        return pca.inverse_transform(pca.transform(images.reshape(len(images), -1))).reshape(images.shape)

    def by_rung(images: np.ndarray) -> np.ndarray:
        return decode(model, posterior_means(model, Example(images)))

    def error(images: np.ndarray) -> str:
        return f"{np.sqrt(np.mean(np.square(x - images))):.2f}"

    std = np.asarray(run.spec.std, np.float32).reshape(run.spec.event_shape)
    noisy = x + NOISE * std * np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    codes = posterior_means(model, test)
    near_zero = np.mean(np.abs(codes) < 0.05 * np.abs(codes).max())
    bound = f"{np.mean(estimate_evidence(model, test, 100).elbo):.1f}" if model.has_density else "none"
    assert abs(reconstruction(model, run.spec, test).root_mean_square - float(error(by_rung(x)))) < 0.01
    numbers = (error(by_rung(x)), error(by_pca(x)), error(by_rung(noisy)), error(by_pca(noisy)), f"{near_zero:.0%}", bound)
    print(f"| `textbook-{rung}` | {model.latent_dim} | {' | '.join(numbers)} |", flush=True)
    seen = noisy if rung == "denoising" else x
    drawn = "draws, z from N(0, I)"
    rows = {"test examples": x, "PCA": by_pca(seen), "this rung": by_rung(seen), drawn: sample(model, SHOWN, draw=False)}
    if rung == "denoising":
        rows = {"test examples": x, "with noise": noisy, **{name: row for name, row in rows.items() if row is not x}}
    images = np.concatenate([row[:SHOWN] for row in rows.values()])
    title = f"textbook-{rung}: digits through {model.latent_dim} numbers, and back"
    save_labelled_grid(small_picture(images, run.spec, SHOWN), [""] * SHOWN, list(rows), "", "", title, picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
