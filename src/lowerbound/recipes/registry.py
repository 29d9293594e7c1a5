"""Recipes: named presets, and a person's own TOML files, that say what a run's configuration should be and why."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..config import RunConfig, check_keys, load_toml, parse_overrides, with_changes
from ..errors import ConfigurationError, unknown_name_message
from .bibliography import references

DEFAULT_RECIPE = "default"
_PRESETS = Path(__file__).parent / "presets"


@dataclasses.dataclass(frozen=True)
class RecipeInfo:
    """The `[recipe]` table: what a recipe is, where it comes from, and what it should reach.

    - `data`: in words, the data it is meant for; `default_for`: names of data sets that use it when no recipe is named.
    - `published`, `published_source`: the figure to stand beside, with its unit, and where it was read.
    - `paper`: the paper's key in `references.toml`; or, in a file of your own, `citation`: its `authors`, `title`, `venue`,
      `year` and `identifier`.
    - `extends`: the recipe whose keys hold where this one is silent.
    - `automatic`: the data choose every key that nobody sets (`assembly.automatic`), in place of what stands here.
    """

    title: str = ""
    summary: str = ""
    data: str = ""
    default_for: tuple[str, ...] = ()
    published: str = ""
    published_source: str = ""
    expected_time: str = ""
    extends: str = ""
    automatic: bool = False
    paper: str = ""
    citation: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def reference(self) -> Mapping[str, Any]:
        """What is known of the paper; empty where none is named."""
        return references()[self.paper] if self.paper else self.citation


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A recipe: its name (for a file, its path), what it says of itself, and the configuration keys that it sets.

    - `given`: of an automatic recipe, the keys that were set beside it, which the data do not choose; None for any other.

    >>> load_recipe("post-2018").config["training"]["epochs"]
    10000
    """

    name: str
    info: RecipeInfo
    config: dict[str, dict[str, Any]]
    given: dict[str, dict[str, Any]] | None = None

    def run_config(self) -> RunConfig:
        """The whole configuration: the defaults, with the recipe's keys in their place."""
        return RunConfig.from_dict(self.config)


def recipe_names() -> list[str]:
    """The names of the presets, in alphabetical order."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def list_recipes() -> list[Recipe]:
    """Every preset."""
    return [load_recipe(name) for name in recipe_names()]


def load_recipe(name_or_path: str | Path, *, extended_by: tuple[str, ...] = ()) -> Recipe:
    """A preset by its name, or a TOML file by its path.

    - `extended_by`: the recipes that lead to this one, each by the next.

    Raises `ConfigurationError` for an unknown name (with the nearest right one), a missing or broken file, and unknown keys.
    """
    name = str(name_or_path)
    is_preset = name in recipe_names()
    if not is_preset and not (name.endswith(".toml") or isinstance(name_or_path, Path) or Path(name).is_file()):
        raise ConfigurationError(
            f"{unknown_name_message('recipe', name, recipe_names())} The path of a TOML file is a recipe too."
        )
    if name in extended_by:
        raise ConfigurationError(f"recipes extend each other in a circle: {' -> '.join([*extended_by, name])}.")
    content = load_toml(_PRESETS / f"{name}.toml" if is_preset else Path(name))
    info = _read_info(content.pop("recipe", {}), name)
    check_keys(content, name)
    if info.extends:
        beside = Path(name).parent / info.extends
        base = beside if info.extends.endswith(".toml") and not is_preset else info.extends
        content = with_changes(load_recipe(base, extended_by=(*extended_by, name)).config, content)
    return Recipe(name, info, content)


def default_recipe_for(data_name: str) -> str:
    """The recipe for a data set when none is named: its own if it has one, else `"default"`.

    >>> default_recipe_for("faces"), default_recipe_for("pictures/cats")
    ('faces', 'default')
    """
    owners = {data: recipe.name for recipe in list_recipes() for data in recipe.info.default_for}
    return owners.get(data_name, DEFAULT_RECIPE)


def resolve_config(
    data: str | None = None,
    recipe: str | Path | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[str, Mapping[str, Any]] | None = None,
    base: Recipe | None = None,
) -> tuple[RunConfig, Recipe]:
    """The configuration of a run, and the recipe that it came from; what comes later wins, and the whole is checked once.

    1. the defaults; 2. the recipe (`recipe`, else `default_recipe_for(data)`, else that of the built-in faces); 3. `data`, where
    given; 4. `overrides` (`--set section.key=value`); 5. `flags`, a nested dictionary such as `{"training": {"epochs": 5}}`.

    - `base`: the configuration of a run to go on from, which stands in the recipe's place where none is named, or an automatic
      one.

    Raises `ConfigurationError`.
    """
    if data is not None and not data.strip():
        raise ConfigurationError(
            "DATA is empty; expected a named data set or a path. An unset variable of the shell looks like this; leave the "
            "argument out for the built-in faces."
        )
    changes = parse_overrides(overrides)
    named = data or changes.get("data", {}).get("name") or RunConfig().data.name
    chosen = load_recipe(recipe if recipe is not None else default_recipe_for(named))
    if base is not None and (recipe is None or chosen.info.automatic):
        chosen = base
    layers = [chosen.config, {"data": {"name": data}} if data else {}, changes, flags or {}]
    check_keys(layers[-1], "flags")
    given = functools.reduce(with_changes, layers[1:], {})
    chosen = dataclasses.replace(chosen, given=given if chosen.info.automatic else None)
    return RunConfig.from_dict(functools.reduce(with_changes, layers, {})), chosen


def _read_info(table: Any, name: str) -> RecipeInfo:
    fields = {field.name for field in dataclasses.fields(RecipeInfo)}
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name}: recipe is {table!r}; expected a section [recipe].")
    for key, value in table.items():
        if key not in fields:
            raise ConfigurationError(f"{name}: {unknown_name_message('key of section [recipe]', key, fields)}")
        expected = {"default_for": list, "citation": dict, "automatic": bool}.get(key, str)
        if not isinstance(value, expected):
            kind = {list: "a list of names", dict: "a section", bool: "true or false", str: "text"}[expected]
            raise ConfigurationError(f"{name}: recipe.{key} is {value!r}; expected {kind}.")
    if table.get("paper") and table["paper"] not in references():
        raise ConfigurationError(f"{name}: {unknown_name_message('recipe.paper', table['paper'], references())}")
    return RecipeInfo(**{**table, "default_for": tuple(table.get("default_for", ()))})
