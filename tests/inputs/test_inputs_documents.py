"""Run folders whose documents were edited: every value may have become anything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import SMALL, good
from hypothesis import given
from hypothesis import strategies as st
from judging import answered, answers, generated

from lowerbound import VAE
from lowerbound.storage.documents import sha256

_ROWS = np.random.default_rng(0).normal(size=(24, 3))
_ODD: list[Any] = [
    *(None, True, -1, 0, 3, 2**70, 10**400, 1.5, -8.5, float("inf"), float("nan")),
    *("", "x", "[/x]", "\x1b[31mred", "n" * 3000),
    *([], [1], [[1]], [-8, 8], [10**6, 10**6], {}, {"a": 1}, [None], ["x"]),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


def _changed(document: dict[str, Any], draw: Any) -> None:
    """Replace, take away or add one value."""
    place = draw(st.sampled_from(_places(document)[1:]))
    home: Any = document
    for key in place[:-1]:
        home = home[key]
    act = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
    if act == "add" and isinstance(home, dict):
        home["zzz"] = draw(st.sampled_from(_ODD))
    elif act == "remove":
        del home[place[-1]]
    else:
        home[place[-1]] = draw(st.sampled_from(_ODD))


def _deep(text: str, draw: Any) -> str:
    return draw(
        st.sampled_from([text] * 8 + ["[" * 100_000, text[: len(text) // 2], "", "[1]", "null", '{"a": ' + "9" * 5000 + "}"])
    )


FILES = ("run.json", "evaluation.json", "model/config.json")
COMMANDS = (("info",), ("sample", "-n", "2", "--out", "OUT"), ("evaluate", "--samples", "2"), ("cite",))


def _edit(file: Path, draw: Any) -> None:
    """Change one value of a document, with a right checksum; or bytes of any other file."""
    if file.suffix != ".json":
        content = bytearray(file.read_bytes())
        for place, change in draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=3)):
            content[int(place * len(content))] ^= change
        file.write_bytes(bytes(content[: int(len(content) * draw(st.sampled_from([1.0, 0.99, 0.5, 0.0])))]))
        return
    document = json.loads(file.read_text())
    _changed(document, draw)
    if "checksum" in document:
        document.pop("checksum")
        document["checksum"] = sha256(json.dumps(document, sort_keys=True).encode())
    file.write_text(_deep(json.dumps(document), draw))


@pytest.mark.parametrize("file", FILES)
@generated
@given(data=st.data())
def test_an_edited_document_is_refused_or_read(file: str, data: Any, scored: Path, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("edited")
    run = Path(shutil.copytree(scored, folder / "run"))
    _edit(run / file, data.draw)
    words = data.draw(st.sampled_from(COMMANDS))
    answers(words[0], run, *(folder / "x.npy" if word == "OUT" else word for word in words[1:]))


@generated
@given(data=st.data(), name=st.sampled_from(["checkpoint.json", "config.json", "state.safetensors", "weights.safetensors"]))
def test_an_edited_checkpoint_is_refused_or_gone_on_from(data: Any, name: str, scored: Path, tmp_path_factory: Any) -> None:
    run = Path(shutil.copytree(scored, tmp_path_factory.mktemp("edited") / "run"))
    checkpoints = sorted((run / "checkpoints").iterdir())
    _edit(data.draw(st.sampled_from(checkpoints)) / name, data.draw)
    answers("train", "--resume", run, "--epochs", 2, "--no-report")


@generated
@given(data=st.data(), name=st.sampled_from(["sweep.json", "results/seed=0.json", "results/seed=0.npy"]))
def test_an_edited_sweep_is_refused_or_shown(data: Any, name: str, swept: Path, tmp_path_factory: Any) -> None:
    folder = Path(shutil.copytree(swept, tmp_path_factory.mktemp("edited") / "sweep"))
    _edit(folder / name, data.draw)
    # All that is left to do is to read it.
    shutil.rmtree(folder / "runs")
    answers("sweep", swept.parent / "table.csv", *SMALL, "--epochs", 1, "--out", folder)


@generated
@given(data=st.data(), name=st.sampled_from(["estimator.json", "config.json", "weights.safetensors"]))
def test_an_edited_estimator_is_refused_or_read(data: Any, name: str, fitted: Path, tmp_path_factory: Any) -> None:
    folder = Path(shutil.copytree(fitted, tmp_path_factory.mktemp("edited") / "model"))
    _edit(folder / name, data.draw)

    def used() -> None:
        vae = VAE.load(folder)
        vae.transform(_ROWS)
        vae.doctor(_ROWS)

    answered(used)


@generated
@given(data=st.data())
def test_an_edited_configuration_is_refused_or_read(data: Any, scored: Path, tmp_path_factory: Any) -> None:
    run = Path(shutil.copytree(scored, tmp_path_factory.mktemp("edited") / "run"))
    lines = (run / "config.toml").read_text().splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    key = lines[place].split("=")[0]
    lines[place] = data.draw(
        st.sampled_from(
            ["", "x", "[model]", f"{key}= -1", f"{key}= 'x'", f"{key}= [1, [2]]", f"{key}= {'9' * 5000}", f"{key}= {'[' * 5000}"]
        )
    )
    (run / "config.toml").write_text("\n".join(lines) + "\n")
    answers(data.draw(st.sampled_from(["info", "evaluate", "cite"])), run)


@generated
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"",
                b"step\n",
                b"step,epoch\nx,y\n",
                b"\xff\xfe\0",
                b"step,step\n1,2\n",
                b'step\n"',
                b"step\n" + b"9" * 5000 + b"\n",
            ]
        ),
    )
)
def test_edited_metrics_are_refused_or_read(content: bytes, scored: Path, tmp_path_factory: Any) -> None:
    run = Path(shutil.copytree(scored, tmp_path_factory.mktemp("edited") / "run"))
    (run / "metrics.csv").write_bytes(content)
    answers("doctor", run)


@pytest.fixture(scope="session")
def swept(world: Path) -> Path:
    good("sweep", world / "table.csv", *SMALL, "--epochs", 1, "--out", world / "sweep")
    return world / "sweep"


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "model"
    VAE(2, hidden_widths=(8,), epochs=2, batch_size=8, random_state=0, automatic=False).fit(_ROWS).save(folder)
    return folder


@pytest.fixture(scope="session")
def scored(world: Path) -> Path:
    """A run with scores."""
    good("train", "--resume", world / "rows", "--epochs", 2)
    assert (world / "rows" / "evaluation.json").exists()
    return world / "rows"
