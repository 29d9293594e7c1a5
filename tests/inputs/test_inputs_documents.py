"""Run folders whose documents were edited: every value may have become anything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import good
from hypothesis import given
from hypothesis import strategies as st
from judging import answers, generated

from lowerbound.storage.documents import sha256

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


@pytest.mark.parametrize("file", FILES)
@generated
@given(data=st.data())
def test_an_edited_document_is_refused_or_read(file: str, data: Any, scored: Path, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("edited")
    run = Path(shutil.copytree(scored, folder / "run"))
    document = json.loads((run / file).read_text())
    _changed(document, data.draw)
    if "checksum" in document:
        document.pop("checksum")
        document["checksum"] = sha256(json.dumps(document, sort_keys=True).encode())
    (run / file).write_text(_deep(json.dumps(document), data.draw))
    words = data.draw(st.sampled_from(COMMANDS))
    answers(words[0], run, *(folder / "x.npy" if word == "OUT" else word for word in words[1:]))


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
def scored(world: Path) -> Path:
    """A run with scores."""
    good("train", "--resume", world / "rows", "--epochs", 2)
    assert (world / "rows" / "evaluation.json").exists()
    return world / "rows"
