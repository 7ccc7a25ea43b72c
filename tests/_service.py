"""A served bundle for tests: made in seconds, run as people run it, spoken to with the standard library."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn import functional as F

from _networks import torch_probabilities
from tenfold.bundle.export import export_bundle
from tenfold.bundle.manifest import Estimate
from tenfold.models.network import parse
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

LAYERS = "CROP2 8C5S2 BN 16C3V BN MP2 FLAT SOFTMAX10"


class Reply(NamedTuple):
    """What the service answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@cache
def big_digits() -> Dataset:
    """scikit-learn's digits as MNIST would have them: 28x28, in a box of 20x20."""
    bunch = load_digits()
    images = np.zeros((len(bunch.images), 1, 28, 28), np.uint8)
    for row, image in enumerate(bunch.images):
        large = Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8)).resize(
            (20, 20), Image.Resampling.BICUBIC
        )
        images[row, 0, 4:24, 4:24] = np.asarray(large)
    return Dataset(images, bunch.target.astype(np.int64), np.arange(len(images)), tuple("0123456789"))


def big_bundle(folder: Path) -> Path:
    """A bundle for 28x28 images below ``folder``."""
    data = big_digits()
    train, test = data.take(range(1200)), data.take(range(1200, len(data)))
    network = _trained()
    run = Run.create(folder, Recipe(name="digits", model=[{"layers": LAYERS}]))
    reference = torch_probabilities([network], test.images)
    share = float((reference.argmax(axis=1) == test.labels).mean())
    metrics = {"test accuracy": Estimate(value=share, low=0.8, high=1.0, images=len(test))}
    return export_bundle(run, [network], test, reference, metrics=metrics, data_fingerprint=train.fingerprint())


@cache
def _trained() -> torch.nn.Sequential:
    train = big_digits().take(range(1200))
    torch.manual_seed(0)
    network = parse(LAYERS, (1, 28, 28), 10).train()
    images, labels = torch.from_numpy(train.images.copy()).float() / 255, torch.from_numpy(train.labels.copy())
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(6):
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
    return network.eval()


class Served:
    """A ``tenfold serve`` in a child process. Use it as a context manager."""

    def __init__(
        self, *arguments: str | Path, environment: dict[str, str] | None = None, command: list[str] | None = None
    ) -> None:
        self.command = command or [sys.executable, "-m", "tenfold", "serve", *map(str, arguments), "--port", "0"]
        self.environment = {**os.environ, **(environment or {})}
        self.scheme = "http"
        self.context: ssl.SSLContext | None = None
        """What a client of HTTPS trusts."""

    def __enter__(self) -> Served:
        self._log = tempfile.NamedTemporaryFile("w+")  # not a pipe, which fills
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"(https?)://(\S+):(\d+)/", line)
        if found is None:
            self.process.kill()
            raise AssertionError(f"it does not listen: {line}{self.log}")
        self.scheme, self.port = found[1], int(found[3])
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process.wait()
            self._kept = self._read_log()
            self._log.close()

    @property
    def log(self) -> str:
        """Everything on its standard error so far."""
        return self._kept if self._log.closed else self._read_log()

    def _read_log(self) -> str:
        return Path(self._log.name).read_text()

    def wait_until_ready(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/readyz").status == 200:
                    return
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        raise AssertionError("not ready")

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if self.scheme == "https":
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self.context)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path: str, document: Any, **headers: str) -> Reply:
        """POST ``document``: bytes as they are, anything else as JSON."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.request("POST", path, body, sent)

    def raw(self, content: bytes, seconds: float = 20, wait: float = 0) -> bytes:
        """Everything that comes back for ``content`` until the service closes (or ``wait`` seconds are over)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(content)
            if wait:
                connection.settimeout(wait)
            received = b""
            with contextlib.suppress(OSError):
                while more := connection.recv(65536):
                    received += more
            return received

    def rss(self) -> int:
        """Bytes of memory of the service and its workers."""
        return sum(_rss(pid) for pid in (self.process.pid, *self.workers()))

    def workers(self) -> list[int]:
        """Their process ids."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def metric(self, start: str) -> float:
        """The sum of the samples whose line starts with ``start``."""
        lines = self.get("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


def _rss(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine's own, and its key."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def status_of(answer: bytes) -> int:
    """The status in raw bytes of an answer; 0 if there is none."""
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(found[1]) if found else 0


def png(levels: np.ndarray) -> bytes:
    """uint8 (H, W) or (H, W, 3) as a PNG file."""
    content = io.BytesIO()
    Image.fromarray(levels).save(content, "PNG")
    return content.getvalue()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def form(*parts: tuple[str, bytes], boundary: str = "edge") -> tuple[bytes, str]:
    """A multipart body of files, and its content type."""
    pieces = [
        b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n%b\r\n'
        % (boundary.encode(), name.encode(), content)
        for name, content in parts
    ]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
