"""Unit names. Files must state the vocabulary's unit, in any of its usual spellings; a different unit is refused."""

from __future__ import annotations

_SPELLINGS: dict[str, tuple[str, ...]] = {
    "mm day-1": ("mm d-1", "mm/day", "mm/d", "mm day^-1", "kg m-2 day-1", "kg m-2 d-1"),
    "mm month-1": ("mm/month",),
    "mm year-1": ("mm yr-1", "mm/year", "mm/yr", "mm a-1", "kg m-2 year-1"),
    "degC": ("C", "celsius", "Celsius", "deg C", "degree_Celsius", "degrees_celsius", "°C"),
    "W m-2": ("W/m2", "W/m^2", "W m^-2", "Wm-2", "watt m-2"),
    "m s-1": ("m/s", "m s^-1"),
    "kPa": ("kilopascal",),
    "kg kg-1": ("kg/kg",),
    "m3 m-3": ("m3/m3", "m^3 m^-3", "m3 m^-3", "cm3 cm-3", "cm3/cm3"),
    "g cm-3": ("g/cm3", "g cm^-3", "kg dm-3"),
    "%": ("percent", "pct"),
    "m": ("meter", "metre", "meters", "metres"),
    "mm": ("millimeter", "millimetre", "kg m-2"),
    "1": ("", "-", "none", "dimensionless", "unitless"),
}
_CANONICAL = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}


def canonical(unit: str) -> str:
    """The project's spelling of a unit: ``"mm/d"`` -> ``"mm day-1"``. Unknown units come back as they are."""
    unit = unit.strip()
    return _CANONICAL.get(unit, unit)


def same_unit(found: str, expected: str) -> bool:
    """Whether two unit strings name the same unit."""
    return canonical(found) == canonical(expected)
