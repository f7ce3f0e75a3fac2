"""The page of settings: every group with type, range, default and meaning, from the schema of study files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from _site.markdown import anchored, code, table
from paraformer.config import study_schema

_RANGES = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
    ("pattern", "`{}`"),
)
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "group",
}


class Page:
    """Groups of settings and where they stand in a study."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.kinds: dict[str, Any] = schema["$defs"]
        self.places: dict[str, list[str]] = {}
        self._walk(schema, "")
        self.schema = schema

    def _walk(self, entry: dict[str, Any], place: str) -> None:
        for name, child in entry.get("properties", {}).items():
            for kind, below in self._groups(child, f"{place}{name}"):
                known = self.places.setdefault(kind, [])
                if below not in known:
                    known.append(below)
                    self._walk(self.kinds[kind], f"{below}.")

    def _groups(self, entry: Any, place: str) -> Iterator[tuple[str, str]]:
        """Groups that a setting may hold: kind and place; of groups by name ``<name>`` stands for it."""
        if not isinstance(entry, dict):
            return
        if "$ref" in entry:
            yield entry["$ref"].rsplit("/", 1)[-1], place
        for option in (*entry.get("anyOf", ()), *entry.get("oneOf", ()), *entry.get("allOf", ())):
            yield from self._groups(option, place)
        yield from self._groups(entry.get("items"), f"{place}[]")
        yield from self._groups(entry.get("additionalProperties"), f"{place}.<name>")

    def text(self) -> str:
        parts = [anchored(2, "The study", "settings-study"), self._table(self.schema)]
        for kind, places in self.places.items():
            entry = self.kinds[kind]
            chosen = self._chosen(entry)
            title = code(places[0]) + (f" with {chosen}" if chosen else "")
            also = f"Also: {', '.join(map(code, places[1:]))}.\n\n" if places[1:] else ""
            about = readable(entry.get("description", ""))
            parts += [anchored(2, title, anchor(kind)), f"{about}\n\n{also}{self._table(entry)}"]
        return "\n\n".join(parts)

    def _chosen(self, entry: dict[str, Any]) -> str:
        """``name: sceua``, of a group that is chosen among others by one of its settings."""
        for name, child in entry.get("properties", {}).items():
            if "const" in child:
                return code(f"{name}: {child['const']}")
        return ""

    def _table(self, entry: dict[str, Any]) -> str:
        needed = entry.get("required", ())
        rows = [
            (code(name), self._type(child), limits(child), default(child, name in needed), self._meaning(child))
            for name, child in entry.get("properties", {}).items()
        ]
        return table(("setting", "type", "range", "default", "meaning"), rows)

    def _meaning(self, entry: dict[str, Any]) -> str:
        if "description" not in entry and "$ref" in entry:
            entry = self.kinds[entry["$ref"].rsplit("/", 1)[-1]]
        return readable(entry.get("description", "").partition("\n\n")[0])

    def _type(self, entry: dict[str, Any]) -> str:
        if "$ref" in entry:
            kind = entry["$ref"].rsplit("/", 1)[-1]
            return f"[group](#{anchor(kind)})"
        if "const" in entry:
            return code(entry["const"])
        if "enum" in entry:
            return " or ".join(code(value) for value in entry["enum"])
        options = [*entry.get("anyOf", ()), *entry.get("oneOf", ())]
        if options:
            return " or ".join(dict.fromkeys(self._type(o) for o in options if o.get("type") != "null")) + (
                " or none" if any(o.get("type") == "null" for o in options) else ""
            )
        if entry.get("format") in ("path", "date"):
            return {"path": "path", "date": "day"}[entry["format"]]
        if entry.get("type") == "array" and isinstance(entry.get("items"), dict):
            return f"list of {self._type(entry['items'])}"
        if isinstance(entry.get("additionalProperties"), dict):
            return f"{self._type(entry['additionalProperties'])} by name"
        kinds = entry.get("type", "any")
        return " or ".join(_TYPES.get(kind, "any") for kind in ([kinds] if isinstance(kinds, str) else kinds))


def readable(description: str) -> str:
    """A description of the code in Markdown; pages that it names become links."""
    text = " ".join(description.split()).replace("``", "`")
    return re.sub(r"\bdocs/([\w/]+\.md)", r"[\1](../\1)", text)


def anchor(kind: str) -> str:
    return f"settings-{kind.lower()}"


def limits(entry: dict[str, Any]) -> str:
    """Range of the values of a setting."""
    found = [text.format(entry[key]) for key, text in _RANGES if key in entry]
    for option in (*entry.get("anyOf", ()), *entry.get("oneOf", ())):
        found += [limits(option)] if isinstance(option, dict) and "$ref" not in option else []
    return ", ".join(filter(None, dict.fromkeys(found)))


def default(entry: dict[str, Any], needed: bool) -> str:
    """Default of a setting; that of a group is in its own table."""
    if "default" not in entry:
        return "**required**" if needed else ""
    value = entry["default"]
    if value is None:
        return "none"
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict) for v in value)):
        names = [v.get("name") for v in value if isinstance(v, dict)] if isinstance(value, list) else []
        return code(json.dumps(names)) if names else "its defaults" if value else code("{}")
    return code(value if isinstance(value, str) else json.dumps(value))


def page() -> str:
    return Page(study_schema()).text()
