"""Exports: members who allowed it leave as files, by named recipes, with a manifest of counts."""

from pipelines.exports.build import Asked, check, recipe_version, write
from pipelines.exports.delta import Given
from pipelines.exports.recipes import RECIPES, Recipe

__all__ = ["RECIPES", "Asked", "Given", "Recipe", "check", "recipe_version", "write"]
