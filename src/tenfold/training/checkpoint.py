"""Checkpoints and weights on disk: safetensors only, each file named or listed with its SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from tenfold.atomic import make_directory, refused, write_bytes
from tenfold.errors import IntegrityError
from tenfold.training.state import Tensors

KEPT = 2


def save_checkpoint(folder: Path, tensors: Tensors, position: dict[str, Any], *, within: Path | None = None) -> Path:
    """Write a checkpoint, named by its place and its hash; keep the two newest.

    ``within`` is a folder above that must be there; see :func:`tenfold.atomic.make_directory`.
    """
    make_directory(folder, within=within)
    content = _serialise(tensors, {"position": json.dumps(position)})
    name = f"{position['epoch']:06d}-{position['step']:08d}-{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
    write_bytes(folder / name, content)
    for old in sorted(folder.glob("*.safetensors"))[:-KEPT]:
        try:
            old.unlink(missing_ok=True)  # a worker whose parent was killed may still be at it, with the same bits
        except OSError as error:
            raise refused(old, error, "remove") from error
    return folder / name


def load_newest(folder: Path) -> tuple[tuple[Tensors, dict[str, Any]] | None, list[str]]:
    """The newest checkpoint whose content matches its name, and the names of newer ones that don't.

    Raises:
        IntegrityError: there are checkpoints, but all of them are damaged, or the newest is not one of ours.
    """
    damaged: list[str] = []
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:32] != path.stem.rpartition("-")[2]:
            damaged.append(path.name)
            continue
        return (deserialise(content, path), _position(content, path)), damaged
    if damaged:
        raise IntegrityError(f"all checkpoints in {folder} are damaged: {', '.join(damaged)}; start again without --resume")
    return None, damaged


def save_weights(path: Path, weights: Tensors) -> str:
    """Write final weights; returns the SHA-256 of the file."""
    return write_bytes(path, _serialise(weights, {}))


def weights_sha256(weights: Tensors) -> str:
    """What :func:`save_weights` would return."""
    return hashlib.sha256(_serialise(weights, {})).hexdigest()


def load_weights_file(path: Path, sha256: str) -> Tensors:
    """Read weights whose file must have this hash.

    Raises:
        IntegrityError: missing, another hash, or not safetensors.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"cannot read the weights {path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(f"{path}: SHA-256 differs from the one recorded at training")
    return deserialise(content, path)


def deserialise(content: bytes, path: Path) -> Tensors:
    """The tensors of a safetensors file's content.

    Raises:
        IntegrityError: it is not one.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise IntegrityError(f"{path} is not a safetensors file: {error}") from error


def _position(content: bytes, path: Path) -> dict[str, Any]:
    """The place that a checkpoint's header names; whoever wrote the file may have written the hash in its name, too."""
    length = int.from_bytes(content[:8], "little")
    try:
        position = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["position"])
        if all(isinstance(position[name], int) and position[name] >= 0 for name in ("epoch", "step")):
            return position
    except (KeyError, TypeError, ValueError, RecursionError):
        pass
    raise IntegrityError(f"the checkpoint {path} holds no position; start again without --resume")


def _serialise(tensors: Tensors, metadata: dict[str, str]) -> bytes:
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
