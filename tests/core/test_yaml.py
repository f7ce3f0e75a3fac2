"""The strict reader of YAML: what YAML would settle in silence is refused with its line; aliases are copies."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paraformer.core.errors import SettingsError
from paraformer.core.yaml import MOST_BYTES, MOST_DEPTH, MOST_VALUES, dump, parse, read


def refusal(tmp_path: Path, content: str | bytes) -> str:
    """The line that refuses a file, less the file's name."""
    path = tmp_path / "study.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SettingsError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path)).removeprefix(", ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' occurs twice; first on line 1"),
        ("a: {b: 1, c: 2, b: 3}\n", "line 1: key 'a.b' occurs twice"),
        ("learners:\n  A: {steps: 1}\n  'A': {steps: 2}\n", "line 3: key 'learners.A' occurs twice; first on line 2"),
        ("a:\n- b: 1\n  b: 2\n", "line 3: key 'a.0.b' occurs twice"),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}\n", "line 2: key 'y.<<' occurs twice"),
        ("learners:\n  5: {}\n", "line 2: learners: key 5 is a number to YAML, and a key is text; write '5'"),
        ("no: 1\n", "line 1: key no is true or false to YAML"),
        ("~: 1\n", "line 1: key ~ is nothing to YAML"),
        ("2015-04-01: 1\n", "line 1: key 2015-04-01 is a date to YAML"),
        ("? [a, b]\n: 1\n", "line 1: a key is text, found a list or a group"),
        (
            "data:\n  start: 2015-02-29\n",
            "line 2: data.start: no such date: 2015-02-29 (day is out of range for month)",
        ),
        ("a: 2015-13-01\n", "line 1: a: no such date: 2015-13-01 (month must be in 1..12)"),
        ("a: 0000-01-01\n", "line 1: a: no such date: 0000-01-01 (year 0 is out of range)"),
        ("a: 2015-04-01 12:00:00\n", "line 1: a: found 2015-04-01 12:00:00, expected a date without a time"),
        ("a: 2015-04-01T12:00:00Z\n", "expected a date without a time"),
        ("a: .inf\n", "line 1: a: found .inf, expected a finite number"),
        ("a: [1, -.Inf]\n", "line 1: a.1: found -.Inf, expected a finite number"),
        ("a: .NaN\n", "a: found .NaN, expected a finite number"),
        ("a: 1e999\n", "a: found 1e999, expected a finite number"),
        ("a: 1:30\n", "a: 1:30 is a number of another base to YAML; write a decimal one"),
        ("a: 010\n", "a: 010 is a number of another base to YAML"),
        ("a: 0b11\n", "a: 0b11 is a number of another base to YAML"),
        ("a: 1:30.5\n", "a: 1:30.5 is a number of base 60 to YAML"),
        ("a: 9223372036854775808\n", "a: found 9223372036854775808, expected at most 9.2e+18"),
        (f"a: {'9' * 6000}\n", "expected at most 9.2e+18"),
        ("a: !!binary aGk=\n", "line 1: tag tag:yaml.org,2002:binary has no use here"),
        ("a: !!set {b, c}\n", "has no use here"),
        ("a: !!python/object/apply:os.system [ls]\n", "has no use here"),
        ("a: !mine 3\n", "line 1: tag !mine has no use here"),
        ('a: "\\0"\n', "line 1: a: text holds the character 0x0000, which no text has"),
        ('a: "\\ud800"\n', "a: text holds the character 0xd800"),
        ('"\\x1b": 1\n', "text holds the character 0x001b"),
        ("a: &x [*x]\n", "line 1: a.0: an alias stands inside what it stands for"),
        ("a: &x {b: {c: *x}}\n", "a.b.c: an alias stands inside what it stands for"),
        ("a: *nothing\n", "line 1: not valid YAML (found undefined alias 'nothing')"),
        ("a: [1,\nb: 2\n", "not valid YAML ("),
        ("a: 1\n---\nb: 2\n", "line 2: not valid YAML (expected a single document"),
        ("a: 1\n\x01: 2\n", "line 2: not valid YAML (character 0x0001 is not allowed)"),
        ("a: {<<: 3}\n", "a: '<<' merges groups of settings, and this is none"),
    ],
)
def test_what_yaml_would_settle_in_silence_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name: a\n# caf\xe9\n", "line 2: not UTF-8 (byte 0xe9)"),
        ("name: a\n".encode("utf-16"), "line 1: not UTF-8 (byte 0xff)"),
        (bytes(range(256)), "not UTF-8"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, f"line 1: nested more than {MOST_DEPTH} deep"),
        ("".join(f"{' ' * i}a:\n" for i in range(500)).encode(), f"nested more than {MOST_DEPTH} deep"),
        (b"a: 1\n" * (MOST_BYTES // 5 + 1), "more than 1 MiB; expected a study file"),
        (b"a: [" + b"1," * MOST_VALUES + b"]", f"more than {MOST_VALUES} values"),
    ],
    ids=["latin1", "utf16", "binary", "deep flow", "deep block", "large", "long"],
)
def test_what_is_no_study_file_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in refusal(tmp_path, content)


def test_aliases_cannot_make_a_small_file_large(tmp_path: Path) -> None:
    levels = [f"l{i + 1}: &l{i + 1} [{', '.join([f'*l{i}'] * 9)}]" for i in range(20)]
    assert f"more than {MOST_VALUES} values, aliases written out" in refusal(
        tmp_path, "\n".join(["l0: &l0 a", *levels])
    )
    chain = [f"c{i + 1}: &c{i + 1} [*c{i}]" for i in range(60)]
    assert "deep, aliases written out" in refusal(tmp_path, "\n".join(["c0: &c0 [a]", *chain]))


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, told in (
        ("pipe", "it is a named pipe"),
        ("", "it is a folder"),
        ("none.yaml", "No such file"),
        ("loop", "symbolic links"),
        ("x" * 300, "File name too long"),
        ("a\0b", "null byte"),
    ):
        with pytest.raises(SettingsError, match=f"cannot read the study file .*{told}"):
            read(tmp_path / name)
    with pytest.raises(SettingsError, match="it is a device"):
        read(Path("/dev/null"))


def test_values_are_what_they_are_written_as() -> None:
    text = "{a: 1e-3, b: .5e+2, c: 5, d: 1_000, e: 0x1F, f: 2015-04-01, g: yes, h: '1e-3', i: null, j: 1.5, k: no-5}"
    assert parse(text, "--set") == {
        "a": 0.001,
        "b": 50.0,
        "c": 5,
        "d": 1000,
        "e": 31,
        "f": dt.date(2015, 4, 1),
        "g": True,
        "h": "1e-3",
        "i": None,
        "j": 1.5,
        "k": "no-5",
    }
    assert parse("", "--set") is None


def test_an_alias_is_a_copy_and_a_merge_key_gives_way_to_own_keys() -> None:
    found = parse("{x: &x {a: {b: 1}, c: 2}, y: *x, z: {c: 3, <<: *x}, w: {<<: [{c: 4}, *x]}}", "--set")
    assert found["y"] == found["x"] == {"a": {"b": 1}, "c": 2}
    assert found["z"] == {"a": {"b": 1}, "c": 3}
    assert found["w"] == {"a": {"b": 1}, "c": 4}
    found["y"]["a"]["b"] = 9
    assert [found[name]["a"]["b"] for name in "xzw"] == [1, 1, 1]


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("\ufeffa: 1\nb:\n  c: [1,\n    2]\n", encoding="utf-8")
    document = read(path)
    assert document.lines == {(): 1, ("a",): 1, ("b",): 3, ("b", "c"): 3, ("b", "c", 0): 3, ("b", "c", 1): 4}


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs", "Cc"))),
    st.sampled_from(["1e3", "1e-3", ".5", "no", "010", "1:30", "2015-04-01", "<<", "=", "~", "null", "0x1f"]),
)
KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse(dump(value), "--set") == value
