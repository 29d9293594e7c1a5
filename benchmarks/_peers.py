"""Peers that need PyTorch, in an environment of their own: `PYTHON _peers.py tvae|scvi FOLDER SEED ...`.

SDV's TVAE reads FOLDER/rows.csv and writes as many new rows to FOLDER/new.csv; scVI's model reads FOLDER/counts.npy and writes
the latents of all cells to FOLDER/codes.npy. Both keep their defaults. FOLDER/peer.json says versions, epochs and seconds.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def ask(python: Path, name: str, folder: Path, seed: int, *more: int) -> dict[str, float | str]:
    """Run a peer in its own environment, or take what it left in the folder; what it says of itself."""
    said = folder / "peer.json"
    if not said.exists():
        subprocess.run([str(python), __file__, name, str(folder), str(seed), *map(str, more)], check=True)
    return json.loads(said.read_text())


def tvae(folder: Path, seed: int) -> dict[str, float | str]:
    """SDV's TVAE of a table."""
    import pandas as pd
    import torch
    from sdv.metadata import Metadata  # pyright: ignore[reportMissingImports]
    from sdv.single_table import TVAESynthesizer  # pyright: ignore[reportMissingImports]

    # TVAE takes no seed: it draws from both of these.
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    frame = pd.read_csv(folder / "rows.csv")
    kinds = {name: {"sdtype": "numerical" if frame[name].dtype.kind in "if" else "categorical"} for name in frame}
    synthesizer = TVAESynthesizer(Metadata.load_from_dict({"tables": {"rows": {"columns": kinds}}}))
    start = time.perf_counter()
    synthesizer.fit({"rows": frame})
    seconds = time.perf_counter() - start
    synthesizer.sample(num_rows=len(frame))["rows"].to_csv(folder / "new.csv", index=False)
    return {"epochs": synthesizer.get_parameters()["epochs"], "seconds": seconds, "version": _version("sdv")}


def scvi(folder: Path, seed: int, size: int) -> dict[str, float | str]:
    """scVI's model of counts with `size` latents."""
    import anndata  # pyright: ignore[reportMissingImports]
    import scvi as tools  # pyright: ignore[reportMissingImports]

    tools.settings.seed = seed
    cells = anndata.AnnData(np.load(folder / "counts.npy").astype(np.float32))
    tools.model.SCVI.setup_anndata(cells)
    model = tools.model.SCVI(cells, n_latent=size)
    start = time.perf_counter()
    model.train(accelerator="cpu", enable_progress_bar=False)
    seconds = time.perf_counter() - start
    np.save(folder / "codes.npy", model.get_latent_representation())
    epochs = len(next(iter(model.history.values())))
    return {"epochs": epochs, "seconds": seconds, "version": _version("scvi-tools")}


def _version(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}, torch {importlib.metadata.version('torch')}"


if __name__ == "__main__":
    name, place, *numbers = sys.argv[1:]
    found = {"tvae": tvae, "scvi": scvi}[name](Path(place), *map(int, numbers))
    (Path(place) / "peer.json").write_text(json.dumps(found) + "\n")
