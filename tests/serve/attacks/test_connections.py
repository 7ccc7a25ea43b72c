"""Attacks on connections: limits hold in every state of one, TLS that is never agreed on included."""

import resource
import shutil
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

from _service import Served, certificate, status_of

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20


def connected(web: Served, content: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", web.port), timeout=20)
    client.sendall(content)
    return client


def everything(client: socket.socket) -> bytes:
    """What comes until the service closes."""
    received = b""
    try:
        while more := client.recv(65_536):
            received += more
    except ConnectionError:
        pass
    return received


def seconds_to_answer(web: Served) -> float:
    began = time.monotonic()
    assert web.get("/healthz").status == 200
    return time.monotonic() - began


def test_the_guard_was_tried_with_this_uvicorn() -> None:
    """It uses ``http=`` and asyncio's protocols only; a release beyond these has to pass the tests of this folder."""
    assert Version("0.30") <= Version(metadata.version("uvicorn")) < Version("0.60")


def test_requests_sent_ahead_wait_in_the_client(web: Served) -> None:
    with connected(web, 4 * GET) as client:
        client.settimeout(1)
        received = b""
        while received.count(b'"live"') < 4:
            received += client.recv(65_536)
    before = web.rss()  # of a service that has answered: what it loads for that is no queue
    with connected(web) as client:
        client.settimeout(5)
        worst = [0.0]

        def flood() -> None:
            try:
                for _ in range(2_000):
                    client.sendall(100 * GET)
            except OSError:
                pass

        sending = threading.Thread(target=flood)
        sending.start()
        while sending.is_alive():
            worst.append(seconds_to_answer(web))
            time.sleep(0.1)
    assert web.rss() - before < 32 * MIB, "200,000 requests that wait here would take more than 125 MB"
    assert max(worst) < 1.5


@pytest.mark.parametrize("more", [b"GET /", b"\r\n", b"POST /v1/predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
def test_what_follows_an_answer_has_a_deadline(web: Served, more: bytes) -> None:
    with connected(web, GET + more) as client:
        began = time.monotonic()
        everything(client)
        assert time.monotonic() - began < 13


@pytest.mark.slow
@pytest.mark.parametrize("byte", [b"\r\n", b"a"])
def test_a_byte_a_second_after_an_answer_is_not_enough(web: Served, byte: bytes) -> None:
    with connected(web, GET + GET[:5]) as client:
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 20:
                client.sendall(byte)
                time.sleep(0.5)
        assert time.monotonic() - began < 14


@pytest.mark.parametrize(
    "piece",
    [b"0\r\nX: " + b"a" * 65_536, b"1\r\na\r\n" * 10_000, b"1;" + b"e" * 65_536],
    ids=["trailers", "chunks of a byte", "extensions"],
)
def test_what_is_no_body_is_bounded(web: Served, piece: bytes) -> None:
    before, sent = web.rss(), 0
    with connected(web, CHUNKED) as client:
        try:
            for k in range(1_000):
                sent += client.send(piece if k == 0 or piece[:2] == b"1\r" else piece[-65_536:])
        except OSError:
            pass
    assert sent < 64 * MIB
    assert web.rss() - before < 16 * MIB
    assert seconds_to_answer(web) < 1


def test_bodies_in_flight_have_a_common_limit(web: Served) -> None:
    before = web.rss()
    stalled = [connected(web, POST + b"Content-Length: 15000000\r\n\r\n") for _ in range(30)]
    try:
        for client in stalled:
            client.settimeout(1)
            try:
                client.sendall(bytes(14_000_000))
            except OSError:
                pass
        answers = []
        for client in stalled:
            client.settimeout(0.2)
            try:
                answers.append(status_of(client.recv(1_000)))
            except OSError:
                answers.append(0)
        assert 503 in answers
        assert web.rss() - before < 400 * MIB
        assert web.get("/healthz").status == 200
    finally:
        for client in stalled:
            client.close()


@pytest.mark.parametrize("requests", [1, 3])
def test_a_client_that_closed_its_sending_side_is_answered(web: Served, requests: int) -> None:
    body = b'{"image": {"pixels": [[0]]}}'
    ask = POST.replace(b"image/png", b"application/json") + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with connected(web, (requests - 1) * GET + ask) as client:
        client.shutdown(socket.SHUT_WR)
        answered = everything(client)
    assert answered.count(b"HTTP/1.1 ") == requests
    assert answered.count(b"HTTP/1.1 422") == 1


def test_half_a_request_and_then_no_more_is_let_go_at_once(web: Served) -> None:
    with connected(web, GET[:30]) as client:
        began = time.monotonic()
        client.shutdown(socket.SHUT_WR)
        everything(client)
        assert time.monotonic() - began < 3


@pytest.fixture(scope="module")
def secure(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with TLS and few descriptors."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    chain, key = certificate(tmp_path_factory.mktemp("tls"))
    line = f'ulimit -n 1024; exec "{sys.executable}" -m tenfold serve "{bundle}" --port 0'
    served = Served(command=["bash", "-c", f'{line} --certfile "{chain}" --keyfile "{key}"'])
    served.context = ssl.create_default_context(cafile=str(chain))
    with served:
        yield served


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n"], ids=["none", "5", "http"])
def test_handshakes_that_are_never_ended_keep_nobody_out(secure: Served, said: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    lines = secure.log.count("\n")
    stalled = []
    try:
        for _ in range(1_300):
            stalled.append(connected(secure, said))
        worst = max(seconds_to_answer(secure) for _ in range(5))
        assert secure.metric("tenfold_connections ") <= 1_000
        assert worst < 12  # on a busy machine; it was a minute
        assert secure.log.count("\n") - lines < 100
    finally:
        for client in stalled:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
