"""`lowerbound train --validation` and `--from`: rows for validation that a person chose, and training that goes on elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from commands import command, good, weights

from lowerbound import VAE
from lowerbound.assembly.build import with_weights_of
from lowerbound.config import ResolvedConfig
from lowerbound.data.datasets import load_configured
from lowerbound.data.splits import Split
from lowerbound.errors import ConfigurationError, ModelFolderError
from lowerbound.runs.folder import load_model
from lowerbound.runs.start import Start
from lowerbound.runs.training import TrainingRun
from lowerbound.storage.arrays import arrays_to_bytes

SMALL = (
    *("--recipe", "post-2018", "--set", "network.hidden_widths=[8]", "--set", "network.activations=elu"),
    *("--set", "model.latent_dim=2", "--set", "data.test=10", "--epochs", 2, "--no-report"),
)


def _table(path: Path, count: int, *, seed: int, shift: float = 0.0, names: str = "a,b,kind") -> Path:
    rng = np.random.default_rng(seed)
    drawn = zip(*rng.normal(size=(2, count)), rng.integers(2, size=count), strict=True)
    rows = [f"{a + shift:.4f},{b:.4f},{'xy'[kind]}" for a, b, kind in drawn]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    data, valid = _table(folder / "train.csv", 60, seed=0), _table(folder / "valid.csv", 20, seed=1, shift=1)
    options = ("--set", "data.condition=kind", "--validation", valid)
    result = good("train", data, *SMALL, *options, "--out", folder / "run")
    assert "(50 train, 20 validation, 10 test)" in result.stderr
    return folder / "run"


def test_own_validation_rows_are_recorded_and_found_again(run: Path) -> None:
    data = tomllib.loads((run / "config.toml").read_text())["data"]
    assert data["validation"] == str(run.parent / "valid.csv")
    np.testing.assert_array_equal(Split.load(run / "split.npz").validation, np.arange(60, 80))
    spec = json.loads((run / "model" / "config.json").read_text())["data_spec"]
    assert abs(spec["mean"][0]) < 0.4, "the data are described from the training rows alone"
    assert "nothing to do" in good("train", "--resume", run, "--no-report").stderr
    for split in ("validation", "test"):
        good("evaluate", run, "--split", split, "--samples", 2, "--json")
    other = command("train", "--resume", run, "--validation", "x.csv")
    assert "--validation cannot be given with it" in other.error


def test_changed_validation_rows_are_refused(run: Path) -> None:
    valid = run.parent / "valid.csv"
    before = valid.read_text()
    try:
        valid.write_text(before.replace("\n1", "\n2", 1).replace("\n0", "\n3", 1))
        assert "these are not the data that the run began with" in command("evaluate", run, "--samples", 2).error
        valid.unlink()
        assert f"there is no file {valid}" in command("train", "--resume", run, "--epochs", 3).error
    finally:
        valid.write_text(before)


def test_other_columns_and_far_rows_are_told(run: Path, tmp_path: Path) -> None:
    options = (run.parent / "train.csv", *SMALL, "--set", "data.condition=kind", "--out", tmp_path / "run")
    other = _table(tmp_path / "other.csv", 20, seed=1, names="a,c,kind")
    failed = command("train", *options, "--validation", other)
    assert f"{other} lacks 1 of the 2 columns of {run.parent / 'train.csv'}: 'b'" in failed.error
    assert "data.validation is 'late', which does not exist" in command("train", *options, "--validation", "late").error
    assert not (tmp_path / "run").exists()
    far = _table(tmp_path / "far.csv", 20, seed=1, shift=100)
    assert (
        "train.csv, the rows for validation: every value of column 'a' lies outside"
        in good("train", *options, "--validation", far).stderr
    )


def _reordered(source: Path, target: Path) -> Path:
    """The same table with another order of its columns and one more."""
    rows = [line.split(",") for line in source.read_text().splitlines()]
    target.write_text("".join(f"{kind},{index or 'id'},{b},{a}\n" for index, (a, b, kind) in enumerate(rows)))
    return target


def test_training_begins_with_another_runs_model(run: Path, tmp_path: Path) -> None:
    data = _reordered(_table(tmp_path / "rows.csv", 80, seed=2, shift=1), tmp_path / "new.csv")
    new = tmp_path / "new"
    options = ("--set", "data.validation=20", "--set", "training.learning_rate=1e-30", "--no-report", "--out", new)
    result = good("train", data, "--from", run, *options)
    assert f"note: it begins with the weights of {run}, and takes the data's shift and scale as that model" in result.stderr
    assert weights(new / "model") == weights(run / "model"), "a rate of next to nothing leaves them as they were"
    specs = [json.loads((each / "model" / "config.json").read_text())["data_spec"] for each in (run, new)]
    assert specs[0] == specs[1]
    record = json.loads((new / "run.json").read_text())
    assert record["started_from"]["path"] == str(run)
    assert record["recipe"] == "post-2018"
    assert "began with" in good("info", new).stdout
    good("train", "--resume", new, "--epochs", 3, "--no-report")
    good("evaluate", new, "--samples", 2)


def _weights_now(run: TrainingRun) -> bytes:
    return arrays_to_bytes(run.trainer.current_model(run.progress))


def test_the_first_checkpoint_is_the_other_runs_model(run: Path, tmp_path: Path) -> None:
    """A run that was stopped before its first chunk ended goes on from those weights, and not from fresh ones."""
    start = Start(run, *load_model(run / "model"))
    dataset = load_configured(start.config.data)
    begun = TrainingRun.begin(tmp_path / "new", start.config, dataset, recipe="", command="", start=start)
    assert weights(tmp_path / "new" / "checkpoints" / "step-00000000") == weights(run / "model")
    assert _weights_now(TrainingRun.resume(tmp_path / "new", dataset)) == _weights_now(begun)
    shutil.rmtree(tmp_path / "new" / "checkpoints")
    with pytest.raises(ModelFolderError, match=r"has no checkpoint that can be used, and it began with the model of .*--from"):
        TrainingRun.resume(tmp_path / "new", dataset)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--set", "model.latent_dim=3", "--set", "network.hidden_widths=[9]", "--set", "data.scaling=unit"),
            r"data.scaling is 'unit', but the model to go on from has 'standard'; model.latent_dim is 3, but the model to go on "
            r"from has 2; network.hidden_widths is \[9\], .*; expected the same. Leave it as it was, or train from the start",
        ),
        (("--recipe", "beta-vae"), r"model.latent_dim is \d+, but the model to go on from has 2.*network.hidden_widths is"),
        (("--set", "data.condition="), r"was trained with the condition 'kind'; expected the same"),
        (("--resume", "x"), r"--from cannot be given with it"),
    ],
)
def test_another_model_is_refused(run: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    out = () if "--resume" in options else ("--out", tmp_path / "new")
    assert re.search(message, command("train", "--from", run, *options, *out).error)
    assert not (tmp_path / "new").exists()


def test_data_of_another_form_are_refused(run: Path, tmp_path: Path) -> None:
    def error(data: Path, *options: str) -> str:
        return command("train", data, "--from", run, *options, "--out", tmp_path / "new").error

    columns = _table(tmp_path / "c.csv", 20, seed=1, names="a,c,kind")
    assert "lacks 1 of the 2 columns that the model was trained on: 'b'" in error(columns)
    far = _table(tmp_path / "far.csv", 20, seed=1, shift=100)
    assert "every value of column 'a' lies outside the range of the training data" in error(far)
    other = _table(tmp_path / "z.csv", 20, seed=1)
    other.write_text(other.read_text().replace(",x", ",z"))
    assert "the condition 'kind' has the value z" in error(other)
    other.write_text(re.sub(",[yz]|,kind", "", other.read_text()))
    given = error(other, "--set", "data.condition=")
    assert f"data.condition is '', but the model of {run} was trained with the condition 'kind'; expected the same" in given
    assert "is not a run folder" in command("train", far, "--from", tmp_path / "absent").error
    alone = command("train", "--from", run / "model", "--out", tmp_path / "new")
    assert "holds a model without its data; give them: lowerbound train DATA --from" in alone.error
    assert not (tmp_path / "new").exists()


def test_a_saved_estimator_needs_data_and_parts_that_a_configuration_names(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved"
    VAE.load(run).save(path)
    assert "holds a model without its data" in command("train", "--from", path, "--out", tmp_path / "new").error
    start = Start(run, *load_model(run / "model"))
    other = start.config.updated({"model": {"latent_dim": 3}})
    with pytest.raises(ConfigurationError, match=r"parts that its configuration does not name.*set_params\(warm_start=True\)"):
        with_weights_of(start.model, ResolvedConfig(other), start.spec)
