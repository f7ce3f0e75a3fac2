"""Paths of settings: made absolute, and proved to name something that can be opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from paraformer.core.errors import SettingsError, shortened

_KINDS = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def kind_of(mode: int) -> str:
    """Words for what a path is, by the mode of its ``stat``."""
    return next((name for test, name in _KINDS if test(mode)), "a device")


def located(value: Any, base: Path, key: str = "") -> Any:
    """Settings with every path made absolute from ``base``, however deep it stands; other values as they are.

    What a path names may be missing: whoever opens it says so, and some are written to.

    Args:
        value: a settings model, or what a field of one holds.
        key: dotted key of ``value``, for messages.

    Raises:
        SettingsError: naming key and path that is too long, is not UTF-8, or is neither a file nor a folder.
    """
    if isinstance(value, Path):
        return _absolute(value, base, key)
    if isinstance(value, BaseModel):
        given = {name: getattr(value, name) for name in type(value).model_fields}
        found = {name: located(entry, base, _below(key, name)) for name, entry in given.items()}
        changed = {name: entry for name, entry in found.items() if entry is not given[name]}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, dict):
        entries = {name: located(entry, base, _below(key, name)) for name, entry in value.items()}
        return entries if any(entries[name] is not value[name] for name in value) else value
    if isinstance(value, tuple):
        parts = tuple(located(entry, base, _below(key, i)) for i, entry in enumerate(value))
        return parts if any(new is not old for new, old in zip(parts, value, strict=True)) else value
    return value


def _below(key: str, name: str | int) -> str:
    return f"{key}.{name}" if key else str(name)


def _absolute(path: Path, base: Path, key: str) -> Path:
    shown = shortened(os.fsencode(path).decode("utf-8", "backslashreplace"), 100)
    try:
        whole = path if path.is_absolute() else (base / path).resolve()
        str(whole).encode("utf-8")
        mode = whole.stat().st_mode
    except UnicodeEncodeError as error:
        raise SettingsError(f"{key}: {shown}: a path that is not UTF-8; rename its folders and files") from error
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return whole
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        raise SettingsError(f"{key}: {shown}: {getattr(error, 'strerror', None) or error}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise SettingsError(f"{key}: {shown} is {kind_of(mode)}, expected a file or a folder")
    return whole
