"""Mutations of a study file: values, keys, and the text itself."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fuzz.mutant import Mutant, pick
from fuzz.world import FILES
from paraformer.config import Study

Keys = tuple[str | int, ...]

STRANGE: tuple[Any, ...] = (
    None,
    True,
    False,
    "",
    "yes",
    "..",
    "../elsewhere",
    "/",
    "a\0b",
    "θ",
    "x" * 300,
    "3",
    "default VIC",
    [],
    [1],
    {},
    {"a": 1},
    -1,
    0,
    1,
    2,
    0.5,
    -1e300,
    float("nan"),
    float("inf"),
    "2015-02-30",
    "0000-00-00",
    "${NOT_SET_ANYWHERE}",
)
HUGE = (10**6, 2**31, 2**63, 10**30, 1e300)
_WORK = "asks for more work than the test can wait for"


def leaves(node: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Keys of every value, and of every group of values, of a study."""
    if keys:
        yield keys
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield from leaves(value, (*keys, key))


def _at(content: Any, keys: Keys) -> Any:
    for key in keys:
        content = content[key]
    return content


def _names(keys: Keys) -> tuple[str, ...]:
    """Each key on the way, and those beside the last one, since two settings may contradict each other."""
    return tuple(str(key) for key in keys if isinstance(key, str))


@lru_cache(maxsize=1)
def _schema() -> dict[str, dict[str, Any]]:
    """Fields of every settings class: class name -> field -> schema."""
    return {name: entry.get("properties", {}) for name, entry in Study.model_json_schema()["$defs"].items()}


def strange_value(content: dict[str, Any], rng: np.random.Generator) -> Mutant:
    keys = pick(rng, list(leaves(content)))
    value = pick(rng, STRANGE)
    _at(content, keys[:-1])[keys[-1]] = copy.deepcopy(value)
    return Mutant(f"{keys} = {value!r}", _names(keys))


def huge_value(content: dict[str, Any], rng: np.random.Generator) -> Mutant:
    numbers = [keys for keys in leaves(content) if isinstance(_at(content, keys), int | float)]
    keys, value = pick(rng, numbers), pick(rng, HUGE)
    _at(content, keys[:-1])[keys[-1]] = value
    return Mutant(f"{keys} = {value!r}, which {_WORK}", _names(keys), endless=True)


def near_value(content: dict[str, Any], rng: np.random.Generator) -> Mutant:
    numbers = [keys for keys in leaves(content) if isinstance(_at(content, keys), int)]
    keys = pick(rng, numbers)
    old = _at(content, keys)
    value = pick(rng, [old + 1, old - 1, old * 2, old + 0.5, float(old), str(old)])
    _at(content, keys[:-1])[keys[-1]] = value
    return Mutant(f"{keys} = {value!r} instead of {old!r}", _names(keys))


def drop_key(content: dict[str, Any], rng: np.random.Generator) -> Mutant:
    keys = pick(rng, list(leaves(content)))
    del _at(content, keys[:-1])[keys[-1]]
    return Mutant(f"without {keys}", _names(keys), endless="training" in keys or keys[0] in ("surrogate", "learners"))


def rename_key(content: dict[str, Any], rng: np.random.Generator) -> Mutant:
    keys = pick(rng, [keys for keys in leaves(content) if isinstance(keys[-1], str)])
    new = pick(rng, [f"{keys[-1]}x", str(keys[-1]).upper(), "", 1, "a b", "default VIC", ".."])
    group = _at(content, keys[:-1])
    group[new] = group.pop(keys[-1])
    return Mutant(f"{keys} is called {new!r}", (*_names(keys), str(new)))


def add_key(content: dict[str, Any], rng: np.random.Generator) -> Mutant:
    """A setting that exists in some group, with a value of its type or a strange one."""
    groups = [keys for keys in ((), *leaves(content)) if isinstance(_at(content, keys), dict)]
    keys, fields = pick(rng, groups), _schema()[pick(rng, list(_schema()))]
    if not fields:
        return Mutant("nothing", (), "all")
    name = pick(rng, list(fields))
    options = [fields[name].get("default"), *fields[name].get("enum", ()), pick(rng, STRANGE)]
    value = pick(rng, options)
    _at(content, keys)[name] = copy.deepcopy(value)
    return Mutant(f"{(*keys, name)} = {value!r} added", (*_names(keys), name), endless=True)


def double_entry(content: dict[str, Any], rng: np.random.Generator) -> Mutant | None:
    lists = [keys for keys in leaves(content) if isinstance(_at(content, keys), list)]
    if not lists:
        return None
    keys = pick(rng, lists)
    entries = _at(content, keys)
    entries.append(copy.deepcopy(pick(rng, entries)) if entries else "infilt")
    return Mutant(f"an entry of {keys} twice", _names(keys))


def move_dates(content: dict[str, Any], rng: np.random.Generator) -> Mutant:
    period, end = pick(rng, ["train", "test"]), pick(rng, ["start", "end"])
    date = pick(rng, ["2015-04-01", "2015-04-02", "2015-07-30", "2015-12-01", "2014-01-01", "1066-10-14", "9999-12-31"])
    content["data"][period][end] = date
    return Mutant(f"data.{period}.{end} = {date}", ("data", period, end, "period", "test", "train"))


CHANGES: dict[str, Callable[[dict[str, Any], np.random.Generator], Mutant | None]] = {
    change.__name__: change
    for change in (
        strange_value,
        huge_value,
        near_value,
        drop_key,
        rename_key,
        add_key,
        double_entry,
        move_dates,
    )
}


def _text(text: str, rng: np.random.Generator) -> tuple[bytes, Mutant]:
    """A change of the text, which may no longer be YAML."""
    lines = text.splitlines()
    at = int(rng.integers(len(lines)))
    kind = pick(
        rng, ["twice", "indent", "tab", "cut", "latin", "utf16", "bom", "nul", "anchor", "bomb", "deep", "byte"]
    )
    if kind == "twice":
        lines.insert(at, lines[at])
    elif kind == "indent":
        lines[at] = f"  {lines[at]}"
    elif kind == "tab":
        lines[at] = f"\t{lines[at]}"
    elif kind == "anchor":
        lines[at] += " *nowhere"
    elif kind == "bomb":
        bomb = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10))]
        lines = [*bomb, *lines]
    elif kind == "deep":
        lines.append(f"name: {'[' * 3000}{']' * 3000}")
    changed = "\n".join(lines) + "\n"
    if kind == "cut":
        return text.encode()[: int(rng.integers(len(text)))], Mutant("text is cut", ("study.yaml", "key"))
    content = {
        "latin": lambda: changed.replace("fuzz", "Zürich").encode("latin-1"),
        "utf16": lambda: changed.encode("utf-16"),
        "bom": lambda: b"\xef\xbb\xbf" + changed.encode(),
        "nul": lambda: changed.replace("fuzz", "fu\0zz").encode(),
        "byte": lambda: bytes(int(rng.integers(256)) if i == at * 9 else b for i, b in enumerate(changed.encode())),
    }.get(kind, changed.encode)()
    return content, Mutant(f"text: {kind} at line {at + 1}", ("study.yaml", "key"))


def mutate_study(path: Path, rng: np.random.Generator) -> Mutant:
    """Change the study file in place. What it then lacks may show in the data, so a refusal may name these, too."""
    mutant = _mutate(path, rng)
    return dataclasses.replace(mutant, names=(*mutant.names, *FILES))


def _mutate(path: Path, rng: np.random.Generator) -> Mutant:
    text = path.read_text(encoding="utf-8")
    if rng.random() < 0.2:
        content, mutant = _text(text, rng)
        path.write_bytes(content)
        return mutant
    while True:
        settings = yaml.safe_load(text)
        mutant = CHANGES[pick(rng, list(CHANGES))](settings, rng)
        if mutant is not None:
            path.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
            return mutant
