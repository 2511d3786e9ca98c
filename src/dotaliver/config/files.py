"""Settings and edits read from files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dotaliver.config.protocol import protocol_named
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel

__all__ = ["load_config", "read_edits", "read_settings"]


def load_config(path: Path) -> ScoringConfig:
    """Read a `ScoringConfig` from a TOML or JSON file that names only the settings to change.

    ``protocol`` may be a table, the name of a shipped protocol, or a TOML file beside the settings.

    Raises
    ------
    ConfigError
        Where the file cannot be read or a setting is unknown or out of range; the text names both.
    """
    data = read_settings(path)
    if isinstance(named := data.get("protocol"), str):
        data = {**data, "protocol": protocol_named(named, path.parent)}
    try:
        return ScoringConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{path.name}: {where}: {first['msg']}"
        raise ConfigError(msg) from error


def read_edits(path: Path, model: type[EditsModel]) -> EditsModel:
    """A reader's edits of one kind from JSON; `ConfigError` names the file and the field that is wrong."""
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: the edits cannot be read ({error}); give a readable JSON file"
        raise ConfigError(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        msg = f"{path.name}: {where}: {first['msg']}"
        raise ConfigError(msg) from error


def read_settings(path: Path) -> dict[str, Any]:
    """The settings that a TOML or JSON file names; `ConfigError` where it cannot be read or is no table of them."""
    try:
        text = path.read_text(encoding="utf-8")
        data: Any = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: the configuration cannot be read ({error}); give a readable TOML or JSON file"
        raise ConfigError(msg) from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        msg = f"{path.name}: not valid TOML or JSON ({error})"
        raise ConfigError(msg) from error
    if not isinstance(data, dict):
        msg = f"{path.name}: the configuration must be a table of settings"
        raise ConfigError(msg)
    return data


EditsModel = TypeVar("EditsModel", bound=FrozenModel)
