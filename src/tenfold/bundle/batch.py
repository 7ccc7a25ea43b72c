"""Predict any number of images in constant memory: block by block, each a file of its own until all are there.

A part is named after what decides it - model, columns, ids and pixels of its block - so whatever was
computed before an interruption is found again and is never out of date: who resumes reads everything and
computes what is missing. Parts do not depend on where or by how many workers they were computed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from tenfold.atomic import make_directory, sha256_of, wait_for_files, write_chunks, write_json, write_text
from tenfold.bundle.csv_table import csv_text
from tenfold.bundle.files import bundle_folder
from tenfold.bundle.inputs import input_blocks, input_pieces, is_image, polarity_of
from tenfold.bundle.loaded import Bundle
from tenfold.data.load import named_sources
from tenfold.data.options import ReadOptions
from tenfold.data.remote import expanded, is_url
from tenfold.data.sources import Piece
from tenfold.environment import cores
from tenfold.errors import DataError, IntegrityError, Stopped, UsageError, printable
from tenfold.executors import EXECUTORS, Context, Json, at_once
from tenfold.values.predictions import Predictions
from tenfold.values.run import read_json_object

ROWS = 8192
"""Images a part; a multiple of what the model computes at a time, so that parts are as if all had been computed at once."""
PIECE = 8 * ROWS
"""Images a task, where a source can be read in pieces."""
FORMAT_VERSION = 1
PARTS, MANIFEST = ".parts", "parts.json"
_CHUNK = 1 << 20
_MANY = 1024
"""Pieces on a cluster at once: nobody knows how many there will be, and those without a free core wait."""
_ENOUGH = 4
"""With so many files a worker, files are not cut into pieces: finding the places to cut means reading them here."""

OnProgress = Callable[[float, int], None]


@dataclass(frozen=True)
class Outcome:
    """What was predicted.

    Attributes:
        rows: images.
        reused: of them, those found from an interrupted call.
        warnings: what the user should know.
        core_seconds: of all workers: reading, predicting, writing parts.
    """

    rows: int
    reused: int
    warnings: tuple[str, ...]
    core_seconds: float = 0.0


def predict_to_csv(
    bundle: Path,
    sources: Sequence[str],
    out: Path,
    *,
    options: ReadOptions,
    probabilities: bool = False,
    as_parts: bool = False,
    force: bool = False,
    executor: str = "local",
    workers: int | None = None,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> Outcome:
    """Write id, class and confidence of every image to ``out``, in the order of ``sources``.

    Until everything is computed it lies in the folder ``out`` + ".parts", where the same call finds it again
    after an interruption. What was wrong with the data leaves nothing behind.

    Args:
        bundle: a bundle, or a run that has one.
        sources: what to read.
        out: the file; with ``as_parts`` a folder for the parts, with a manifest that is written last.
        options: how to read; shape and class names are the bundle's.
        probabilities: add a column for every class.
        as_parts: leave the parts, instead of joining them.
        force: replace what is there.
        executor: a registered executor.
        workers: tasks at once; None is one a core.
        threads: of the "local" executor, None is one a core; workers of the others have one each.
        on_progress: gets (share done, images done).

    Raises:
        DataError: an image or a table is not what it should be.
        IntegrityError: a worker finds another model than we do.
        UsageError: ``out`` exists and ``force`` is false.
        Stopped: everything so far is kept.
    """
    sources = expanded(sources)
    existing = out / MANIFEST if as_parts else out
    if existing.exists() and not force:
        raise UsageError(f"{existing} exists; pass --force to replace it, or choose another name")
    model = Bundle.open(bundle, 1)
    folder = out if as_parts else out.with_name(out.name + PARTS)
    fresh = not folder.exists()
    shared: Json = {
        "bundle": str(bundle_folder(bundle).resolve()),
        "model": model.manifest.model.sha256,
        "options": asdict(options),
        "probabilities": probabilities,
        "folder": str(make_directory(folder).resolve()),
        "threads": (threads or cores()) if executor == "local" else 1,
    }
    progress = _Progress(len(sources), on_progress)
    done: list[Json] = []
    try:
        parallel = at_once(executor, workers, _MANY)
        whole = executor == "local" or len(sources) >= _ENOUGH * parallel
        absolute = [source if executor == "local" else _absolute(source) for source in sources]
        tasks = _tasks(shared, absolute, model, options, whole=whole, progress=progress)
        runner = EXECUTORS.get(executor)(parallel)
        for _, result in runner.stream("tenfold.bundle.batch:predict_piece", tasks, progress.event):
            done.append(result)
    except Stopped as error:
        raise Stopped("stopped; what was computed is kept. Go on with the same command", error.exit_code) from None
    except (DataError, IntegrityError, UsageError):
        if fresh:
            _remove(folder)
        raise
    done.sort(key=lambda result: (result["source"], result["first"]))
    parts = [part for result in done for part in result["parts"]]
    wait_for_files(folder / part["name"] for part in parts)
    if as_parts:
        _write_manifest(folder, sources, model, parts, probabilities)
    else:
        write_chunks(out, _joined(folder, parts, model, probabilities), overwrite=force)
        _remove(folder)
    warnings = tuple(_warnings(sources, done, model))
    rows, reused = sum(part["rows"] for part in parts), sum(result["reused"] for result in done)
    return Outcome(rows, reused, warnings, sum(result["core_seconds"] for result in done))


def predict_piece(
    context: Context,
    bundle: str,
    model: str,
    source: str,
    number: int,
    options: Json,
    probabilities: bool,
    folder: str,
    threads: int,
    piece: Json | None,
) -> Json:
    """Write the parts of one piece of a source; a task for an executor.

    Args:
        context: how to report and when to stop.
        bundle: path of the bundle.
        model: SHA-256 that its model must have.
        source: what to read.
        number: which of the sources it is.
        options: how to read it, as a JSON object.
        probabilities: add a column for every class.
        folder: where to write.
        threads: that compute.
        piece: which piece, as a JSON object, or None for the whole source.

    Returns:
        The parts, how many images were found computed, the sum of all pixels, and what it cost.

    Raises:
        IntegrityError: the bundle has another model.
    """
    loaded = _opened(bundle, model, threads)
    stretch = None if piece is None else Piece(**piece)
    first = stretch.first if stretch else 0
    began = time.process_time()
    header = _header(loaded, probabilities)
    parts: list[Json] = []
    reused, pixels = 0, 0.0
    reading = ReadOptions(**{**options, "shape": None, "class_names": None})
    for index, block in enumerate(input_blocks(source, loaded, reading, ROWS, stretch)):
        if context.should_stop():
            raise Stopped("stopped between two blocks")
        data = block.data
        loaded.check(data)
        digest = hashlib.sha256(f"{FORMAT_VERSION} {model} {header}\0".encode())
        digest.update("\0".join(map(str, data.ids.tolist())).encode())
        digest.update(np.ascontiguousarray(data.images).data)
        name = f"{number:04d}-{first // ROWS + index:07d}-{digest.hexdigest()[:32]}.csv"
        if (Path(folder) / name).exists():
            reused += len(data)
        else:
            made = Predictions(data.ids, loaded.predict_proba(data.images))
            write_text(Path(folder) / name, csv_text(header, table_rows(made, loaded.class_names, probabilities)))
        parts.append({"name": name, "rows": len(data), "source": number})
        pixels += float(data.images.sum(dtype=np.float64))
        context.emit({"share": block.share, "rows": len(data)})
    return {
        "source": number,
        "first": first,
        "parts": parts,
        "reused": reused,
        "pixel_sum": pixels,
        "core_seconds": time.process_time() - began,
    }


def table_rows(made: Predictions, class_names: Sequence[str], probabilities: bool) -> Iterator[list[str]]:
    """The lines of a table of predictions: id, class, confidence and, if wanted, every probability."""
    for identity, k, values in zip(made.ids.tolist(), made.predicted.tolist(), made.probabilities.tolist(), strict=True):
        every = [f"{p:.6f}" for p in values] if probabilities else []
        yield [str(identity), class_names[k], f"{values[k]:.6f}", *every]


def _header(model: Bundle, probabilities: bool) -> list[str]:
    return ["id", "class", "confidence", *([f"p({name})" for name in model.class_names] if probabilities else [])]


@lru_cache(maxsize=1)
def _opened(bundle: str, sha256: str, threads: int) -> Bundle:
    model = Bundle.open(bundle, threads)
    if model.manifest.model.sha256 != sha256:
        raise IntegrityError(f"{bundle} holds another model here than where the prediction was started; copy the bundle again")
    return model


def _tasks(
    shared: Json, sources: Sequence[str], model: Bundle, options: ReadOptions, *, whole: bool, progress: _Progress
) -> Iterator[Json]:
    """A task for every piece, found while they are asked for."""
    for number, source in enumerate(sources):
        for piece in [None] if whole else input_pieces(source, model, options, PIECE):
            progress.weights.append(piece.share if piece else 1.0)
            yield {
                **shared,
                "source": source,
                "number": number,
                "piece": None if piece is None else asdict(piece),
            }


def _absolute(source: str) -> str:
    """``source`` for a worker that may stand in another folder; a data set's name and an image, whose path is its id, stay."""
    elsewhere = is_url(source) or source in named_sources()
    return source if elsewhere or is_image(source) else str(Path(source).absolute())


class _Progress:
    """Adds up what the tasks report."""

    def __init__(self, sources: int, on_progress: OnProgress | None) -> None:
        self.weights: list[float] = []
        self._sources, self._tell = sources, on_progress
        self._shares: dict[int, float] = {}
        self._done, self._rows = 0.0, 0

    def event(self, index: int, event: Json) -> None:
        before = self._shares.get(index, 0.0)
        self._shares[index] = event["share"]
        self._done += (event["share"] - before) * self.weights[index] / self._sources
        self._rows += event["rows"]
        if self._tell is not None:
            self._tell(min(1.0, self._done), self._rows)


def _joined(folder: Path, parts: Sequence[Json], model: Bundle, probabilities: bool) -> Iterator[bytes]:
    header = csv_text(_header(model, probabilities), []).encode()
    yield header
    for part in parts:
        with open(folder / part["name"], "rb") as file:
            file.seek(len(header))
            while chunk := file.read(_CHUNK):
                yield chunk


def _write_manifest(folder: Path, sources: Sequence[str], model: Bundle, parts: Sequence[Json], probabilities: bool) -> None:
    names = {part["name"] for part in parts}
    for old in folder.glob("*.csv"):
        if old.name not in names:
            old.unlink()
    manifest = {
        "format_version": FORMAT_VERSION,
        "model_sha256": model.manifest.model.sha256,
        "columns": _header(model, probabilities),
        "sources": list(map(printable, sources)),
        "rows": sum(part["rows"] for part in parts),
        "parts": [{**part, "sha256": sha256_of(folder / part["name"])} for part in parts],
    }
    write_json(folder / MANIFEST, manifest)


def read_parts(folder: Path) -> Json:
    """The manifest of a folder of parts, after its parts were compared with it.

    Raises:
        IntegrityError: no manifest, or a part that is missing or differs.
    """
    manifest = read_json_object(folder / MANIFEST)
    for part in manifest["parts"]:
        path = folder / part["name"]
        if not path.is_file() or sha256_of(path) != part["sha256"]:
            raise IntegrityError(
                f"{path} is missing or differs from {MANIFEST}; predict again, which computes only what is missing"
            )
    return manifest


def _remove(folder: Path) -> None:
    """Take away a folder of parts, and nothing that is not one."""
    for path in [*folder.glob("*.csv"), *folder.glob(".*.tmp")]:
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _warnings(sources: Sequence[str], done: Sequence[Json], model: Bundle) -> Iterator[str]:
    pixels = int(np.prod(model.image_shape))
    for number, source in enumerate(sources):
        results = [result for result in done if result["source"] == number]
        rows = sum(part["rows"] for result in results for part in result["parts"])
        if rows and (warning := polarity_of(sum(r["pixel_sum"] for r in results) / rows / pixels, model)):
            yield f"{printable(source)}: {warning}"
