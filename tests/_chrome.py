"""Headless Chromium over the DevTools protocol, through a pipe: real pointers, touches and keys on a page that is
served.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _browser import CHROMIUM, FLAGS

Point = tuple[float, float]


class Chrome:
    """One page. Use it as a context manager.

    Attributes:
        complaints: what the page logged as an error, and what its policy refused.
        asked: the addresses that it asked for.
    """

    def __init__(
        self, folder: Path, *, width: int = 1280, height: int = 900, dark: bool = False, touch: bool = False
    ) -> None:
        self.folder = folder
        self.size = (width, height)
        self.dark = dark
        self.touch = touch
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Chrome:
        flags = [flag for flag in FLAGS if not flag.startswith("--virtual-time")]
        orders, answers = _high_pipe(), _high_pipe()

        def as_chromium_wants() -> None:
            os.dup2(orders[0], 3)
            os.dup2(answers[1], 4)

        self._process = subprocess.Popen(
            [
                str(CHROMIUM),
                *flags,
                f"--user-data-dir={self.folder / 'profile'}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=as_chromium_wants,
            pass_fds=(3, 4),
        )
        os.close(orders[0])
        os.close(answers[1])
        self._orders, self._answers = os.fdopen(orders[1], "wb"), os.fdopen(answers[0], "rb")
        self._rest = b""
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        width, height = self.size
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=self.touch
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if self.dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[theme])
        if self.touch:
            self.send("Emulation.setTouchEmulationEnabled", enabled=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._answers.close()
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._send(method, self._session, **parameters)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, identity: str) -> str:
        return str(self.run(f"document.getElementById({identity!r}).innerText"))

    def wait(self, condition: str, seconds: float = 20) -> None:
        """Until a JavaScript expression is true."""
        self._until(lambda: self.run(f"Boolean({condition})"), f"never: {condition}", seconds)

    def stroke(self, points: Sequence[Point], on: str = "pad") -> None:
        """Draw along ``points``, each 0..1 of the element's height, with the mouse or a finger."""
        left, top, height = self.run(
            "(({ left, top, height }) => [left, top,"
            f" height])(document.getElementById({on!r}).getBoundingClientRect())"
        )
        places = [(left + x * height, top + y * height) for x, y in points]
        if self.touch:
            for kind, place in (("touchStart", places[0]), *(("touchMove", place) for place in places[1:])):
                self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": place[0], "y": place[1]}])
            self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            return
        self._mouse("mousePressed", places[0])
        for place in places[1:]:
            self._mouse("mouseMoved", place)
        self._mouse("mouseReleased", places[-1])

    def key(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            text = key if len(key) == 1 else ""
            self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self, path: Path) -> None:
        """A screenshot of the whole page."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": self.size[0], "height": size["height"], "scale": 1}
        made = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(made["data"]))

    def _mouse(self, kind: str, place: Point) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", buttons=1, clickCount=1)

    def _send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        order = message if session is None else {**message, "sessionId": session}
        self._orders.write(json.dumps(order).encode() + b"\0")
        self._orders.flush()
        while True:
            answer = json.loads(self._next())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._notice(answer)

    def _next(self) -> bytes:
        while b"\0" not in self._rest:
            more = os.read(self._answers.fileno(), 1 << 20)
            assert more, "Chromium is gone"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return message

    def _notice(self, event: dict[str, Any]) -> None:
        kind, content = event.get("method"), event.get("params", {})
        if kind == "Log.entryAdded" and content["entry"]["level"] == "error":
            self.complaints.append(content["entry"]["text"])
        elif kind == "Runtime.exceptionThrown":
            self.complaints.append(str(content["exceptionDetails"]))
        elif kind == "Network.requestWillBeSent":
            self.asked.append(content["request"]["url"])

    def _until(self, ready: Any, complaint: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, complaint
            time.sleep(0.03)


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends are not in the way of descriptors 3 and 4."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]
