"""Recipes: a paper's model, or a good start for a data set, as a named configuration. Nothing here imports JAX."""

from .registry import (
    DEFAULT_RECIPE,
    Recipe,
    RecipeInfo,
    default_recipe_for,
    list_recipes,
    load_recipe,
    recipe_names,
    resolve_config,
)

__all__ = [
    "DEFAULT_RECIPE",
    "Recipe",
    "RecipeInfo",
    "default_recipe_for",
    "list_recipes",
    "load_recipe",
    "recipe_names",
    "resolve_config",
]
