"""Examples per second and peak memory: a table in Parquet or a folder of images as one array in memory, and read as steps go.

    python benchmarks/streams.py [--rows 2000000] [--columns 20] [--epochs 2] [--json FILE]
    python benchmarks/streams.py --images 200000 --ways reader streamed --epochs 1

`--ways reader grain` read an epoch and train on nothing: how fast a device might be before it waits, and the memory of reading
alone. `grain` is Grain's reader of Parquet (`pip install grain`): the same file, rows shuffled within a window of as many rows as
ours, batches, a thread that reads ahead. With `--images` the data are a folder of so many colour images of 32 x 32 in place of a
table.

Each way is a process of its own, so that its peak memory is its own. The rate is that of the last epoch, without its validation.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS_A_GROUP = 100_000
WAYS = ("resident", "streamed", "reader", "grain")
BATCH = 256
# Rows of 20 numbers that ours shuffles together.
GRAIN_WINDOW = 2**28 // (20 * 4)


def write_table(path: Path, rows: int, columns: int) -> None:
    """Correlated Gaussians, sorted by the first column, so that a bad shuffle would show."""
    import pyarrow
    import pyarrow.parquet

    drawn = np.random.default_rng(0)
    mixing = drawn.normal(size=(3, columns)).astype(np.float32)
    names = [f"x{number}" for number in range(columns)]
    schema = pyarrow.schema([(name, pyarrow.float32()) for name in names])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, ROWS_A_GROUP):
            count = min(ROWS_A_GROUP, rows - start)
            values = drawn.normal(size=(count, 3)).astype(np.float32) @ mixing + drawn.normal(size=(count, columns)) / 2
            values[:, 0] = np.linspace(start, start + count, count) / rows + values[:, 0] / 100
            arrays = [pyarrow.array(values[:, number].astype(np.float32)) for number in range(columns)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), row_group_size=ROWS_A_GROUP)


def write_images(path: Path, count: int) -> None:
    """Smooth colour images, a thousand in a folder."""
    from PIL import Image

    drawn = np.random.default_rng(0)
    for number in range(count):
        folder = path / f"{number // 1000:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(drawn.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((32, 32), Image.Resampling.BILINEAR).save(folder / f"{number:07d}.png", compress_level=1)


def measured(path: Path, way: str, epochs: int) -> dict[str, float | str]:
    """One run of one way, in this process."""
    if way == "grain":
        return _grain_alone(path)
    from lowerbound.config import RunConfig
    from lowerbound.data.datasets import load_configured
    from lowerbound.runs.training import TrainingRun

    sections = {
        "data": {"name": str(path), "memory": "resident" if way == "resident" else "streamed", "validation": 0.01, "test": 0.0},
        "model": {"latent_dim": 5},
        "network": {"name": "mlp", "hidden_widths": [64]},
        "likelihood": {"name": "gaussian"},
        "training": {"epochs": epochs, "batch_size": BATCH, "validate_every": 1, "early_stopping_patience": 0},
    }
    begun = time.perf_counter()
    config = RunConfig.from_dict(sections)
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun.begin(Path(folder) / "run", config, load_configured(config.data), recipe="", command="")
        ready = time.perf_counter() - begun
        if way == "reader":
            return _read_alone(run, ready)
        rates, bounds = [], []

        def note(record: object, run: TrainingRun) -> None:
            rates.append(record.examples_per_second)  # pyright: ignore[reportAttributeAccessIssue]
            bounds.append(record.validation_bound_nats)  # pyright: ignore[reportAttributeAccessIssue]

        run.run(on_record=note)
        return {
            "way": way,
            "rows_per_second": rates[-1],
            "validation_bound_nats": bounds[-1],
            "seconds_before_training": ready,
            "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            "share_of_time_waiting": run.trainer.feed.waited / run.progress.seconds,
            "how": run.trainer.how_fed,
        }


def _read_alone(run: object, ready: float) -> dict[str, float | str]:
    """An epoch of chunks, of which nothing is computed."""
    import jax

    trainer = run.trainer  # pyright: ignore[reportAttributeAccessIssue]
    key, schedule = jax.random.key(0), trainer.schedule
    begun, count = time.perf_counter(), 0
    for step in range(0, schedule.steps_per_epoch, schedule.steps_per_chunk):
        count += len(trainer.feed.fetch(key, step, schedule).data)
    seconds = time.perf_counter() - begun
    trainer.feed.close()
    return {
        "way": "reader",
        "rows_per_second": count / seconds,
        "validation_bound_nats": float("nan"),
        "seconds_before_training": ready,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "share_of_time_waiting": 1.0,
        "how": trainer.how_fed,
    }


def _grain_alone(path: Path) -> dict[str, float | str]:
    """An epoch of Grain's batches."""
    import grain  # pyright: ignore[reportMissingImports]

    begun = time.perf_counter()
    rows = grain.experimental.ParquetIterDataset(str(path)).map(lambda row: np.fromiter(row.values(), np.float32, len(row)))
    window = grain.experimental.WindowShuffleIterDataset(rows, window_size=GRAIN_WINDOW, seed=0)
    batches = grain.experimental.ThreadPrefetchIterDataset(window.batch(BATCH, drop_remainder=True), prefetch_buffer_size=8)
    reader = iter(batches)
    count = len(next(reader))
    ready = time.perf_counter() - begun
    for batch in reader:
        count += len(batch)
    return {
        "way": "grain",
        "rows_per_second": count / (time.perf_counter() - begun),
        "validation_bound_nats": float("nan"),
        "seconds_before_training": ready,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "share_of_time_waiting": 1.0,
        "how": f"Grain {grain.__version__}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--images", type=int, help="so many images in place of a table")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS[:2])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("FILE", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        sys.stdout.write(json.dumps(measured(Path(given.one[0]), given.one[1], given.epochs)))
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("images" if given.images else "table.parquet")
        if given.images:
            write_images(path, given.images)
        else:
            write_table(path, given.rows, given.columns)
        for way in given.ways:
            command = [sys.executable, __file__, "--epochs", str(given.epochs), "--one", str(path), way]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))
            one = found[-1]
            sys.stdout.write(
                f"{way}: {one['rows_per_second']:,.0f} examples/s, {one['peak_memory_gb']:.2f} GB at most, "
                f"{one['seconds_before_training']:.1f} s before the first step, {one['share_of_time_waiting']:.1%} waiting, "
                f"bound {one['validation_bound_nats']:.3f} nats. {one['how']}\n"
            )
            sys.stdout.flush()
    record = {"rows": given.rows, "columns": given.columns, "images": given.images, "machine": platform.machine(), "found": found}
    if given.json:
        given.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
