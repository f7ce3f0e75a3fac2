"""A web server on this machine that misbehaves by script: each request of a file takes the next entry of its list."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Flaky:
    """Files, how they are answered, and what was asked for.

    Attributes:
        files: content by name.
        script: for each name, answers in turn: ``ok``, ``drop`` (half of what is left, then the connection is cut),
            ``html``, ``garbage``, ``whole`` (Range is ignored), ``shifted`` (another range), or a status with, after a
            colon, Retry-After. When the list is empty: ``ok``.
        ranges: Range header of every request, by name.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.script: dict[str, list[str]] = {}
        self.ranges: dict[str, list[str]] = {}
        self.url = ""


@contextmanager
def flaky_server() -> Iterator[Flaky]:
    """The server, for as long as the context lasts."""
    flaky = Flaky()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            _answer(self, flaky, self.path.rsplit("/", 1)[-1])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    flaky.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield flaky
    finally:
        server.shutdown()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, flaky: Flaky, name: str) -> None:
    asked = request.headers.get("Range", "")
    flaky.ranges.setdefault(name, []).append(asked)
    turns = flaky.script.get(name, [])
    how = turns.pop(0) if turns else "ok"
    content = flaky.files[name]
    if how[:1].isdigit():
        status, _, pause = how.partition(":")
        _send(request, int(status), b"", {"Retry-After": pause} if pause else {})
        return
    if how == "html":
        _send(request, 200, b"<!DOCTYPE html><html>Earthdata Login</html>", {"Content-Type": "text/html"})
        return
    if how == "garbage":
        content = bytes(len(content))
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and how != "whole" else 0
    if start >= len(content):
        _send(request, 416, b"", {})
        return
    first = start + 1 if how == "shifted" else start
    headers = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if start else {}
    body = content[start:]
    _send(request, 206 if start else 200, body[: len(body) // 2] if how == "drop" else body, headers, len(body))


def _send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str], length: int | None = None
) -> None:
    """An answer; with a ``length`` beyond the body the connection is cut after it."""
    request.send_response(status)
    for key, value in headers.items():
        request.send_header(key, value)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    request.end_headers()
    request.wfile.write(body)
    if length is not None and length > len(body):
        request.close_connection = True
