"""A headless Chromium, spoken to through pipes: no driver and no network."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[2] / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)


def require_browser() -> None:
    """Skip the test where there is no Chromium or no axe-core, saying how to get it."""
    if shutil.which("chromium") is None:
        pytest.skip("no 'chromium' on PATH; make test-long installs Debian's package where it may")
    if not AXE.exists():
        pytest.skip(f"no {AXE.name}; make test-long installs axe-core where there is npm")


_READY = """new Promise((done, fail) => {
    const look = () => {
        const problem = document.querySelector("[role=alert]:not([hidden])");
        if (problem) fail(new Error(problem.textContent));
        else if (document.readyState !== "complete") setTimeout(look, 20);
        else if (document.querySelector("script[data-prefix]") && !document.body.dataset.ready) setTimeout(look, 20);
        else done(true);
    };
    look();
})"""


class Browser:
    """One page of a browser of its own."""

    def __init__(self, folder: Path) -> None:
        self._next = 0
        self.events: list[dict[str, Any]] = []
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()

        def as_three_and_four() -> None:
            high = [os.dup(read_commands), os.dup(write_answers)]  # neither end may be overwritten by the other
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        command = ["chromium", *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            command,
            preexec_fn=as_three_and_four,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)
        self._buffer = b""
        self._session = ""
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self._session = ""
        self.send("Browser.close")
        self._process.wait(30)
        os.close(self._commands)
        os.close(self._answers)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Answer of the browser to a command."""
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer.get("result", {}))
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self._buffer += part
        one, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(one))

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Open a page at a width in pixels, and wait for its script, if it has one."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        self.value(_READY)

    def value(self, expression: str) -> Any:
        """Value of an expression of JavaScript; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"].get("exception", answer["exceptionDetails"])))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def asked_for(self) -> list[str]:
        """Addresses that were asked for since the page was opened, but the page itself and what it holds."""
        sent = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("file:", "data:", "blob:"))]

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Picture of the page as PNG."""
        data = self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self) -> bytes:
        """The page printed on A4, as PDF."""
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])

    def violations(self) -> list[dict[str, Any]]:
        """What axe-core finds."""
        self.value(AXE.read_text() + "; true")
        return list(self.value("axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)"))
