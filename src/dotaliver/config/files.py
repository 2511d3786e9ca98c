"""Settings and edits read from files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from dotaliver.config.protocol import protocol_named
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel, first_problem
from dotaliver.system.parsing import Json, ParseError, Toml, parse_json, parse_toml, read_bounded

__all__ = ["load_config", "read_edits", "read_settings", "validated"]

Model = TypeVar("Model", bound=FrozenModel)


def load_config(path: Path) -> ScoringConfig:
    """Read a `ScoringConfig` from a TOML or JSON file that names only the settings to change.

    ``protocol`` may be a table, the name of a shipped protocol, or a TOML file in the folder of the settings.

    Raises
    ------
    ConfigError
        Where the file cannot be read or a setting is unknown or out of range; the text names both.
    """
    data = read_settings(path)
    named = data.get("protocol")
    own = {"protocol": protocol_named(named, path.parent)} if isinstance(named, str) else {}
    return validated(ScoringConfig, {**data, **own}, path.name)


def validated(model: type[Model], data: object, name: str) -> Model:
    """What was read, as one of our types; `ConfigError` names the file and the field that is wrong."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        msg = f"{name}: {first_problem(error)}"
        raise ConfigError(msg) from error


def read_edits(path: Path, model: type[Model]) -> Model:
    """A reader's edits of one kind from JSON; `ConfigError` names the file and the field that is wrong."""
    try:
        data = parse_json(read_bounded(path))
    except OSError as error:
        msg = f"{path.name}: the edits cannot be read ({error.strerror}); give a readable JSON file"
        raise ConfigError(msg) from error
    except ParseError as error:
        msg = f"{path.name}: {error}; give a reader's edits as JSON"
        raise ConfigError(msg) from error
    return validated(model, data, path.name)


def read_settings(path: Path) -> dict[str, Json] | dict[str, Toml]:
    """The settings that a TOML or JSON file names; `ConfigError` where it cannot be read or is no table of them."""
    try:
        content = read_bounded(path)
        data = parse_json(content) if path.suffix.lower() == ".json" else parse_toml(content)
    except OSError as error:
        msg = f"{path.name}: the configuration cannot be read ({error.strerror}); give a readable TOML or JSON file"
        raise ConfigError(msg) from error
    except ParseError as error:
        msg = f"{path.name}: {error}; give the configuration as TOML or JSON"
        raise ConfigError(msg) from error
    if not isinstance(data, dict):
        msg = f"{path.name}: the configuration must be a table of settings"
        raise ConfigError(msg)
    return data
