"""Downloads against a server that drops, truncates, refuses and lies: the right bytes in the end, or a clear line."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import requests

from data.flaky_server import Flaky, flaky_server
from paraformer.core.errors import RunError, SettingsError
from paraformer.data import download as module
from paraformer.data.download import QUARANTINE, Policy, Remote, bytes_left, download, missing

NAME = "granule.h5"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small HDF5 file that does not compress."""
    path = tmp_path_factory.mktemp("content") / NAME
    with h5py.File(path, "w") as file:
        file["values"] = np.random.default_rng(0).random(40_000)
    return path.read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[Flaky]:
    with flaky_server() as flaky:
        flaky.files[NAME] = content
        yield flaky


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        yield found


class Naps:
    """Stands for ``time.sleep`` and remembers what was asked of it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def remote(server: Flaky, folder: Path, name: str = NAME, exact: bool = False) -> Remote:
    return Remote(f"{server.url}/data/{name}", folder / name, "HDF5", len(server.files[name]), exact)


def policy(**changes: object) -> Policy:
    return Policy(**({"threads": 2, "tries": 4, "wait": 2.0, "timeout": 5.0, "sleep": Naps()} | changes))


@pytest.mark.parametrize(
    "script",
    [
        [],
        ["drop"],
        ["drop", "drop", "drop", "drop", "drop", "drop"],
        ["503", "503"],
        ["html"],
        ["garbage"],
        ["drop", "whole"],
        ["drop", "html"],
        ["drop", "shifted"],
        ["drop", "416"],
        ["500", "drop", "429:3"],
    ],
)
def test_the_right_bytes_come_in_the_end(server, session, tmp_path, content, script):
    server.script[NAME] = list(script)
    outcome = download([remote(server, tmp_path)], session, policy())
    assert outcome.done == [tmp_path / NAME]
    assert not outcome.failed
    assert (tmp_path / NAME).read_bytes() == content
    assert not list(tmp_path.glob("*.part"))
    assert not server.script[NAME]


def test_checksums_are_met_or_the_file_is_no_data(server, session, tmp_path, content):
    """A file that opens and has the right length, but not the catalogue's sum, goes to the quarantine."""
    good = replace(remote(server, tmp_path), checksum=f"md5:{hashlib.md5(content).hexdigest().upper()}")
    assert download([good], session, policy()).done == [tmp_path / NAME]
    (tmp_path / NAME).unlink()
    outcome = download([replace(good, checksum="sha256:" + "0" * 64)], session, policy(tries=2))
    assert not outcome.done
    assert "checksum sha256" in outcome.failed[0].reason
    assert not (tmp_path / NAME).exists()
    assert (tmp_path / QUARANTINE / f"{NAME}.bad").read_bytes() == content


def test_a_lost_connection_goes_on_where_it_stopped(server, session, tmp_path, content):
    server.script[NAME] = ["drop", "drop"]
    download([remote(server, tmp_path)], session, policy())
    first = _whole_chunks(len(content) // 2)
    second = first + _whole_chunks((len(content) - first) // 2)
    assert server.ranges[NAME] == ["", f"bytes={first}-", f"bytes={second}-"]


def _whole_chunks(size: int) -> int:
    return size - size % module.CHUNK


def test_a_part_of_an_earlier_start_is_used(server, session, tmp_path, content):
    target = remote(server, tmp_path)
    target.part.write_bytes(content[:1000])
    assert bytes_left([target]) == len(content) - 1000
    download([target], session, policy())
    assert server.ranges[NAME] == ["bytes=1000-"]
    assert target.path.read_bytes() == content


def test_a_part_of_another_file_does_not_survive(server, session, tmp_path, content):
    """Wrong bytes, or more than there are: what is put together is no HDF5, so it is fetched anew."""
    for wrong in (b"x" * 1000, b"x" * (len(content) + 5)):
        target = remote(server, tmp_path)
        target.part.write_bytes(wrong)
        download([target], session, policy())
        assert target.path.read_bytes() == content
        target.path.unlink()


def test_what_is_there_and_sound_is_not_asked_for(server, session, tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    outcome = download([remote(server, tmp_path, exact=True)], session, policy())
    assert (outcome.done, outcome.failed, server.ranges) == ([], [], {})


@pytest.mark.parametrize(("bad", "reason"), [(b"", "empty file"), (b"<html>login", "a web page instead of data")])
def test_what_is_there_and_unusable_goes_to_quarantine(server, session, tmp_path, content, bad, reason):
    (tmp_path / NAME).write_bytes(bad)
    outcome = download([remote(server, tmp_path)], session, policy())
    assert reason in outcome.quarantined[0].reason
    assert (tmp_path / QUARANTINE / f"{NAME}.bad").read_bytes() == bad
    assert (tmp_path / NAME).read_bytes() == content


def test_a_truncated_file_and_one_of_another_size_are_found(server, tmp_path, content):
    (tmp_path / NAME).write_bytes(content[:-10])
    assert missing([remote(server, tmp_path)])
    (tmp_path / NAME).write_bytes(content + b"more")
    assert not missing([remote(server, tmp_path)])
    assert missing([remote(server, tmp_path, exact=True)])
    damaged = bytearray(content)
    damaged[96:1500] = bytes(1404)
    (tmp_path / NAME).write_bytes(bytes(damaged))
    assert missing([remote(server, tmp_path)])
    (tmp_path / NAME).write_bytes(content)
    assert not missing([remote(server, tmp_path, exact=True)])


def test_patience_has_an_end_and_grows_until_then(server, session, tmp_path):
    server.script[NAME] = ["503"] * 9
    naps = Naps()
    outcome = download([remote(server, tmp_path)], session, policy(sleep=naps))
    assert outcome.failed[0].reason == "HTTP 503"
    assert outcome.failed[0].path == tmp_path / NAME
    assert naps.seconds == [2.0, 4.0, 8.0]
    assert len(server.ranges[NAME]) == 4


def test_the_server_may_say_how_long_to_wait(server, session, tmp_path):
    server.script[NAME] = ["429:7", "503:9999"]
    naps = Naps()
    assert download([remote(server, tmp_path)], session, policy(sleep=naps)).done
    assert naps.seconds == [7.0, 120.0]


def test_a_page_that_comes_every_time_is_kept_aside_and_reported(server, session, tmp_path):
    server.script[NAME] = ["html"] * 9
    outcome = download([remote(server, tmp_path)], session, policy())
    assert "a web page instead of data" in outcome.failed[0].reason
    assert not (tmp_path / NAME).exists()
    assert (tmp_path / QUARANTINE / f"{NAME}.bad").exists()


def test_a_refused_login_stops_everything(server, session, tmp_path, content):
    names = [f"{k}.h5" for k in range(20)]
    for name in names:
        server.files[name], server.script[name] = content, ["401"]
    session.headers["Authorization"] = "Bearer SECRET"
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1.*login refused \(HTTP 401\)") as found:
        download([remote(server, tmp_path, name) for name in names], session, policy())
    assert "SECRET" not in str(found.value)
    assert len(server.ranges) <= 4
    server.script[NAME] = ["403"]
    with pytest.raises(SettingsError, match="accept the archive's terms"):
        download([remote(server, tmp_path)], session, policy())


def test_a_file_that_is_gone_is_not_asked_for_twice(server, session, tmp_path, content):
    server.files["other.h5"] = content
    server.script[NAME] = ["404"]
    outcome = download([remote(server, tmp_path), remote(server, tmp_path, "other.h5")], session, policy())
    assert outcome.failed[0].reason == "gone from the archive (HTTP 404)"
    assert outcome.done == [tmp_path / "other.h5"]
    assert len(server.ranges[NAME]) == 1


def test_a_server_that_is_not_there(session, tmp_path):
    target = Remote("http://127.0.0.1:9/x.h5", tmp_path / "x.h5", "HDF5")
    outcome = download([target], session, policy(tries=2))
    assert outcome.failed[0].reason == "connection lost (ConnectionError)"


def test_a_full_disk_is_known_before_the_start(server, session, tmp_path):
    huge = Remote(f"{server.url}/{NAME}", tmp_path / NAME, "HDF5", 10**18)
    with pytest.raises(RunError, match=r"1000000000\.0 GB are to come, but the disk has"):
        download([huge], session, policy())
    assert not server.ranges


def test_a_disk_that_fills_on_the_way(server, session, tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *exception: object) -> None: ...

        def write(self, chunk: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_open", lambda path, mode: Full())
    with pytest.raises(RunError, match=r"granule\.h5\.part: cannot write \(No space left on device\)"):
        download([remote(server, tmp_path)], session, policy())


def test_an_interrupt_keeps_what_came(server, tmp_path, content):
    """Ctrl-C while a file comes slowly: the threads end, the part stays and serves the next start."""
    came = threading.Event()

    class Slow:
        status_code, headers = 200, {"Content-Length": str(len(content))}

        def iter_content(self, size: int) -> Iterator[bytes]:
            yield content[:1000]
            came.set()
            while True:  # nothing more, till the reader has had enough
                yield b""
                time.sleep(0.01)

        def close(self) -> None: ...

    class Slowly:
        def get(self, url: str, **options: object) -> Slow:
            return Slow()

    target = remote(server, tmp_path)
    with pytest.MonkeyPatch.context() as patch:

        def result(self: object, timeout: float | None = None) -> None:
            came.wait()
            raise KeyboardInterrupt

        patch.setattr(futures.Future, "result", result)
        with pytest.raises(KeyboardInterrupt):
            download([target], Slowly(), policy())
    assert 0 < target.part.stat().st_size < len(content)
    with requests.Session() as session:
        session.trust_env = False
        assert download([target], session, policy()).done
    assert target.path.read_bytes() == content


@pytest.mark.parametrize("exact", [True, False])
def test_a_file_cannot_be_longer_than_the_archive_says(server, session, tmp_path, content, exact):
    """The server sends more than the catalogue states, at once or without a length: it is not kept."""
    size = len(content) - 1 if exact else 1000
    target = replace(remote(server, tmp_path, exact=exact), size=size)
    server.files[NAME] = content * 8
    outcome = download([target], session, policy(tries=2))
    limit = size if exact else 2 * size + 2**20
    assert outcome.failed[0].reason == f"the server sends more than the {limit} bytes that the file may have"
    assert len(server.ranges[NAME]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_stream_without_an_end_is_cut(tmp_path, monkeypatch):
    class Endless:
        status_code, headers = 200, {}

        def get(self, url: str, **options: object) -> Endless:
            return self

        def iter_content(self, size: int) -> Iterator[bytes]:
            while True:
                yield bytes(size)

        def close(self) -> None: ...

    monkeypatch.setattr(module, "_LONGEST", 10**6)
    target = Remote("http://somewhere/x.h5", tmp_path / "x.h5", "HDF5")
    outcome = download([target], Endless(), policy(tries=1))
    assert outcome.failed[0].reason == "the server sends more than the 1000000 bytes that the file may have"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [True, False])
def test_a_part_that_is_a_link_is_refused(server, session, tmp_path, there):
    victim = tmp_path / "elsewhere" / "precious"
    victim.parent.mkdir()
    if there:
        victim.write_bytes(b"data of somebody else")
    target = remote(server, tmp_path)
    target.part.symlink_to(victim)
    with pytest.raises(RunError, match=r"granule\.h5\.part: is a link; expected a file, remove it"):
        download([target], session, policy())
    assert victim.read_bytes() == b"data of somebody else" if there else not victim.exists()
