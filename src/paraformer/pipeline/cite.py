"""``cite``: what a paper that uses a run has to name: data products, models, method and software."""

from __future__ import annotations

import re
from pathlib import Path

from paraformer.core.errors import DataError
from paraformer.core.results import Results
from paraformer.core.run_files import is_run
from paraformer.core.schema import Cube
from paraformer.data.citations import CITATIONS

MODELS = (
    "Li, K. and Lu, Y. (2023). A Transformer-Based Framework for Parameter Learning of a Land Surface Hydrological "
    "Process Model. Remote Sens. 15, 3536. doi:10.3390/rs15143536",
    "Liang, X., Lettenmaier, D. P., Wood, E. F. and Burges, S. J. (1994). A simple hydrologically based model of land "
    "surface water and energy fluxes for general circulation models. J. Geophys. Res. 99, 14415-14428. "
    "doi:10.1029/94JD00483",
    "Hamman, J. J. et al. (2018). The Variable Infiltration Capacity model version 5 (VIC-5). Geosci. Model Dev. 11, "
    "3481-3496. doi:10.5194/gmd-11-3481-2018",
)
"""Method and process model."""

SEARCHES = {
    "sceua": "Duan, Q., Sorooshian, S. and Gupta, V. (1992). Effective and efficient global optimization for "
    "conceptual rainfall-runoff models. Water Resour. Res. 28, 1015-1031. doi:10.1029/91WR02985",
    "kalman": "Iglesias, M. A., Law, K. J. H. and Stuart, A. M. (2013). Ensemble Kalman methods for inverse problems. "
    "Inverse Problems 29, 045001. doi:10.1088/0266-5611/29/4/045001",
}
"""By the name of a search in the settings."""

_DOI = re.compile(r"doi:\s*(10\.\d{4,9}/[^\s;,)]+)", re.IGNORECASE)


def cite(run: Path) -> str:
    """Products with version, identifier and citation, then models and software, of a run directory or a cube.

    Raises:
        DataError: neither of the two.
    """
    results = Results(run) if is_run(run) else None
    if results is None and not (run / "zarr.json").exists():
        raise DataError(f"{run}: no cube here; cite takes a run directory or a cube")
    cube = Cube.open(run) if results is None else results.cube
    attrs = cube.dataset.attrs
    lines = ["Data"]
    for part in _parts(str(attrs.get("source", ""))):
        lines.append(f"  {part}")
        lines += [f"    {CITATIONS[doi]}" for doi in _DOI.findall(part) if doi in CITATIONS]
    lines += [f"  {part}" for part in _parts(str(attrs.get("references", "")))]
    if attrs.get("license"):
        lines.append(f"  licence: {attrs['license']}")
    lines += ["Models and method", *(f"  {entry}" for entry in (*MODELS, *_searches(results)))]
    return "\n".join([*lines, "Software", f"  {_software(results)}"])


def _parts(text: str) -> list[str]:
    """The entries of an attribute, each once, in order."""
    return list(dict.fromkeys(part.strip() for part in text.split(";") if part.strip()))


def _searches(results: Results | None) -> list[str]:
    """Citations of the searches that the run's study names."""
    searches = {} if results is None else results.settings.get("searches") or {}
    named = {search["name"] for search in searches.values()}
    return [entry for name, entry in SEARCHES.items() if name in named]


def _software(results: Results | None) -> str:
    """Versions and revisions that made the run's stages."""
    if results is None:
        return "ParaFormer (see CITATION.cff)"
    return f"ParaFormer {'; '.join(results.made_by)} (see CITATION.cff)"
