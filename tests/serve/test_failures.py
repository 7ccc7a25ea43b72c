"""V06 and V14-V21 of the reliability list: models that fail, ends and beginnings, who is let in, and what the log
says.
"""

import asyncio
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import _strained_service
from _command_line import tenfold
from _faulty_worker import DIE, HANG, RAISE
from _load import open_loop
from _service import Reply, Served, big_digits, certificate, png

IMAGE = big_digits().images[1300, 0]
GOOD = {"image": {"pixels": IMAGE.tolist()}}
OPEN = {"/healthz", "/readyz", "/v2", "/v2/health/live", "/v2/health/ready"}
"""What tells nothing that is not public."""
TOKEN = "correct-horse-battery-staple"


def strained(bundle: Path, **asked: object) -> Served:
    return Served(command=[sys.executable, _strained_service.__file__, str(bundle), json.dumps(asked)])


def wishing(level: int) -> dict[str, object]:
    """A request whose image makes the worker fail."""
    image = IMAGE.copy()
    image[0, 0] = level
    return {"image": {"pixels": image.tolist()}}


def at_once(web: Served, documents: list[dict[str, object]]) -> list[Reply]:
    """The answers to requests that are sent together, in their order."""
    replies: list[Reply | None] = [None] * len(documents)

    def ask(place: int) -> None:
        replies[place] = web.post("/v1/predict", documents[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(documents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [reply for reply in replies if reply is not None]


@pytest.fixture(scope="module")
def faulty(bundle: Path) -> Iterator[Served]:
    """A service whose worker fails on demand, and has little time."""
    with strained(bundle, delay=0.01, times={"compute": 1.5, "queue": 1.0, "drain_delay": 0}) as served:
        yield served


def test_v06_a_model_that_raises_fails_its_own_request_only(faulty: Served) -> None:
    replies = at_once(faulty, [GOOD, wishing(RAISE), *[GOOD] * 10])
    assert [reply.status for reply in replies] == [200, 500, *[200] * 10]
    assert replies[1].json == {
        "error": {"code": "internal", "message": "something went wrong here; the log has more", "field": ""}
    }
    assert "asked for" in faulty.log  # which happened, in a worker
    assert faulty.metric("tenfold_worker_restarts_total") == 0


def test_v06_a_worker_that_dies_is_replaced(faulty: Served) -> None:
    before = faulty.metric("tenfold_worker_restarts_total")
    replies = at_once(faulty, [wishing(DIE), *[GOOD] * 6])
    assert replies[0].status == 500
    assert {reply.status for reply in replies[1:]} <= {200, 503, 504}
    assert faulty.get("/healthz").status == 200
    faulty.wait_until_ready()
    assert faulty.post("/v1/predict", GOOD).status == 200
    assert faulty.metric("tenfold_worker_restarts_total") > before


def test_v06_while_no_worker_is_there_it_lives_but_is_not_ready(faulty: Served) -> None:
    import os

    os.kill(faulty.workers()[0], signal.SIGKILL)  # while it has nothing to do
    end = time.monotonic() + 5
    while faulty.get("/readyz").status == 200 and time.monotonic() < end:
        time.sleep(0.01)
    assert faulty.get("/readyz").status == faulty.get("/v2/health/ready").status == 503
    assert faulty.get("/healthz").status == faulty.get("/v2/health/live").status == 200
    refused = faulty.post("/v1/predict", GOOD)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    faulty.wait_until_ready()
    assert faulty.post("/v1/predict", GOOD).status == 200


def test_v06_v04_a_model_that_hangs_is_stopped_and_who_waited_too_long_is_not_computed(faulty: Served) -> None:
    late = faulty.metric('tenfold_dropped_total{reason="late"}')
    replies: list[Reply] = []
    hanging = threading.Thread(target=lambda: replies.append(faulty.post("/v1/predict", wishing(HANG))))
    hanging.start()
    time.sleep(0.3)
    waited = faulty.post("/v1/predict", GOOD)
    hanging.join()
    assert (replies[0].status, replies[0].json["error"]["code"]) == (504, "timeout")
    assert (waited.status, waited.json["error"]["code"]) == (504, "timeout")
    assert faulty.metric('tenfold_dropped_total{reason="late"}') == late + 1
    faulty.wait_until_ready()
    assert faulty.post("/v1/predict", GOOD).status == 200


def test_v14_after_sigterm_every_accepted_request_is_answered(bundle: Path) -> None:
    request = open_loop.post("/v1/predict", "application/json", json.dumps(GOOD).encode())
    with strained(bundle, delay=0.02, times={"drain_delay": 3.0}) as web:
        ready: list[int] = []

        def end() -> None:
            time.sleep(1)
            web.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            ready.append(web.get("/readyz").status)

        ender = threading.Thread(target=end)
        ender.start()
        load = asyncio.run(open_loop.open_loop(web.port, [request], 25, 1.8))  # ends while it still listens
        ender.join()
        assert web.process.wait(12) == 128 + signal.SIGTERM
    assert ready == [503]
    assert load.statuses() == {200: len(load.answers)}


@pytest.mark.slow
def test_v14_a_second_signal_ends_it_at_once(bundle: Path) -> None:
    with strained(bundle, times={"drain_delay": 60}) as web:
        web.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert web.get("/readyz").status == 503
        began = time.monotonic()
        web.process.send_signal(signal.SIGTERM)
        assert web.process.wait(10) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_v14_it_says_that_it_drained_and_no_error(bundle: Path, number: signal.Signals, code: int) -> None:
    with Served(bundle, "--no-log", "--drain-delay", "0.1") as web:
        web.process.send_signal(number)
        assert web.process.wait(10) == code
        said = web.log
    assert said == f"{number.name}: drained and stopped\n"


def test_v15_a_damaged_model_is_refused_before_the_port_opens(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    content = bytearray((copy / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.onnx").write_bytes(content)
    done = tenfold("serve", copy, "--port", "0")
    assert done.code == 6
    assert "listening" not in done.out
    assert "model.onnx" in done.err


def test_v15_it_lives_before_it_is_ready(bundle: Path) -> None:
    command = [
        sys.executable,
        _strained_service.__file__,
        str(bundle),
        json.dumps({"start": 1.5, "times": {"drain_delay": 0}}),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = int(re.findall(r":(\d+)/", process.stdout.readline())[0])
        web = Served()
        web.port, web.process = port, process
        seen = [(web.get("/healthz").status, web.get("/readyz").status, web.post("/v1/predict", GOOD).status)]
        while web.get("/readyz").status != 200:
            time.sleep(0.05)
        assert web.post("/v1/predict", GOOD).status == 200
        process.send_signal(signal.SIGINT)
    assert seen == [(200, 503, 503)]


def test_v16_a_port_that_is_taken(web: Served, bundle: Path) -> None:
    done = tenfold("serve", bundle, "--port", str(web.port))
    assert done.code == 4
    assert f"port {web.port}" in done.err and "--port 0" in done.err


def test_v16_an_address_that_is_not_ours(bundle: Path) -> None:
    done = tenfold("serve", bundle, "--port", "0", "--host", "192.0.2.1", "--insecure")
    assert (done.code, "--host" in done.err) == (4, True)


def test_v17_another_address_needs_a_token_or_a_word(bundle: Path) -> None:
    done = tenfold("serve", bundle, "--port", "0", "--host", "0.0.0.0")
    assert done.code == 2
    assert "--token-file" in done.err and "--insecure" in done.err


def test_v17_by_default_it_listens_on_the_loopback_and_shows_nothing_more(web: Served) -> None:
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = {
        local.split(":")[0] for _, local, _, state, *_ in listening if state == "0A" and int(local[-4:], 16) == web.port
    }
    assert mine == {"0100007F"}  # 127.0.0.1, and not 0.0.0.0
    for path in ("/docs", "/redoc", "/admin", "/shutdown", "/debug", "/config"):
        assert web.get(path).status == 404


def test_v17_a_token_is_long_enough(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short")
    assert tenfold("serve", bundle, "--token-file", tmp_path / "token", "--port", "0").code == 2
    assert tenfold("serve", bundle, "--token-file", tmp_path / "none", "--port", "0").code == 2


@pytest.fixture(scope="module")
def guarded(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with a token, which speaks TLS."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    chain, key = certificate(tmp_path_factory.mktemp("tls"))
    served = Served(bundle, "--certfile", chain, "--keyfile", key, environment={"TENFOLD_TOKEN": TOKEN})
    served.context = ssl.create_default_context(cafile=str(chain))
    with served:
        yield served
    assert TOKEN not in served.log


def test_v18_without_the_token_nothing_is_answered(guarded: Served) -> None:
    assert guarded.scheme == "https"
    token = {"Authorization": f"Bearer {TOKEN}"}
    schema = guarded.get("/openapi.json", **token).json
    for path, methods in schema["paths"].items():
        for method in methods:
            address = path.replace("{name}", "bundle").replace("{version}", "1")
            status = guarded.request(method.upper(), address, b"{}", {"Content-Type": "application/json"}).status
            assert status == (200 if path in OPEN else 401), path
    assert guarded.post("/v1/predict", GOOD, **token).status == 200


def test_v18_a_wrong_token_takes_as_long_whatever_its_length(guarded: Served) -> None:
    def seconds(token: str) -> float:
        taken = []
        for _ in range(15):
            began = time.perf_counter()
            assert guarded.get("/v1/models", Authorization=f"Bearer {token}").status == 401
            taken.append(time.perf_counter() - began)
        return min(taken)  # the machine may have other things to do

    nothing_right, almost, long = seconds("x" * len(TOKEN)), seconds(TOKEN[:-1] + "x"), seconds("x" * 100)
    assert max(nothing_right, almost, long) < 3 * min(nothing_right, almost, long)


def test_v18_only_new_tls(guarded: Served) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as plain, pytest.raises(OSError):
        old.wrap_socket(plain)
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as plain:
        new = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        new.check_hostname, new.verify_mode = False, ssl.CERT_NONE
        with new.wrap_socket(plain) as safe:
            assert safe.version() in ("TLSv1.2", "TLSv1.3")


def test_v18_a_bad_certificate(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    done = tenfold("serve", bundle, "--port", "0", "--certfile", tmp_path / "cert.pem")
    assert (done.code, "PEM" in done.err) == (2, True)


def test_v20_a_line_for_each_request_that_gives_nothing_away(guarded: Served) -> None:
    guarded.get("/v1/models?x=%0Aforged%1B[31m", Authorization=f"Bearer {TOKEN}", X_Request_Id="mine-20")
    guarded.post("/v1/predict", GOOD, Authorization=f"Bearer {TOKEN}", X_Request_Id="mine-21")
    time.sleep(0.2)
    lines = [json.loads(line) for line in guarded.log.splitlines()]
    mine = {line["id"]: line for line in lines if line["event"] == "request"}
    assert (mine["mine-20"]["path"], mine["mine-20"]["status"]) == ("/v1/models", 200)
    assert set(mine["mine-21"]) == {
        "time",
        "event",
        "id",
        "client",
        "method",
        "path",
        "status",
        "bytes",
        "milliseconds",
    }
    assert TOKEN not in guarded.log
    assert str(IMAGE.tolist())[1:60] not in guarded.log
    assert "\x1b" not in guarded.log and "forged" not in guarded.log


def test_v20_metrics_count_exactly(web: Served) -> None:
    def count(status: int) -> float:
        return web.metric(f'tenfold_requests_total{{route="/v1/predict",method="POST",status="{status}"}}')

    good = open_loop.post("/v1/predict", "image/png", png(np.asarray(255 - IMAGE)))
    bad = open_loop.post("/v1/predict", "application/json", b"[")
    before = {status: count(status) for status in (200, 400)}
    load = asyncio.run(open_loop.closed_loop(web.port, [good, good, bad], 300, 8))
    assert load.statuses() == {status: count(status) - before[status] for status in (200, 400)}


@pytest.mark.parametrize("end", ["full", "closed"])
def test_v21_a_log_that_nobody_takes_stops_nothing(bundle: Path, end: str) -> None:
    sink = "2>/dev/full" if end == "full" else "2> >(exec head -c 1 >/dev/null)"
    line = f'exec "{sys.executable}" -m tenfold serve "{bundle}" --port 0 {sink}'
    with Served(command=["bash", "-c", line]) as web:
        assert [web.post("/v1/predict", GOOD).status for _ in range(30)] == [200] * 30
        assert web.metric("tenfold_lost_log_lines_total") > 0
