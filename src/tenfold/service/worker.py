"""A worker process, ``python -m tenfold.service.worker``: bodies in, answers out, over its standard streams.

The first message has the models, bytes and manifests; the answer to it is what they are, or why not. Then each
message holds the requests that were waiting: their images are computed together, their answers go
back together. A fault of one request is the answer to that one only.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.manifest import Manifest
from tenfold.bundle.predict import Bundle
from tenfold.errors import ResourceError, TenfoldError
from tenfold.runtime import limit_memory
from tenfold.service import pool
from tenfold.service.examples import Examples
from tenfold.service.observability import Fault
from tenfold.service.work import Model, Work, Workshop, document

MOST_MEMORY = 4 << 30
"""Bytes of address space: what an image blows up beyond that is a fault of the request."""
T = TypeVar("T")
Answer = tuple[int, bytes]
"""A status and a JSON document."""


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends Ctrl-C to every process: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints goes to standard error
    limit_memory(MOST_MEMORY)
    try:
        workshop = _workshop(*pool.read(source))
        ready: dict[str, Any] = {"models": [model.described() for model in workshop.models.values()]}
    except TenfoldError as error:
        ready = {"error": error.as_json()}
    except MemoryError:
        ready = {"error": ResourceError("out of memory while opening the models").as_json()}
    try:
        _send(sink, ready)
        while True:
            header, parts = pool.read(source)
            answers = answers_to(workshop.kinds, header["jobs"], parts)
            _send(sink, {"statuses": [status for status, _ in answers]}, [body for _, body in answers])
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nobody is there any more


def answers_to(
    kinds: Mapping[str, Callable[[Mapping[str, Any], bytes], Work]],
    jobs: Sequence[Mapping[str, Any]],
    parts: Sequence[bytes],
) -> list[Answer]:
    """The answer to each of ``jobs``; those that are for one model are computed together."""
    works: list[Work | Answer] = [
        _guarded(kinds[job["kind"]], job, part) for job, part in zip(jobs, parts, strict=True)
    ]
    answers: dict[int, Answer] = {i: work for i, work in enumerate(works) if not isinstance(work, Work)}
    by_model: dict[str, list[tuple[int, Work]]] = {}
    for i, work in enumerate(works):
        if isinstance(work, Work):
            by_model.setdefault(work.model.name if work.model else "", []).append((i, work))
    for group in by_model.values():
        answers |= _finished(group)
    return [answers[i] for i in range(len(jobs))]


def _finished(group: Sequence[tuple[int, Work]]) -> dict[int, Answer]:
    """The answers of works that share a model, or need none."""
    model = group[0][1].model
    if model is None:
        nothing = np.empty((0, 0), np.float32)
        return {i: _guarded(_answer, work, nothing) for i, work in group}
    try:
        together = model.bundle.predict_proba(np.concatenate([_images(work) for _, work in group]))
    except Exception:
        if len(group) == 1:
            return {group[0][0]: _broken()}
        # one of them broke the model: the others shall not know
        return {i: answer for pair in group for i, answer in _finished([pair]).items()}
    answers, start = {}, 0
    for i, work in group:
        count = len(_images(work))
        answers[i] = _guarded(_answer, work, together[start : start + count])
        start += count
    return answers


def _images(work: Work) -> NDArray[np.uint8]:
    assert work.images is not None
    return work.images


def _answer(work: Work, probabilities: NDArray[np.float32]) -> Answer:
    return 200, document(work.finish(probabilities))


def _guarded(function: Callable[..., T], *arguments: Any) -> T | Answer:
    try:
        return function(*arguments)
    except Fault as fault:
        return fault.status, fault.body()
    except MemoryError:
        large = Fault(413, "this image takes more memory than there is")
        return large.status, large.body()
    except Exception:
        return _broken()


def _broken() -> Answer:
    """500; what happened goes to standard error, not to the client."""
    traceback.print_exc()
    fault = Fault(500, "something went wrong here; the log has more")
    return fault.status, fault.body()


def _workshop(header: Mapping[str, Any], contents: Sequence[bytes]) -> Workshop:
    models = {
        name: Model(name, Bundle(Manifest.model_validate(manifest), content, threads=1))
        for (name, manifest), content in zip(header["models"].items(), contents, strict=True)
    }
    first = next(iter(models.values()))
    keep = header["keep"]
    examples = Examples(Path(keep), first.bundle.class_names, header["most_examples"]) if keep else None
    return Workshop(models, header["most_images"], examples)


def _send(sink: Any, header: dict[str, Any], parts: Sequence[bytes] = ()) -> None:
    for piece in pool.pack(header, parts):
        sink.write(piece)
    sink.flush()


if __name__ == "__main__":
    main()
