"""Does this tree give the same numbers as another revision? Every artefact of two studies, compared bit for bit.

    python benchmarks/same_numbers.py REVISION [--study studies/demo.yaml] [--set KEY=VALUE ...] [--out FILE]

Checks out REVISION beside the project (git worktree, in a temporary folder), runs the demo and a small twin with both
trees on one thread, and compares every array and table that both leave behind. To be run by hand: it takes as long as
both runs do. Ends with 1 if a number differs; what differs on purpose belongs in CHANGELOG under "Changed numbers".
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[1]
TWIN = (
    "data.synthetic={rows: 4, columns: 6, years: 2}",
    "surrogate.training.steps=60",
    "gap_filling.training.steps=40",
    "references.direct.training.steps=40",
)
STEPS = 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", nargs="?", default="HEAD", help="git revision to compare with")
    parser.add_argument("--study", action="append", help="a study instead of the demo and the small twin")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, help="write what was found here, too")
    return parser.parse_args()


def run(tree: Path, study: str, overrides: list[str], folder: Path) -> None:
    """Run a study with the package of a tree, on one thread."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    options = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "paraformer", "run", str(tree / study), "-q", "--directory", str(folder)]
    if not (tree / "src/paraformer/__main__.py").exists():
        command[1:3] = ["-c", "from paraformer.cli import main; main()"]
    subprocess.run([*command, *options], env=environment, cwd=tree, check=True, stdout=subprocess.DEVNULL)


def arrays(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of a file or store, with a name that says where it is from; the order of a table's lines is none."""
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="r")
        for name, array in group.arrays():
            yield name, np.asarray(array[...])
    elif path.suffix == ".nc":
        with xr.open_dataset(path, decode_cf=False) as dataset:
            for name, variable in dataset.variables.items():
                yield str(name), np.asarray(variable.values)
    elif path.suffix == ".safetensors":
        yield from load_file(path).items()
    elif path.name.endswith(".csv.gz"):
        yield "", np.array(sorted(gzip.decompress(path.read_bytes()).splitlines()))
    elif path.suffix == ".csv":
        yield "", np.array(sorted(path.read_bytes().splitlines()))
    elif path.name in ("audit.json", "audit_learned.json"):
        yield "", np.array([json.dumps(row, sort_keys=True) for row in json.loads(path.read_text())])


def artefacts(run_directory: Path) -> dict[str, np.ndarray]:
    """Arrays of a run by file name, the folders above it and array name; stages may be named anew between revisions."""
    found: dict[str, np.ndarray] = {}
    seen: dict[str, int] = defaultdict(int)
    for path in sorted(run_directory.rglob("*")):
        inside = any(parent.suffix == ".zarr" for parent in path.parents)
        if inside or {"stale", "tables"} & set(path.relative_to(run_directory).parts):
            continue
        parts = path.relative_to(run_directory).parts
        place = "/".join(parts[-3:]) if parts[0] == "parameters" else parts[-1]
        for name, values in arrays(path):
            key = f"{place}:{name}" if name else place
            seen[key] += 1
            found[key if seen[key] == 1 else f"{key} ({seen[key]})"] = values
    return found


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal in type, shape and every bit."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


SAID: list[str] = []


def say(line: str) -> None:
    SAID.append(line)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def report(name: str, here: dict[str, np.ndarray], there: dict[str, np.ndarray]) -> int:
    """Print what differs; returns how many arrays do."""
    both = sorted(here.keys() & there.keys())
    differ = [key for key in both if not same(here[key], there[key])]
    say(f"{name}: {len(both) - len(differ)} of {len(both)} arrays and tables are the same, bit for bit")
    for key in differ:
        one, other = here[key], there[key]
        words = f"shape {one.shape} and {other.shape}"
        if one.shape == other.shape and one.dtype.kind == other.dtype.kind == "f":
            words = f"largest difference {np.nanmax(np.abs(one.astype(float) - other.astype(float))):.3g}"
        say(f"  differs: {key} ({words})")
    for side, extra in (("only here", here.keys() - there.keys()), ("only there", there.keys() - here.keys())):
        for key in sorted(extra):
            say(f"  {side}: {key}")
    return len(differ)


def main() -> None:
    given = arguments()
    studies = [(study, given.overrides) for study in given.study or ()]
    studies = studies or [("studies/demo.yaml", given.overrides), ("studies/twin.yaml", [*TWIN, *few_steps()])]
    differ = 0
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        subprocess.run(
            ["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(other), given.revision], check=True
        )
        try:
            for study, overrides in studies:
                kept = []
                for tree in (ROOT, other):
                    runs = Path(folder) / "runs" / tree.name / Path(study).stem
                    run(tree, study, list(overrides), runs)
                    kept.append(artefacts(runs))
                differ += report(study, *kept)
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(other)], check=True)
    if given.out is not None:
        given.out.write_text("\n".join(SAID) + "\n", encoding="utf-8")
    sys.exit(1 if differ else 0)


def few_steps() -> list[str]:
    """Overrides that keep the twin's learners and searches short."""
    learners = ("FFN_A", "ParaFormer_A", "LSTM_Z", "ParaFormer_Z")
    searches = ("SCE-UA", "Levenberg-Marquardt", "Latin hypercube")
    found = [f"learners.{name}.training.steps={STEPS}" for name in learners]
    return [*found, *(f"searches.{name}.budget=60" for name in searches), "learner_seeds=1", "search_seeds=1"]


if __name__ == "__main__":
    main()
