"""V12 of the reliability list: what /openapi.json promises is what is answered, tried out by Schemathesis."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from _service import Served

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
)
# A schema can say that a text is base64, not that an image is in it: 422 is a right answer to what keeps to the schema.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "415", "422", "429", "503", "504"]
"""


def complaints(web: Served, folder: Path, examples: int, phases: str) -> str:
    """What Schemathesis has against the service; "" if nothing."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]
    options = [
        "--checks",
        "all",
        "--max-examples",
        str(examples),
        "--phases",
        phases,
        "--seed",
        "12",
        "--continue-on-failure",
    ]
    address = f"http://127.0.0.1:{web.port}/openapi.json"
    done = subprocess.run([*command, address, *options], cwd=folder, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_v12_every_answer_conforms_to_the_published_schema(web: Served, tmp_path: Path) -> None:
    assert not complaints(web, tmp_path, 3, "fuzzing")


@pytest.mark.slow
def test_v12_every_answer_conforms_over_many_requests(web: Served, tmp_path: Path) -> None:
    assert not complaints(web, tmp_path, 100, "coverage,fuzzing,stateful")
    assert '"event": "error"' not in web.log


def test_v12_every_route_names_its_errors(web: Served) -> None:
    schema = web.get("/openapi.json").json
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            statuses = set(operation["responses"])
            assert {
                "200",
                "400",
                "401",
                "403",
                "404",
                "405",
                "413",
                "415",
                "421",
                "422",
                "429",
                "431",
                "500",
            } <= statuses, path
            if method == "post" and path != "/v2/repository/index":
                assert {"503", "504"} <= statuses, path
