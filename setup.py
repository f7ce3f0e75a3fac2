"""What pyproject.toml cannot say: the README as the package index shows it, where no link may be relative."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def absolute(text: str, repository: str) -> str:
    """A page of the project's root whose pictures and links lead to the repository's newest state."""
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)([^)\s]+\))", rf"\1{repository}/raw/HEAD/\2", text)
    return re.sub(r"(\]\()(?![a-z]+:|#)([^)\s]+\))", rf"\1{repository}/blob/HEAD/\2", text)


def long_description() -> str:
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return absolute((HERE / "README.md").read_text(encoding="utf-8"), project["urls"]["Repository"])


if __name__ == "__main__":
    setup(long_description=long_description(), long_description_content_type="text/markdown")
