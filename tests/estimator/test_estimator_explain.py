"""`VAE.explain`: the figures of `lowerbound explain`, in Python."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lowerbound import VAE
from lowerbound.errors import ConfigurationError, DataError

SMALL = {"hidden_widths": (4,), "epochs": 1, "batch_size": 20, "random_state": 0, "automatic": False}


def test_effects_of_latents_and_a_probe_of_a_column_or_of_labels() -> None:
    rng = np.random.default_rng(0)
    size = rng.normal(size=200)
    X = pd.DataFrame({"size": size, "weight": 2 * size + rng.normal(size=200), "flag": (size > 0).astype(float)})
    vae = VAE(2, **SMALL).fit(X)
    found = vae.explain(X, target="flag", n_latents=1)
    assert found.effects.names == ("size", "weight", "flag")
    assert found.effects.effects.shape == (1, 3)
    assert found.probe is not None
    assert (found.probe.num_fitted, found.probe.num_rows, found.probe.num_classes) == (100, 100, 2)
    assert found.probe.inputs > 0.9, "the other columns tell the flag"
    text = str(found)
    assert "tells 'flag' from 2 latents" in text
    assert text.splitlines()[1].startswith(f"z{found.effects.latents[0]} (")
    labelled = vae.explain(X, np.where(size > 0, "big", "small"))
    assert labelled.probe is not None
    assert labelled.probe.inputs > 0.9
    assert vae.explain(X).probe is None
    with pytest.raises(ConfigurationError, match="y and target are both given"):
        vae.explain(X, size, target="flag")
    with pytest.raises(ConfigurationError, match="target is 'flagg'"):
        vae.explain(X, target="flagg")
    with pytest.raises(DataError, match="target is 'size', a column of many numbers"):
        vae.explain(X, target="size")
    with pytest.raises(DataError, match=r"y has shape \(3,\); expected \(200,\)"):
        vae.explain(X, [0, 1, 0])
