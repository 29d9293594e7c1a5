"""What a stranger may write into a folder, with a right checksum, is refused at the door: the file, the field, got, expected."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from lowerbound import VAE
from lowerbound.errors import ModelFolderError
from lowerbound.runs.folder import RunFolder
from lowerbound.storage.upgrades import CURRENT, UPGRADES, OldLeaves, upgraded

SAVED = Path(__file__).parent / "saved" / "v0.1.0"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAVED / "estimators" / "gaussian", tmp_path / "model"))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(SAVED / "runs" / "vamp-averaged-iwae-whole", tmp_path / "run")))


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit a document and give it a right checksum, as a stranger could."""
    document = json.loads(file.read_text())
    document.pop("checksum", None)
    edit(document)
    document["checksum"] = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    file.write_text(json.dumps(document))


def spec(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["data_spec"].update(fields)


def section(name: str, **fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["config"][name].update(fields)


CONFIG = {
    "shape below 1": (spec(event_shape=[-2, 3]), r"event_shape is \(-2, 3\); expected one size or more, each from 1 up"),
    "shape of fractions": (spec(event_shape=[2.5]), r"data_spec\.event_shape\[0\] is 2\.5; expected a whole number"),
    "no shape": (spec(event_shape=None), r"data_spec\.event_shape is None; expected a list"),
    "text for a shape": (spec(event_shape="abc"), r"data_spec\.event_shape is 'abc'; expected a list"),
    "shape of a million": (spec(event_shape=[10**6, 10**6]), r"data_spec\.step has 6 entries; expected 1000000000000, one for"),
    "kind": (spec(kind="sound"), r"data_spec\.kind is 'sound'; expected one of 'binary', 'integer', 'continuous'"),
    "condition": (spec(condition=3), r"data_spec\.condition is 3; expected an object with fields or null"),
    "unknown field": (spec(hight=3.0), r"the field data_spec\.hight is not known \(is high meant\?\); expected event_shape"),
    "missing field": (
        lambda document: document["data_spec"].pop("mean"),
        r"the field data_spec\.mean is missing; expected a list",
    ),
    "huge integer": (spec(low=10**400), r"data_spec\.low is 1000.*\.\.\.; expected an integer of at most 63 bits"),
    "no configuration": (lambda document: document.pop("config"), r"the field config is missing; expected an object"),
    "configuration of numbers": (
        lambda document: document.update(config=[1]),
        r"config is \[1\]; expected an object with fields",
    ),
    "a thousand million latents": (
        section("model", latent_dim=10**9),
        r"asks for parts of the sizes 1,000,000,000, .* holds \d+ num",
    ),
    "wide and wide": (section("network", hidden_widths=[60000, 60000]), r"sizes 60,000, 60,000, and weights\.safetensors holds"),
    "impossible value": (section("model", latent_dim=-1), r"no model can be made from config\.json: model\.latent_dim is -1"),
    "weights of no size": (lambda document: document.update(weights_bytes="x"), r"weights_bytes is 'x'; expected a whole number"),
}


@pytest.mark.parametrize("name", CONFIG)
def test_a_configuration_that_cannot_be_is_refused_with_file_field_got_and_expected(name: str, model: Path) -> None:
    edit, message = CONFIG[name]
    change(model / "config.json", edit)
    with pytest.raises(ModelFolderError, match=message) as caught:
        VAE.load(model)
    assert str(model) in str(caught.value)


HUGE = {"prior": {"part": "MixtureOfGaussians", "fields": {"latent_dim": 2, "num_components": 10**10}}}
ESTIMATOR = {
    "no parts": (lambda document: document.pop("parts"), r"estimator\.json: the field parts is missing"),
    "parts in a list": (lambda document: document.update(parts=[1]), r"estimator\.json: parts is \[1\]; expected an object"),
    "unknown kind": (
        lambda document: document.update(parts={"evil": {}}),
        r"a stored part of the kind 'evil'; expected one of lik",
    ),
    "a text in the history": (
        lambda d: d.update(history={"epoch": ["x"]}),
        r"history\.epoch\[0\] is 'x'; expected a number or null",
    ),
    "history of no columns": (lambda document: document.update(history=3), r"history is 3; expected an object with fields"),
    "huge": (lambda document: document.update(parts=HUGE), r"asks for parts of the sizes 10,000,000,000, 2, and weights\.safet"),
}


@pytest.mark.parametrize("name", ESTIMATOR)
def test_a_strangers_estimator_file_is_refused(name: str, model: Path) -> None:
    edit, message = ESTIMATOR[name]
    change(model / "estimator.json", edit)
    with pytest.raises(ModelFolderError, match=message):
        VAE.load(model)


def test_a_document_nested_without_end_is_refused(model: Path, run: RunFolder) -> None:
    (model / "config.json").write_text("[" * 100_000)
    with pytest.raises(ModelFolderError, match=r"config\.json is not readable JSON \(it is nested too deeply\)"):
        VAE.load(model)
    (run.path / "evaluation.json").write_text("[" * 100_000)
    with pytest.raises(ModelFolderError, match=r"evaluation\.json is not readable JSON \(it is nested too deeply\)"):
        run.scores()


@pytest.mark.parametrize("key", ["data", "recipe", "versions", "machine", "seconds"])
def test_a_run_record_without_a_key_is_refused(key: str, run: RunFolder) -> None:
    record = json.loads((run.path / "run.json").read_text())
    del record[key]
    (run.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(ModelFolderError, match=rf"run\.json: the field {key} is missing; expected"):
        RunFolder.open(run.path)


def test_scores_that_are_no_numbers_are_refused(run: RunFolder) -> None:
    document = json.loads((run.path / "evaluation.json").read_text())
    (run.path / "evaluation.json").write_text(json.dumps({**document, "elbo_nats": "x"}))
    with pytest.raises(
        ModelFolderError, match=r"evaluation\.json: elbo_nats is 'x'; expected a number or null\. Delete the file"
    ):
        run.scores()
    (run.path / "evaluation.json").write_text(json.dumps({**document, "format": "lowerbound-evaluation", "version": 99}))
    with pytest.raises(ModelFolderError, match=r"evaluation\.json was made by a newer lowerbound .*: its format version is 99"):
        run.scores()
    # What was not finite is null, and a file of today goes back and forth.
    today = {**document, "elbo_nats": None, "given": None, "weights_kl_nats": None, "discrete_log_evidence_nats": None}
    run.write_scores(today)
    assert run.scores() == today
    assert json.loads((run.path / "evaluation.json").read_text())["version"] == 4
    # Release 0.2.0 said nothing of random weights.
    of_0_2 = {name: value for name, value in today.items() if name not in ("weights_kl_nats", "discrete_log_evidence_nats")}
    (run.path / "evaluation.json").write_text(json.dumps({"format": "lowerbound-evaluation", "version": 2, **of_0_2}))
    assert run.scores() == today


@pytest.mark.parametrize(
    ("likelihood", "given"),
    [("", None), ('name = "poisson"\nlibrary_size = true', "total as size"), ('name = "multinomial"', "total")],
)
def test_scores_that_0_1_0_wrote_say_what_they_are_given_by_its_likelihood(likelihood: str, given: Any, run: RunFolder) -> None:
    text = (run.path / "config.toml").read_text()
    if likelihood:
        start = text.index("[likelihood]")
        text = f"{text[:start]}[likelihood]\n{likelihood}\n\n{text[text.index('[', start + 1) :]}"
        (run.path / "config.toml").write_text(text)
    scores = run.scores()
    assert scores is not None
    assert (scores["given"], scores["split"]) == (given, "test")
    assert "likelihood" not in scores


def test_figures_that_are_no_figures_are_refused(run: RunFolder) -> None:
    metrics, header = run.path / "metrics.csv", (run.path / "metrics.csv").read_text().splitlines()[0]
    for content in (b"\xff\xfe\0\n", f"{header}\n{','.join('x' * (header.count(',') + 1))}\n".encode()):
        metrics.write_bytes(content)
        for read in (run.metrics.read, lambda: run.metrics.keep_until(3)):
            with pytest.raises(ModelFolderError, match=r"metrics\.csv cannot be read: .* the run itself does not need it"):
                read()


# Growth ----------------------------------------------------------------------------------------------------------------------


def test_a_column_that_an_earlier_release_did_not_write_is_empty_and_an_unknown_one_is_refused(run: RunFolder) -> None:
    metrics = run.path / "metrics.csv"
    rows = [line.split(",") for line in metrics.read_text().splitlines()]
    column = rows[0].index("gradient_norm")
    metrics.write_text("".join(",".join(row[:column] + row[column + 1 :]) + "\n" for row in rows))
    for _ in range(2):
        found = run.metrics.read()
        assert found["step"].tolist() == [float(row[rows[0].index("step")]) for row in rows[1:]]
        assert set(map(str, found["gradient_norm"])) == {"nan"}
        run.metrics.keep_until(10**6)
    metrics.write_text("step,colour\n1,2\n")
    with pytest.raises(ModelFolderError, match=r"has the columns \['step', 'colour'\]; expected \['epoch'"):
        run.metrics.read()


def test_upgrades_go_step_by_step_and_leave_the_original_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowerbound.storage.upgrades.CURRENT", {**CURRENT, "lowerbound-checkpoint": 3})
    monkeypatch.setitem(UPGRADES, ("lowerbound-checkpoint", 1), lambda document: {**document, "first": 1})
    monkeypatch.setitem(UPGRADES, ("lowerbound-checkpoint", 2), lambda document: {**document, "second": document["first"] + 1})
    original = {"step": 3}
    assert upgraded("lowerbound-checkpoint", 1, original) == {"step": 3, "first": 1, "second": 2}
    assert upgraded("lowerbound-checkpoint", 3, original) == original == {"step": 3}
    renames = {("lowerbound-model", 1): {r"^decoder\.": "generator."}}
    monkeypatch.setattr("lowerbound.storage.upgrades.RENAMED_LEAVES", renames)
    assert OldLeaves("lowerbound-model", 1).renamed("decoder.layers.0.weight") == "generator.layers.0.weight"
    newest = OldLeaves("lowerbound-model", CURRENT["lowerbound-model"])
    assert newest.renamed("decoder.layers.0.weight") == "decoder.layers.0.weight"


def test_a_leaf_that_a_release_had_not_is_the_constant_that_it_took_and_any_other_is_missed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = safetensors.numpy.load((model / "weights.safetensors").read_bytes())
    name = "decoder.layers.0.bias"
    del weights[name]
    content = safetensors.numpy.save(weights)
    (model / "weights.safetensors").write_bytes(content)
    change(
        model / "config.json",
        lambda document: document.update(weights_bytes=len(content), weights_sha256=hashlib.sha256(content).hexdigest()),
    )
    with pytest.raises(ModelFolderError, match=r"it lacks 'decoder\.layers\.0\.bias' and has nothing"):
        VAE.load(model)
    monkeypatch.setattr(
        "lowerbound.storage.upgrades.NEW_LEAVES", {("lowerbound-model", 1): {r"^decoder\.layers\.0\.bias$": 0.25}}
    )
    decoder: Any = VAE.load(model).model_.decoder  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_array_equal(decoder.layers[0].bias, np.full(decoder.layers[0].bias.shape, 0.25, np.float32))
    # A file of the version that has the leaf must hold it.
    assert OldLeaves("lowerbound-model", 2).constant(name) is None
