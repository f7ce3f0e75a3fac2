"""VIC's own global parameter files, of its samples and system tests: each runs, or is refused in one line."""

from __future__ import annotations

import re
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from typer.testing import CliRunner

from paraformer.cli import app
from paraformer.core.errors import ParaformerError

pytestmark = pytest.mark.shared
OWN = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "vic5_own_files"
ROUTING = OWN.parents[1] / "data" / "routing" / "vic_sample_data_stehekin"
FILES = sorted([*OWN.glob("system/*.txt"), *OWN.glob("samples/*/parameters/*lobal*.txt")])
RUN = {
    "global.image.STEHE.mpi",
    "global.image.STEHE.restart",
    "global.image.STEHE.restart.FROZEN_SOIL",
    "Stehekin_image_test.global",
}
CONVERTED = {
    "global.classic.STEHE",
    "global.classic.STEHE.allhistvars",
    "global.classic.STEHE.multistream",
    "global_param.STEHE",
}
ENERGY = r"line 13: VIC option FULL_ENERGY TRUE is not supported: set FULL_ENERGY FALSE"
AND_AERODYNAMICS = ENERGY + r"; line 1\d: VIC option AERO_RESIST_CANSNOW AR_406 is not supported"
REFUSED = {
    "global.image.STEHE": ENERGY,
    "global.image.STEHE.allhistvars": AND_AERODYNAMICS,
    "global.image.STEHE.multistream": AND_AERODYNAMICS,
    "global_param.Stehekin.L2015": AND_AERODYNAMICS,
    "global_param.Stehekin.MOD_IGBP": AND_AERODYNAMICS,
    "global_param.Stehekin.MOD_IGBP.Fcanopy": AND_AERODYNAMICS,
    "global.classic.STEHE.restart": "line 30: unknown option BY",  # the second half of a comment
    "global.classic.STEHE.restart.FROZEN_SOIL": "line 30: unknown option BY",
}
FIVE_DAYS = {
    **{f"start{part}": value for part, value in (("year", "1949"), ("month", "1"), ("day", "1"))},
    **{f"end{part}": value for part, value in (("year", "1949"), ("month", "1"), ("day", "5"))},
    **{f"state{part}": value for part, value in (("year", "1949"), ("month", "1"), ("day", "6"), ("sec", "0"))},
    "init_state": "#INIT_STATE",
}
"""What VIC's restart tests put into their files."""
LARGEST_GAP = {"OUT_PREC": 1e-4, "OUT_RUNOFF": 1e-4, "OUT_BASEFLOW": 1e-4, "OUT_EVAP": 0.02, "OUT_SWE": 0.05}
"""mm. Text of 4 digits; the two drivers give a band temperatures up to 0.0065 K apart (docs/vic_run.md)."""


def _command(*words: str, folder: Path) -> tuple[list[str], str]:
    """Lines of a command's output, and what it said when it refused."""
    for driver in ("image", "classic"):
        if not (folder / driver / "Stehekin").exists():
            _link(OWN / "samples" / f"{driver}_stehekin", folder / driver / "Stehekin")
            for path in ROUTING.glob("*.rvic.prm.*.nc"):  # the samples name it, and it lies with the river networks
                (folder / driver / "Stehekin" / "parameters" / path.name).symlink_to(path)
    paths = ("test_data_dir", "VIC_SAMPLE_DATA", "result_dir", "VIC_SAMPLE_RESULTS", "state_dir")
    done = CliRunner().invoke(
        app, ["vic", *words, "--quiet"], env={**dict.fromkeys(paths, str(folder)), **FIVE_DAYS}, color=False
    )
    if done.exit_code == 0:
        return done.stdout.splitlines(), ""
    assert isinstance(done.exception, ParaformerError), done.exception
    return [], str(done.exception)


def _link(source: Path, target: Path) -> None:
    """The same folders with links to their files."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_dir():
            _link(path, target / path.name)
        else:
            (target / path.name).symlink_to(path)


def test_a_missing_routing_file_is_named_or_ignored(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Stehekin").symlink_to(OWN / "samples" / "image_stehekin")
    (tmp_path / "classic").mkdir()
    (tmp_path / "classic" / "Stehekin").symlink_to(OWN / "samples" / "classic_stehekin")
    path = OWN / "system" / "global.image.STEHE.restart.txt"
    _, problem = _command("run", str(path), folder=tmp_path)
    assert problem.endswith("stehekin_parameters_01.rvic.prm.Stehekin.20150727.nc: no such file")
    written, problem = _command("run", str(path), "--ignore-routing", folder=tmp_path)
    assert problem == ""
    assert "16 cells" in written[-1]


def test_every_file_is_expected_somewhere() -> None:
    assert {path.stem for path in FILES} == RUN | CONVERTED | set(REFUSED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_own_file_runs_or_is_refused_in_one_line(path: Path, tmp_path: Path) -> None:
    written, problem = _command("run", str(path), folder=tmp_path)
    if path.stem in RUN:
        assert written
        assert "16 cells" in written[-1]
        return
    assert "\n" not in problem
    if "classic" in path.parts[-3] or "classic" in path.stem:
        assert "a file of VIC's classic driver; make an image-driver one with 'vic convert'" in problem
        text = path.read_text().replace("/classic/Stehekin/Stehekin_", "/classic/Stehekin/parameters/Stehekin_")
        (tmp_path / path.name).write_text(text)  # the sample's files have moved into a folder since
        _, problem = _command("convert", str(tmp_path / path.name), str(tmp_path / "new"), folder=tmp_path)
    if path.stem in CONVERTED:
        assert problem == ""
        written, problem = _command("run", str(tmp_path / "new" / "global.txt"), folder=tmp_path)
        assert problem == ""
        assert "16 cells" in written[-1]
        return
    assert "\n" not in problem
    assert re.search(REFUSED[path.stem], problem), problem


def test_unset_variables_are_named_all_at_once() -> None:
    done = CliRunner().invoke(app, ["vic", "run", str(OWN / "system" / "global.image.STEHE.restart.txt"), "--quiet"])
    problem = str(done.exception)
    assert "\n" not in problem
    assert problem.count("environment variable") == 17
    assert ": line 5: environment variable startyear is not set; line 6: environment variable startmonth" in problem


def test_converted_sample_is_close_to_the_compiled_classic_driver(tmp_path: Path) -> None:
    """Daily values of 16 cells; soil moisture in text of 4 digits too."""
    source = OWN / "samples" / "classic_stehekin" / "parameters" / "global_param.STEHE.txt"
    text = source.read_text().replace("/classic/Stehekin/Stehekin_", "/classic/Stehekin/parameters/Stehekin_")
    (tmp_path / "classic.txt").write_text(text)
    _, problem = _command("convert", str(tmp_path / "classic.txt"), str(tmp_path / "new"), folder=tmp_path)
    assert problem == ""
    written, _ = _command("run", str(tmp_path / "new" / "global.txt"), folder=tmp_path)
    seen = 0
    with netCDF4.Dataset(written[0]) as ours:
        lat, lon = ours["lat"][:], ours["lon"][:]
        for path in sorted((OWN / "classic_out").glob("fluxes_*.txt")):
            y, x = (float(part) for part in path.stem.split("_")[1:])
            row, column = int(np.abs(lat - y).argmin()), int(np.abs(lon - x).argmin())
            names = path.read_text().splitlines()[2].split()
            theirs = np.loadtxt(path, skiprows=3)
            for name, most in LARGEST_GAP.items():
                gap = np.abs(np.asarray(ours[name][:, row, column]) - theirs[:, names.index(name)])
                assert gap.max() <= most, (path.stem, name, gap.max())
            for layer in range(3):
                gap = (
                    np.asarray(ours["OUT_SOIL_MOIST"][:, layer, row, column])
                    - theirs[:, names.index(f"OUT_SOIL_MOIST_{layer}")]
                )
                assert np.abs(gap).max() <= 1e-4, (path.stem, layer)
            seen += 1
    assert seen == 16
