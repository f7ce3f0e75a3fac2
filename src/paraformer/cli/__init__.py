"""Command line: the verbs of the chain, one file a group."""

from paraformer.cli import maps, results, rivers, stages, study, vic  # noqa: F401
from paraformer.cli.app import app
from paraformer.cli.entry import main

__all__ = ["app", "main"]
