"""The page of the command line: every verb's own help, in its groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.testing import CliRunner

from _site.markdown import anchored, code, table
from paraformer.cli import app
from paraformer.cli.app import GROUPS, summary


def page() -> str:
    command = typer.main.get_command(app)
    parts = ["```text", helped(()), "```"]
    for group in GROUPS:
        verbs = {name: c for name, c in command.commands.items() if c.rich_help_panel == group}
        rows = [(f"[{name}](#{anchor((name,))})", summary(verb)) for name, verb in verbs.items()]
        parts += [f"\n## {group}\n", table(("verb", "what"), rows), ""]
        for words in (words for name, verb in verbs.items() for words in below(verb, (name,))):
            title = code(" ".join(("paraformer", *words)))
            parts += [anchored(3, title, anchor(words)), "```text", helped(words), "```", ""]
    return "\n".join(parts)


def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A verb and the verbs that it has."""
    yield words
    for name, each in getattr(command, "commands", {}).items():
        yield from below(each, (*words, name))


def anchor(words: tuple[str, ...]) -> str:
    return "-".join(("paraformer", *words))


def helped(words: tuple[str, ...]) -> str:
    """The help, at the width it is printed in."""
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="paraformer")
    return result.stdout.rstrip()
