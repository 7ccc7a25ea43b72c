"""A folder of images: one sub-folder per class, or, for a test set, images only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.data.files import open_regular
from tenfold.data.images import decode_image, png_ending, recognise_format
from tenfold.data.options import ReadOptions, Role
from tenfold.data.sources import Source
from tenfold.errors import SHOWN_PROBLEMS, DataError, IntegrityError, Problem, ResourceError, printable
from tenfold.values.dataset import Dataset, Origin

LARGEST_FILE = 128 * 1024**2
"""Bytes of one image file; the largest picture the decoder accepts is smaller, even uncompressed."""
DEEPEST = 32
"""Levels of folders below the root."""
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_TABLES = frozenset({"train.csv", "train.csv.gz", "test.csv", "test.csv.gz"})


class ImageFolder(Source):
    """PNG, JPEG, BMP or GIF images of one size, a sub-folder per class.

    The classes are the sub-folders' names, sorted; by value if all are whole numbers. Files may lie
    deeper; ids are paths below the folder, with ``/``. Without sub-folders a folder is an unlabelled
    test set, and ids are file names. Hidden files are ignored and counted. All images must have the
    shape of the first, or ``options.shape``; its channel count then converts grey and colour.
    """

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether ``path`` is a folder, and not one of tables."""
        try:
            return path.is_dir() and _TABLES.isdisjoint(entry.name for entry in path.iterdir())
        except OSError:  # unreadable: `read` says so
            return True

    @classmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        """See :meth:`Source.read`.

        Raises:
            IntegrityError: the classes are not ``options.class_names``.
        """
        assert path is not None
        faults = _Faults(options.skip_bad)
        tree = _Tree(path, options.follow_links, faults)
        class_folders, loose = tree.top()
        if class_folders or role == "train":
            for name in loose:
                faults.add(Problem(path / name, "a file beside the class folders", "only class folders", hint="move it away"))
            class_names = _class_names(path, class_folders, options)
            files = [(name, label) for label, folder in enumerate(class_names) for name in tree.files_below(folder)]
        else:
            class_names = options.class_names or ()
            files = [(name, -1) for name in loose]
        if not files:
            faults.settle()
            raise DataError(Problem(path, "a folder without images", "images, in a sub-folder for each class"))
        names = [name for name, _ in files]
        images, kept, sha256 = _decode_all(path, names, options, faults)
        faults.settle()
        labels = np.array([files[row][1] for row in kept], dtype=np.int64) if class_folders else None
        notes = [] if labels is None else _empty_classes(path, class_names, labels, options)
        ids = np.array([_readable(names[row]) for row in kept])
        if len(set(ids.tolist())) != len(ids):
            raise DataError(Problem(path, "two file names that read alike once escaped", "names in UTF-8", hint="rename one"))
        if tree.ignored:
            notes.append(f"ignored {tree.ignored:,} hidden files")
        return Dataset(
            images=images,
            labels=labels,
            ids=ids,
            # file names stay bytes the system knows; names that people see are text that can be encoded
            class_names=tuple(_readable(name) for name in class_names),
            origin=(Origin(printable(path), sha256),),
            notes=(*notes, *faults.notes),
        )


class _Faults:
    """What is wrong with single files: reported together, or skipped and listed."""

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.problems: list[Problem] = []
        self.total = 0
        self.remarks: list[str] = []

    def add(self, problem: Problem) -> None:
        """Remember that a file cannot be used."""
        self.total += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(problem)

    def settle(self) -> None:
        """Go on if all is well, or if such files are to be skipped."""
        if self.total and not self.skip:
            raise DataError(*self.problems, total=self.total)

    @property
    def notes(self) -> list[str]:
        """For the dataset, as many as people read."""
        skipped = [f"skipped {problem}" for problem in self.problems]
        hidden = {"skipped": self.total - len(skipped), "odd": len(self.remarks) - SHOWN_PROBLEMS}
        more = [f"and {count:,} more {kind} files" for kind, count in hidden.items() if count > 0]
        return [*self.remarks[:SHOWN_PROBLEMS], *skipped, *more]


class _Tree:
    """The files below ``root`` in sorted order; names relative to it, with ``/``."""

    def __init__(self, root: Path, follow_links: bool, faults: _Faults) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.follow_links = follow_links
        self.faults = faults
        self.ignored = 0

    def top(self) -> tuple[list[str], list[str]]:
        """The folders and the files directly below the root."""
        return self._entries("")

    def files_below(self, folder: str) -> Iterator[str]:
        """Every file below ``folder``."""
        return self._walk(folder, {self._identity("")})

    def _walk(self, folder: str, ancestors: set[tuple[int, int]]) -> Iterator[str]:
        identity = self._identity(folder)
        if identity in ancestors:
            self._fault(folder, "a link to a folder above it: a loop", "folders without loops")
            return
        if len(ancestors) > DEEPEST:
            self._fault(folder, f"folders nested more than {DEEPEST} deep", "images in a folder for each class")
            return
        folders, files = self._entries(folder)
        yield from files
        for inner in folders:
            yield from self._walk(inner, ancestors | {identity})

    def _identity(self, folder: str) -> tuple[int, int]:
        try:
            status = (self.root / folder).stat()
        except OSError as error:
            raise _unreadable(self.root / folder, error) from error
        return status.st_dev, status.st_ino

    def _entries(self, folder: str) -> tuple[list[str], list[str]]:
        folders, files = [], []
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.name.startswith(".") or entry.name.lower() in _IGNORED:
                        self.ignored += 1
                    elif entry.is_symlink() and not self._may_follow(name):
                        continue
                    elif entry.is_dir():
                        folders.append(name)
                    elif entry.is_file():
                        files.append(name)
                    else:
                        self._fault(name, "neither a file nor a folder", "image files")
        except OSError as error:
            raise _unreadable(self.root / folder, error) from error
        return sorted(folders), sorted(files)

    def _may_follow(self, name: str) -> bool:
        target = Path(os.path.realpath(self.root / name))
        if not target.exists():
            self._fault(name, "a link that leads nowhere", "an image")
        elif not self.follow_links and not target.is_relative_to(self.real_root):
            self._fault(name, "a link that leads out of the folder", "files in the folder", "pass --follow-links to allow it")
        else:
            return True
        return False

    def _fault(self, name: str, found: str, expected: str, hint: str | None = None) -> None:
        self.faults.add(Problem(self.root / name, found, expected, hint=hint))


def _class_names(path: Path, folders: list[str], options: ReadOptions) -> tuple[str, ...]:
    if options.class_names is not None and {_readable(name) for name in folders} != set(options.class_names):
        found, expected = (", ".join(map(printable, names)) for names in (sorted(folders), options.class_names))
        raise IntegrityError(f"{printable(path)}: found the classes {found}; expected {expected}")
    if len(folders) < 2:
        found = f"one class folder ({printable(folders[0])})" if folders else "no class folders"
        raise DataError(Problem(path, found, "a sub-folder of images for each of at least two classes"))
    if options.class_names is not None:
        return tuple(sorted(folders, key=lambda name: options.class_names.index(_readable(name))))  # type: ignore[union-attr]
    if all(name.isascii() and name.isdigit() for name in folders):
        return tuple(sorted(folders, key=lambda name: (int(name), name)))
    return tuple(folders)


def _empty_classes(path: Path, class_names: tuple[str, ...], labels: NDArray[np.int64], options: ReadOptions) -> list[str]:
    counts = np.bincount(labels, minlength=len(class_names))
    empty = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if empty and not options.allow_empty_classes:
        raise DataError(
            *(
                Problem(path / name, "a class folder without images", "at least one image", hint="fill or remove it")
                for name in empty
            )
        )
    return [f"class {printable(name)} has no images" for name in empty]


def _decode_all(
    path: Path, names: list[str], options: ReadOptions, faults: _Faults
) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    """Images uint8 (n, C, H, W) of the readable files, their rows in ``names``, and the hash of names and contents.

    One file at a time, into one array: memory is that of the result.
    """
    digest = hashlib.sha256()
    images: NDArray[np.uint8] | None = None
    shape: tuple[int, ...] | None = options.shape
    kept: list[int] = []
    for row, name in enumerate(names):
        file = path / name
        try:
            content = _read_file(file)
            digest.update(f"{_readable(name)}\0{len(content)}\0".encode())
            digest.update(content)
            pixels = decode_image(content, str(file), channels=options.shape and options.shape[0])
            shape = shape or pixels.shape
            if pixels.shape != shape:
                raise DataError(_other_shape(file, pixels.shape, shape, options))
            if recognise_format(content) == "PNG" and (ending := png_ending(content, str(file))):
                faults.remarks.append(f"{printable(file)}: {ending}; read all the same")
        except DataError as error:
            faults.add(error.problems[0])
            continue
        if images is None:
            size = len(names) * int(np.prod(shape))
            if size > options.max_input_bytes:
                expected = f"at most {options.max_input_bytes:,}"
                raise DataError(
                    Problem(path, f"{len(names):,} images of {size:,} bytes", expected, hint="raise --max-input-bytes")
                )
            images = np.empty((len(names), *shape), dtype=np.uint8)
        images[len(kept)] = pixels
        kept.append(row)
    if images is None:
        raise DataError(*faults.problems, total=faults.total)  # nothing was readable, skipping or not
    return images[: len(kept)], np.array(kept, dtype=np.int64), digest.hexdigest()


def _read_file(file: Path) -> bytes:
    with open_regular(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > LARGEST_FILE:
            raise DataError(Problem(file, f"{size:,} bytes", f"an image file of at most {LARGEST_FILE:,}"))
        try:
            return stream.read()
        except OSError as error:
            raise _unreadable(file, error) from error


def _unreadable(path: Path, error: OSError) -> ResourceError:
    return ResourceError(f"cannot read {printable(path)}: {error.strerror or error}; check its permissions and the disk")


def _other_shape(file: Path, found: tuple[int, ...], expected: tuple[int, ...], options: ReadOptions) -> Problem:
    wanted = "the shape asked for" if options.shape else "the shape of the first image"
    same_size = found[1:] == expected[1:]
    hint = (
        f"pass --shape {_by(expected)} to convert the colours"
        if same_size
        else "images are never resized silently; resize it first"
    )
    return Problem(file, f"{_by(found)} (channels x height x width)", f"{_by(expected)}, {wanted}", hint=hint)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _readable(name: str) -> str:
    r"""A file name as text that can be encoded: bytes that are not UTF-8 become ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
