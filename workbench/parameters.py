"""A notebook's parameters, all checked before anything is searched."""

import dataclasses
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from workbench import noise, registry
from workbench.config import ConfigError, DataConfig, NoiseConfig, VictimConfig
from workbench.files.places import PLACES
from workbench.judging import stage as judging
from workbench.judging.config import JudgeConfig
from workbench.victim import recipes, train

SEVERAL = {"protected_fraction": ("fractions", "shares"), "victim": ("victims", "defended")}
ALSO = {"probe": "victim", "beside": "method"}  # a parameter that names what another setting names; it may be empty


def check_parameters(values: Mapping[str, Any]) -> None:
    """Raise ConfigError for the first of `values` that no noise and no victim could have. Unknown names pass.

    values: a notebook's parameters by name, as globals() has them in the cell after them. A list is checked item by
    item under its singular name: epsilons as epsilon. An `epochs` of 0 means the recipe.
    """
    for place in PLACES:
        if not isinstance(values.get(place, ""), str | Path):
            raise ConfigError(f"{place} is {values[place]!r}: it must be the name of a folder, in quotes")
    common = {entry.name for entry in fields(NoiseConfig)} - {"options"}
    of_victims = {entry.name for entry in fields(VictimConfig)}
    given = _settings(values, common | of_victims)
    data = next((item for setting, item in given if setting == "data"), DataConfig().data)
    name = str(data).partition(":")[0]
    registry.check("data", name)
    # What budget goes depends on the method, and so do the kinds.
    made = [{"method": one, "epsilon": of} for one in _asked(given, "method") for of in _asked(given, "epsilon")]
    for setting, item in given:
        for one in made if setting in common else ():
            noise.resolved(NoiseConfig.of(**{**one, setting: item}), name)
        if setting in of_victims and (setting, item) != ("epochs", 0):
            train.resolved(VictimConfig(**{setting: item}), recipes.named(name))
    asked = {name: values[name] for name in ("panel", "learners", "network", "elsewhere") if name in values}
    judging.check(JudgeConfig(**asked))
    for one in made if "method" in dict(given) else ():
        options = noise.options_of(one["method"])
        own = {entry.name for entry in dataclasses.fields(options)} if options else set()
        for setting, item in _settings(values, own):
            noise.resolved(NoiseConfig.of(**one, **{setting: item}), name)


def _asked(given: list[tuple[str, Any]], setting: str) -> list[Any]:
    """All items of a setting; its default where there is none."""
    return [item for name, item in given if name == setting] or [getattr(NoiseConfig, setting)]


def _settings(values: Mapping[str, Any], known: set[str]) -> list[tuple[str, Any]]:
    """Each parameter by the name of its setting, a list item by item. Raises ConfigError for a list that is none."""
    found = [(setting, values[setting]) for setting in sorted(known) if setting in values]
    found += [(setting, values[name]) for name, setting in ALSO.items() if setting in known and values.get(name)]
    for setting in sorted(known):
        for name in SEVERAL.get(setting, (f"{setting}s",)):
            if name not in values or name in known:
                continue
            if not isinstance(values[name], list | tuple):
                raise ConfigError(f"{name} is {values[name]!r}: it must be a list, as in [{values[name]!r}]")
            found += [(setting, item) for item in values[name]]
    return found
