"""Run directory: a stage is done once, resumed after a kill, redone when its inputs change, and never lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from core.own_process import in_child, killed_while_writing, reuse_a_stage
from paraformer import __version__
from paraformer.core.errors import ModelError, RunError
from paraformer.core.files import atomic_path, hash_path, write_text
from paraformer.core.run import NUMERICS, Run, Stage


class Work:
    """Writes ``parts`` files, one after the other, continuing from those that are there."""

    def __init__(self, parts: int = 3, stop_after: int | None = None) -> None:
        self.parts, self.stop_after, self.written = parts, stop_after, 0

    def __call__(self, path: Path) -> int:
        for part in range(self.parts):
            file = path / f"part-{part}"
            if not file.exists():
                if self.stop_after is not None and self.written >= self.stop_after:
                    raise KeyboardInterrupt
                write_text(file, str(part))
                self.written += 1
        return 7


def stage(directory: Path, work: Work, setting: int = 1) -> Stage:
    with Run(directory) as run:
        return run.stage("simulate", settings={"a": setting}, inputs={"x": "1"}, work=work)


def test_a_finished_stage_is_reused(tmp_path: Path) -> None:
    first, again = Work(), Work()
    one = stage(tmp_path, first)
    two = stage(tmp_path, again)
    assert (first.written, again.written) == (3, 0)
    assert one == two
    assert one.runs == 7


def test_an_interrupted_stage_resumes_and_ends_with_the_same_hash(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path / "a", Work(stop_after=2))
    rest = Work()
    resumed = stage(tmp_path / "a", rest)
    assert rest.written == 1
    assert resumed.hash == stage(tmp_path / "b", Work()).hash


def test_leftovers_of_a_write_that_was_cut_short_are_not_part_of_the_result(tmp_path: Path) -> None:
    def work(path: Path) -> int:
        write_text(path / "a", "1")
        return 0

    def work_with_leftover(path: Path) -> int:
        (path / "deep").mkdir()
        (path / "deep" / ".b.tmp").write_text("half")
        return work(path)

    hashes = []
    for name, task in (("clean", work), ("cut", work_with_leftover)):
        with Run(tmp_path / name) as run:
            hashes.append(run.stage("cube", settings={}, inputs={}, work=task).hash)
    assert hashes[0] == hashes[1]


def test_changed_settings_set_the_old_result_aside_and_returning_brings_it_back(tmp_path: Path) -> None:
    stage(tmp_path, Work(), setting=1)
    other = Work()
    stage(tmp_path, other, setting=2)
    assert other.written == 3
    back = Work()
    stage(tmp_path, back, setting=1)
    assert back.written == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["stages"]["simulate"]["runs"] == 7


def test_what_a_file_manager_leaves_behind_redoes_nothing(tmp_path: Path) -> None:
    found = stage(tmp_path, Work())
    (found.path / ".DS_Store").write_bytes(b"x")
    (found.path / "notes.txt").write_text("mine")
    again = Work()
    assert stage(tmp_path, again) == found
    assert again.written == 0


def test_an_empty_folder_that_a_kill_left_behind_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "simulate").mkdir()
    (tmp_path / "simulate" / ".stage.json.tmp").write_text("{")
    assert stage(tmp_path, Work()).runs == 7


def test_unfinished_work_does_not_go_on_with_other_threads(tmp_path: Path) -> None:
    def train(threads: int, work: Work, any_threads: bool = False) -> Stage:
        with Run(tmp_path, any_threads=any_threads) as run:
            return run.stage("parameters", settings={}, inputs={}, work=work, threads=threads)

    with pytest.raises(KeyboardInterrupt):
        train(2, Work(stop_after=1))
    with pytest.raises(RunError, match=r"begun with 2 threads, found 1 now.*OMP_NUM_THREADS=2.*--any-threads"):
        train(1, Work())
    done = train(1, Work(), any_threads=True)
    assert train(4, Work()) == done  # what is done stays what it is
    makers = json.loads((done.path / "stage.json").read_text())["made_by"]
    assert [maker["threads"] for maker in makers] == [2, 1]


def test_foreign_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "simulate").mkdir()
    (tmp_path / "simulate" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not of this run"):
        stage(tmp_path, Work())
    assert (tmp_path / "simulate" / "thesis.txt").read_text() == "mine"


def test_unwritable_run_directory_is_one_clear_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RunError, match=r"file.runs: run directory is not writable"):
        Run(blocked / "runs")


def test_two_processes_cannot_share_a_run(tmp_path: Path) -> None:
    with Run(tmp_path), pytest.raises(RunError, match="another process"):
        Run(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    assert stage(tmp_path, Work()).runs == 7
    assert f"cannot lock this run directory ({os.strerror(number)})" in caplog.text


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with caplog.at_level("INFO"):
        assert stage(tmp_path, Work()).runs == 7
    assert caplog.text.count("log.jsonl: cannot be written (Is a directory); the run goes on") == 1
    assert "simulate: done" in caplog.text
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 9 GiB"), "simulate stopped .memory is exhausted .Unable to allocate 9 GiB"),
        (OSError(errno.ENOSPC, "No space left on device", "a.zarr/c/0"), "a.zarr/c/0: No space left on device"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.nc"), "No such file or directory: 'a.nc'"),
    ],
)
def test_what_the_machine_refuses_a_stage_is_one_line_that_says_how_to_go_on(
    tmp_path: Path, error: Exception, words: str
) -> None:
    def fail(path: Path) -> int:
        raise error

    with Run(tmp_path) as run, pytest.raises(RunError, match=f"simulate.*{words}.*run again to resume"):
        run.stage("simulate", settings={}, inputs={}, work=fail)


@pytest.mark.parametrize("error", [KeyError("a"), ModelError("VIC gave a value that is not finite")])
def test_what_a_stage_raises_else_is_left_as_it_is(tmp_path: Path, error: Exception) -> None:
    def fail(path: Path) -> int:
        raise error

    with Run(tmp_path) as run, pytest.raises(type(error)) as found:
        run.stage("simulate", settings={}, inputs={}, work=fail)
    assert found.value is error


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    write_text(file, "old")
    assert in_child(killed_while_writing, file) == "ended by SIGKILL"
    assert file.read_text() == "old"


def test_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    write_text(file, "old")

    def write() -> None:
        with atomic_path(file) as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"scores.csv: cannot write \(No space left"):
        write()
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["scores.csv"]


def test_hash_depends_on_names_and_content(tmp_path: Path) -> None:
    write_text(tmp_path / "d" / "a", "1")
    one = hash_path(tmp_path / "d")
    (tmp_path / "d" / "a").rename(tmp_path / "d" / "b")
    assert hash_path(tmp_path / "d") != one
    with pytest.raises(RunError, match="does not exist"):
        hash_path(tmp_path / "nothing")


def test_a_file_where_a_folder_should_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file, not a folder")
    with pytest.raises(RunError, match=r"results/a\.json: cannot write"):
        write_text(tmp_path / "results" / "a.json", "{}")


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"a": 2}},
        {"inputs": {"x": "2"}},
        {"inputs": {"x": "1", "y": "1"}},
        {"name": "other"},
    ],
)
def test_only_the_same_settings_and_inputs_are_the_same_stage(change: dict[str, object], tmp_path: Path) -> None:
    given: dict[str, object] = {"name": "simulate", "settings": {"a": 1}, "inputs": {"x": "1"}}

    def runs(**of: object) -> int:
        work = Work()
        with Run(tmp_path) as run:
            run.stage(**{**given, **of, "work": work})  # type: ignore[arg-type]
        return work.written

    assert runs() == 3
    assert runs(**change) == 3
    assert runs(**change) == 0
    assert runs() == 0


def test_another_version_of_the_numbers_is_another_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(tmp_path, Work())
    monkeypatch.setattr("paraformer.core.run.NUMERICS", NUMERICS + 1)
    again = Work()
    made = stage(tmp_path, again)
    assert again.written == 3
    mark = json.loads((made.path / "stage.json").read_text())
    assert [maker["numerics"] for maker in mark["made_by"]] == [NUMERICS + 1]


def test_a_mark_lists_every_file_with_its_size_and_content(tmp_path: Path) -> None:
    found = stage(tmp_path, Work(parts=2))
    mark = json.loads((found.path / "stage.json").read_text())
    assert mark["files"] == {name: [1, hash_path(found.path / name)] for name in ("part-0", "part-1")}
    assert (mark["complete"], mark["runs"], mark["hash"]) == (True, 7, found.hash)


@pytest.mark.parametrize("content", ["", "0 and more", "1"])
def test_a_file_of_another_size_or_content_is_not_reused(content: str, tmp_path: Path) -> None:
    found = stage(tmp_path, Work())
    (found.path / "part-0").write_text(content)
    again = Work()
    assert stage(tmp_path, again) == found
    assert again.written == 3


def test_cost_adds_up_over_interrupted_attempts_and_starts_anew_with_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0

        def take(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr("paraformer.core.run.time.monotonic", lambda: clock.now)
    monkeypatch.setattr("paraformer.core.run.time.process_time", lambda: 2 * clock.now)

    class Slow(Work):
        def __call__(self, path: Path) -> int:
            clock.take(10.0)
            return super().__call__(path)

    def cost() -> tuple[float, float]:
        entry = json.loads((tmp_path / "manifest.json").read_text())["stages"]["simulate"]
        return entry["wall_s"], entry["cpu_s"]

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path, Slow(stop_after=1))
    assert cost() == (10.0, 20.0)
    stage(tmp_path, Slow())
    assert cost() == (20.0, 40.0)
    stage(tmp_path, Slow())
    assert cost() == (20.0, 40.0), "what is reused costs nothing"
    stage(tmp_path, Slow(), setting=2)
    assert cost() == (10.0, 20.0)
    entry = json.loads((tmp_path / "manifest.json").read_text())["stages"]["simulate"]
    assert entry["runs"] == 7
    assert entry["inputs"] == {"x": "1"}


def test_a_run_that_was_moved_copied_or_linked_is_the_same_run(tmp_path: Path) -> None:
    made = stage(tmp_path / "a", Work())
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path / "half", Work(stop_after=2))
    (tmp_path / "a").rename(tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", tmp_path / "copied")
    (tmp_path / "linked").symlink_to(tmp_path / "copied")
    for name in ("moved", "copied", "linked"):
        again = Work()
        assert stage(tmp_path / name, again).hash == made.hash
        assert again.written == 0
    (tmp_path / "half").rename(tmp_path / "elsewhere")
    rest = Work()
    assert stage(tmp_path / "elsewhere", rest).hash == made.hash
    assert rest.written == 1


def test_a_damaged_file_is_found_through_a_link(tmp_path: Path) -> None:
    made = stage(tmp_path / "a", Work())
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "simulate" / "part-1").write_text("x")
    again = Work()
    assert stage(tmp_path / "link", again).hash == made.hash
    assert again.written == 3


def test_stray_folders_redo_nothing(tmp_path: Path) -> None:
    found = stage(tmp_path, Work())
    (found.path / "old" / "older").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"x")
    again = Work()
    assert stage(tmp_path, again) == found
    assert again.written == 0


def test_a_read_only_run_directory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(tmp_path, Work())
    opened = Path.open

    def refuse(path: Path, mode: str = "r", *given: object, **named: object) -> object:
        if set(mode) & set("wax+"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, mode, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RunError, match=r"run directory is not writable \(Read-only file system\)"):
        stage(tmp_path, Work())


def test_a_second_process_is_refused_while_the_first_works_and_reuses_what_it_made(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        made = run.stage("simulate", settings={"a": 1}, inputs={"x": "1"}, work=Work())
        assert "another process is using this run directory" in in_child(reuse_a_stage, tmp_path)
    assert in_child(reuse_a_stage, tmp_path) == "reused"
    assert stage(tmp_path, Work()) == made


def test_a_run_of_version_0_1_is_told_kept_and_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its stages had no seal and no list of files."""
    (tmp_path / "simulate").mkdir()
    (tmp_path / "simulate/part-0").write_text("of 0.1")
    old = {"key": "0" * 64, "complete": True, "hash": "1" * 64, "sizes": {"part-0": 6}, "runs": 7}
    (tmp_path / "simulate/stage.json").write_text(json.dumps(old))
    (tmp_path / "manifest.json").write_text(json.dumps({"versions": {"paraformer": "0.1.0"}}))
    caplog.set_level("INFO")
    with Run(tmp_path) as run:
        run.record_study("name: a\n", {})
    work = Work()
    stage(tmp_path, work)
    assert work.written == 3
    assert f"a run of ParaFormer 0.1.0, and this is {__version__}; what it makes otherwise is made anew" in caplog.text
    assert "simulate: settings, inputs or version changed; earlier kept" in caplog.text
    assert "damaged" not in caplog.text
    assert (tmp_path / "stale/simulate-000000000000/part-0").read_text() == "of 0.1"
    assert json.loads((tmp_path / "manifest.json").read_text())["versions"]["paraformer"] == __version__
