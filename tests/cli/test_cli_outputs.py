"""`evaluate`, `sample`, `reconstruct` and `encode`."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from commands import SMALL_ALONE, command, good, small_images
from support.chance import not_above

from lowerbound import VAE

FORMATS = {
    "elbo_nats": float,
    "log_evidence_nats": float,
    "standard_error": float,
    "num_samples": int,
    "kl_nats": float,
    "active_units": int,
}


def _unfinished(run: Path, folder: Path) -> Path:
    """The same run as its process would have left it, had it been stopped before its end."""
    shutil.copytree(run, folder)
    shutil.rmtree(folder / "model")
    return folder


# Scores --------------------------------------------------------------------------------------------------------------------


def test_evaluate_prints_one_object(images_run: Path, bits_run: Path) -> None:
    for run, is_discrete in ((images_run, False), (bits_run, True)):
        scores = json.loads(good("evaluate", run, "--samples", 20, "--json").stdout)
        for name, kind in FORMATS.items():
            assert type(scores[name]) is kind, name
        assert scores["num_samples"] == 20
        assert scores["num_examples"] == 12
        assert not_above(scores["elbo_nats"], scores["log_evidence_nats"], scores["standard_error"], num_draws=12)
        assert 0 <= scores["active_units"] <= 2
        if is_discrete:
            assert scores["bits_per_dim"] == pytest.approx(-scores["log_evidence_nats"] / (20 * math.log(2)))
        else:
            assert scores["bits_per_dim"] is None


def test_evaluate_follows_its_split_samples_and_seed(images_run: Path) -> None:
    def evidence(*options: object) -> tuple[str, int, float]:
        scores = json.loads(good("evaluate", images_run, "--samples", 20, "--json", *options).stdout)
        return scores["split"], scores["num_examples"], scores["log_evidence_nats"]

    standard = evidence()
    assert standard[:2] == ("test", 12)
    assert evidence() == standard
    assert evidence("--seed", 1)[2] != standard[2]
    assert evidence("--split", "train")[:2] == ("train", 96)


def test_evaluate_for_people_names_units(images_run: Path, bits_run: Path) -> None:
    density = good("evaluate", images_run, "--samples", 20).stdout
    assert "test split, 12 examples" in density
    assert "ELBO [nats]" in density
    assert "log-densities in your units" in density
    assert "bits/dim" not in density
    mass = good("evaluate", bits_run, "--samples", 20).stdout
    assert "bits/dim" in mass
    assert "log-probabilities" in mass


@pytest.mark.parametrize("name", ["evaluate", "reconstruct"])
def test_an_empty_split_says_which_to_use(table_run: Path, name: str, tmp_path: Path) -> None:
    options = ["--out", tmp_path / "x.npy"] if name == "reconstruct" else []
    result = command(name, table_run, *options)
    assert result.status == 1
    assert f"the test split of {table_run} is empty" in result.error
    assert "Use --split validation (8 examples), or train again with data.test above 0." in result.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["evaluate", "reconstruct"])
def test_a_misspelt_split_is_put_right(images_run: Path, name: str, tmp_path: Path) -> None:
    options = ["--out", tmp_path / "x.npy"] if name == "reconstruct" else []
    result = command(name, images_run, "--split", "tset", *options)
    assert result.status == 2
    assert "--split is 'tset', which does not exist. Did you mean 'test'?" in result.error


def test_a_run_whose_data_changed_is_not_scored(images_run: Path, tmp_path: Path) -> None:
    """Also what was trained on and what was held out would no longer be what they were."""
    run, data = tmp_path / "run", tmp_path / "images.npy"
    shutil.copytree(images_run, run)
    config = json.loads((run / "model" / "config.json").read_text())
    np.save(data, small_images(seed=1))
    original = Path(config["config"]["data"]["name"])
    kept = original.read_bytes()
    try:
        original.write_bytes(data.read_bytes())
        result = command("evaluate", run, "--samples", 5)
    finally:
        original.write_bytes(kept)
    assert result.status == 1
    assert "these are not the data that the run began with" in result.error
    assert "the values are not" in result.error


# New examples --------------------------------------------------------------------------------------------------------------


def test_sample_draws_by_default_and_repeats_itself(images_run: Path, tmp_path: Path) -> None:
    result = good("sample", images_run, "--out", tmp_path / "a.npy")
    assert result.stderr == f"wrote 100 draws x ~ p(x|z) of z ~ p(z) to {tmp_path / 'a.npy'}\n"
    draws = np.load(tmp_path / "a.npy")
    assert (draws.shape, draws.dtype) == ((100, 4, 5), np.float32)
    good("sample", images_run, "-n", 100, "--draw", "--out", tmp_path / "b.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), draws)
    good("sample", images_run, "--seed", 1, "--out", tmp_path / "c.npy")
    assert not np.array_equal(np.load(tmp_path / "c.npy"), draws)
    # The same in Python, where the seed is called random_state.
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), VAE.load(images_run).sample(100, random_state=1))
    assert "decoder means E[x|z]" in good("sample", images_run, "--mean", "--out", tmp_path / "d.npy").stderr
    means = np.load(tmp_path / "d.npy")
    # The same latents without the noise of the likelihood: draws scatter about the means, by about 8 grey levels.
    assert np.abs(draws - means).mean() > 1
    assert means.std() < draws.std()


def test_sample_makes_a_picture(images_run: Path, tmp_path: Path) -> None:
    good("sample", images_run, "-n", 7, "--out", tmp_path / "new" / "a.png")
    with PIL.Image.open(tmp_path / "new" / "a.png") as picture:
        assert min(picture.size) > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "RUN", "-n", 0, "--out", "x.npy"], "-n is 0 (an integer); expected an integer >= 1."),
        (
            ["sample", "RUN", "--out", "x.jpg"],
            "--out is x.jpg, which ends in '.jpg'; expected .png or .npy or .csv or .tsv or .parquet or .feather.",
        ),
        (
            ["sample", "RUN", "--out", "x"],
            "--out is x, which ends in nothing; expected .png or .npy or .csv or .tsv or .parquet or .feather.",
        ),
        (
            ["reconstruct", "RUN", "--out", "x.jpg"],
            "--out is x.jpg, which ends in '.jpg'; expected .png or .npy or .csv or .tsv or .parquet or .feather.",
        ),
        (["encode", "RUN", "digits", "--out", "x.png"], "--out is x.png, which ends in '.png'; expected .npy or .csv."),
        (["evaluate", "RUN", "--samples", 0], "--samples is 0 (an integer); expected an integer >= 1."),
    ],
)
def test_wrong_options_are_explained(images_run: Path, arguments: list[object], message: str) -> None:
    result = command(*(images_run if argument == "RUN" else argument for argument in arguments))
    assert result.status == 2
    assert result.error == message


@pytest.mark.parametrize("name", ["sample", "reconstruct"])
def test_a_table_has_no_picture(table_run: Path, name: str, tmp_path: Path) -> None:
    split = ["--split", "train"] if name == "reconstruct" else []
    result = command(name, table_run, *split, "--out", tmp_path / "x.png")
    assert result.status == 2
    assert "the examples have shape (4,), which is no image. Give a .csv or a .npy file." in result.error
    good(name, table_run, *split, "--out", tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").shape == ((72 if split else 100), 4)


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "RUN", "--out", "OUT.npy"],
        ["reconstruct", "RUN", "--out", "OUT.png"],
        ["encode", "RUN", "OUT.npy", "--out", "OUT.npy"],
        ["traverse", "RUN", "--out", "OUT.png"],
        ["interpolate", "RUN", "--from", 0, "--to", 1, "--out", "OUT.npy"],
        ["evaluate", "RUN", "--bound-figure", "OUT.png"],
    ],
)
def test_a_file_that_is_there_is_not_replaced(images_run: Path, tmp_path: Path, words: list[object]) -> None:
    file = tmp_path / f"mine.{str(words[-1]).partition('.')[2]}"
    file.write_bytes(b"mine")
    places = {"RUN": images_run, "OUT.npy": file, "OUT.png": file}
    result = command(*(places.get(str(word), word) for word in words))
    assert result.status == 2
    assert result.error == (
        f"{words[-2]} is {file}, which is there already; nothing was touched. "
        "Give another name, or add --overwrite to replace it."
    )
    assert file.read_bytes() == b"mine"


def test_a_file_is_replaced_where_that_is_said_and_a_folder_never(images_run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"old")
    (tmp_path / "b.npy").mkdir()
    good("sample", images_run, "-n", 2, "--out", tmp_path / "a.npy", "--overwrite")
    assert np.load(tmp_path / "a.npy").shape == (2, 4, 5)
    result = command("sample", images_run, "--out", tmp_path / "b.npy", "--overwrite")
    assert (result.status, result.error) == (
        2,
        f"--out is {tmp_path / 'b.npy'}, which is a folder; nothing was touched. Give another name.",
    )


# Reconstructions and codes -------------------------------------------------------------------------------------------------


def test_reconstruct_own_data_and_other_data(images_run: Path, files: Path, tmp_path: Path) -> None:
    assert "wrote 12 reconstructions" in good("reconstruct", images_run, "--out", tmp_path / "a.npy").stderr
    assert np.load(tmp_path / "a.npy").shape == (12, 4, 5)
    good("reconstruct", images_run, files / "images.npy", "--out", tmp_path / "b.npy")
    assert np.load(tmp_path / "b.npy").shape == (120, 4, 5)
    good("reconstruct", images_run, "--out", tmp_path / "a.png")
    with PIL.Image.open(tmp_path / "a.png") as picture:
        assert min(picture.size) > 50


def test_encode_writes_the_same_codes_every_time(images_run: Path, files: Path, tmp_path: Path) -> None:
    result = good("encode", images_run, files / "images.npy", "--out", tmp_path / "a.npy")
    assert "the codes E[z|x] of 120 examples, 2 latents each" in result.stderr
    good("encode", images_run, files / "images.npy", "--out", tmp_path / "b.npy")
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    codes = np.load(tmp_path / "a.npy")
    assert codes.shape == (120, 2)
    good("encode", images_run, files / "images.npy", "--out", tmp_path / "a.csv")
    header, *rows = (tmp_path / "a.csv").read_text().splitlines()
    assert header == "z0,z1"
    # Every digit of a float32 is there.
    np.testing.assert_array_equal(np.array([row.split(",") for row in rows], np.float32), codes)


def test_encode_refuses_what_the_run_was_not_made_for(images_run: Path, bits_run: Path, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npy"
    result = command("encode", bits_run, files / "images.npy", "--out", out)
    assert result.status == 1
    assert "values outside the support of the likelihood 'bernoulli': the first is" in result.error
    assert "at index (0, 0, 0); expected 0 or 1." in result.error
    result = command("encode", images_run, files / "table.npy", "--out", out)
    assert result.status == 1
    assert "has shape (80, 4); expected (n, 4, 5), as in fit" in result.error
    assert not out.exists()


# Runs that are not whole ---------------------------------------------------------------------------------------------------


def test_a_run_that_has_not_ended_is_used_as_it_stands(images_run: Path, tmp_path: Path) -> None:
    run = _unfinished(images_run, tmp_path / "run")
    result = good("evaluate", run, "--samples", 20, "--json")
    assert result.stderr == (
        f"note: {run} has not ended; this is its checkpoint of step 24. Continue it with: lowerbound train --resume {run}\n"
    )
    assert json.loads(result.stdout)["num_examples"] == 12
    shutil.rmtree(run / "checkpoints")
    result = command("evaluate", run)
    assert result.status == 1
    assert f"has not ended: there is no model yet. Continue it: lowerbound train --resume {run}." in result.error


def test_a_damaged_model_is_refused(images_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(images_run, run)
    file = run / "model" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    result = command("sample", run, "--out", tmp_path / "x.npy")
    assert result.status == 1
    assert f"{file} is torn or changed" in result.error
    config = run / "model" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "format_version": 99}))
    result = command("sample", run, "--out", tmp_path / "x.npy")
    assert result.status == 1
    assert "was made by a newer lowerbound" in result.error
    assert not (tmp_path / "x.npy").exists()


def test_a_table_of_text_goes_in_and_comes_out_by_its_names(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal([170, 70], [10, 8], (120, 2)).round(1)
    lines = [f"{height},{weight}" for height, weight in rows.tolist()]
    (tmp_path / "people.csv").write_text("\n".join(["height,weight", *lines]) + "\n")
    (tmp_path / "turned.csv").write_text("\n".join(["weight,height", *(f"{b},{a}" for a, b in rows.tolist())]) + "\n")
    run = tmp_path / "run"
    good("train", tmp_path / "people.csv", "--no-report", "--epochs", 2, "--set", "model.latent_dim=2", "--out", run)
    good("sample", run, "-n", 3, "--out", tmp_path / "new.csv")
    header, *new = (tmp_path / "new.csv").read_text().splitlines()
    assert (header, len(new)) == ("height,weight", 3)
    good("sample", run, "-n", 3, "--out", tmp_path / "new.npy")
    np.testing.assert_allclose(np.loadtxt(new, delimiter=","), np.load(tmp_path / "new.npy"), rtol=1e-6)
    for name in ("people", "turned"):
        good("encode", run, tmp_path / f"{name}.csv", "--out", tmp_path / f"{name}.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "people.npy"), np.load(tmp_path / "turned.npy"))


def test_images_are_no_table(images_run: Path, tmp_path: Path) -> None:
    result = command("sample", images_run, "--out", tmp_path / "x.csv")
    assert result.status == 2
    assert "a table, but the examples have shape (4, 5), which is no row. Give a .npy file." in result.error


def test_codes_may_come_with_their_spread(table_run: Path, files: Path, tmp_path: Path) -> None:
    good("encode", table_run, files / "table.npy", "--out", tmp_path / "codes.npy")
    good("encode", table_run, files / "table.npy", "--std", "--out", tmp_path / "both.npy")
    codes, both = np.load(tmp_path / "codes.npy"), np.load(tmp_path / "both.npy")
    np.testing.assert_array_equal(both[:, :2], codes)
    assert both.shape == (80, 4)
    assert (both[:, 2:] > 0).all()
    good("encode", table_run, files / "table.npy", "--std", "--out", tmp_path / "both.csv")
    assert (tmp_path / "both.csv").read_text().splitlines()[0] == "z0,z1,z0_std,z1_std"


def test_other_data_than_the_run_s_own_are_scored(table_run: Path, files: Path, tmp_path: Path) -> None:
    own = json.loads(good("evaluate", table_run, "--split", "train", "--samples", 20, "--json").stdout)
    np.savez(tmp_path / "some.npz", rows=np.load(files / "table.npy")[:30], names=np.arange(3))
    result = good("evaluate", table_run, tmp_path / "some.npz", "--key", "rows", "--samples", 20, "--json")
    other = json.loads(result.stdout)
    assert (other["num_examples"], other["split"]) == (30, str(tmp_path / "some.npz"))
    assert abs(other["elbo_nats"] - own["elbo_nats"]) < 1
    assert (
        f"{tmp_path / 'some.npz'}, 30 examples"
        in good("evaluate", table_run, tmp_path / "some.npz", "--key", "rows", "--samples", 20).stdout
    )


def test_the_variable_of_a_file_is_chosen_by_an_option(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", rows=np.random.default_rng(0).normal(size=(60, 3)), names=np.arange(3))
    good("train", tmp_path / "x.npz", "--key", "rows", *SMALL_ALONE, "--epochs", 1, "--out", tmp_path / "run")
    assert 'key = "rows"' in (tmp_path / "run" / "config.toml").read_text()


def test_score_gives_a_row_for_each_example(files: Path, table_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    good("score", table_run, files / "table.npy", "--out", out, "--samples", 20, "--columns")
    header, *rows = out.read_text().splitlines()
    assert header.split(",")[:3] == ["log_evidence_nats", "standard_error_nats", "effective_sample_size"]
    assert header.split(",")[5:] == [f"{column}: log p(x|z) nats" for column in range(4)]
    table = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    assert table.shape == (80, 9)
    evidence, error, size, elbo, kl = table[:, :5].T
    assert evidence.mean() > elbo.mean()
    assert (error > 0).all()
    assert ((size >= 1) & (size <= 20 + 1e-3)).all()
    # The shares are means over other draws than the bound's: near its reconstruction term, not the same.
    np.testing.assert_allclose(table[:, 5:].sum(axis=1).mean(), (elbo + kl).mean(), atol=0.5)
    good("score", table_run, files / "table.npy", "--out", tmp_path / "scores.npy", "--samples", 20)
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), table[:, :5], rtol=1e-12)
    assert command("score", table_run, files / "table.npy", "--out", out).status == 2


@pytest.mark.parametrize("name", ["one.npy", "one.csv", "folder"])
def test_a_single_new_example_is_encoded(name: str, images_run: Path, table_run: Path, tmp_path: Path) -> None:
    run, new = table_run, tmp_path / name
    if name == "one.npy":
        np.save(new, small_images(1))
        run = images_run
    elif name == "one.csv":
        new.write_text("0.5,-0.25,0.125,0.75\n")
    else:
        new.mkdir()
        PIL.Image.fromarray(small_images(1)[0]).save(new / "a.png")
        run = images_run
    good("encode", run, new, "--out", tmp_path / "codes.npy")
    assert np.load(tmp_path / "codes.npy").shape == (1, 2)
