"""Every name and every command that the source's texts show to a person exists: messages, help, advice, docstrings."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import lowerbound
from lowerbound.cli.main import app
from lowerbound.config import RunConfig
from lowerbound.config.catalogue import CATALOGUE

SOURCE = Path(lowerbound.__file__).parent
# The group of entry points under which packages announce their parts: a name in their metadata, no module.
NO_MODULES = {"lowerbound.parts"}
# Of pip, and of the program as a whole.
OTHER_OPTIONS = {"--upgrade", "--version", "--help"}
_NAME = re.compile(r"\blowerbound(?:\.[A-Za-z_]\w*)+")
# Up to what ends a command in prose: a quote, a bracket, the next example, the end of a sentence.
_COMMAND = re.compile(r"\blowerbound ([a-z]+)((?: (?!lowerbound )[^\s`·();,<]+)*)")


def texts(tree: ast.AST) -> Iterator[str]:
    """The string literals of a module; of those with values in them, the fixed parts, with {} between."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def missing_names(text: str) -> list[str]:
    """The dotted names in a text that cannot be imported."""
    return [name for name in _NAME.findall(text) if name not in NO_MODULES and not exists(name)]


def exists(name: str) -> bool:
    parts = name.split(".")
    for number in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:number]))
        except ModuleNotFoundError:
            continue
        for part in parts[number:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@functools.cache
def commands_of_the_program() -> dict[str, Any]:
    return typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]


def wrong_commands(text: str) -> list[str]:
    """The commands in a text that the command line does not have, or whose options it does not take."""
    commands, wrong = commands_of_the_program(), []
    for name, rest in _COMMAND.findall(text):
        # `lowerbound` is also what the package is called in a sentence; with an option, or in the help, it is a command.
        options = re.findall(r"(?<= )-{1,2}[a-z][\w-]*", rest)
        known = {option for parameter in commands[name].params for option in parameter.opts} if name in commands else set()
        if (options or f"`lowerbound {name}" in text) and not (name in commands and known.issuperset(options)):
            wrong.append(f"lowerbound {name}{rest}")
    return wrong


@functools.cache
def keys_of_sections() -> dict[str, set[str]]:
    """Of each section of a configuration all keys that one of its parts may have."""
    known = {section: set(keys) for section, keys in RunConfig().to_dict().items()}
    for kind, entries in CATALOGUE.items():
        known.setdefault(kind, {"name"}).update(key for entry in entries.values() for key in entry.keys)
    return known


def wrong_keys(text: str) -> list[str]:
    """The keys in a text, as in `--set prior.name=vamp` and "data.validation is", that no configuration has."""
    known = keys_of_sections()
    found = re.findall(rf"(?<![\w./])({'|'.join(known)})\.([a-z_]+)(?==|\b is\b| above\b|, |\. )", text)
    return [f"{section}.{key}" for section, key in found if key not in known[section]]


def wrong_options(text: str) -> list[str]:
    """The options in a text that no command has; names in a sheet of style, `--ink`, `--ink: ...` and `var(--ink)`, are none."""
    if re.fullmatch(r"--\w+", text):
        return []
    commands = commands_of_the_program().values()
    known = {option for command in commands for each in command.params for option in (*each.opts, *each.secondary_opts)}
    return [option for option in re.findall(r"(?<![\w(-])--[a-z][\w-]*+(?!:)", text) if option not in known | OTHER_OPTIONS]


@pytest.mark.parametrize("folder", sorted({file.relative_to(SOURCE).parts[0] for file in SOURCE.rglob("*.py")}))
def test_what_a_text_names_exists(folder: str) -> None:
    files = [SOURCE / folder] if folder.endswith(".py") else (SOURCE / folder).rglob("*.py")
    found = [text for file in files for text in texts(ast.parse(file.read_text(encoding="utf-8")))]
    checks = (missing_names, wrong_commands, wrong_keys, wrong_options)
    assert [wrong for text in found for check in checks for wrong in check(text)] == []


def test_the_check_would_see_what_does_not_exist() -> None:
    """The negative control."""
    assert missing_names("let lowerbound.recipes.build_model do it, or lowerbound.nowhere.") == [
        "lowerbound.recipes.build_model",
        "lowerbound.nowhere",
    ]
    assert missing_names("lowerbound.assembly.build.build_model, lowerbound.VAE") == []
    assert wrong_commands("try `lowerbound trian x`, or lowerbound train --sett a.b=1, but lowerbound train --set a.b=1.") == [
        "lowerbound trian x",
        "lowerbound train --sett a.b=1",
    ]
    assert wrong_keys("set prior.nmae=vamp, not prior.name=vamp, or data.validation is 0") == ["prior.nmae"]
    assert wrong_options("add --ovrwrite, or --overwrite, --upgrade") == ["--ovrwrite"]
