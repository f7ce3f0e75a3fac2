"""Settings: what every settings class of the project has in common, and a mistake in one of them as one line."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema

from paraformer.core.errors import SettingsError, nearest, shortened
from paraformer.core.gone import what_replaces
from paraformer.core.paths import located
from paraformer.core.yaml import Document, Place

S = TypeVar("S", bound=BaseModel)
_EXPECTED = {
    "model_type": "expected a group of settings",
    "model_attributes_type": "expected a group of settings",
    "dict_type": "expected a group of settings",
    "tuple_type": "expected a list",
}


def _make_strict(schema: Any) -> None:
    """Let numbers and truth values, wherever they stand in a schema, take their own type only."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float", "bool"):
            schema["strict"] = True
        for entry in schema.values():
            _make_strict(entry)
    elif isinstance(schema, list | tuple):
        for entry in schema:
            _make_strict(entry)


class Settings(BaseModel):
    """Frozen; unknown keys are errors; numbers are finite, and nothing but a number is one.

    ``true``, ``yes`` and ``'3'`` are no numbers, and 1 is no ``true``; a whole number may stand for any number. Lists,
    paths and dates may be given as a file spells them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _make_strict(schema)
        return schema


def _distinct(given: tuple[Any, ...]) -> tuple[Any, ...]:
    for i, entry in enumerate(given):
        if entry in given[:i]:
            raise ValueError(f"{entry!r} occurs twice")
    return given


Distinct = AfterValidator(_distinct)
"""Of a list in which nothing may stand twice: ``Annotated[tuple[str, ...], Distinct]``."""


def validated(model: type[S], path: Path, document: Document, elsewhere: Sequence[Place] = ()) -> S:
    """Settings of a file's content, with paths absolute from its folder.

    Args:
        document: the content, and the lines of its values.
        elsewhere: places whose values do not come from the file and have no line there.

    Raises:
        SettingsError: naming file, line and key of the first mistake, what was found and what would be right.
    """
    try:
        found = model.model_validate(document.value)
    except ValidationError as error:
        place, problem = explain(error, document.value, model)
        above = [place[:n] for n in range(len(place), 0, -1)]
        line = next((document.lines[p] for p in above if p in document.lines), None)
        told = "" if line is None or any(p in elsewhere for p in above) else f", line {line}"
        raise SettingsError(f"{path}{told}: {problem}") from error
    try:
        return located(found, path.resolve().parent)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def explain(error: ValidationError, content: Any, model: type[BaseModel]) -> tuple[Place, str]:
    """The first mistake of some settings: where it stands, and in one line what is wrong and what would be right.

    Args:
        content: what was validated.
        model: the settings class it was to become.
    """
    found: dict[Place, list[Any]] = {}
    for each in error.errors(include_url=False):
        found.setdefault(_place(each["loc"], content, missing=each["type"] == "missing"), []).append(each)
    place, errors = next(iter(found.items()))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return place, f"{_problem(place, errors, model)}{more}"


def _problem(place: Place, errors: Sequence[Any], model: type[BaseModel]) -> str:
    dotted, first = shortened(".".join(map(str, place)), 200), errors[0]
    if first["type"] in ("extra_forbidden", "union_tag_invalid") and (gone := what_replaces(dotted, first["input"])):
        return "'{}' is gone: {}".format(*gone)
    if first["type"] == "extra_forbidden":
        return f"unknown key '{dotted}'{nearest(str(place[-1]), _keys(model, first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"key '{dotted}' is missing"
    if first["type"] == "union_tag_not_found":
        return "key '{}.{}' is missing".format(dotted, first["ctx"]["discriminator"].strip("'()_"))
    said = list(dict.fromkeys(_EXPECTED.get(each["type"], _one_line(each["msg"])) for each in errors))
    message = " or ".join([said[0], *(text.removeprefix("Input should be ") for text in said[1:])])
    return f"{dotted}: {message}{_given(first.get('input'))}" if dotted else message


def _one_line(message: str) -> str:
    return " ".join(message.removeprefix("Value error, ").split())


def _given(value: Any) -> str:
    """What was found, where it can be shown in a line."""
    if isinstance(value, bool):
        return ", found true (as yes and on are in YAML)" if value else ", found false (as no and off are in YAML)"
    if value is not None and not isinstance(value, str | int | float):
        return ""
    return f", found {shortened(repr(value))}"


def _place(location: Sequence[str | int], content: Any, *, missing: bool) -> Place:
    """Keys and positions in ``content``, without the kinds of a choice that pydantic names among them."""
    place: list[str | int] = []
    here = content
    for part in location:
        if isinstance(here, Mapping) and part in here:
            here = here[str(part)]
        elif isinstance(here, list | tuple) and isinstance(part, int):
            here = here[part]
        else:
            continue
        place.append(part)
    return (*place, location[-1]) if missing else tuple(place)


def _keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Keys that a group of settings has."""
    found = [model]
    for part in location:
        chosen = [m for m in found if part in _kinds_of(m)]
        inside = [c for m in found if part in m.model_fields for c in _classes(m.model_fields[str(part)].annotation)]
        found = chosen or inside or found  # neither: the name of a learner, a position in a list
    return [name for each in found for name in each.model_fields]


def _kinds_of(model: type[BaseModel]) -> tuple[Any, ...]:
    """What tells the class from others that may stand in its place: its ``name``, or its ``product``."""
    fields = [model.model_fields[name] for name in ("name", "product") if name in model.model_fields]
    return tuple(kind for field in fields for kind in (*typing.get_args(field.annotation), field.default))


def _classes(annotation: Any) -> list[type[BaseModel]]:
    """Settings classes that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in typing.get_args(annotation) for found in _classes(argument)]
