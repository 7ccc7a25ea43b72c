import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenfold.cli.options import parse_bytes, parse_shape, read_options
from tenfold.data import ReadOptions
from tenfold.data.convert import convert
from tenfold.data.load import load
from tenfold.errors import UsageError
from tenfold.values.dataset import Dataset

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 1, 6, 6), dtype=np.uint8)
LABELS = np.arange(40) % 10


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return written(tmp_path / "train.csv", IMAGES)


def written(path: Path, images: Any, labels: Any = LABELS) -> Path:
    convert(Dataset(images, labels, np.arange(1, len(images) + 1), tuple("0123456789")), path)
    return path


def test_list_names_the_data_sets_and_formats(cli: Callable[..., Any]) -> None:
    done = cli("data", "list")
    assert done.code == 0
    for name in ("mnist", "idx", "image-folder", "kaggle-csv", "npz"):
        assert re.search(rf"^  {name} +\S", done.stdout, re.MULTILINE)
    assert "not fetched; run: tenfold data fetch mnist" in done.stdout
    assert done.changed == []


def test_check_prints_shape_counts_and_findings(cli: Callable[..., Any], table: Path) -> None:
    done = cli("data", "check", table, "--strict")
    assert done.code == 0
    assert "40 images of 1x6x6, labelled, 10 classes" in done.stdout
    assert re.search(r"^classes  0: 4, .*, 9: 4$", done.stdout, re.MULTILINE)
    assert "duplicates: no image occurs twice" in done.stdout


def test_close_checks_are_run_unless_it_has_to_be_quick(cli: Callable[..., Any], table: Path) -> None:
    thorough, quick = (json.loads(cli("data", "check", table, "--json", *more).stdout) for more in ((), ("--quick",)))
    names = [{finding["name"] for finding in result["findings"]} for result in (thorough, quick)]
    assert names[0] - names[1] == {"near-duplicates", "inverted", "off-centre", "clipped", "outliers"}


def test_the_images_behind_the_findings_are_a_table(cli: Callable[..., Any], tmp_path: Path) -> None:
    images = IMAGES.copy()
    images[1] = images[0]
    path, out = written(tmp_path / "train.csv", images), tmp_path / "found.csv"
    assert cli("data", "check", path, "--quick", "--csv", out).code == 0
    lines = out.read_text("utf-8").splitlines()
    assert lines[0] == "finding,severity,group,place,id"
    assert [line for line in lines if line.startswith("label-conflicts")] == [
        "label-conflicts,warning,1,1,1",
        "label-conflicts,warning,1,2,2",
    ]
    again = cli("data", "check", path, "--quick", "--csv", out)
    assert (again.code, again.changed) == (2, [])
    assert "--force" in again.stderr
    assert cli("data", "check", path, "--quick", "--csv", out, "--force").code == 0


def test_l05_strict_leaves_with_3_on_a_conflict(cli: Callable[..., Any], tmp_path: Path) -> None:
    images = IMAGES.copy()
    images[1] = images[0]
    path = written(tmp_path / "train.csv", images)
    assert cli("data", "check", path).code == 0
    done = cli("data", "check", path, "--strict")
    assert done.code == 3
    assert "warning  label-conflicts: 2 of 40 images" in done.stdout
    assert "ids 1 = 2" in done.stdout


def test_l06_a_leak_is_reported_as_json_too(cli: Callable[..., Any], table: Path, tmp_path: Path) -> None:
    test = written(tmp_path / "test.csv", IMAGES[30:], None)
    done = cli("data", "check", table, "--test", test, "--strict", "--json")
    assert done.code == 3
    (leak,) = (f for f in json.loads(done.stdout)["findings"] if f["name"] == "leakage")
    assert (leak["severity"], leak["count"], leak["total"]) == ("leak", 10, 10)
    assert leak["ids"][0] == [31, 1]


def test_bad_input_leaves_with_3_and_writes_nothing(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in "01":
        (folder / name).mkdir(parents=True)
        (folder / name / "x.png").write_bytes(b"not a picture")
    for command in (("check", folder), ("convert", folder, tmp_path / "out.npz")):
        done = cli("data", *command)
        assert done.code == 3
        assert re.search(r"^error: .*/0/x\.png: found text, expected an image", done.stderr, re.MULTILINE)
        assert "Traceback" not in done.stderr
        assert done.changed == []


def test_f03_other_classes_in_the_test_folder_leave_with_6(cli: Callable[..., Any], tmp_path: Path) -> None:
    for folder, names in (("train", ("a", "b")), ("test", ("a", "c"))):
        convert(Dataset(IMAGES, LABELS % 2, np.arange(40), names), tmp_path / folder)
    done = cli("data", "check", tmp_path / "train", "--test", tmp_path / "test")
    assert done.code == 6
    assert "found the classes a, c; expected a, b" in done.stderr


def test_convert_writes_once_and_again_with_force(cli: Callable[..., Any], table: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "x.npz"
    done = cli("data", "convert", table, out)
    assert (done.code, done.stdout.strip()) == (0, str(out))
    assert load(out).fingerprint() == load(table, cache=False).fingerprint()
    refused = cli("data", "convert", table, out)
    assert refused.code == 2
    assert "--force" in refused.stderr
    assert refused.changed == []
    assert cli("data", "convert", table, out, "--force").code == 0


class Missing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *arguments: object) -> None:
        pass


def test_fetch_says_plainly_what_failed_and_what_to_do(cli: Callable[..., Any]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Missing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        done = cli("data", "fetch", "mnist", "--mirror", f"http://127.0.0.1:{server.server_port}")
        quiet = cli("--quiet", "data", "fetch", "mnist", "--mirror", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert done.code == quiet.code == 4
    assert done.stderr.startswith("fetching http://127.0.0.1")
    assert "HTTP Error 404" in quiet.stderr
    assert "tenfold data fetch mnist --from FOLDER" in quiet.stderr
    assert "fetching" not in quiet.stderr
    assert done.changed == []


def test_fetch_from_a_folder_that_is_not_mnist(cli: Callable[..., Any], tmp_path: Path) -> None:
    for role in ("train", "test"):
        convert(Dataset(IMAGES, LABELS, np.arange(40), tuple("0123456789")), tmp_path / "x.idx", role)  # type: ignore[arg-type]
    done = cli("data", "fetch", "mnist", "--from", tmp_path / "x.idx")
    assert done.code == 6
    assert "not MNIST's" in done.stderr
    assert done.changed == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("fetch", "nist"),
        ("check", "x", "--role", "both"),
        ("check", "x", "--shape", "28"),
        ("check", "x", "--max-input-bytes", "much"),
        ("check", "x", "--scale", "0"),
    ],
)
def test_usage_errors_leave_with_2(cli: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    done = cli("data", *arguments)
    assert done.code == 2
    assert done.stderr.startswith("error: ")


def test_shapes_and_sizes_as_people_write_them() -> None:
    assert parse_shape("28x28") == (1, 28, 28)
    assert parse_shape("3,32,30") == (3, 32, 30)
    assert [parse_bytes(text) for text in ("17", "2K", "500M", "4GiB", "1tb")] == [17, 2048, 500 * 2**20, 2**32, 2**40]
    for text in ("", "28", "0x28", "28x28x28x28", "٣x٣"):
        with pytest.raises(UsageError):
            parse_shape(text)
    for text in ("", "0", "-1", "1X", "1e9"):
        with pytest.raises(UsageError):
            parse_bytes(text)


def test_without_options_the_readers_defaults_hold() -> None:
    assert read_options() == ReadOptions()
    assert read_options(no_header=True, scale=1, shape="8x8", skip_bad=True) == ReadOptions(
        header=False, scale=1, shape=(1, 8, 8), skip_bad=True
    )
