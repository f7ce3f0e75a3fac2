"""A run as one object in Python: tables, θ and series as arrays with labels, figures, and files for VIC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from paraformer.config import load_study
from paraformer.core.conventions import WRITTEN, axes
from paraformer.core.errors import DataError, RunError, SettingsError, nearest
from paraformer.core.html import card
from paraformer.core.results import Results
from paraformer.core.schema import ParameterField
from paraformer.pipeline.closing import told
from paraformer.pipeline.opened import files_of
from paraformer.process.parameter_field import write_vic_parameters
from paraformer.report.study_page import tables

if TYPE_CHECKING:
    import pandas as pd

    from paraformer.pipeline.plots import Plots


@dataclass(frozen=True)
class Best:
    """θ of one method: the mean over its members and seeds in unit coordinates.

    Attributes:
        result: the run it is of.
        method: its name in the tables.
        theta: a variable a parameter ``(cell)``, physical values, CF attributes; of several seeds also
            ``<name>_spread``, the standard deviation over them.
    """

    result: Result
    method: str
    theta: xr.Dataset

    def to_vic(self, path: str | Path, source: str | Path | None = None) -> Path:
        """Write a VIC-5 parameter file (``params.nc``) with θ in it; VIC reads it as it is.

        Args:
            path: of the new file.
            source: the file whose learned fields are replaced; ``None`` takes that of the study.

        Raises:
            SettingsError: if the study has no VIC parameter file.
            DataError: if ``source`` lacks a cell or a field.
        """
        path, space, cube = Path(path), self.result.space, self.result.cube
        given = Path(source) if source is not None else self._source()
        theta = np.stack([self.theta[name].values for name in space.names], axis=-1)
        write_vic_parameters(path, ParameterField(self.method, -1, theta), space, cube, given)
        return path

    def _source(self) -> Path:
        study = load_study(self.result.study_file)
        found = files_of(study, self.result.folder("cube")).parameters
        if found is None:
            raise SettingsError(
                f"{self.result.directory}: the process model '{study.process.model}' has no VIC parameter file; "
                "name one as source"
            )
        return found

    def __repr__(self) -> str:
        return f"Best({self.method}, {self.result.directory})"

    def _repr_html_(self) -> str:
        return card(f"θ of {self.method}", {"run": self.result.directory}, self.theta._repr_html_())


class Result(Results):
    """What a run leaves behind, read when asked for.

    Args:
        directory: of the run.

    Attributes:
        scores: statistics of soil moisture's scores over cells, a line a seed (DataFrame).
        theta: θ that was judged, a variable a parameter ``(row, cell)``, physical values; a row is a method and seed.
        series: daily series of the process model with it ``(row, cell, time)``, units in the attributes.
        recommended: the learner to take, and why.

    Raises:
        RunError: if it is not the directory of a run. What is asked for and is not there is a RunError, too.
    """

    def best(self, method: str | None = None) -> Best:
        """θ of one method, the mean over members and seeds in unit coordinates.

        Args:
            method: name in the tables; ``None`` takes the recommended one.

        Raises:
            DataError: if there is no such method, it has no θ, or none is recommended.
        """
        fields = self.theta_fields()
        chosen = method if method is not None else self.recommended.method
        if chosen is None:
            raise DataError(f"{self.recommended.why} Name a method: {', '.join(fields)}")
        if chosen not in fields:
            raise DataError(f"{self.directory}: no θ of a method '{chosen}'{nearest(chosen, fields)}")
        theta, cube, space = fields[chosen], self.cube, self.space
        found = space.mean(theta)
        variables: dict[str, tuple] = {}
        for i, p in enumerate(space):
            variables[p.name] = ("cell", found[:, i], p.attributes)
            if len(theta) > 1:
                spread = {"units": p.unit, "long_name": f"standard deviation of {p.name} over {len(theta)} seeds"}
                variables[f"{p.name}_spread"] = ("cell", theta[:, :, i].std(axis=0, ddof=1), spread)
        attributes = {**WRITTEN, "title": f"Parameters of study {self.name} found by {chosen}"}
        coords = axes(cube.cells, cube.lat, cube.lon)
        return Best(self, chosen, xr.Dataset(variables, coords, attributes))

    @property
    def plot(self) -> Plots:
        """Figures: ``plot.map("expt")``, ``plot.series(cell=12)``."""
        from paraformer.pipeline.plots import Plots  # here, for it loads matplotlib

        return Plots(self)

    def assimilate(
        self, method: str | None = None, *, offset: bool = True, members: int = 24, out: str | Path | None = None
    ) -> pd.DataFrame:
        """Soil moisture one step ahead, with and without a Kalman filter of observations, by default VIC and by a θ.

        Arguments, table and errors: ``pipeline.assimilate.assimilate``.
        """
        from paraformer.pipeline.assimilate import assimilate

        return assimilate(self.directory, method, offset=offset, members=members, out=out)

    def report(self) -> Path:
        """The report of the run, one page that opens in a browser without a network.

        Raises:
            RunError: if the run has not come to its report.
        """
        path = self.directory / "report.html"
        if not path.exists():
            raise RunError(f"{path}: no such file; 'run' until its end writes the report")
        return path

    def __repr__(self) -> str:
        return f"Result({self.directory})"

    def __str__(self) -> str:
        return told(self) if self.judged else self._finished()

    def _finished(self) -> str:
        stages: Sequence[str] = [name for name, stage in self.manifest.get("stages", {}).items() if "hash" in stage]
        return f"{self.directory}: not yet judged; finished stages: {', '.join(stages) or 'none'}"

    def _repr_html_(self) -> str:
        facts = {"run": self.directory, "cells": len(self.cube.cells)} if self.judged else {"run": self._finished()}
        if not self.judged:
            return card("Result", facts)
        told_of = {**facts, "test period": self.cube.period("test"), "take": self.recommended.why}
        return card(f"Result of study {self.name}", told_of, tables(self).to_html(index=False))
