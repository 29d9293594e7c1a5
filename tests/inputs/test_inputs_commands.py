"""Command lines made at random from all commands and their options."""

from __future__ import annotations

import os
import typing
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from judging import answers, generated

from lowerbound.cli.main import app

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
TYPES = {
    (known.name or known.callback.__name__.replace("_", "-")): typing.get_type_hints(known.callback)  # pyright: ignore[reportOptionalMemberAccess]
    for known in app.registered_commands
}
# `verify` takes a minute and a half whatever its options; `train` is asked below.
NAMES = sorted(set(COMMANDS) - {"verify", "train"})

_WHOLE = st.sampled_from(["1", "2", "3", "0", "-1", "7", "x", "", "nan", "1.5", "1000000000000", str(2**64), "9" * 400])
_REAL = st.sampled_from(["0.5", "1", "0", "-1", "nan", "inf", "1e308", "1e-320", "x", ""])
_TEXT = st.sampled_from(
    [
        "",
        "test",
        "train",
        "posterior",
        "refined",
        "prior",
        "gap",
        "ais",
        "[bold]x[/]",
        "[/x]",
        "\x1b[31mred",
        "labels",
        "0,1",
        "all",
        "n" * 5000,
        "a b",
        "--",
        "ä" * 40,
        "x=1",
        "1",
        "nan,nan",
    ]
)


def _paths(world: Path) -> st.SearchStrategy[str]:
    fifo = world / "pipe.npy"
    if not fifo.exists():
        os.mkfifo(fifo)
    names = ["run", "rows", "run/model", "images.npy", "table.csv", "pipe.npy", "absent", "absent.npy", "run/config.toml", "."]
    odd = ["", "/dev/null", "/dev/zero", "/dev/full", "n" * 5000, "[bold].png", "digits", "/proc/self/mem", "a\nb.csv"]
    outputs = [str(world / "absent-folder" / "x.npy"), str(world / "images.npy" / "x.png"), "/dev/full/x.csv"]
    return st.sampled_from([*(str(world / name) for name in names), *odd, *outputs])


def _value(name: str, parameter: Any, world: Path) -> st.SearchStrategy[str]:
    kind = str(TYPES[name][parameter.name])
    if "int" in kind:
        return _WHOLE
    if "float" in kind:
        return _REAL
    return _paths(world) if "Path" in kind else st.one_of(_TEXT, _paths(world))


@st.composite
def _lines(draw: Any, world: Path, name: str) -> list[str]:
    words: list[str] = [name]
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "argument":
            # A run in two of three, so that the options are looked at.
            own = st.sampled_from([str(world / "run"), str(world / "rows")])
            count = 2 if parameter.nargs == -1 else 1
            words += [draw(st.one_of(own, own, _value(name, parameter, world))) for _ in range(count)]
        elif (parameter.name != "help" and draw(st.integers(0, 3)) == 0) or getattr(parameter, "required", False):
            flag = parameter.opts[-1]
            words += [flag] if getattr(parameter, "is_flag", False) else [flag, draw(_value(name, parameter, world))]
    return words


@pytest.mark.parametrize("name", NAMES)
@generated
@given(data=st.data())
def test_a_command_answers_with_a_result_or_a_sentence(name: str, data: Any, world: Path, monkeypatch_chdir: None) -> None:
    answers(*data.draw(_lines(world, name)))


_SETTINGS = st.sampled_from(
    [
        "model.latent_dim",
        "network.hidden_widths",
        "network.activations",
        "prior.name",
        "posterior.name",
        "likelihood.name",
        "objective.name",
        "objective.num_samples",
        "training.batch_size",
        "training.learning_rate",
        "data.validation",
        "data.test",
        "data.kind",
        "data.scaling",
        "training.ema_decay",
        "objective.beta",
        "objective.warmup_epochs",
        "training.seed",
        "nonsense",
        "model",
        "prior.num_components",
        "network.dropout",
        "training.optimizer",
    ]
)
_SET_VALUES = st.one_of(
    _WHOLE,
    _REAL,
    _TEXT,
    st.sampled_from(
        [
            "[]",
            "[0]",
            "[8,8]",
            "[1e9]",
            "[[1]]",
            "[" * 400,
            "{}",
            "true",
            "auto",
            "vamp",
            "mixture-of-gaussians",
            "bernoulli",
            "poisson",
            "categorical",
            "iwae",
            "beta-tc",
            "relu",
            "1000000000",
            "[1000000,1000000]",
            "0.999",
        ]
    ),
)


@generated
@given(
    overrides=st.lists(st.tuples(_SETTINGS, _SET_VALUES), min_size=1, max_size=3),
    which=st.sampled_from(["images.npy", "table.csv"]),
)
def test_settings_are_taken_or_refused(overrides: list[tuple[str, str]], which: str, world: Path, tmp_path_factory: Any) -> None:
    out = tmp_path_factory.mktemp("runs") / "x"
    words = [word for key, value in overrides for word in ("--set", f"{key}={value}")]
    answers(
        "train",
        world / which,
        "--no-report",
        "--set",
        "network.hidden_widths=[8]",
        "--set",
        "model.latent_dim=2",
        *words,
        "--epochs",
        "1",
        "--out",
        out,
    )


@pytest.fixture
def monkeypatch_chdir(tmp_path_factory: pytest.TempPathFactory) -> Any:
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("here"))
    yield
    os.chdir(before)
