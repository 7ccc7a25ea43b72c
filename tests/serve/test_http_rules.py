"""H07-H09 and H17-H23 of the reliability list: who may ask, how, and how often. Each test is named after its case."""

import http.client
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from _service import Served, big_digits, png, status_of

IMAGE = big_digits().images[1300, 0]
DOCUMENT = {"image": {"pixels": IMAGE.tolist()}}
TOKEN = "correct-horse-battery-staple"


def host(web: Served, name: bytes) -> int:
    return status_of(web.raw(b"GET /healthz HTTP/1.1\r\nHost: " + name + b"\r\nConnection: close\r\n\r\n"))


@pytest.mark.parametrize(
    "name", [b"evil.example", b"127.0.0.1.nip.io", b"[2001:db8::1]", b"10.0.0.1", b"localhost.evil.example"]
)
def test_h07_other_names_are_not_ours(web: Served, name: bytes) -> None:
    assert host(web, name) == 421
    assert host(web, name + b":80") == 421


@pytest.mark.parametrize(
    "name", [b"", b"local host", b"localhost:1:2", b"localhost/", b"<x>", b"localhost, evil.example", b"\xff"]
)
def test_h07_what_is_no_name(web: Served, name: bytes) -> None:
    assert host(web, name) in (400, 421)


def test_h07_no_host_or_two(web: Served) -> None:
    assert status_of(web.raw(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
    twice = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert status_of(web.raw(twice)) == 400


def test_h07_our_own_names(web: Served) -> None:
    for name in (b"localhost", b"LOCALHOST", b"127.0.0.1", b"[::1]", b"localhost:%d" % web.port):
        assert host(web, name) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_h08_pages_of_other_sites_cannot_post(web: Served, headers: dict[str, str]) -> None:
    reply = web.post("/v1/predict", DOCUMENT, **headers)
    assert (reply.status, reply.json["error"]["code"]) == (403, "forbidden")
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_h08_a_form_of_another_site_and_a_preflight(web: Served) -> None:
    assert web.post("/v1/predict", b"a=b", Content_Type="text/plain", Origin="https://evil.example").status == 403
    preflight = web.request(
        "OPTIONS", "/v1/predict", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_h08_our_own_page_may(web: Served) -> None:
    ours = {"Origin": f"http://127.0.0.1:{web.port}", "Sec-Fetch-Site": "same-origin"}
    assert web.post("/v1/predict", DOCUMENT, **ours).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/predict", "POST"),
        ("PUT", "/v1/read", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/healthz", "GET"),
        ("PATCH", "/v2/models/digits/infer", "POST"),
        ("TRACE", "/", "GET"),
    ],
)
def test_h09_other_methods(web: Served, method: str, path: str, allow: str) -> None:
    reply = web.request(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)


NAMES = [
    "../digits",
    "..%2fdigits",
    "%2e%2e%2fdigits",
    "%252e%252e",
    "..%5cdigits",
    "digits%00",
    "a" * 4000,
    "%2Fetc%2Fpasswd",
    "%ff",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_h17_names_of_models_that_are_none(web: Served, name: str) -> None:
    assert web.get(f"/v2/models/{name}").status == 404
    assert web.request("POST", f"/v2/models/{name}/infer", b"{}", {"Content-Type": "application/json"}).status in (
        404,
        405,
    )
    reply = web.request("POST", f"/v1/predict?model={name}", b"{}", {"Content-Type": "application/json"})
    assert (reply.status, reply.json["error"]["field"]) == (404, "model")


def test_h17_names_reach_no_file_system(web: Served) -> None:
    if subprocess.run(["which", "strace"], capture_output=True).returncode:
        pytest.skip("strace is not installed")
    command = ["strace", "-f", "-e", "trace=%file", "-p", str(web.process.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as trace:
        assert trace.stderr is not None
        trace.stderr.readline()  # attached
        for name in NAMES:
            web.get(f"/v2/models/{name}")
            web.get(f"/page/{name}")
        trace.terminate()
        touched = set(re.findall(r'"([^"]*)"', trace.stderr.read()))
    assert {
        path for path in touched if not path.endswith("/service/app.py")
    } == set()  # FastAPI names the route in its error


@pytest.fixture(scope="module")
def guarded(bundle: Path) -> Served:
    with Served(bundle, "--rate", "20", environment={"TENFOLD_TOKEN": TOKEN}) as served:
        yield served
    assert TOKEN not in served.log


def test_h18_a_token(guarded: Served) -> None:
    time.sleep(1)
    for given in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
    ):
        reply = guarded.post("/v1/predict", DOCUMENT, **given)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert guarded.post(f"/v1/predict?token={TOKEN}&access_token={TOKEN}", DOCUMENT).status == 401
    assert guarded.post("/v1/predict", DOCUMENT, Authorization=f"Bearer {TOKEN}").status == 200
    assert guarded.get("/metrics").status == 401
    for path in ("/", "/healthz", "/readyz", "/v2/health/live"):
        assert guarded.get(path).status == 200


def test_h19_a_rate(guarded: Served) -> None:
    replies = [guarded.get("/v1/models", Authorization=f"Bearer {TOKEN}") for _ in range(100)]
    refused = [reply for reply in replies if reply.status == 429]
    assert {reply.status for reply in replies} == {200, 429}
    assert len(refused) > 20
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
    assert guarded.get("/healthz").status == 200  # whoever looks after the service is not counted
    time.sleep(2)
    assert guarded.get("/v1/models", Authorization=f"Bearer {TOKEN}").status == 200


def leave_early(web: Served, count: int) -> None:
    """Clients that go away in the middle of what they send, and in the middle of the answer."""
    body = b'{"image": {"pixels": ' + str(IMAGE.tolist()).encode() + b"}}"
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    for i in range(count):
        with socket.create_connection(("127.0.0.1", web.port)) as connection:
            if i % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST, not FIN
            connection.sendall(head + (body if i % 4 >= 2 else body[:500]))


def wait_for_silence(web: Served) -> None:
    end = time.monotonic() + 20
    while web.metric("tenfold_connections ") > 1 and time.monotonic() < end:
        time.sleep(0.1)


def test_h20_clients_that_leave_early(web: Served) -> None:
    leave_early(web, 100)
    wait_for_silence(web)
    descriptors, memory = web.descriptors(), web.rss()
    leave_early(web, 900)
    wait_for_silence(web)
    assert web.descriptors() <= descriptors + 2
    assert web.rss() - memory < 32 << 20
    assert web.metric("tenfold_connections ") == 1  # the one that asks
    assert web.metric("tenfold_queue_length ") == 0
    assert web.post("/v1/predict", DOCUMENT).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("part", ["head", "body"])
def test_h21_slow_clients(web: Served, part: str) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n"
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as connection:
        connection.sendall(head + (b"\r\n" if part == "body" else b"X-Slow: "))

        def drip() -> None:
            try:
                for _ in range(60):
                    connection.sendall(b"a")
                    time.sleep(0.5)
            except OSError:
                pass

        threading.Thread(target=drip, daemon=True).start()
        answer = connection.recv(65536)
    assert status_of(answer) == 408
    assert 8 < time.monotonic() - began < 15


def test_h22_http_1_0(web: Served) -> None:
    answer = web.raw(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert status_of(answer) == 200
    assert answer.endswith(b'{"status":"live"}')


def test_h22_pipelining(web: Served) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = web.raw(
        one + one.replace(b"/healthz", b"/readyz") + one.replace(b"localhost", b"localhost\r\nConnection: close")
    )
    assert re.findall(rb'"status":"(\w+)"', answer) == [b"live", b"ready", b"live"]


def test_h22_expect_100_continue(web: Served) -> None:
    body = png(IMAGE)
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nExpect: 100-continue\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(head)
        assert status_of(connection.recv(1000)) == 100
        connection.sendall(body)
        assert status_of(connection.recv(65536)) == 200


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
    ],
)
def test_h22_upgrades(web: Served, upgrade: bytes) -> None:
    answer = web.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n\r\n", wait=2)
    assert status_of(answer) in (200, 400, 426)
    assert status_of(web.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) in (400, 0)


def test_h23_the_files_of_the_page(web: Served) -> None:
    page = web.get("/")
    assert page.status == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert web.get("/", If_None_Match=page.headers["etag"]).status == 304
    assert web.get("/", Range="bytes=0-9").status in (200, 206, 416)
    assert web.get("/", Range="bytes=9-1,a-b").status in (200, 206, 416)
    for path in (
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2fapp.py",
        "/page//etc/passwd",
        "/page/",
        "/app.py",
        "/page/index.html/",
    ):
        assert web.get(path).status == 404


def test_answers_say_who_they_are_for(web: Served) -> None:
    assert web.get("/healthz", X_Request_Id="mine-1").headers["x-request-id"] == "mine-1"
    assert re.fullmatch("[0-9a-f]{16}", web.get("/healthz", X_Request_Id="<script>").headers["x-request-id"])


def test_many_requests_over_one_connection(web: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    for _ in range(20):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"live"}'
    connection.close()


def test_the_short_way_of_predict_answers_as_its_route_does(web: Served) -> None:
    picture = png(IMAGE)
    for kind, body in (
        ("image/png", picture),
        ("image/png", picture[:100]),
        ("image/png", b""),
        ("application/json", b'{"image": '),
        ("application/x-python-serialize", b"\x80\x04."),
    ):
        paths = ("/v1/predict", "/v1/predict?model=digits")  # with a query it is FastAPI that finds the route
        short, routed = (web.request("POST", path, body, {"Content-Type": kind}) for path in paths)
        assert (short.status, short.body) == (routed.status, routed.body)
        assert {**short.headers, "x-request-id": ""} == {**routed.headers, "x-request-id": ""}
    assert web.request("GET", "/v1/predict").status == 405
    counted = re.findall(r'route="([^"]*)",method="POST",status="422"', web.request("GET", "/metrics").body.decode())
    assert counted.count("/v1/predict") == 1
