"""Unit names. Files must state the vocabulary's unit, in any of its usual spellings; a different unit is refused."""

from __future__ import annotations

import re
from functools import lru_cache

_WHOLE: dict[str, tuple[str, ...]] = {
    "degC": ("C", "deg C", "degree C", "degrees C", "degree Celsius", "degrees Celsius", "Celsius", "°C", "℃", "Cel"),
    "%": ("percent", "percentage", "pct", "per cent"),
    "1": ("", "-", "none", "dimensionless", "unitless", "ratio", "fraction"),
    "W m-2": ("Wm-2", "Wm^-2"),
    "degrees_north": ("degree north", "degrees N", "degree N", "degreesN", "degreeN", "°N"),
    "degrees_east": ("degree east", "degrees E", "degree E", "degreesE", "degreeE", "°E"),
    "degree": ("degrees", "deg", "arc degree", "°"),
}
"""Spellings that are no product of powers; upper and lower case, ``_`` and blanks are alike."""

_NAMES: dict[str, tuple[str, ...]] = {
    "day": ("d", "days"),
    "month": ("months", "mon", "mo"),
    "year": ("yr", "years", "a"),
    "h": ("hour", "hours", "hr"),
    "s": ("sec", "second", "seconds"),
    "m": ("meter", "metre", "meters", "metres"),
    "mm": ("millimeter", "millimetre", "millimeters", "millimetres"),
    "kg": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "W": ("watt", "watts", "Watt", "Watts"),
    "Pa": ("pascal", "Pascal"),
    "kPa": ("kilopascal", "kilopascals"),
    "K": ("kelvin", "Kelvin"),
}
"""Names of a unit in a product."""

_ALIKE = {
    "kg m-2": "mm",
    "kg m-2 day-1": "mm day-1",
    "kg m-2 month-1": "mm month-1",
    "kg m-2 year-1": "mm year-1",
    "kg dm-3": "g cm-3",
    "Mg m-3": "g cm-3",
    "cm3 cm-3": "m3 m-3",
    "mm3 mm-3": "m3 m-3",
}
"""The same quantity in other units of the same size; a kilogram of water on a square metre is a millimetre."""

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−–µ", "0123456789-+--u")
_BY_NAME = {name: unit for unit, names in _NAMES.items() for name in names}
_FACTOR = re.compile(r"(?P<divided>/?)\s*(?P<name>[A-Za-z%]+)(?:(?:\^|\*\*)?(?P<power>[+-]?\d+))?(?![\d.])")


def _plain(unit: str) -> str:
    return re.sub(r"[\s_]+", " ", unit).strip().lower()


_BY_SPELLING = {_plain(s): unit for unit, spellings in _WHOLE.items() for s in (unit, *spellings)}


RESCALED: dict[str, frozenset[str]] = {
    "m": frozenset({"mm", "cm", "km", "ft", "feet", "inch"}),
    "mm": frozenset({"m", "cm", "inch"}),
    "mm day-1": frozenset({"m s-1", "mm s-1", "kg m-2 s-1", "mm h-1", "cm h-1", "cm day-1", "m day-1"}),
    "kg m-3": frozenset({"g cm-3"}),
    "degC": frozenset({"K", "deg K", "degF", "F"}),
    "1": frozenset({"%"}),
}
"""Other units of the same quantity that data come in, by the unit that is expected."""


def is_rescaled(found: str, expected: str) -> bool:
    """Whether a unit is one that values of the expected one would have to be multiplied or shifted for."""
    return canonical(found) in RESCALED.get(canonical(expected), ())


@lru_cache(maxsize=256)
def canonical(unit: str) -> str:
    """The project's spelling of a unit: ``mm/d``, ``mm.day^-1`` and ``mm d**-1`` are ``mm day-1``.

    Factors are joined by a blank, ``.``, ``*`` or ``·``, each after a ``/`` is divided by, and powers stand behind the
    name, ``^`` or ``**``. Unknown units come back as they are.
    """
    unit = unit.strip()
    if _plain(unit) in _BY_SPELLING:
        return _BY_SPELLING[_plain(unit)]
    factors = _factors(unit)
    if factors is None:
        return unit
    found = " ".join(name if power == 1 else f"{name}{power}" for name, power in factors)
    return _ALIKE.get(found, found)


def same_unit(found: str, expected: str) -> bool:
    """Whether two unit strings name the same unit."""
    return canonical(found) == canonical(expected)


def _factors(unit: str) -> list[tuple[str, int]] | None:
    """Names and powers of a product in its order, ``None`` for what is no product.

    The same name above and below (``kg kg-1``) is kept: it says what the ratio is one of.
    """
    text = re.sub(r"(?<=[A-Za-z0-9)])\s*[.·](?=\s*[A-Za-z])|(?<!\*)\*(?!\*)", " ", unit.translate(_RAISED))
    text = re.sub(r"\s*(\^|\*\*)\s*\(?([+-]?\d+)\)?", r"^\2", text)
    found, at = [], 0
    for match in _FACTOR.finditer(text):
        if text[at : match.start()].strip():
            return None
        at = match.end()
        power = int(match["power"] or 1) * (-1 if match["divided"] else 1)
        found.append((_BY_NAME.get(match["name"], match["name"]), power))
    return found if found and not text[at:].strip() else None
