"""``fetch``: the granules that a study reads and that are not there yet, from NASA's archives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from paraformer.config import Study
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.text_table import to_text
from paraformer.data.archive import Query, login, queries, search
from paraformer.data.download import Outcome, Policy, Remote, Session, bytes_left, download, missing


@dataclass(frozen=True)
class FetchPlan:
    """What there is to fetch.

    Attributes:
        found: files of the catalogue by query.
        wanted: those that are not there yet.
    """

    found: dict[Query, list[Remote]]
    wanted: list[Remote]

    def to_text(self) -> str:
        """One line a product, and the sum."""
        rows, wanted = [], {remote.path for remote in self.wanted}
        for query, files in self.found.items():
            left = [remote for remote in files if remote.path in wanted]
            days = f"{query.first}..{query.last}"
            rows.append((query.product, days, len(files), len(left), _size(bytes_left(left)), str(query.folder)))
        table = pd.DataFrame(rows, columns=["product", "days", "files", "to fetch", "size", "folder"])
        unknown = sum(not remote.size for remote in self.wanted)
        more = f", and {unknown} files whose size the catalogue does not say" if unknown else ""
        return "\n".join(
            [to_text(table), f"to fetch: {len(self.wanted)} files, {_size(bytes_left(self.wanted))}{more}"]
        )


def plan_fetch(study: Study) -> FetchPlan:
    """Ask the catalogue what the study needs, and look what is there. Nothing is changed.

    Raises:
        SettingsError: the study reads no granules, or earthaccess is missing.
        DataError: the catalogue cannot be asked or lacks a product.
    """
    if study.data.products is None:
        raise SettingsError("data.products is missing: only a study with source 'products' has granules to fetch")
    found = {query: search(query) for query in queries(study.data.products)}
    wanted = [remote for files in found.values() for remote in missing(files)]
    return FetchPlan(found, wanted)


def fetch(
    plan: FetchPlan, policy: Policy, progress: Progress | None = None, session: Callable[[], Session] = login
) -> str:
    """Fetch what the plan wants; without anything to fetch, nobody logs in.

    Returns:
        What to tell the user.

    Raises:
        DataError: files that could not be fetched, naming the first; a further start tries them again.
        SettingsError, RunError: as ``login`` and ``download``.
    """
    if not plan.wanted:
        return "every file is there"
    outcome = download(plan.wanted, session(), policy, progress)
    if outcome.failed:
        first = outcome.failed[0]
        raise DataError(
            f"{first.path}: {first.reason} ({len(outcome.failed)} of {len(plan.wanted)} files not fetched; "
            f"{len(outcome.done)} fetched; the same command tries again)"
        )
    return f"{len(outcome.done)} files fetched" + _quarantined(outcome)


def _quarantined(outcome: Outcome) -> str:
    places = {entry.path.parent for entry in outcome.quarantined}
    return "".join(f"\nwhat came but was no data: {place}" for place in sorted(places, key=Path.as_posix))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
