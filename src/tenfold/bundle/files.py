"""Where a bundle's files are and whether they are whole; no model is loaded for that."""

from __future__ import annotations

from pathlib import Path

from tenfold.atomic import refused, sha256_of
from tenfold.bundle.manifest import MANIFEST, MODEL, read_manifest
from tenfold.errors import IntegrityError

BUILTIN = "builtin"
"""The name of the bundle that comes with tenfold; write ``./builtin`` for a path of that name."""
_BUILTIN_FOLDER = Path(__file__).parent / BUILTIN


def bundle_folder(path: Path | str) -> Path:
    """``path`` if it holds a bundle's manifest, else its sub-folder ``bundle``; the folder of the bundle called "builtin".

    Raises:
        IntegrityError: there is no bundle in either.
    """
    path = _BUILTIN_FOLDER if str(path) == BUILTIN else Path(path)
    # a run has a manifest of its own, hence the order
    for folder in (path / "bundle", path):
        if (folder / MANIFEST).is_file():
            return folder
    raise IntegrityError(f"{path} holds no bundle: found no {MANIFEST} in it; expected a bundle, or a run directory that has one")


def model_bytes(path: Path | str) -> bytes:
    """The content of the model in the bundle at ``path``; compare it with the manifest, as ``Bundle`` does.

    Raises:
        IntegrityError: no bundle there, or a model of another size.
    """
    folder = bundle_folder(path)
    return read_model(folder / MODEL, read_manifest(folder / MANIFEST).model.bytes)


def read_model(path: Path, size: int) -> bytes:
    """The bytes of a model file that must have ``size`` of them.

    Raises:
        IntegrityError: missing, a link, or of another size.
        ResourceError: the operating system refused.
    """
    if path.is_symlink():
        raise IntegrityError(f"{path} is a symbolic link; a bundle's files are its own. Copy the bundle again")
    try:
        found = path.stat().st_size
        if found != size:
            raise IntegrityError(f"{path}: found {found:,} bytes, expected {size:,}; SHA-256 differs from manifest")
        return path.read_bytes()
    except FileNotFoundError:
        raise IntegrityError(f"{path} is missing; copy the bundle again") from None
    except OSError as error:
        raise refused(path, error, "read") from error


def check_hash(folder: Path) -> None:
    """Compare the model in the bundle ``folder`` with its manifest.

    Raises:
        IntegrityError: they differ.
    """
    if sha256_of(folder / MODEL) != read_manifest(folder / MANIFEST).model.sha256:
        raise IntegrityError(f"{folder / MODEL}: SHA-256 differs from manifest; the file was changed or damaged")
