"""M02, M13, M14: what stands in a run or in an archive is data, whoever wrote it."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import resource
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from _bundles import digits_run
from _exploits import Touch
from tenfold.bundle.predict import Bundle
from tenfold.data.load import load
from tenfold.errors import DataError, IntegrityError, TenfoldError
from tenfold.training.state import load_newest, load_weights_file, save_checkpoint

EVIL = ["pickle", "torch zip"]


def evil(kind: str, canary: Path) -> bytes:
    content = pickle.dumps(Touch(canary))
    if kind == "torch zip":
        buffer = io.BytesIO()
        torch.save(Touch(canary), buffer)
        content = buffer.getvalue()
    return content


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.mark.parametrize("kind", EVIL)
def test_m02_an_evil_checkpoint_is_refused_by_its_hash(tmp_path: Path, canary: Path, kind: str) -> None:
    position = {"epoch": 1, "step": 0}
    newest = save_checkpoint(tmp_path / "checkpoints", {"x": torch.ones(3)}, position)
    newest.write_bytes(evil(kind, canary))
    with pytest.raises(IntegrityError, match="are damaged"):
        load_newest(tmp_path / "checkpoints")
    assert not canary.exists()


@pytest.mark.parametrize("kind", EVIL)
def test_m02_an_evil_checkpoint_with_the_right_hash_is_still_no_code(tmp_path: Path, canary: Path, kind: str) -> None:
    content = evil(kind, canary)
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / f"000001-00000000-{digest[:32]}.safetensors").write_bytes(content)
    with pytest.raises(IntegrityError, match="not a safetensors file"):
        load_newest(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(IntegrityError, match="not a safetensors file"):
        load_weights_file(tmp_path / "weights.safetensors", digest)
    assert not canary.exists()


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"position": "no json"}, {"position": "[1]"}, {"position": "{}"}, {"position": '{"epoch": "one"}'}],
    ids=["none", "empty", "text", "list", "nothing", "words"],
)
def test_m02_a_checkpoint_with_the_right_hash_and_no_position_is_refused(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    from safetensors.torch import save

    content = save({"x": torch.ones(1)}, metadata)
    (tmp_path / f"000001-00000000-{hashlib.sha256(content).hexdigest()[:32]}.safetensors").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"the checkpoint .* holds no position"):
        load_newest(tmp_path)


def test_m13_a_bomb_named_as_weights_is_not_opened(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"archive/data/{number}", bytes(100 << 20))
    bomb = buffer.getvalue()
    assert len(bomb) < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("weights.pt", "weights.safetensors"):
        (tmp_path / name).write_bytes(bomb)
        with pytest.raises(IntegrityError, match="not a safetensors file"):
            load_weights_file(tmp_path / name, hashlib.sha256(bomb).hexdigest())
        with pytest.raises(TenfoldError):
            load(str(tmp_path / name), "train")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def archive(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one name twice
        for name in names:
            file.writestr(name, "label,pixel0\n1,2\n2,3\n")
    return path


@pytest.mark.parametrize(
    "names",
    [
        ["../../outside.csv"],
        ["/outside.csv"],
        ["train.csv", "sub/../../train.csv"],
        ["train.csv", "train.csv"],
        [f"{number}.csv" for number in range(20_000)],
    ],
    ids=["parent", "absolute", "sub", "twice", "many"],
)
def test_m14_names_in_an_archive_are_never_paths(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    path = archive(tmp_path / "deep" / "er" / "train.zip", names)
    before = sorted(tmp_path.rglob("*"))
    try:
        assert len(load(str(path), "train")) == 2  # one table in it is read, whatever it is called
    except DataError:
        assert len(names) > 1
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/outside.csv").exists()


def test_m14_a_bundle_is_its_own_files_only(tmp_path: Path) -> None:
    folder = digits_run(tmp_path / "runs").path / "bundle"
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(
        json.dumps(manifest | {"model": manifest["model"] | {"path": "../../elsewhere.onnx"}})
    )
    with pytest.raises(IntegrityError, match="path"):
        Bundle.open(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for number in range(100):
        (folder / f"{number}.onnx").symlink_to("/etc/passwd")
    (folder / "manifest.json").rename(folder / "moved.json")
    (folder / "manifest.json").symlink_to(folder / "moved.json")
    Bundle.open(folder)  # what else lies in the folder is not looked at
