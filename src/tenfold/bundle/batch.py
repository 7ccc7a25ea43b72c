"""Predict any number of images in constant memory: block by block, each a file of its own until all are there.

A part is named after what decides it - model, columns, ids and pixels of its block - so whatever was
computed before an interruption is found again and is never out of date: who resumes reads everything and
computes what is missing. Parts do not depend on where or by how many workers they were computed.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from tenfold.bundle.manifest import bundle_folder
from tenfold.bundle.pieces import (
    FORMAT_VERSION,
    MANIFEST,
    PartsFolder,
    input_blocks,
    input_pieces,
    is_image,
    parts_folder,
    polarity_of,
    thumbprint,
    write_manifest,
)
from tenfold.bundle.predict import Bundle
from tenfold.data import ReadOptions
from tenfold.data.fetch import expanded, is_url
from tenfold.data.load import named_sources
from tenfold.data.sources import Piece
from tenfold.errors import DataError, IntegrityError, Stopped, UsageError, printable
from tenfold.executors import EXECUTORS, Context, Json, at_once
from tenfold.files import write_chunks
from tenfold.runtime import cores
from tenfold.values.names import csv_text
from tenfold.values.predictions import Predictions

ROWS = 8192
"""Images a part; a multiple of what the model computes at a time, so that parts are as if all had been computed at
once.
"""
PIECE = 8 * ROWS
"""Images a task, where a source can be read in pieces."""
PARTS = ".parts"
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
    out: str | Path,
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
        out: the file; with ``as_parts`` a folder, or its URL, for the parts, with a manifest that is written last.
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
        ResourceError: what ``out`` names cannot be written.
        UsageError: ``out`` exists and ``force`` is false, or it is a URL without ``as_parts``.
        Stopped: everything so far is kept.
    """
    sources = expanded(sources)
    if is_url(out) and not as_parts:
        raise UsageError(
            f"{printable(out)} is a URL: pass --parts, which writes a folder of parts and {MANIFEST} there"
        )
    folder = parts_folder(out if as_parts else f"{Path(out)}{PARTS}")
    there = folder.names()
    if not force and (MANIFEST in there if as_parts else Path(out).exists()):
        existing = f"{folder.place}/{MANIFEST}" if as_parts else out
        raise UsageError(f"{printable(existing)} exists; pass --force to replace it, or choose another name")
    model = Bundle.open(bundle, 1)
    shared: Json = {
        "bundle": str(bundle_folder(bundle).resolve()),
        "model": model.identity,
        "options": asdict(options),
        "probabilities": probabilities,
        "folder": folder.place,
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
        if not there:
            folder.clear()
        raise
    done.sort(key=lambda result: (result["source"], result["first"]))
    parts = [part for result in done for part in result["parts"]]
    folder.wait(part["name"] for part in parts)
    if as_parts:
        columns, named = table_header(model.class_names, probabilities), list(map(printable, sources))
        write_manifest(folder, parts, model_sha256=model.manifest.model.sha256, columns=columns, sources=named)
    else:
        write_chunks(Path(out), _joined(folder, parts, model, probabilities), overwrite=force)
        folder.clear()
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
    thumb: str | None = None,
) -> Json:
    """Write the parts of one piece of a source; a task for an executor.

    Args:
        context: how to report and when to stop.
        bundle: path of the bundle.
        model: the identity that it must have.
        source: what to read.
        number: which of the sources it is.
        options: how to read it, as a JSON object.
        probabilities: add a column for every class.
        folder: where to write, a path or URL.
        threads: that compute.
        piece: which piece, as a JSON object, or None for the whole source.
        thumb: the :func:`thumbprint` that the source must have.

    Returns:
        The parts, how many images were found computed, the sum of all pixels, and what it cost.

    Raises:
        IntegrityError: the bundle has another model, or the source is another file here.
    """
    loaded, place = _opened(bundle, model, threads), parts_folder(folder)
    if thumb is not None and thumbprint(source) != thumb:
        raise IntegrityError(
            f"{printable(source)} is another file on the machine {platform.node()} than where the prediction was"
            " started; all machines must see the same"
        )
    stretch = None if piece is None else Piece(**piece)
    first = stretch.first if stretch else 0
    began = time.process_time()
    header = table_header(loaded.class_names, probabilities)
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
        if sha256 := place.sha256(name):
            reused += len(data)
        else:
            made = Predictions(data.ids, loaded.predict_proba(data.images))
            sha256 = place.write(name, csv_text(header, table_rows(made, loaded.class_names, probabilities)).encode())
        parts.append({"name": name, "rows": len(data), "source": number, "sha256": sha256})
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
    for identity, k, values in zip(
        made.ids.tolist(), made.predicted.tolist(), made.probabilities.tolist(), strict=True
    ):
        every = [f"{p:.6f}" for p in values] if probabilities else []
        yield [str(identity), class_names[k], f"{values[k]:.6f}", *every]


def table_header(class_names: Sequence[str], probabilities: bool) -> list[str]:
    """What stands above them."""
    return ["id", "class", "confidence", *([f"p({name})" for name in class_names] if probabilities else [])]


@lru_cache(maxsize=1)
def _opened(bundle: str, identity: str, threads: int) -> Bundle:
    model = Bundle.open(bundle, threads)
    if model.identity != identity:
        raise IntegrityError(
            f"{bundle} holds another model here than where the prediction was started; copy the bundle again"
        )
    return model


def _tasks(
    shared: Json, sources: Sequence[str], model: Bundle, options: ReadOptions, *, whole: bool, progress: _Progress
) -> Iterator[Json]:
    """A task for every piece, found while they are asked for."""
    for number, source in enumerate(sources):
        thumb = thumbprint(source)
        for piece in [None] if whole else input_pieces(source, model, options, PIECE):
            progress.weights.append(piece.share if piece else 1.0)
            yield {
                **shared,
                "source": source,
                "number": number,
                "piece": None if piece is None else asdict(piece),
                "thumb": thumb,
            }


def _absolute(source: str) -> str:
    """``source`` for a worker that may stand in another folder; a data set's name and an image, whose path is its id,
    stay.
    """
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


def _joined(folder: PartsFolder, parts: Sequence[Json], model: Bundle, probabilities: bool) -> Iterator[bytes]:
    header = csv_text(table_header(model.class_names, probabilities), []).encode()
    yield header
    for part in parts:
        chunks = folder.read(part["name"])
        yield next(chunks).removeprefix(header)
        yield from chunks


def _warnings(sources: Sequence[str], done: Sequence[Json], model: Bundle) -> Iterator[str]:
    pixels = int(np.prod(model.image_shape))
    for number, source in enumerate(sources):
        results = [result for result in done if result["source"] == number]
        rows = sum(part["rows"] for result in results for part in result["parts"])
        if rows and (warning := polarity_of(sum(r["pixel_sum"] for r in results) / rows / pixels, model)):
            yield f"{printable(source)}: {warning}"
