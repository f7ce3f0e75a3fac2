"""Mistakes that users can make, tried one by one: ``python benchmarks/cases.py FOLDER [--only TEXT] [--out FILE]``.

A case is a study file with what it names, or a folder of granules; the folder's README.md says what each holds. It is
*refused* (one line, exit code 2 or 3, that names file or key), or *right* (accepted, with the result of the sound
``_base``, or with a warning where one is asked for), or *wrong*: anything else, a hang among them. Exits with 1 if any
case is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import xarray as xr

import paraformer.pipeline  # noqa: F401  (once, before every case has a process of its own)
from paraformer.cli import main as command_line
from paraformer.core.errors import ParaformerError
from paraformer.core.schema import Cube
from paraformer.data.sources.config import NldasConfig
from paraformer.data.sources.nldas import read_nldas
from paraformer.training.normalise import Normaliser

WARNED = {
    "inputs/time_jitter",
    "inputs/cells_dup_place",
    "inputs/p_cv_half",
    "inputs/p_lai_100",
    "inputs/p_over5",
    "inputs/p_disp_gt_wind",
    "studies/no_obs_cell",
}
"""Refused, or accepted with a warning that names cells."""
VALID = {"studies/names/n_uni.yaml"}
"""Accepted as they are."""
FITS_NOT = {"inputs/cells_dup_place": ("domain.nc",)}
"""Files of the base that have no place for what a case asks."""
NEEDS_NO_GPU = {"studies/gpu_absent", "settings/device_cuda.yaml", "settings/training_device.yaml"}
"""Sound where there is a GPU."""

DATA = (".nc", ".zarr")
HOURS = re.compile(r"NLDAS_FORA0125_H\.A(20150401\.\d{4}|20150402\.0000)\.020\.nc")

Verdict = Literal["refused", "right", "wrong"]


@dataclass(frozen=True)
class Ended:
    """How a command ended; ``None`` is a hang."""

    code: int | None
    out: str = ""
    error: str = ""

    @property
    def last(self) -> str:
        lines = self.error.strip().splitlines()
        return lines[-1] if lines else ""


def attempt(work: Callable[[], object], timeout: float) -> Ended:
    """Do ``work`` in a process of its own, for at most ``timeout`` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        out, error = Path(folder, "out"), Path(folder, "error")
        process = multiprocessing.get_context("fork").Process(target=_apart, args=(work, out, error))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            return Ended(None)
        return Ended(process.exitcode, *(path.read_text(encoding="utf-8", errors="replace") for path in (out, error)))


def _apart(work: Callable[[], object], out: Path, error: Path) -> None:
    for number, path in ((1, out), (2, error)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    work()


def command(*arguments: str) -> Callable[[], None]:
    """The command line, as of a shell."""

    def work() -> None:
        sys.argv = ["paraformer", *arguments]
        command_line()

    return work


@dataclass(frozen=True)
class Case:
    """One study, and what ``check`` is called with."""

    name: str
    study: Path
    arguments: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The folder that the lists above name, or the file where they name that."""
        return self.name if self.name.startswith("settings/") or self.name in VALID else _folder_of(self.name)

    def names(self) -> set[str]:
        """What a refusal may name: a file that differs from the base, one it does not fit, a line or key of the study.

        Where data files differ, a key of the study counts only with its line.
        """
        files = {path.name for path in self.study.parent.iterdir() if path.suffix in DATA}
        if files and "--set" not in self.arguments:
            return {*files, *FITS_NOT.get(self.kind, ()), f"{self.study.name}, line "}
        try:
            keys = set(re.findall(r"[A-Za-z_]\w+", self.study.read_text(encoding="utf-8", errors="replace")[:10_000]))
        except OSError:
            keys = set()
        return {self.study.name, "--set", *keys}


def _folder_of(name: str) -> str:
    return "/".join(name.split("/")[:2])


def cases_of(folder: Path) -> list[Case]:
    """Every study of the folder, with the arguments that its README gives."""
    readme = (folder / "README.md").read_text(encoding="utf-8") if (folder / "README.md").is_file() else ""
    given = dict(re.findall(r"^\| (\S+\.yaml) \| `([^`]+)` \|", readme, flags=re.MULTILINE))
    cases = []
    for path in sorted(p for part in ("inputs", "studies", "settings") for p in (folder / part).rglob("*.yaml")):
        if path.parent.name == "_base":
            continue
        name = path.relative_to(folder).as_posix().removesuffix("/study.yaml")
        text = given.get(name, "")
        arguments = tuple(
            part.replace("\0", " ") for part in shlex.split(text.replace("[ ", "[").replace("a: [", "a:\0["))
        )
        cases.append(Case(name, path, arguments))
    base = folder / "studies" / "_base" / "study.yaml"
    if base.is_file():
        cases.append(Case("set_bad", base, ("--set", "seed={")))
    return cases


def refused(ended: Ended, names: set[str]) -> bool:
    """Whether it ended in one line that names what is wrong."""
    clean = "Traceback" not in ended.error and not re.search(r"^\S+\.py:\d+: \w*Warning", ended.error, re.MULTILINE)
    return ended.code in (2, 3) and clean and ended.last.startswith("error: ") and any(n in ended.last for n in names)


def same_runs(case: Case, base: Path, folder: Path) -> str:
    """How the ensemble of the case differs from that of the base; nothing where it does not."""
    found, expected = (
        xr.open_zarr(where / "ensemble" / "ensemble.zarr", consolidated=False).load() for where in (folder, base)
    )
    for name in expected.data_vars:
        if expected[name].dtype.kind == "f" and not np.array_equal(found[name], expected[name], equal_nan=True):
            off = float(np.nanmax(np.abs(found[name].values - expected[name].values)))
            return f"{name} is off by up to {off:g} from that of the base"
    return ""


def tiny_varies(case: Case, base: Path, folder: Path) -> str:
    """Whether a small attribute is not normalised as any other."""
    cube = Cube.open(folder / "cube" / "cube.zarr")
    attributes = cube.attributes()
    spread = Normaliser.fit(cube.attribute_names, attributes, cube.trained)(attributes)[cube.trained].std(axis=0)
    at = cube.attribute_names.index("ksat_ms")
    return "" if abs(spread[at] - 1.0) < 1e-6 else f"ksat_ms is not normalised: spread {spread[at]:g}"


def months_by_value(case: Case, base: Path, folder: Path) -> str:
    """Which climatology has other months than its coordinate says."""
    cube = Cube.open(folder / "cube" / "cube.zarr")
    with xr.open_dataset(case.study.parent / "inputs.nc", decode_times=False) as dataset:
        for name in (str(n) for n in dataset.data_vars if "month" in dataset[n].dims):
            by_value = dataset[name].sortby("month").values
            if not np.allclose(cube.dataset[name].values, by_value, equal_nan=True):
                return f"{name}: months are not where their coordinate says"
    return ""


def valid_observations(case: Case, base: Path, folder: Path) -> str:
    """Whether observations differ from the base's inside the range that the file calls valid, or are there outside."""
    cube, of_base = (Cube.open(where / "cube" / "cube.zarr") for where in (folder, base))
    with xr.open_dataset(case.study.parent / "inputs.nc", decode_times=False, mask_and_scale=False) as dataset:
        low, high = (dataset["sm_obs"].attrs[name] for name in ("valid_min", "valid_max"))
    expected = of_base.dataset["sm_obs"]
    expected = expected.where((expected >= low) & (expected <= high))
    return "" if np.array_equal(cube.dataset["sm_obs"], expected, equal_nan=True) else "sm_obs is not that of the base"


RIGHT: dict[str, tuple[str, Callable[[Case, Path, Path], str]]] = {
    "inputs/d_permuted": ("simulate", same_runs),
    "inputs/p_permuted": ("simulate", same_runs),
    "studies/params_flipped": ("simulate", same_runs),
    "studies/valid_range_attr": ("cube", valid_observations),
    "studies/zarr2_fill0": ("simulate", same_runs),
    "studies/cell_ids_float": ("simulate", same_runs),
    "studies/attr_tiny": ("cube", tiny_varies),
    "studies/month_wateryear": ("cube", months_by_value),
}
"""Accepted; the verb to run, and what then shows a fault in the run (the base's run is given, too)."""


def judge(case: Case, base: Path, timeout: float) -> tuple[Verdict, str]:
    """What became of a case, and the line that shows it."""
    ended = attempt(command("check", str(case.study), *case.arguments), timeout)
    if ended.code is None:
        return "wrong", f"hangs for {timeout:g} s"
    if case.kind in NEEDS_NO_GPU and torch.cuda.is_available() and ended.code == 0:
        return "right", "there is a GPU"
    if case.kind in VALID:
        return ("right", "accepted") if ended.code == 0 else ("wrong", ended.last)
    if case.kind in RIGHT:
        return ("wrong", ended.last) if ended.code else _judge_run(case, base, timeout)
    if refused(ended, case.names()):
        return "refused", ended.last
    if case.kind in WARNED and ended.code == 0:
        said = [line for line in (ended.error + ended.out).splitlines() if re.search(r"\bcells? .*\d", line)]
        warned = [line for line in said if not re.search(r"\d+ cells, \d+ trained", line)]
        return ("right", warned[0]) if warned else ("wrong", "accepted without a warning that names cells")
    return "wrong", ended.last or f"accepted in silence (exit {ended.code})"


def _judge_run(case: Case, base: Path, timeout: float) -> tuple[Verdict, str]:
    verb, fault_of = RIGHT[case.kind]
    with tempfile.TemporaryDirectory() as folder:
        where = {"case": Path(folder, "case"), "base": Path(folder, "base")}
        for name, study in (("case", case.study), ("base", base / "study.yaml")):
            ended = attempt(command(verb, str(study), "--directory", str(where[name]), "--quiet"), timeout)
            if ended.code != 0:
                return "wrong", f"check passes, {verb} ends with {ended.code}: {ended.last}"
        ended = attempt(lambda: sys.exit(fault_of(case, where["base"], where["case"]) or 0), timeout)
    return ("wrong", ended.last) if ended.code else ("right", "as stated")


def read_day(folder: Path) -> xr.Dataset:
    """The forcing of 2015-04-01 in a folder of NLDAS files."""
    region = {"south": 25, "north": 53, "west": -125, "east": -67}
    period = {"start": "2015-04-01", "end": "2015-04-01"}
    return read_nldas(NldasConfig.model_validate({"folder": folder, "region": region, "period": period}))


def judge_granules(folder: Path, timeout: float) -> tuple[Verdict, str]:
    """Whether a folder reads as its 25 proper files alone."""

    def compare() -> None:
        with tempfile.TemporaryDirectory() as clean:
            for path in folder.iterdir():
                if HOURS.fullmatch(path.name):
                    Path(clean, path.name).symlink_to(path)
            expected = read_day(Path(clean))
        sys.stderr.flush()
        os.ftruncate(2, 0)  # what was said of the clean copy
        os.lseek(2, 0, os.SEEK_SET)
        xr.testing.assert_identical(read_day(folder).drop_attrs(), expected.drop_attrs())

    def work() -> None:
        with _said():
            compare()

    ended = attempt(work, timeout)
    if ended.code != 0:
        return "wrong", ended.last or f"ends with {ended.code}"
    twice = len({path.name[:34] for path in folder.rglob("*.nc*")}) < len(list(folder.rglob("*.nc4"))) + 25
    if folder.name == "nc_and_SUB" and "0300" not in ended.error and twice:
        return "wrong", "one hour in two files, and nothing says which is read"
    return "right", ended.last or "read"


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """Warnings on standard error, and an error of ours as one line."""
    import logging

    logging.basicConfig(format="%(message)s")
    try:
        yield
    except ParaformerError as error:
        sys.exit(f"error: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    parser.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="a command that takes longer hangs"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write verdicts as JSON")
    options = parser.parse_args()
    folder = options.folder.resolve()
    found: dict[str, tuple[Verdict, str]] = {}

    def show(name: str, verdict: tuple[Verdict, str]) -> None:
        found[name] = verdict
        print(f"{verdict[0]:8} {name:45} {verdict[1]}", flush=True)  # noqa: T201

    for case in cases_of(folder):
        if options.only in case.name:
            show(case.name, judge(case, folder / _folder_of(case.name).split("/")[0] / "_base", options.timeout))
    for path in sorted((folder / "granules").glob("*")):
        if options.only in f"granules/{path.name}":
            show(f"granules/{path.name}", judge_granules(path, options.timeout))
    counts = Counter(verdict for verdict, _ in found.values())
    print(f"{counts['refused']} refused, {counts['right']} right, {counts['wrong']} wrong")  # noqa: T201
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if counts["wrong"] or not found else 0)


if __name__ == "__main__":
    main()
