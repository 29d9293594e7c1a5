"""`VAE.fidelity`: the record of the command, of rows in Python."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lowerbound import VAE
from lowerbound.errors import ConfigurationError, DataError

SMALL = {"hidden_widths": (4,), "epochs": 1, "batch_size": 20, "random_state": 0, "automatic": False}


def rows(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=count)
    return np.round(np.stack([first, 2 * first + rng.normal(size=count), rng.integers(0, 2, count)], axis=1), 2)


def test_the_record_of_a_frames_rows() -> None:
    X, X_new = (pd.DataFrame(rows(count, count), columns=["a", "b", "flag"]) for count in (90, 60))
    vae = VAE(2, **SMALL).fit(X)
    found = vae.fidelity(X, X_new, 80, target="flag")
    assert found.columns == ("a", "b", "flag")
    assert found.kinds == ("real", "real", "binary")
    assert (found.num_synthetic, found.num_compared, found.measure) == (80, 60, "AUC")
    # The digits with which the rows were recorded: no new row is told by its digits alone, nor has a third value of the flag.
    assert found.model.column_shapes.min() > 0
    assert found.ceiling.two_sample.value > found.floors[0].two_sample.value - 0.3
    assert str(found) == str(vae.fidelity(X, X_new, 80, target="flag"))


def test_a_condition_is_drawn_with_the_rows_of_training() -> None:
    X = rows(60, 0)
    vae = VAE(2, **SMALL).fit(X[:, :2], condition=X[:, 2].astype(int))
    with pytest.raises(ConfigurationError, match="condition is missing"):
        vae.fidelity(X[:, :2], X[:, :2])
    assert vae.fidelity(X[:, :2], X[:30, :2], condition=X[:, 2].astype(int)).columns == ("x0", "x1")


def test_what_is_no_table_or_too_little_is_refused() -> None:
    vae = VAE(2, **SMALL).fit(rows(60, 0))
    with pytest.raises(DataError, match="held_out has 5 rows; expected 20 or more"):
        vae.fidelity(rows(60, 0), rows(5, 1))
    pictures = np.random.default_rng(0).integers(0, 256, (60, 4, 5)).astype(np.uint8)
    with pytest.raises(ConfigurationError, match="columns of a table, but the examples are pictures"):
        VAE(2, **SMALL).fit(pictures).fidelity(pictures, pictures)


def test_a_frame_of_several_kinds_with_holes() -> None:
    frames = []
    for seed, count in enumerate((90, 60)):
        frame = pd.DataFrame(rows(count, seed), columns=["a", "b", "flag"])
        frame["flag"] = np.where(frame["flag"] > 0, "yes", "no")
        frame.loc[::7, "a"] = np.nan
        frames.append(frame)
    found = VAE(2, **SMALL).fit(frames[0]).fidelity(*frames, target="flag")
    assert found.kinds == ("real", "real", "binary")
    assert found.measure == "AUC"
    # Cells are missing in new rows as in those of training.
    assert 0.02 < found.model.missing[0] < 0.35
    assert found.model.missing[1:].tolist() == [0, 0]
