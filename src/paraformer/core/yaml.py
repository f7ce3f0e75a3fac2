"""YAML of study files, read strictly: what YAML would settle in silence is refused with the line it stands on.

Duplicate keys, numbers in base 8 or 60, infinities, dates that do not exist and keys that are no text are errors. An
alias stands for a copy, so that changing one place changes no other. Depth and number of values are bounded, aliases
counted as often as they are used.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from paraformer.core.errors import SettingsError, shortened
from paraformer.core.paths import kind_of

MOST_BYTES = 2**20
"""Size of the largest file that is read."""

MOST_DEPTH = 40
"""Deepest nesting of groups and lists."""

MOST_VALUES = 20_000
"""Values of a file, aliases written out."""

MOST_INTEGER = 2**63 - 1

Place = tuple[str | int, ...]
"""Where a value stands: keys of groups and positions in lists, from the outside in."""

_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"}
_MOST_DIGITS = 40


class Document(NamedTuple):
    """Content of a file, and the line each of its values begins on, counted from 1."""

    value: Any
    lines: Mapping[Place, int]


def read(path: Path) -> Document:
    """Content of a YAML file.

    Raises:
        SettingsError: naming file, line and key of what is wrong.
    """
    text = _text(path)
    try:
        return _document(text)
    except _Refused as error:
        line = f", line {error.line}" if error.line else ""
        raise SettingsError(f"{path}{line}: {error}") from error


def parse(text: str, source: str) -> Any:
    """Value of a piece of YAML that a user gave elsewhere; ``source`` names it.

    Raises:
        SettingsError: saying what is wrong.
    """
    try:
        return _document(text).value
    except _Refused as error:
        raise SettingsError(f"{source}: {error}") from error


def dump(value: Any) -> str:
    """Plain values as YAML that ``read`` gives back."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


class _Refused(Exception):
    """What is wrong, and its line; 0 where there is none."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def _text(path: Path) -> str:
    """Text of a file that is one, and no larger than a study file can be."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingsError(f"{path}: cannot read the study file (it is {kind_of(mode)})")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{path}: cannot read the study file ({reason})") from error
    if len(content) > MOST_BYTES:
        raise SettingsError(f"{path}: more than {MOST_BYTES >> 20} MiB; expected a study file, which is YAML")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path}, line {line}: not UTF-8 (byte {content[error.start]:#04x}); save the file with that encoding"
        ) from error


class _Loader(yaml.SafeLoader):
    """Nodes of a document; depth and tags are proved while it is read, before anything is made of it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if self.depth > MOST_DEPTH:
            raise _Refused(f"nested more than {MOST_DEPTH} deep", event.start_mark.line + 1)
        if getattr(event, "tag", None) is not None:
            raise _Refused(f"tag {event.tag} has no use here; leave it out", event.start_mark.line + 1)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes what ``_Loader`` would take for a number."""


for _kind in (_Loader, _Dumper):  # 1e-3 is a number, as in YAML 1.2
    _kind.add_implicit_resolver(f"{_TAG}float", re.compile(f"{_FLOAT.pattern}$"), list("-+0123456789."))


def _document(text: str) -> Document:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise _Refused(f"not valid YAML ({said})", mark.line + 1 if mark else 0) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Refused(f"not valid YAML (character {ord(text[error.position]):#06x} is not allowed)", line) from error
    if node is None:
        return Document(None, {})
    reading = _Reading()
    return Document(reading.value(node, ()), reading.lines)


class _Reading:
    """Values of nodes, each made anew wherever it is used."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.count = 0
        self.open: set[int] = set()

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.count += 1
        self.lines[place] = node.start_mark.line + 1
        if self.count > MOST_VALUES:
            raise _refused(node, place, f"the file has more than {MOST_VALUES} values, aliases written out")
        if len(place) > MOST_DEPTH:
            raise _refused(node, (), f"nested more than {MOST_DEPTH} deep, aliases written out")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, place)
        if id(node) in self.open:
            raise _refused(node, place, "an alias stands inside what it stands for")
        self.open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            found: Any = self.mapping(node, place)
        else:
            found = [self.value(entry, (*place, i)) for i, entry in enumerate(node.value)]
        self.open.remove(id(node))
        return found

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        """Own keys of a group over those that a merge key (``<<``) brings in."""
        found: dict[str, Any] = {}
        given: dict[str, int] = {}
        for key_node, entry in node.value:
            key, line = _key(key_node, place), key_node.start_mark.line + 1
            if key in given:
                raise _Refused(f"key '{_dotted((*place, key))}' occurs twice; first on line {given[key]}", line)
            given[key] = line
            if key_node.tag == f"{_TAG}merge":
                found = self.merged(entry, place) | found
            else:
                found[key] = self.value(entry, (*place, key))
        return found

    def merged(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise _refused(node, place, "'<<' merges groups of settings, and this is none")
            value = self.value(part, place)
            found = {**value, **found}
        return found


def _key(node: yaml.Node, place: Place) -> str:
    """A key, which is text."""
    if not isinstance(node, yaml.ScalarNode):
        raise _refused(node, place, "a key is text, found a list or a group")
    if node.tag in (f"{_TAG}str", f"{_TAG}merge", f"{_TAG}value"):
        return _checked(node, place)
    what, shown = _KINDS.get(node.tag.removeprefix(_TAG), "no text"), shortened(node.value)
    raise _refused(node, place, f"key {shown} is {what} to YAML, and a key is text; write '{shown}'")


def _scalar(node: yaml.ScalarNode, place: Place) -> Any:
    text, kind = node.value, node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    if kind == "int":
        return _integer(node, place)
    if kind == "float":
        return _float(node, place)
    if kind == "timestamp":
        return _day(node, place)
    return _checked(node, place)


def _integer(node: yaml.ScalarNode, place: Place) -> int:
    if not _INTEGER.fullmatch(node.value):
        raise _refused(node, place, f"{shortened(node.value)} is a number of another base to YAML; write a decimal one")
    text = node.value.replace("_", "")
    number = int(text, 16 if "x" in text else 10) if len(text) <= _MOST_DIGITS else MOST_INTEGER + 1
    if abs(number) > MOST_INTEGER:
        raise _refused(node, place, f"found {shortened(node.value)}, expected at most {MOST_INTEGER:.1e}")
    return number


def _float(node: yaml.ScalarNode, place: Place) -> float:
    if ":" in node.value:
        raise _refused(node, place, f"{shortened(node.value)} is a number of base 60 to YAML; write a decimal one")
    number = float(node.value.replace("_", "")) if _FLOAT.fullmatch(node.value) else math.inf
    if not math.isfinite(number):
        raise _refused(node, place, f"found {shortened(node.value)}, expected a finite number")
    return number


def _day(node: yaml.ScalarNode, place: Place) -> dt.date:
    try:
        if _DAY.fullmatch(node.value):
            return dt.date.fromisoformat(node.value)
    except ValueError as error:
        raise _refused(node, place, f"no such date: {node.value} ({error})") from error
    raise _refused(node, place, f"found {shortened(node.value)}, expected a date without a time, YYYY-MM-DD")


def _checked(node: yaml.ScalarNode, place: Place) -> str:
    """Text that can be written to any file."""
    found = _CONTROL.search(node.value)
    if found:
        raise _refused(node, place, f"text holds the character {ord(found[0]):#06x}, which no text has")
    return str(node.value)


def _refused(node: yaml.Node, place: Place, problem: str) -> _Refused:
    key = _dotted(place)
    return _Refused(f"{key}: {problem}" if key else problem, node.start_mark.line + 1)


def _dotted(place: Place) -> str:
    return shortened(".".join(map(str, place)), 200)
