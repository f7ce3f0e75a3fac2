"""From the archive of process-model runs to an audited surrogate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from paraformer.config import Study
from paraformer.core.contracts import ForwardModel
from paraformer.core.files import write_csv, write_json
from paraformer.core.log import Progress
from paraformer.core.schema import Cube, Ensemble
from paraformer.process.descriptors import descriptors
from paraformer.process.recipe import ProcessRecipe
from paraformer.surrogate.audit import audit_held_out
from paraformer.surrogate.config import SurrogateConfig
from paraformer.surrogate.fit import SurrogateData, fit_surrogate
from paraformer.surrogate.model import Surrogate


def surrogate_data(study: Study, cube: Cube, model: ProcessRecipe | ForwardModel, archive: Path) -> SurrogateData:
    """What a surrogate may see: the archive's runs, and the forcing and descriptors that drove them."""
    ensemble = Ensemble.open(archive)
    static_names, statics, daily_names, daily = descriptors(model, cube)
    return SurrogateData(
        space=study.space,
        cells=cube.cells,
        time=cube.time,
        forcing=cube.forcing(),
        statics=statics,
        static_names=static_names,
        theta=ensemble.theta,
        kind=ensemble.kind,
        held_out=ensemble.held_out,
        runs={name: ensemble.output(name) for name in study.surrogate.outputs},
        trained=cube.trained,
        training=cube.period("train").mask(cube.time),
        daily=daily,
        daily_names=daily_names,
        spin_up=study.process.spin_up.days,
    )


def fit_and_audit(
    config: SurrogateConfig,
    data: SurrogateData,
    path: Path,
    *,
    seed: int,
    progress: Progress,
    audited: SurrogateData | None = None,
    **more: Any,
) -> None:
    """Fit a surrogate in ``path``, and write ``audit.json`` and ``response.csv`` on θ that it has not seen.

    Args:
        audited: the runs whose held-out θ it is audited on; by default those it is fitted to.
        more: further arguments of ``fit_surrogate``.
    """
    surrogate, runs = fit_surrogate(config, data, path, seed=seed, progress=progress, **more), audited or data
    write_json(path / "audit.json", [asdict(row) for row in audit_held_out(surrogate, runs, config.outputs)])
    write_csv(path / "response.csv", response_sample(surrogate, runs))


def response_sample(surrogate: Surrogate, data: SurrogateData, days: int = 37) -> pd.DataFrame:
    """Change of soil moisture between two held-out θ of a cell, every ``days``-th day, by both models [m3 m-3]."""
    held = np.argsort(~data.held_out, axis=1, kind="stable")[:, :2]
    both = np.flatnonzero(data.held_out.sum(axis=1) >= 2)
    held = held[both]
    if not both.size:  # every cell holds out one set: there is no difference to look at
        return pd.DataFrame({"process_model": [], "surrogate": []})
    emulated = surrogate.select(both).simulate(data.theta[both[:, None], held], ("soil_moisture",))["soil_moisture"]
    true = data.runs["soil_moisture"][both[:, None], held]
    changes = [(series[:, 1] - series[:, 0])[:, ::days].ravel() for series in (true, emulated)]
    return pd.DataFrame({"process_model": changes[0].astype(np.float64), "surrogate": changes[1].astype(np.float64)})
