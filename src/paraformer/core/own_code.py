"""Functions of the user's own, named in a study as ``package.module:function`` and imported when they are needed."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paraformer.core.errors import ModelError, SettingsError, nearest

OWN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""How a function of the user's own is named."""


def find_factory(named: str, folder: Path | None, key: str) -> Callable[..., Any]:
    """Import what a setting names.

    Args:
        named: ``package.module:function``.
        folder: of the module; ``None``: it is installed.
        key: setting, as messages begin.

    Raises:
        SettingsError: if there is no such module, or it holds no such function.
        ModelError: if the module cannot be imported.
    """
    name, _, wanted = named.partition(":")
    module = _imported(name, folder, key)
    found = getattr(module, wanted, None)
    if not callable(found):
        valid = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise SettingsError(f"{key}: {_file(module, key)} has no function '{wanted}'{nearest(wanted, valid)}")
    return found


def source_of(named: str, folder: Path | None, key: str) -> Path:
    """The file of the module that a setting names, or the folder of its package; errors as ``find_factory``."""
    return _file(_imported(named.partition(":")[0], folder, key), key)


def _imported(name: str, folder: Path | None, key: str) -> Any:
    where = "among the installed packages" if folder is None else f"in {folder}"
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: nothing of the user's may stand in for another module
        importlib.invalidate_caches()
    if name.partition(".")[0] in sys.stdlib_module_names:
        raise SettingsError(f"{key}: '{name}' is a module of Python; name one of your own")
    group = key.rpartition(".")[0]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise SettingsError(f"{key}: no module '{name}' {where} ({group}.module_folder)") from error
        raise ModelError(f"{key}: module '{name}' cannot be imported ({error})") from error
    except Exception as error:
        raise ModelError(f"{key}: module '{name}' cannot be imported ({said(error)})") from error
    source = _file(module, key)
    if folder is not None and not source.is_relative_to(folder.resolve()):
        raise SettingsError(f"{key}: '{name}' is {source}, not a module {where}; give yours another name")
    return module


def _file(module: Any, key: str) -> Path:
    file = getattr(module, "__file__", None)
    if file is None:
        raise SettingsError(f"{key}: '{module.__name__}' has no source file")
    path = Path(file).resolve()
    return path.parent if hasattr(module, "__path__") else path


def said(error: Exception) -> str:
    """An error of the user's code in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
