"""What the verbs share: their groups, the options that several have, where results and progress are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from paraformer.cli.interrupt import interruptible

if TYPE_CHECKING:  # torch takes seconds to load, and running VIC does not need it
    from paraformer.config import Study

STUDY = "A study"
STAGES = "Stages of a run, one by one"
RESULTS = "Results of a run"
MAPS = "Parameters on other cells"
RIVERS = "VIC and rivers alone"
"""Groups of verbs."""
GROUPS = (STUDY, STAGES, RESULTS, MAPS, RIVERS)
"""Their order in the help."""

F = TypeVar("F", bound=Callable[..., Any])

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="study file (YAML)")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a setting, e.g. learner_seeds=4")
]
Directory = Annotated[
    Path | None, typer.Option("--directory", "-d", help="run directory; runs/<study name> by default")
]
AnyThreads = Annotated[
    bool, typer.Option("--any-threads", help="go on with another number of threads than training was begun with")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress, only results and errors")]


class Grouped(TyperGroup):
    """Verbs under the title of their group, each with its whole first sentence: plain text that no width cuts."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in GROUPS}
        width = max(map(len, self.commands))
        for name, command in self.commands.items():
            title = getattr(command, "rich_help_panel", None) or "Commands"
            groups.setdefault(title, []).append((name.ljust(width), summary(command)))
        for title, rows in groups.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        with interruptible("interrupted"):
            return super().invoke(ctx)


def summary(command: Any) -> str:
    """First paragraph of a verb's help."""
    return " ".join((command.help or "").partition("\n\n")[0].split())


def example(words: str) -> str:
    """The last line of a verb's help."""
    return f"Example: paraformer {words}"


app = typer.Typer(
    cls=Grouped,
    help="Learns the hidden parameters of land-surface hydrological models from satellite observations.",
    epilog="Help of a verb: paraformer VERB --help",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def verb(group: str, words: str) -> Callable[[F], F]:
    """Make a function a verb of a group; ``words`` are an example of its use."""
    return app.command(rich_help_panel=group, epilog=example(words))


def family(name: str, about: str, words: str) -> typer.Typer:
    """A verb that has verbs of its own."""
    verbs = typer.Typer(cls=Grouped, help=about, epilog=example(words), no_args_is_help=True)
    app.add_typer(verbs, name=name, rich_help_panel=RIVERS)
    return verbs


def _version(wanted: bool) -> None:
    if wanted:
        from paraformer import __version__

        show(f"paraformer {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="show the full trace of an error")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Options before the verb."""
    os.environ["PARAFORMER_DEBUG"] = "1" if debug else os.environ.get("PARAFORMER_DEBUG", "")


def show(text: str) -> None:
    """Print a result. A reader that leaves (``| head``) has read enough: the work is done all the same."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def load_study(path: Path, overrides: Sequence[str] | None) -> Study:
    """``config.load_study``, imported when a verb needs it."""
    from paraformer.config import load_study as load

    return load(path, overrides or ())
