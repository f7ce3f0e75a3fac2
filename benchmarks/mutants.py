"""Mutation run: one small change of the code at a time, and whether its tests notice, as a table:

``python benchmarks/mutants.py [--number 200] [--seed 0] [--again NUMBER ...] [--folder DIR] [--out FILE]``

A seeded sample of mutants of the numbers: ``numerics``, ``core``, ``search``, the scores, the proofs and remapping of
input, and the fluxes of VIC. Each is tried on a copy of the code, in a process of its own, by the tests that are about
its file, first those that run without compiling, then, if it lives, those that compile the model. A mutant that needs
more than ``--limit`` seconds of processor time hangs, which counts as noticed. Results are kept line by line in the
folder, so that the same command goes on where it was stopped, with the tests of today on the code that the folder was
begun with. Tables of ranges and texts of messages are not mutated.

The run takes hours; start it in the background: ``nice -n 15 python benchmarks/mutants.py > mutants.log 2>&1 &``.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/paraformer")

_TABLES = ("variables.py", "vic_variables.py", "errors.py", "contracts.py", "log.py", "lazy.py", "__init__.py")
"""Files of ``core`` that hold no decision: ranges, texts, interfaces."""

_FLUXES = (
    "aerodynamics",
    "baseflow",
    "canopy",
    "canopy_energy",
    "canopy_snow",
    "drainage",
    "evaporation",
    "ground_heat",
    "infiltration",
    "pack_energy",
    "radiation",
    "roots",
    "snow_density",
    "snow_pack",
    "soil_water",
    "thin_snow",
    "transpiration",
    "vapour",
)
"""Files of VIC that hold one flux each."""

GROUPS: dict[str, tuple[str, ...]] = {
    "numerics": ("numerics/*.py",),
    "core": ("core/*.py",),
    "search": ("search/*.py",),
    "scores": ("evaluation/score.py",),
    "quality": ("data/quality.py",),
    "regrid": ("data/regrid.py",),
    "fluxes": tuple(f"process/vic/{name}.py" for name in _FLUXES),
}
"""Files of the sample by group. A group's share goes with the root of the number of its places: small ones count."""

_OWN_TESTS = {
    "core/run.py": "core/test_damage.py core/test_run.py",
    "core/ledger.py": "core/test_damage.py",
    "core/hashing.py": "core/test_small.py core/test_damage.py",
    "core/files.py": "core/test_small.py core/test_faults.py core/test_damage.py",
    "core/grid.py": "core/test_raster.py core/test_match_cells.py core/test_small.py data/test_regrid.py",
    "core/schema.py": "core/test_schema.py core/test_small.py core/test_parameters.py",
    "core/settings.py": "core/test_settings.py core/test_small.py",
    "core/units.py": "core/test_small.py data/test_values.py data/test_cube.py",
    "core/seeding.py": "core/test_small.py",
    "core/time.py": "core/test_time.py core/test_small.py",
    "core/paths.py": "core/test_names.py core/test_small.py",
    "core/netcdf_header.py": "core/test_netcdf_header.py core/test_netcdf.py",
    "core/own_calibrator.py": "learners/test_own_calibrator.py",
    "core/recommended.py": "evaluation/test_cross_validation.py core/test_results.py",
    "core/proof.py": "core/test_proof.py data/test_values.py",
    "data/quality.py": "data/test_quality.py data/test_presampled.py data/test_cube.py data/test_values.py",
    "data/regrid.py": "data/test_regrid.py data/sources/test_granules.py",
    "numerics/composition.py": "routing/test_router.py",
    "numerics/seasonal.py": "numerics/test_seasonal.py evaluation/test_baselines.py",
    "search/config.py": "search/test_config.py search/test_search.py surface/test_surface.py",
    "search/search.py": "search/test_search.py search/test_streamflow.py",
    "search/checkpoint.py": "search/test_search.py",
    "search/state.py": "search/test_search.py search/test_sceua.py",
}
_FLUX_TESTS = "process/test_vic_fluxes.py process/test_vic_soil.py process/test_vic_snow.py"
_COMPILED = {
    "fluxes": "golden/test_slices.py process/test_vic_water_balance.py process/test_vic_simulate.py",
    "search": "search/test_problems.py search/test_search.py search/test_levenberg.py search/test_sceua.py",
}
"""Tests that are tried on what the first ones let live, with compiled functions."""

_COMPILED_ONLY = "not (by_exponential or at_its_ends_and_at_freezing or relaxes_to_the_profile)"
"""Tests that ask for what a compiler left behind, or take minutes without one, are not run without."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file: ``before`` at an offset of its text becomes ``after``."""

    group: str
    file: str
    line: int
    start: int
    before: str
    after: str


_SWAPPED: dict[type, tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}


class _Places(ast.NodeVisitor):
    """Every place of a file that can be mutated."""

    def __init__(self, group: str, file: str, text: str) -> None:
        self.group, self.file, self.text = group, file, text
        self.lines = [0]
        for line in text.encode().splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.raw = text.encode()
        self.found: list[Mutant] = []

    def _at(self, line: int, column: int) -> int:
        return self.lines[line - 1] + column

    def _add(self, start: int, end: int, after: str, line: int) -> None:
        self.found.append(Mutant(self.group, self.file, line, start, self.raw[start:end].decode(), after))

    def _between(self, left: ast.expr, right: ast.expr, operator: ast.AST) -> None:
        if type(operator) not in _SWAPPED or left.end_lineno is None or left.end_col_offset is None:
            return
        old, new = _SWAPPED[type(operator)]
        start, end = self._at(left.end_lineno, left.end_col_offset), self._at(right.lineno, right.col_offset)
        at = self.raw.find(old.encode(), start, end)
        if at >= 0:
            self._add(at, at + len(old), new, left.end_lineno)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            self._between(left, right, operator)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = (node.left, node.right)
        if not any(isinstance(t, ast.JoinedStr) or _is_text(t) for t in texts) and not isinstance(node.op, ast.BitOr):
            self._between(node.left, node.right, node.op)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, node.op)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._between(node.target, node.value, node.op)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        start, end = self._at(node.lineno, node.col_offset), self._at(node.operand.lineno, node.operand.col_offset)
        if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            self._add(start, end, "", node.lineno)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._replace(node, str(not node.value))
        elif isinstance(node.value, int):
            self._replace(node, str(node.value + 1))
        elif isinstance(node.value, float):
            self._replace(node, repr(node.value * 1.1 if node.value else 1.0))

    def _replace(self, node: ast.expr, after: str) -> None:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start, end = self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)
        self._add(start, end, after, node.lineno)

    def visit_If(self, node: ast.If) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def _negate(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.UnaryOp):
            self._replace(test, f"(not ({ast.get_source_segment(self.text, test)}))")

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _NAMES:
            self._replace(node, _NAMES[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _NAMES:
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            end = self._at(node.end_lineno, node.end_col_offset)
            self._add(end - len(node.attr), end, _NAMES[node.attr], node.lineno)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if _is_text(node.value):
            return  # a docstring
        call = node.value
        if isinstance(call, ast.Call):
            if isinstance(call.func, ast.Attribute) and _names(call.func.value, "logger"):
                return
            self._replace(call, "None")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name in ("__repr__", "__hash__"):
            return
        for part in (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None), *node.body):
            self.visit(part)  # neither annotations nor decorators

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        """What a message says is no decision."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Nor here."""


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _names(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def places(root: Path, group: str) -> list[Mutant]:
    """Every mutant of a group's files, in the order of the files."""
    found: list[Mutant] = []
    for pattern in GROUPS[group]:
        for path in sorted((root / PACKAGE).glob(pattern)):
            if path.name in _TABLES:
                continue
            text = path.read_text(encoding="utf-8")
            visitor = _Places(group, path.relative_to(root / PACKAGE).as_posix(), text)
            visitor.visit(ast.parse(text))
            found += visitor.found
    return found


def sample(root: Path, number: int, seed: int) -> list[Mutant]:
    """So many mutants, the same for the same code, number and seed; groups take turns."""
    every = {group: places(root, group) for group in GROUPS}
    shares = {group: len(found) ** 0.5 for group, found in every.items()}
    drawn: list[tuple[float, Mutant]] = []
    for position, (group, found) in enumerate(every.items()):
        count = round(number * shares[group] / sum(shares.values()))
        order = np.random.default_rng([seed, position]).permutation(len(found))[:count]
        drawn += [((turn + 0.5) / count, found[i]) for turn, i in enumerate(order)]
    return [mutant for _, mutant in sorted(drawn, key=lambda pair: pair[0])]


def tests_of(mutant: Mutant, tests: Path) -> tuple[list[str], list[str]]:
    """Tests that are about a mutant's file: those without compiling, those with."""
    room, stem = Path(mutant.file).parent.name, Path(mutant.file).stem
    own = _FLUX_TESTS if mutant.group == "fluxes" else _OWN_TESTS.get(mutant.file, f"{room}/test_{stem}.py")
    first = [name for name in own.split() if (tests / name).exists()]
    if not first:
        first = sorted(p.relative_to(tests).as_posix() for p in (tests / room).glob("test_*.py"))
    return first, [name for name in _COMPILED.get(mutant.group, "").split() if (tests / name).exists()]


def judged(tree: Path, mutant: Mutant, limit: int) -> str:
    """What notices a mutant: a test, ``hangs``, or nothing (``lives``)."""
    path = tree / PACKAGE / mutant.file
    before = path.read_bytes()
    start, end = mutant.start, mutant.start + len(mutant.before.encode())
    first, last = tests_of(mutant, tree / "tests")
    unfit = [file for file in first if not sound(tree, file, False, limit)]  # they ask for compiled functions
    for compiled, files in ((False, [f for f in first if f not in unfit]), (True, [*unfit, *last])):
        for file in files:
            if compiled and not sound(tree, file, compiled, limit):
                sys.exit(f"{file}: fails on the unchanged code")
        path.write_bytes(before[:start] + mutant.after.encode() + before[end:])
        try:
            for file in files:
                ended = run_tests(tree, file, compiled, limit)
                if ended != "passed":
                    return f"{file}: {ended}"
        finally:
            path.write_bytes(before)
    return "lives"


def run_tests(tree: Path, file: str, compiled: bool, limit: int) -> str:
    """Run a file of tests in a child of this process, which has the libraries loaded already."""
    child = os.fork()
    if child == 0:
        os._exit(_in_child(tree, file, compiled, limit))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hangs" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else "crashes"
    return {0: "passed", 5: "passed"}.get(os.WEXITSTATUS(status), "fails")


def _in_child(tree: Path, file: str, compiled: bool, limit: int) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    os.chdir(tree)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.path[:1] = [str(tree / "src"), str(tree / "tests")]  # in place of this folder, which has a routing.py too
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    import hypothesis
    import numba
    import pytest

    hypothesis.settings.register_profile("few", max_examples=20, deadline=None)
    hypothesis.settings.load_profile("few")
    numba.config.DISABLE_JIT = 0 if compiled else 1
    options = ["-x", "-q", "-m", "not long and not shared", "-p", "no:randomly", "--timeout", "0"]
    skipped = [] if compiled else ["-k", _COMPILED_ONLY]
    try:
        return int(pytest.main([*options, *skipped, f"tests/{file}"]))
    except BaseException:
        return 1


def _preload() -> None:
    """Load what tests need, so that children need not; nothing of the package."""
    for name in (
        "beartype",
        "h5netcdf",
        "hypothesis",
        "jaxtyping",
        "netCDF4",
        "numba",
        "pandas",
        "pydantic",
        "pytest",
        "scipy.optimize",
        "torch",
        "xarray",
        "zarr",
    ):
        __import__(name)


def copy_of(root: Path, folder: Path) -> Path:
    """The code to mutate: a copy made when the folder is new, with the tests of today."""
    tree = folder / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    for name in ("src", "docs", "studies", "benchmarks", "examples", "tests"):
        if name == "tests":
            shutil.rmtree(tree / name, ignore_errors=True)
        if not (tree / name).exists():
            shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(root / "pyproject.toml", tree)
    return tree


def sound(tree: Path, file: str, compiled: bool, limit: int) -> bool:
    """Whether a file of tests passes on the code as it is: else what it notices says nothing.

    It is tried once, as long as it is the same file.
    """
    tried = tree.parent / "unchanged.txt"
    before = tried.read_text(encoding="utf-8").splitlines() if tried.exists() else []
    content = hashlib.blake2b((tree / "tests" / file).read_bytes(), digest_size=8).hexdigest()
    line = f"{file}{', compiled' if compiled else ''}: {content}: "
    for known_one in before:
        if known_one.startswith(line):
            return known_one == line + "passed"
    ended = run_tests(tree, file, compiled, limit)
    say(f"unchanged: {line}{ended}")
    with tried.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}{ended}\n")
    return ended == "passed"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def known(path: Path) -> dict[str, str]:
    """Results of earlier runs, by mutant."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {_key(Mutant(**entry["mutant"])): entry["noticed"] for entry in map(json.loads, lines)}


def _key(mutant: Mutant) -> str:
    return json.dumps(asdict(mutant), sort_keys=True)


def shown(results: Sequence[tuple[int, Mutant, str]]) -> Iterator[str]:
    """The table of a run in Markdown, then its mutants that live."""
    yield "| group | mutants | noticed |"
    yield "|---|---:|---:|"
    for group in (*GROUPS, "all"):
        of = [noticed for _, mutant, noticed in results if group in (mutant.group, "all")]
        if of:
            died = sum(noticed != "lives" for noticed in of)
            yield f"| {group} | {len(of)} | {died} ({100 * died / len(of):.0f} %) |"
    for number, mutant, noticed in results:
        if noticed == "lives":
            yield f"{number}: {mutant.file}:{mutant.line}: `{mutant.before}` -> `{mutant.after or 'nothing'}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=200, help="mutants of the sample")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--again", type=int, nargs="*", metavar="NUMBER", help="try these anew; none given: all that live"
    )
    parser.add_argument("--limit", type=int, default=300, help="processor seconds of a file of tests")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "paraformer-mutants")
    parser.add_argument("--out", type=Path, help="file of results, one a line (default: results.jsonl in the folder)")
    given = parser.parse_args()
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    sys.dont_write_bytecode = True
    given.folder.mkdir(parents=True, exist_ok=True)
    tree, out = copy_of(ROOT, given.folder), given.out or given.folder / "results.jsonl"
    _preload()
    found, results = known(out), []
    chosen = sample(tree, given.number, given.seed)

    def is_due(number: int, noticed: str | None) -> bool:
        named = given.again is not None and (number in given.again or (not given.again and noticed == "lives"))
        return noticed is None or named

    for number, mutant in enumerate(chosen):
        noticed = found.get(_key(mutant))
        if is_due(number, noticed):
            noticed = judged(tree, mutant, given.limit)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"mutant": asdict(mutant), "noticed": noticed}) + "\n")
            say(f"{number}: {mutant.file}:{mutant.line}: {mutant.before!r} -> {mutant.after!r}: {noticed}")
        results.append((number, mutant, noticed or ""))
    say("\n".join(shown(results)))


if __name__ == "__main__":
    main()
