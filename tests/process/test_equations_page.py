"""docs/equations.md names every compiled function, state and output of the model, and nothing that does not exist."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

from paraformer.process import vic
from paraformer.process.vic.outputs import OUTPUTS
from paraformer.process.vic.state import STATE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "equations.md"
PACKAGE = vic.__name__
FAMILIES = {"state.STATE": set(STATE.names or ()), "outputs.OUTPUTS": set(OUTPUTS)}
NO_SCIENCE = {"forcing", "files", "jit", "model", "settings", "simulate"}  # modules without equations


def rows(text: str) -> Iterator[list[str]]:
    """Cells of the table rows; headers and rules left out."""
    table: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif table:
            assert all(len(row) == len(table[0]) for row in table), f"a table of unequal rows: {table[0]}"
            yield from table[2:]
            table = []


def names(text: str) -> set[str]:
    """All code names of a text: `module.function`, also with a field behind it."""
    found = re.findall(r"`([a-z_]+(?:\.[A-Za-z_0-9]+)+)`", text)
    return {name for name in found if not name.endswith(".c")}  # `file.c` is a source of VIC-5


def kernels() -> set[str]:
    """Every public compiled function, as module.function; one made by a factory counts where it is kept."""
    found = set()
    for module in pkgutil.iter_modules(vic.__path__):
        if module.ispkg or module.name in NO_SCIENCE:
            continue
        loaded = importlib.import_module(f"{PACKAGE}.{module.name}")
        for name, value in vars(loaded).items():
            made_here = isinstance(value, Dispatcher) and value.py_func.__module__ in (
                loaded.__name__,
                f"{PACKAGE}.roots",
            )
            if made_here and not name.startswith("_") and _is_home(loaded.__name__, name, value):
                found.add(f"{module.name}.{name}")
    return found


def _is_home(module: str, name: str, value: Dispatcher) -> bool:
    """Not a function that is only imported here."""
    return value.py_func.__module__ == module or value.py_func.__name__ != name


def missing(text: str) -> list[str]:
    """What the page should name and does not: kernels, states, outputs."""
    written = names(text)
    wanted = kernels() | {f"{family}.{field}" for family, fields in FAMILIES.items() for field in fields}
    return sorted(wanted - written)


def unknown(text: str) -> list[str]:
    """Names of the page that do not exist."""
    found = []
    for name in sorted(names(text)):
        family, _, field = name.rpartition(".")
        if family in FAMILIES:
            exists = field in FAMILIES[family]
        else:
            module, function = name.split(".", 1)
            try:
                exists = hasattr(importlib.import_module(f"{PACKAGE}.{module}"), function)
            except ModuleNotFoundError:
                exists = False
        if not exists:
            found.append(name)
    return found


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_name_exists(text: str) -> None:
    assert unknown(text) == []


def test_every_kernel_state_and_output_is_there(text: str) -> None:
    assert len(kernels()) > 80  # the search for kernels finds them
    assert missing(text) == []


def test_every_row_has_symbol_equation_unit_source_and_code(text: str) -> None:
    for row in rows(text):
        assert len(row) == 5, row
        assert all(row), row
        assert names(row[-1]), row


def test_units_of_outputs_are_those_of_the_model(text: str) -> None:
    stated = {row[-1].strip("`").rpartition(".")[2]: row[2] for row in rows(text) if "outputs.OUTPUTS" in row[-1]}
    assert stated == {name: output.unit for name, output in OUTPUTS.items()}


def test_the_page_needs_no_other_file_but_the_records(text: str) -> None:
    links = set(re.findall(r"\]\(([^)]+)\)", text))
    assert all((PAGE.parent / link).exists() for link in links)
    assert "../shared" not in text


def test_planted_faults_are_seen(text: str) -> None:
    assert missing(text.replace("`drainage.drainage`", "`drainage`")) == ["drainage.drainage"]
    assert missing(text.replace("`snow_pack.find_surface_temperature`", "")) == ["snow_pack.find_surface_temperature"]
    assert missing(text.replace("`state.STATE.swe`", "")) == ["state.STATE.swe"]
    assert unknown(text + " `baseflow.river`, `rivers.flow` and `state.STATE.ice`") == [
        "baseflow.river",
        "rivers.flow",
        "state.STATE.ice",
    ]
