"""Checkpoints and weights: what is damaged is never used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tenfold.errors import IntegrityError
from tenfold.training.state import (
    deserialise,
    load_newest,
    load_weights,
    load_weights_file,
    save_checkpoint,
    save_weights,
)


def write_three(folder: Path) -> list[Path]:
    return [save_checkpoint(folder, {"x": torch.full((4,), float(n))}, {"epoch": n, "step": 0}) for n in (1, 2, 3)]


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    paths = write_three(tmp_path)
    assert sorted(tmp_path.iterdir()) == paths[1:]


def test_two_workers_may_clear_away_the_same_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_three(tmp_path)
    unlink = Path.unlink

    def after_another(path: Path, missing_ok: bool = False) -> None:
        unlink(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", after_another)
    newest = save_checkpoint(tmp_path, {"x": torch.zeros(4)}, {"epoch": 4, "step": 0})
    assert newest.is_file()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, zero, flip, Path.unlink])
def test_k15_a_damaged_newest_falls_back_to_the_one_before(tmp_path: Path, damage: object) -> None:
    newest = write_three(tmp_path)[-1]
    damage(newest)  # type: ignore[operator]
    found, damaged = load_newest(tmp_path)
    assert found is not None
    assert found[1] == {"epoch": 2, "step": 0}
    assert found[0]["x"].tolist() == [2.0] * 4
    assert damaged == ([newest.name] if newest.exists() else [])


def test_k15_none_left_is_an_integrity_error(tmp_path: Path) -> None:
    for path in write_three(tmp_path)[1:]:
        flip(path)
    with pytest.raises(IntegrityError, match=r"all checkpoints .* are damaged"):
        load_newest(tmp_path)


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert load_newest(tmp_path) == (None, [])


def test_m04_a_flipped_bit_in_the_weights_is_found(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    sha256 = save_weights(path, {"x": torch.ones(3)})
    assert load_weights_file(path, sha256)["x"].tolist() == [1.0] * 3
    flip(path)
    with pytest.raises(IntegrityError, match="SHA-256 differs"):
        load_weights_file(path, sha256)


@pytest.mark.parametrize(
    "content",
    [b"", b"1234", (2**63).to_bytes(8, "little") + b"{}", b"\x80\x04N.", bytes([0x10] + [0] * 7) + b"not json"],
)
def test_m01_m03_what_is_not_safetensors_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="not a safetensors file"):
        deserialise(content, Path("weights.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": torch.full((2, 3), float("nan"))}, "tensor weight holds NaN"),
        ({"weight": torch.zeros(3, 2)}, r"tensor weight: found .*\(3, 2\), expected .*\(2, 3\)"),
        ({"weight": torch.zeros(2, 3, dtype=torch.float64)}, "tensor weight: found torch.float64"),
        ({"weight": None}, "lack weight"),
        ({"more": torch.zeros(1)}, "does not have: more"),
    ],
)
def test_m05_m06_wrong_weights_are_named(change: dict[str, torch.Tensor | None], message: str) -> None:
    weights = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)} | change
    with pytest.raises(IntegrityError, match=message):
        load_weights(nn.Linear(3, 2), {name: tensor for name, tensor in weights.items() if tensor is not None})
