"""Names: the rows that the product adds to its tables, and the one rule that names a user gives must keep.

A name of a learner or a search is a row of every table and a folder of the run directory. Two names that some disks or
readers cannot tell apart are one name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from paraformer.core.errors import shortened

DEFAULT, SINGLE, PER_CELL, TRUTH = "default VIC", "best single θ", "best θ per cell", "true θ"
"""Rows of θ that no learner or search found: the a-priori one, the ensemble's best, and that of the built-in world."""

TRAINING_MEAN, CLIMATOLOGY, DIRECT = "training mean", "climatology", "direct LSTM"
API, API_PER_CELL, API_TEMPERATURE = "API, one decay", "API, decay per cell", "API, decay with temperature"
"""Rows without θ (``evaluation.baselines``)."""

ROWS = (
    DEFAULT,
    SINGLE,
    PER_CELL,
    TRUTH,
    TRAINING_MEAN,
    CLIMATOLOGY,
    DIRECT,
    API,
    API_PER_CELL,
    API_TEMPERATURE,
)
"""Every row that is there without being asked for by name."""

STAGES = (
    "cube",
    "streamflow",
    "gap_filling",
    "ensemble",
    "surrogate",
    "rounds",
    "parameters",
    "cross_validation",
    "uncertainty",
    "references",
    "verdict",
    "scores",
    "report",
)
"""Stages of a run in their order; a method of ``pipeline.stages.Chain`` each, which gives its rows of the table."""

_FILES = (
    *STAGES,
    "figures",
    "tables",
    "stale",
    "stage.json",
    "study.yaml",
    "manifest.json",
    "log.jsonl",
    "report.html",
)
_MISSING = ("na", "#na", "<na>", "nan", "-nan", "null", "none", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan")
"""What readers of tables take for a missing value, in lower case."""

MOST_BYTES = 200
"""Longest name in UTF-8: a file name has 255 bytes, and some are put before and behind it."""


def carried(source: str, by: str) -> str:
    """Row of θ that is carried from the trained cells of a method to all cells, in one way."""
    return f"{source}, {by.replace('_', ' ')}"


def folded(name: str) -> str:
    """The name as those see it who make no difference of case, width, composed accents and blanks."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def require_file_name(name: str) -> None:
    """Raise ValueError unless a file or folder can be called so everywhere."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise ValueError(f"name '{shortened(name, 20)}': found {size} bytes, expected at most {MOST_BYTES}")
    if not name.strip():
        raise ValueError("expected a name, found an empty one")
    if name != name.strip() or name.startswith("."):
        raise ValueError(f"name {name!r}: expected one that begins and ends with no blank, and begins with no dot")
    for character in name:
        if character in "/\\" or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            raise ValueError(f"name {name!r}: found {character!r}, expected text that a file can be called by")


def require_names(names: Iterable[tuple[str, str]], rows: Iterable[str] = ROWS) -> None:
    """Raise ValueError unless names can stand beside the product's own, in tables and in the run directory.

    Args:
        names: of all learners and searches of a study, each with the key of its group.
        rows: rows that the product adds.
    """
    taken = {folded(row): f"that of the product's row '{row}'" for row in rows}
    taken |= dict.fromkeys(_FILES, "that of a stage or file of the run directory")
    taken |= dict.fromkeys(_MISSING, "read as a missing value from tables")
    for group, name in names:
        try:
            require_file_name(name)
        except ValueError as error:
            raise ValueError(f"{group}: {error}") from error
        if folded(name) in taken:
            raise ValueError(f"{group}: name {name!r} is {taken[folded(name)]}; take another")
        taken[folded(name)] = f"that of {name!r} on a disk that ignores case"
