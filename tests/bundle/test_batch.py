"""Predicting in constant memory: the bytes of the plain way, whoever computes them and however often it was killed."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from _bundles import TRAINING_ROWS, digits, digits_run
from _command_line import tenfold
from tenfold.bundle import batch
from tenfold.bundle.pieces import read_parts
from tenfold.bundle.predict import Bundle
from tenfold.errors import IntegrityError
from tenfold.values.names import csv_text

ROWS = 64


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return digits_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(batch, "ROWS", ROWS)
    monkeypatch.setattr(batch, "PIECE", 3 * ROWS)


def table(path: Path, times: int = 1) -> Path:
    data = digits().take(range(TRAINING_ROWS, 1797))
    header = ",".join(f"pixel{n}" for n in range(64))
    lines = "".join(",".join(map(str, row)) + "\n" for row in data.images.reshape(len(data), -1).tolist())
    text = f"{header}\n{lines * times}"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def plain(run, path: Path, probabilities: bool = False) -> bytes:
    """The table made without any of this."""
    from tenfold.bundle.pieces import read_input

    model = Bundle.open(run.path, 1)
    made = model.predict(read_input(path, model))
    header = ["id", "class", "confidence", *([f"p({k})" for k in range(10)] if probabilities else [])]
    return csv_text(header, batch.table_rows(made, model.class_names, probabilities)).encode()


@pytest.mark.parametrize("name", ["test.csv", "test.csv.gz"])
@pytest.mark.parametrize("executor", ["local", "processes"])
def test_the_bytes_are_those_of_the_plain_way(run, tmp_path, small_parts, executor, name):
    path, out = table(tmp_path / name), tmp_path / "out.csv"
    done = tenfold("predict", run.path, path, "--out", out, "--probabilities", "--executor", executor)
    assert (done.code, done.err) == (0, "")
    assert out.read_bytes() == plain(run, path, probabilities=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "out.csv"])


def test_one_thread_or_two_give_the_same_bytes(run, tmp_path):
    path = table(tmp_path / "test.csv")
    for threads in (1, 2):
        tenfold(
            "predict", run.path, path, "--out", tmp_path / f"{threads}.csv", "--threads", threads, "--probabilities"
        )
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_several_sources_come_one_after_another(run, tmp_path, small_parts):
    paths = [table(tmp_path / "b.csv"), table(tmp_path / "a.csv.gz")]
    tenfold("predict", run.path, *paths, "--out", tmp_path / "out.csv")
    header, _, rows = plain(run, paths[0]).partition(b"\n")
    assert (tmp_path / "out.csv").read_bytes() == header + b"\n" + rows * 2


def test_many_files_by_a_pattern_and_a_url(run, tmp_path, small_parts, monkeypatch):
    """Parquet files elsewhere give the table's bytes; each is a piece, and none is cut where there are many."""
    from pyarrow import csv, parquet

    monkeypatch.setattr(batch, "PIECE", 5 * ROWS)  # two of a file: each is a process to start
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    path = table(tmp_path / "test.csv")
    names = [f"{name}.parquet" for name in "abcd"]
    (tmp_path / "far").mkdir()
    for name in names:
        parquet.write_table(csv.read_csv(path), tmp_path / "far" / name, row_group_size=100)
    header, _, rows = plain(run, path).partition(b"\n")
    for workers in (1, 2):  # four files for one worker are enough, for two they are cut
        out = tmp_path / f"{workers}.csv"
        pattern = f"file://{tmp_path}/far/*.parquet"
        done = tenfold("predict", run.path, pattern, "--out", out, "--executor", "processes", "--workers", workers)
        assert done.code == 0, done.err
        assert out.read_bytes() == header + b"\n" + rows * 4
    parts = tmp_path / "answers"
    tenfold("predict", run.path, *(tmp_path / "far" / name for name in names), "--out", parts, "--parts")
    manifest = read_parts(parts)
    assert [part["source"] for part in manifest["parts"]] == [number for number in range(4) for _ in range(10)]
    assert [Path(source).name for source in manifest["sources"]] == names


def test_idx_files_and_folders_in_pieces_are_as_in_one(run, tmp_path, small_parts):
    images = digits().take(range(TRAINING_ROWS, 1797)).images[:, 0]
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in images.shape)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(header + images.tobytes())
    (tmp_path / "scans").mkdir()
    for number, image in enumerate(images[:200]):
        Image.fromarray(image).save(tmp_path / "scans" / f"{number:03d}.png")
    answers = {}
    for source in ("t10k-images-idx3-ubyte", "scans"):
        for executor in ("local", "processes"):
            out = tmp_path / f"{source}.{executor}.csv"
            done = tenfold("predict", run.path, tmp_path / source, "--out", out, "--executor", executor)
            assert done.code == 0, done.err
            answers[source, executor] = [line.split(",")[1:] for line in out.read_text().splitlines()]
        assert answers[source, "processes"] == answers[source, "local"]
    assert answers["scans", "local"] == answers["t10k-images-idx3-ubyte", "local"][:201]
    assert len(answers["t10k-images-idx3-ubyte", "local"]) == 598


@pytest.mark.parametrize("executor", ["local", "processes"])
def test_a_table_needs_no_bundle_of_its_own(tmp_path, monkeypatch, executor):
    monkeypatch.chdir(tmp_path)
    header = ",".join(f"pixel{n}" for n in range(784))
    (tmp_path / "test.csv").write_text(header + "\n" + ",".join(["0"] * 784) + "\n")
    done = tenfold("predict", "test.csv", "--out", "out.csv", "--executor", executor)
    assert done.code == 0, done.err
    assert (tmp_path / "out.csv").read_text().startswith("id,class,confidence\n1,")


def test_parts_have_a_manifest_that_tells_damage(run, tmp_path, small_parts):
    path, out = table(tmp_path / "test.csv"), tmp_path / "answers"
    assert tenfold("predict", run.path, path, "--out", out, "--parts").code == 0
    manifest = read_parts(out)
    assert manifest["rows"] == 597
    assert [part["rows"] for part in manifest["parts"]] == [ROWS] * 9 + [21]
    header = plain(run, path).partition(b"\n")[0] + b"\n"
    contents = [(out / part["name"]).read_bytes() for part in manifest["parts"]]
    assert header + b"".join(content.removeprefix(header) for content in contents) == plain(run, path)
    again = tenfold("predict", run.path, path, "--out", out, "--parts")
    assert again.code == 2
    (out / manifest["parts"][3]["name"]).write_bytes(b"")
    with pytest.raises(IntegrityError, match="differs"):
        read_parts(out)


def test_a_fault_at_the_end_leaves_nothing(run, tmp_path, small_parts):
    path = table(tmp_path / "test.csv")
    path.write_text(path.read_text() + "1,2,3\n")
    done = tenfold("predict", run.path, path, "--out", tmp_path / "out.csv")
    assert done.code == 3
    assert "test.csv:599" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["test.csv"]


def test_what_is_computed_is_found_again_unless_the_data_changed(run, tmp_path, small_parts, monkeypatch):
    path, out = table(tmp_path / "test.csv"), tmp_path / "out.csv"
    monkeypatch.setattr(batch, "write_chunks", stop)
    with pytest.raises(KeyboardInterrupt):
        batch.predict_to_csv(run.path, [str(path)], out, options=batch.ReadOptions())
    monkeypatch.undo()
    monkeypatch.setattr(batch, "ROWS", ROWS)
    lines = path.read_text().splitlines()
    lines[100] = lines[101]  # a row of the second block
    path.write_text("\n".join(lines) + "\n")
    outcome = batch.predict_to_csv(run.path, [str(path)], out, options=batch.ReadOptions())
    assert (outcome.rows, outcome.reused) == (597, 597 - ROWS)
    assert out.read_bytes() == plain(run, path)


def stop(*args: object, **kwargs: object) -> str:
    raise KeyboardInterrupt


@pytest.mark.parametrize("executor", ["local", "processes"])
def test_v22_killed_half_way_and_started_again_it_gives_the_same_bytes(run, tmp_path, executor):
    """SIGKILL once parts appear; the second call computes only what is missing."""
    path, out = table(tmp_path / "big.csv", times=60), tmp_path / "out.csv"
    command = [sys.executable, "-m", "tenfold", "predict", run.path, path, "--out", out, "--executor", executor]
    child = subprocess.Popen([*map(str, command), "--threads", "1", "--workers", "1"], stdout=subprocess.DEVNULL)
    folder = tmp_path / "out.csv.parts"
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.csv"))) < 2 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not out.exists()
    assert 2 <= len(list(folder.glob("*.csv"))) < 5
    done = tenfold("predict", run.path, path, "--out", out)
    assert done.code == 0
    assert "of them from before" in done.out
    assert out.read_bytes() == plain(run, path)
    assert not folder.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_between_two_blocks(run, tmp_path, number, code):
    path, out = table(tmp_path / "big.csv", times=60), tmp_path / "out.csv"
    command = [sys.executable, "-m", "tenfold", "predict", run.path, path, "--out", out, "--threads", 1]
    child = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    folder = tmp_path / "out.csv.parts"
    while not list(folder.glob("*.csv")) and child.poll() is None:
        time.sleep(0.002)
    child.send_signal(number)
    _, said = child.communicate()
    assert child.returncode == code
    assert said == "error: stopped; what was computed is kept. Go on with the same command\n"
    assert list(folder.glob("*.csv"))


def test_another_model_on_a_worker_is_refused(run, tmp_path):
    task = {"source": str(table(tmp_path / "test.csv")), "number": 0, "options": {}, "probabilities": False}
    with pytest.raises(IntegrityError, match="another model"):
        batch.predict_piece(None, bundle=str(run.path), model="0" * 64, folder="", threads=1, piece=None, **task)


PEAK = """
import re, sys
from tenfold.cli import main
try:
    main(sys.argv[1:])
finally:
    print(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process that was started from a large one")
def test_v22_memory_does_not_grow_with_a_million_rows(run, tmp_path):
    """A child's peak for 1,000,000 rows is within 40 MiB of that for 60,000."""
    peaks = []
    for times in (100, 1676):
        path = table(tmp_path / f"{times}.csv", times=times)
        arguments = ["predict", str(run.path), str(path), "--out", str(tmp_path / f"{times}.out.csv")]
        child = subprocess.run([sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True)
        peaks.append(int(child.stdout.splitlines()[-1]))
        path.unlink()
    assert peaks[1] - peaks[0] < 40 * 1024, peaks
