"""`info`, `datasets` and `recipes`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import command, good

from lowerbound.config.catalogue import CATALOGUE
from lowerbound.data.named import NAMED_SETS
from lowerbound.recipes import recipe_names


def test_datasets_says_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Presence is a matter of names and sizes here; what is in a file is checked when it is loaded.
    (tmp_path / "frey_faces").mkdir()
    (tmp_path / "frey_faces" / "frey_rawface.mat").write_bytes(b"123")
    listed = json.loads(good("datasets", "--data-dir", tmp_path, "--json").stdout)
    assert [each["name"] for each in listed] == list(NAMED_SETS)
    present = {each["name"]: each["present"] for each in listed}
    assert present == {name: name in ("faces", "digits", "frey-faces") for name in NAMED_SETS}
    monkeypatch.setenv("LOWERBOUND_DATA", str(tmp_path))
    text = good("datasets").stdout
    assert f"Data directory: {tmp_path}" in text
    for name in NAMED_SETS:
        assert f" {name} " in text
    assert text.count("not here: fetched when first used") == 3
    assert text.count("built in") == 2


def test_recipes_are_listed_with_their_papers() -> None:
    listed = json.loads(good("recipes", "--json").stdout)
    assert [each["name"] for each in listed] == recipe_names()
    by_name = {each["name"]: each for each in listed}
    assert by_name["post-2018"]["config"]["training"]["epochs"] == 10_000
    text = good("recipes").stdout
    for each in listed:
        assert f"{each['name']}: {each['title']}" in text
        assert each["citation"]["title"] in text


def test_info_says_what_a_run_is(images_run: Path) -> None:
    text = " ".join(good("info", images_run).stdout.split())
    scores = json.loads((images_run / "evaluation.json").read_text())
    assert (scores.pop("format"), scores.pop("version")) == ("lowerbound-evaluation", 4)
    for part in (
        "120 examples of 4 x 5, uint8",
        "96 train, 12 validation, 12 test (shuffled)",
        "mlp, encoder [8], decoder [8]",
        "6 epochs in",
        "all epochs",
        f"{scores['elbo_nats']:,.2f} nats",
        "report.html",
    ):
        assert part in text, part
    fields = json.loads(good("info", images_run, "--json").stdout)
    assert fields["scores"] == scores
    assert fields["config"]["model"]["latent_dim"] == 2
    assert fields["data"]["sizes"] == {"train": 96, "validation": 12, "test": 12}
    assert fields["epochs_done"] == 6


@pytest.mark.parametrize("name", ["info", "evaluate", "resume"])
def test_what_is_no_run_is_refused(name: str, tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        result = command("train", "--resume", path) if name == "resume" else command(name, path)
        assert result.status == 1
        return result.error

    assert f"{tmp_path / 'none'} is not a run folder: it does not exist" in refused(tmp_path / "none")
    assert "there is no run.json in it. Give the folder that `lowerbound train` made" in refused(tmp_path)
    (tmp_path / "file").write_text("x")
    assert "it is a file" in refused(tmp_path / "file")
    for text, message in (
        ("{", "is not readable JSON"),
        ("[1]", "is not one of ours"),
        ('{"format": "another", "version": 1}', "is not one of ours"),
        ('{"format": "lowerbound-run"}', "has the format version None; expected an integer from 1 to 2"),
        ('{"format": "lowerbound-run", "version": 3}', "was made by a newer lowerbound (None): its format version is 3"),
    ):
        (tmp_path / "run.json").write_text(text)
        assert message in refused(tmp_path)


def test_info_names_a_file_of_scores_that_is_torn(images_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("run.json", "config.toml"):
        shutil.copy(images_run / name, run)
    assert "(not ended yet)" in good("info", run).stdout
    (run / "evaluation.json").write_text('{"elbo_nats": ')
    result = command("info", run)
    assert result.status == 1
    assert f"{run / 'evaluation.json'} is not readable JSON" in result.error


def test_cite_prints_bibtex_of_a_run_and_of_a_recipe(images_run: Path) -> None:
    text = good("cite", images_run).stdout
    assert text.count("@inproceedings{kingma2014,") == 1
    assert "@inproceedings{kingma2015adam," in text
    assert "planar" not in text
    assert "{rezende2015," in good("cite", "planar-2015").stdout
    assert "is not a run folder" in command("cite", "nothing-here").stderr


def test_parts_lists_every_part() -> None:
    listed = json.loads(good("parts", "--json").stdout)
    text = good("parts").stdout
    for kind, entries in CATALOGUE.items():
        assert set(listed[kind]) == set(entries)
        assert all(name in text for name in entries)
    assert "Rezende and Mohamed 2015" in good("parts", "posterior").stdout
    assert "KIND or NAME is 'priors', which does not exist. Did you mean 'prior'?" in command("parts", "priors").error


def test_a_part_is_explained_by_its_keys() -> None:
    text = " ".join(good("parts", "iwae").stdout.split())
    assert "objective.name = iwae" in text
    assert "num_samples │ 5 │ an integer >= 1 │ K: importance weights" in text
    explained = json.loads(good("parts", "spline-flow", "--json").stdout)
    assert explained["prior"]["spline-flow"]["keys"]["num_bins"] == {
        "default": 8, "allowed": "an integer >= 2", "help": "bins of the rational-quadratic spline",
    }  # fmt: skip
    # One name, two parts.
    assert list(json.loads(good("parts", "low-rank-gaussian", "--json").stdout)) == ["posterior", "likelihood"]
    assert "KIND or NAME is 'spline', which does not exist. Did you mean 'spline-flow'?" in command("parts", "spline").error


@pytest.mark.parametrize("text", ["[/foo]", "[bold]x", "[link=http://a.example]x[/link]", ":smile:", "a[0]"])
def test_texts_of_files_are_shown_as_they_are(images_run: Path, tmp_path: Path, text: str) -> None:
    run = tmp_path / f"run {text.replace('/', '')}"
    shutil.copytree(images_run, run)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "recipe": text}))
    shown = good("info", run).stdout
    assert text in shown
    assert run.name in shown.replace("\n", "")
    assert run.name in good("doctor", run, "--split", "test").stdout


def test_control_characters_are_spelled_out(images_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(images_run, run)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "recipe": "\x1b[31mred\x07\udcff"}))
    shown = good("info", run).stdout
    assert "\x1b" not in shown
    assert r"\x1b[31mred\x07\udcff" in shown


def test_a_run_named_like_markup_is_compared(images_run: Path, tmp_path: Path) -> None:
    shutil.copytree(images_run, tmp_path / "a[b]")
    shown = good("compare", images_run, tmp_path / "a[b]", "--samples", 2).stdout
    assert "a[b]" in shown.replace("\n", "")
