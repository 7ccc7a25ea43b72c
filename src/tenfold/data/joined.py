"""Several sources as one: ``mnist + my-digits/``, what ``--train mnist --train my-digits/`` is short for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tenfold.data.fetch import FetchedSource, is_url
from tenfold.data.sources import SOURCES
from tenfold.errors import DataError, Problem, UsageError, printable
from tenfold.values.dataset import Dataset

AND = " + "


def parts_of(source: str) -> list[str]:
    """The sources that ``source`` names: itself, unless several are joined by " + ". A path of that name wins."""
    if AND not in source or is_url(source) or Path(source).exists():
        return [source]
    return [part.strip() for part in source.split(AND)]


def joined_name(sources: Iterable[str | Path]) -> str:
    """The one name of several sources, each once.

    Raises:
        UsageError: one is named twice.
    """
    names = list(map(str, sources))
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{printable(twice)} is named twice; name each source once")
    return AND.join(names)


def title_of(source: str) -> str:
    """What people read for a source: the name of the data set, or of the file or folder without its place."""
    return AND.join(Path(part).name or part for part in parts_of(source))


def is_here(source: str) -> bool:
    """Whether loading ``source`` downloads nothing: what is only a help is no reason to."""
    named = [SOURCES.get(part) for part in parts_of(source) if part in SOURCES.names() and SOURCES.get(part).named]
    return all(not issubclass(one, FetchedSource) or one.cached_in() is not None for one in named)


def joined(parts: Sequence[Dataset], names: Sequence[str]) -> Dataset:
    """All images, one part after the other.

    An id is the name of its source and the id there, such as ``my-digits/0/a.png``. Classes are those of all parts:
    in the order of a part that has them all, else sorted, by value if all are whole numbers.

    Args:
        parts: at least one.
        names: what to call each; made different where two are alike.

    Raises:
        DataError: the images of two parts have different shapes, or only some parts have labels.
    """
    first, short = parts[0], _different([title_of(name) for name in names])
    for part, name in zip(parts, names, strict=True):
        if part.image_shape != first.image_shape:
            found, expected = ("x".join(map(str, one.image_shape)) for one in (part, first))
            same_colours = part.image_shape[0] == first.image_shape[0]
            hint = f"pass --resize {expected.partition('x')[2] if same_colours else expected}"
            raise DataError(Problem(name, f"images of {found}", f"{expected}, as in {printable(names[0])}", hint=hint))
        if (part.labels is None) != (first.labels is None):
            with_labels = names[0] if first.labels is not None else name
            raise DataError(Problem(name, "labels in a part of the sources only", f"all as {printable(with_labels)}"))
    classes = _classes([part.class_names for part in parts])
    labels = None
    if first.labels is not None:
        places = [np.array([classes.index(name) for name in part.class_names], dtype=np.int64) for part in parts]
        labels = np.concatenate([place[part.labels] for place, part in zip(places, parts, strict=True)])
    notes = [f"{len(part):,} images of {name}" for part, name in zip(parts, short, strict=True)]
    notes += [f"{name}: {note}" for part, name in zip(parts, short, strict=True) for note in part.notes]
    return Dataset(
        np.concatenate([part.images for part in parts]),
        labels,
        np.array([f"{name}/{one}" for part, name in zip(parts, short, strict=True) for one in part.ids.tolist()]),
        classes,
        tuple(origin for part in parts for origin in part.origin),
        tuple(notes),
    )


def _different(names: Sequence[str]) -> list[str]:
    """The names, with their place in the order behind those that occur more than once."""
    return [f"{name}-{place}" if names.count(name) > 1 else name for place, name in enumerate(names, 1)]


def _classes(all_names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    known = {name for names in all_names for name in names}
    whole = next((names for names in all_names if known == set(names)), None)
    if whole is not None:
        return whole
    if all(name.isascii() and name.isdigit() for name in known):
        return tuple(sorted(known, key=lambda name: (int(name), name)))
    return tuple(sorted(known))
