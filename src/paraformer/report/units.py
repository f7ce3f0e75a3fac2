"""Units and numbers in one notation on figures and pages: ``m3 m-3`` of files and tables is m³ m⁻³, -1 is −1."""

from __future__ import annotations

import re

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FACTOR = r"(?:mm|cm|km|m|kg|g|J|W|K|day|year|h|s)"
_UNIT = re.compile(rf"\b{_FACTOR}\d?(?: {_FACTOR}-\d)+\b")
"""At least two factors, so that the name of a method is never taken for a unit."""
_MINUS = re.compile(r"(?<![\w.)\]-])-(?=\.?\d)")
"""Before a number, at no hyphen inside a name or a date."""


def typeset(unit: str) -> str:
    """A unit as it stands in brackets: raised exponents, an en dash for a number without unit."""
    return "–" if unit in ("1", "") else re.sub(r"(?<=[A-Za-z])-?\d+", lambda m: m[0].translate(_RAISED), unit)


def typeset_text(text: str) -> str:
    """The same for every unit inside a text, and minus signs before numbers."""
    return _MINUS.sub("−", _UNIT.sub(lambda match: typeset(match[0]), text))
