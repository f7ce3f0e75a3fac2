"""The operating system: Linux, or one with its file locks and limits of resources."""

from __future__ import annotations

import platform

from paraformer.core.errors import RunError


def require_system() -> None:
    """Raise a RunError where the program cannot run: Windows has neither the locks nor the limits that it needs."""
    try:
        import fcntl  # noqa: F401
        import resource  # noqa: F401
    except ImportError as error:
        found = platform.system() or "this system"
        raise RunError(f"ParaFormer runs on Linux, and {found} lacks '{error.name}'; on Windows use WSL") from None
