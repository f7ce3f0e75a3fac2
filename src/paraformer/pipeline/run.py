"""Run a study: its stages in their order, up to one of them."""

from __future__ import annotations

from pathlib import Path

from paraformer.config import Study
from paraformer.core.errors import ParaformerError, SettingsError
from paraformer.core.files import hash_path
from paraformer.core.log import Progress
from paraformer.core.names import STAGES
from paraformer.core.run import Run
from paraformer.pipeline.check import require_parameter_files
from paraformer.pipeline.stages import Chain


def run_study(
    study: Study,
    directory: str | Path,
    *,
    until: str = "report",
    progress: Progress | None = None,
    any_threads: bool = False,
) -> str:
    """Run a study up to and including a stage; finished stages are reused, an interrupted one resumes.

    Args:
        directory: run directory, made if needed.
        until: one of ``STAGES``.
        any_threads: whether unfinished training may go on with another number of threads (``core.run.Run``).

    Returns:
        What to tell the user: the score table once there is one, and where the results are.

    Raises:
        ParaformerError: one clear line; everything computed so far is kept.
    """
    if until not in STAGES:
        raise ParaformerError(f"unknown stage '{until}'; stages: {', '.join(STAGES)}")
    if until == "gap_filling" and study.gap_filling is None:
        raise SettingsError("gap_filling is missing from the study; 'gap_filling: {}' takes the defaults")
    if until not in ("cube", "gap_filling"):
        require_parameter_files(study)
    with Run(Path(directory), any_threads=any_threads) as run:
        run.record_study(study.to_yaml(), {"seed": study.seed, "inputs": _input_hashes(study)})
        chain = Chain(study, run, progress or Progress())
        chain.run_until(until)
        return chain.summary()


def _input_hashes(study: Study) -> dict[str, str]:
    """Content hash of every file the study names."""
    process = study.process
    named = {
        "data": study.data.path,
        "parameters": process.parameters,
        "domain": process.domain,
        "initial_state": process.initial_state,
    }
    return {name: hash_path(path) for name, path in named.items() if path is not None and path.exists()}
