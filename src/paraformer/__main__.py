"""Run the command line: ``python -m paraformer``."""

from paraformer.cli import main

main()
