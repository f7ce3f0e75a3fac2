"""The page of variables: the vocabulary of cubes, input files and results, from ``core.variables``."""

from __future__ import annotations

from _site.markdown import code, table
from paraformer.core.variables import VOCABULARY, Variable

TITLES = {
    "forcing": "Forcing",
    "observation": "Observations",
    "attribute": "Attributes",
    "reference": "References",
    "label": "Labels",
    "output": "Outputs of the process model",
    "parameter": "Parameters",
    "state": "States",
}


def page() -> str:
    """A table for each role, variables in the order of the code."""
    head, parts = ("variable", "unit", "dims", "valid", "usual", "meaning", "CF name"), []
    for role, title in TITLES.items():
        rows = [row(v) for v in VOCABULARY.values() if v.role == role]
        if rows:
            parts += [f"## {title}\n", table(head, rows)]
    return "\n\n".join(parts)


def row(variable: Variable) -> tuple[str, ...]:
    usual = "" if variable.usual is None else span(variable.usual)
    name, dims = code(variable.name), ", ".join(variable.dims)
    standard = code(variable.standard_name) if variable.standard_name else ""
    return name, variable.unit, dims, span(variable.valid), usual, variable.long_name, standard


def span(limits: tuple[float, float]) -> str:
    return f"{limits[0]:g} .. {limits[1]:g}"
