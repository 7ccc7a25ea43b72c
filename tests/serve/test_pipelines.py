"""Requests sent ahead, trailers, and TLS that is never agreed on: limits hold in every state of a connection."""

import socket
import time

from _service import Served

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_some_requests_may_be_sent_ahead(web: Served) -> None:
    assert web.raw(4 * GET, wait=1).count(b"HTTP/1.1 200") == 4


def test_many_requests_sent_ahead_are_refused(web: Served) -> None:
    before = web.rss()
    answered = web.raw(20_000 * GET, wait=1)
    assert answered.count(b"HTTP/1.1 200") < 1_000
    assert web.rss() - before < 32 << 20
    assert web.get("/healthz").status == 200


def test_a_request_begun_before_an_answer_has_a_deadline(web: Served) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as client:
        client.sendall(GET + b"GET /")
        client.settimeout(15)
        began = time.monotonic()
        while client.recv(65_536):
            pass
        assert time.monotonic() - began < 13


def test_trailers_are_bounded(web: Served) -> None:
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: image/png\r\n\r\n"
    )
    before = web.rss()
    with socket.create_connection(("127.0.0.1", web.port)) as client:
        client.settimeout(15)
        client.sendall(head + b"1\r\na\r\n0\r\nX: ")
        sent = 0
        try:
            for _ in range(1_000):
                sent += client.send(b"a" * 65_536)
        except OSError:
            pass
    assert sent < 64 << 20
    assert web.rss() - before < 16 << 20
