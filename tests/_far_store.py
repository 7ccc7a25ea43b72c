"""A store of fsspec's that is not this machine's disk: ``far://name`` lies below the folder that FAR_STORE names.

Worker processes find it as they find any store, by an entry point; see :func:`announce`. FAR_STORE_ROOM is how many
files it takes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileOpener

TESTS = Path(__file__).parent


class FarStore(fsspec.AbstractFileSystem):  # type: ignore[misc]
    protocol = "far"
    cachable = False

    def _place(self, path: str) -> Path:
        return Path(os.environ["FAR_STORE"]) / self._strip_protocol(path).lstrip("/")

    def ls(self, path: str, detail: bool = True, **further: Any) -> list[Any]:
        if not (place := self._place(path)).is_dir():
            raise FileNotFoundError(path)
        found = [self.info(f"{path}/{each.name}") for each in sorted(place.iterdir())]
        return found if detail else [each["name"] for each in found]

    def info(self, path: str, **further: Any) -> dict[str, Any]:
        place = self._place(path)
        if not place.exists():
            raise FileNotFoundError(path)
        kind = "directory" if place.is_dir() else "file"
        return {"name": self._strip_protocol(path), "type": kind, "size": place.stat().st_size}

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self._place(path).mkdir(parents=True, exist_ok=exist_ok)

    def rm_file(self, path: str) -> None:
        self._place(path).unlink()

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def _open(self, path: str, mode: str = "rb", **further: Any) -> Any:
        place = self._place(path)
        if "w" in mode and len(list(Path(os.environ["FAR_STORE"]).rglob("*.csv"))) >= int(
            os.environ.get("FAR_STORE_ROOM", 999)
        ):
            raise OSError("the store\nis full")
        return LocalFileOpener(str(place), mode, autocommit=further.get("autocommit", True), fs=self)


def announce(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this process and its children know ``far://``; where its files lie."""
    packages, store = folder / "packages", folder / "store"
    (packages / "far_store-1.dist-info").mkdir(parents=True)
    (packages / "far_store-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: far-store\nVersion: 1\n")
    (packages / "far_store-1.dist-info" / "entry_points.txt").write_text("[fsspec.specs]\nfar = _far_store:FarStore\n")
    store.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setenv("FAR_STORE", str(store))
    fsspec.register_implementation("far", FarStore, clobber=True)
    return store
