"""Settings: nothing but a number is a number, every number is finite, and a mistake is one line with its key."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from paraformer.core.errors import SettingsError
from paraformer.core.paths import located
from paraformer.core.settings import Distinct, Settings, explain, validated
from paraformer.core.time import Day, Period
from paraformer.core.yaml import Document, read


class Small(Settings):
    name: Literal["small"] = "small"
    size: int = Field(default=1, ge=1)


class Large(Settings):
    name: Literal["large"] = "large"
    breadth: float = 1.0


class Part(Settings):
    count: int = 1
    rate: float = 1.0
    on: bool = False
    labels: tuple[int | float | str, ...] = ()
    names: Annotated[tuple[str, ...], Distinct] = ()
    weights: dict[str, float] = Field(default_factory=dict)
    kind: Annotated[Small | Large, Field(discriminator="name")] = Small()
    either: float | Literal["auto"] = 1.0
    path: Path | None = None
    files: dict[str, Path] | None = None
    when: Day = dt.date(2015, 4, 1)


class Whole(Settings):
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = Field(default_factory=dict)


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Part.model_validate(given)
    return explain(caught.value, given, Part)[1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"count": True}, "count: Input should be a valid integer, found true (as yes and on are in YAML)"),
        ({"count": False}, "found false (as no and off are in YAML)"),
        ({"count": "3"}, "count: Input should be a valid integer, found '3'"),
        ({"count": 3.0}, "count: Input should be a valid integer, found 3.0"),
        ({"count": None}, "count: Input should be a valid integer, found None"),
        ({"count": [1]}, "count: Input should be a valid integer"),
        ({"rate": True}, "rate: Input should be a valid number, found true"),
        ({"rate": "1.5"}, "rate: Input should be a valid number, found '1.5'"),
        ({"rate": float("inf")}, "rate: Input should be a finite number, found inf"),
        ({"rate": float("nan")}, "rate: Input should be a finite number, found nan"),
        ({"weights": {"a": float("-inf")}}, "weights.a: Input should be a finite number, found -inf"),
        ({"on": 1}, "on: Input should be a valid boolean, found 1"),
        ({"on": "yes"}, "on: Input should be a valid boolean, found 'yes'"),
        ({"labels": [1, True]}, "labels.1: Input should be a valid integer or a valid number or a valid string, found"),
        ({"names": "a"}, "names: expected a list, found 'a'"),
        ({"names": ["a", "b", "a"]}, "names: 'a' occurs twice"),
        ({"weights": [1]}, "weights: expected a group of settings"),
        ({"kind": 3}, "kind: expected a group of settings, found 3"),
        ({"kind": {"size": 2}}, "key 'kind.name' is missing"),
        ({"kind": {"name": "smal"}}, "kind: Input tag 'smal' found"),
        ({"kind": {"name": "large", "breath": 2}}, "unknown key 'kind.breath'; did you mean 'breadth'"),
        ({"kind": {"name": "small", "size": 0}}, "kind.size: Input should be greater than or equal to 1, found 0"),
        ({"either": "aut"}, "either: Input should be a valid number or 'auto', found 'aut'"),
        ({"rat": 1}, "unknown key 'rat'; did you mean 'rate'"),
        ({"rat": 1, "count": "x"}, "(and 1 more)"),
        ({"when": 20150401}, "when: expected a date, YYYY-MM-DD, found 20150401"),
        ({"when": "20150401"}, "when: expected a date, YYYY-MM-DD"),
        ({"when": "2015-4-1"}, "when: expected a date, YYYY-MM-DD"),
        ({"when": "2015-02-30"}, "when: day is out of range for month"),
        ({"when": dt.datetime(2015, 4, 1)}, "when: expected a date, YYYY-MM-DD"),
        ({"when": dt.date(1, 1, 1)}, "when: expected a date from 1678-01-01 to 2261-12-31, found 0001-01-01"),
        ({"when": "9999-12-31"}, "found 9999-12-31"),
        ({"count": "x" * 1000}, f"found '{'x' * 59}..."),
    ],
)
def test_what_is_no_value_of_its_kind_is_one_line(given: dict[str, Any], told: str) -> None:
    line = refusal(given)
    assert told in line
    assert "\n" not in line
    assert len(line) < 300


def test_lists_whole_numbers_paths_and_dates_are_taken_as_a_file_spells_them() -> None:
    part = Part.model_validate({"rate": 3, "labels": [1, 2.5, "a"], "path": "a.nc", "when": "2016-02-29"})
    assert (part.rate, part.labels, part.path, part.when) == (3.0, (1, 2.5, "a"), Path("a.nc"), dt.date(2016, 2, 29))
    assert isinstance(part.rate, float)
    assert Period.model_validate({"start": "2015-04-01", "end": dt.date(2015, 4, 30)}).days == 30


def test_a_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("by_name:\n  a: {count: 1}\n  b:\n    count: 1\n    kind:\n      name: large\n      breadth: x\n")
    with pytest.raises(SettingsError, match=r"a\.yaml, line 7: by_name\.b\.kind\.breadth: Input should be a valid num"):
        validated(Whole, path, read(path))
    with pytest.raises(SettingsError, match=r"a\.yaml: by_name\.b\.kind\.breadth"):
        validated(Whole, path, read(path), [("by_name", "b", "kind")])
    nameless = Document({"by_name": {"b": {"kind": {"breadth": 1.0}}}}, {("by_name", "b"): 3})
    with pytest.raises(SettingsError, match=r"a\.yaml, line 3: key 'by_name\.b\.kind\.name' is missing"):
        validated(Whole, path, nameless)


def test_every_path_becomes_absolute_however_deep_it_stands(tmp_path: Path) -> None:
    given = {"parts": [{"path": "a.nc"}, {}], "by_name": {"x": {"files": {"in": "../b.nc", "out": "/c.nc"}}}}
    whole = located(Whole.model_validate(given), tmp_path)
    assert whole.parts[0].path == tmp_path / "a.nc"
    assert whole.by_name["x"].files == {"in": tmp_path.parent / "b.nc", "out": Path("/c.nc")}
    unchanged = Whole.model_validate({"parts": [{"path": "/a.nc"}, {}]})
    assert located(unchanged, tmp_path) is unchanged


def test_a_path_that_cannot_be_opened_is_named_with_its_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    for name, told in (
        ("pipe", "is a named pipe, expected a file or a folder"),
        ("/dev/null", "is a device, expected a file or a folder"),
        ("x" * 256, "File name too long"),
        ("/".join(["x" * 100] * 50), "File name too long"),
        ("\udcff.nc", "a path that is not UTF-8"),
        ("a\0b", "null byte"),
        ("loop", "loop"),
    ):
        given = Whole.model_validate({"by_name": {"p": {"files": {"in": Path(name)}}}})
        with pytest.raises(SettingsError, match=r"^by_name\.p\.files\.in: ") as caught:
            located(given, tmp_path)
        assert told in str(caught.value)
        assert len(str(caught.value)) < 300
    for name in ("folder", "missing", "missing/too"):
        assert located(Part(path=Path(name)), tmp_path).path == tmp_path / name
