"""What an operator does to a service: bundles replaced on the disk, proxies before it, two of one port, full disks."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from _service import Served, base64_of, big_digits, png
from tenfold.errors import ResourceError
from tenfold.service import examples
from tenfold.service.observability import Fault

IMAGE = big_digits().images[1300, 0]
LABEL = str(big_digits().labels[1300])
GOOD = {"image": {"pixels": IMAGE.tolist()}}


def renamed(folder: Path) -> None:
    """Other class names into the manifest of a bundle."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["class_names"] = [f"K{name}" for name in manifest["class_names"]]
    path.write_text(json.dumps(manifest))


def answers(web: Served, count: int = 12) -> set[str]:
    found: list[str] = []
    end = time.monotonic() + 60
    while len(found) < count and time.monotonic() < end:
        reply = web.post("/v1/predict", GOOD)
        if reply.status != 503:  # a worker that was killed may have been the only one that was ready
            found.append(reply.json["predictions"][0]["class"])
    return set(found)


def kill_a_worker(web: Served) -> None:
    before = web.metric("tenfold_worker_restarts_total")
    os.kill(web.workers()[0], signal.SIGKILL)
    end = time.monotonic() + 30
    while (web.metric("tenfold_worker_restarts_total") == before or len(web.workers()) < 2) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(2)  # until the new one has its models


def wait_for(web: Served, event: str) -> dict[str, object]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for line in web.log.splitlines():
            if line.startswith("{") and json.loads(line)["event"] == event:
                return json.loads(line)
        time.sleep(0.1)
    raise AssertionError(f"no {event}: {web.log}")


@pytest.fixture
def served(bundle: Path, tmp_path: Path) -> Iterator[tuple[Served, Path]]:
    """A service of two workers, and its bundle on the disk."""
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    with Served(copy, "--workers", "2", "--drain-delay", "0") as web:
        yield web, copy


def test_a_replaced_bundle_is_served_by_all_workers_or_by_none(served: tuple[Served, Path]) -> None:
    web, folder = served
    renamed(folder)
    kill_a_worker(web)
    assert answers(web) == {LABEL}
    web.process.send_signal(signal.SIGHUP)
    wait_for(web, "reloaded")
    assert answers(web) == {f"K{LABEL}"}
    assert web.get("/v1/models").json["models"][0]["classes"][0] == "K0"
    kill_a_worker(web)
    assert answers(web) == {f"K{LABEL}"}


def test_a_damaged_bundle_is_not_loaded_and_the_log_says_why(served: tuple[Served, Path]) -> None:
    web, folder = served
    (folder / "model.onnx").write_bytes(b"\0" * (folder / "model.onnx").stat().st_size)
    web.process.send_signal(signal.SIGHUP)
    assert "SHA-256" in str(wait_for(web, "not reloaded")["reason"])
    kill_a_worker(web)
    assert answers(web) == {LABEL}


def test_when_no_worker_can_start_any_more_the_service_ends_and_says_why(bundle: Path, tmp_path: Path) -> None:
    command = tmp_path / "worker.py"
    broken = tmp_path / "broken"
    command.write_text(
        f"import sys; from pathlib import Path\nif Path({str(broken)!r}).exists(): sys.exit('no memory')\n"
        "from tenfold.service.worker import main; main()\n"
    )
    program = (
        "import sys, tenfold.service.pool as pool; pool.PAUSE = 0.01\n"
        "from tenfold.service.server import serve; from tenfold.service.settings import Settings\n"
        f"serve(Settings({{'d': {str(bundle)!r}}}, port=0, workers=1), log_to=sys.stderr,"
        f" on_listening=lambda at: print(at, flush=True), worker_command=[{str(command)!r}])"
    )
    with Served(command=[sys.executable, "-c", program]) as web:
        broken.touch()
        os.kill(web.workers()[0], signal.SIGKILL)
        assert web.process.wait(60) != 0
        assert '"event": "worker not started"' in web.log
        assert "a worker could not start" in web.log


def test_of_two_services_on_one_port_the_second_ends_with_4(bundle: Path, web: Served) -> None:
    command = [sys.executable, "-m", "tenfold", "serve", str(bundle), "--port"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    both = [subprocess.Popen([*command, port], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    try:
        end = time.monotonic() + 60
        while all(one.poll() is None for one in both) and time.monotonic() < end:
            time.sleep(0.1)
        (loser,) = [one for one in both if one.poll() is not None]
        out, said = loser.communicate()
        assert (loser.returncode, out) == (4, b"")
        assert b"another program listens there" in said
    finally:
        for one in both:
            one.send_signal(signal.SIGINT)
            one.communicate(timeout=30)


@pytest.fixture(scope="module")
def behind(bundle: Path) -> Iterator[Served]:
    """A service that believes a proxy on this machine."""
    options = ["--allow-origin", "https://digits.example", "--trust-proxy", "127.0.0.1", "--rate", "2"]
    with Served(bundle, *options) as web:
        yield web


def test_a_proxy_may_ask_by_its_own_name_for_a_page_elsewhere(behind: Served) -> None:
    time.sleep(1)
    said = {"X_Forwarded_For": "192.0.2.1", "X_Forwarded_Proto": "https"}
    assert behind.post("/v1/predict", GOOD, Origin="https://digits.example", **said).status == 200
    assert behind.post("/v1/predict", GOOD, Origin="https://evil.example", **said).status == 403


def test_rate_and_log_know_the_client_behind_a_proxy(behind: Served) -> None:
    statuses = [behind.get("/v1/models", X_Forwarded_For=f"198.51.100.{k}").status for k in range(12)]
    assert statuses == [200] * 12
    assert 429 in [behind.get("/v1/models", X_Forwarded_For="203.0.113.9").status for _ in range(12)]
    assert '"client": "203.0.113.9"' in behind.log


def test_without_trust_nobody_speaks_for_another(web: Served) -> None:
    web.get("/healthz", X_Forwarded_For="203.0.113.77")
    assert "203.0.113.77" not in web.log


def test_the_log_has_the_trace_of_opentelemetry(web: Served) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    web.get("/healthz", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    web.get("/healthz", traceparent="00-<script>-00f067aa0ba902b7-01")
    time.sleep(0.2)
    assert f'"trace": "{trace}"' in web.log and "<script>" not in web.log


@pytest.mark.parametrize("option", [("--allow-origin", "digits.example"), ("--trust-proxy", "proxy")])
def test_options_for_proxies_are_checked(option: tuple[str, str]) -> None:
    done = subprocess.run([sys.executable, "-m", "tenfold", "serve", *option], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{option[0]}: found {option[1]!r}, expected" in done.stderr


def test_the_limit_of_kept_examples_holds_over_all_workers(bundle: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tenfold.service.server import serve\n"
        "from tenfold.service.settings import Limits, Settings\n"
        f"serve(Settings({{'d': {str(bundle)!r}}}, port=0, workers=2, keep=Path({str(tmp_path)!r}),"
        " limits=Limits(examples=5)), on_listening=lambda at: print(at, flush=True))"
    )
    with Served(command=[sys.executable, "-c", program]) as web:
        kept, statuses = [], []
        for k in range(12):
            image = big_digits().images[1300 + k, 0]
            reply = web.post("/v1/examples", {"image": {"base64": base64_of(png(image))}, "label": "1"})
            statuses.append(reply.status)
            if reply.status == 200:
                kept.append(reply.json["kept"])
        assert kept == [1, 2, 3, 4, 5]
        assert statuses[5:] == [409] * 7


def test_an_example_that_cannot_be_written_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise ResourceError(f"cannot write {tmp_path}: no space left on device")

    monkeypatch.setattr(examples, "write_bytes", full)
    with pytest.raises(Fault, match="disk is full") as fault:
        examples.Examples(tmp_path, ("1",), 10).keep(IMAGE, "1")
    assert (fault.value.status, fault.value.code) == (507, "insufficient_storage")
    assert str(tmp_path) not in fault.value.message


def recipe(language: str) -> str:
    """The one block in ``language`` of docs/serve.md."""
    text = (Path(__file__).parents[2] / "docs" / "serve.md").read_text()
    (block,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return block


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_recipe_for_systemd(tmp_path: Path) -> None:
    unit = tmp_path / "tenfold.service"
    unit.write_text(recipe("ini").replace("/usr/local/bin/tenfold", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_the_recipe_for_nginx(bundle: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Served(bundle, "--allow-origin", f"http://127.0.0.1:{port}", "--trust-proxy", "127.0.0.1") as behind:
        config = tmp_path / "nginx.conf"
        location = recipe("nginx").replace(":8000", f":{behind.port}")
        config.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;\n"
            f"server {{ listen 127.0.0.1:{port};\n{location}}} }}\n"
        )
        command = [str(NGINX), "-c", str(config), "-p", str(tmp_path), "-e", "stderr"]
        assert subprocess.run([*command, "-t"], capture_output=True).returncode == 0
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as proxy:
            try:
                through = Served()
                through.port = port
                end = time.monotonic() + 10
                while time.monotonic() < end:
                    with contextlib.suppress(OSError):
                        through.get("/digits/")
                        break
                    time.sleep(0.05)
                assert 'src="page/' in through.get("/digits/").body.decode()
                assert through.get("/digits/page/page.js").status == 200
                page = f"http://127.0.0.1:{port}"
                sent = {"Origin": page, "Sec_Fetch_Site": "same-origin"}
                assert through.post("/digits/v1/predict", GOOD, **sent).json["predictions"][0]["class"] == LABEL
                assert through.post("/digits/v1/predict", GOOD, Origin="http://evil.example").status == 403
            finally:
                proxy.terminate()
