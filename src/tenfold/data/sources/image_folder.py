"""A folder of images: one sub-folder per class, or, for a test set, images only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.images import LARGEST_FILE, brought_to, decode_image, png_ending, recognise_format
from tenfold.data.sources import Block, Piece, Source, row_piece
from tenfold.data.streams import open_regular
from tenfold.errors import SHOWN_PROBLEMS, DataError, IntegrityError, Problem, ResourceError, printable
from tenfold.values.dataset import Dataset, Origin
from tenfold.values.names import check_class_names, class_of_folder

DEEPEST = 32
"""Levels of folders below the root."""
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


class Faults:
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

    @property
    def bad(self) -> bool:
        """Whether a file cannot be used, and that is not to be overlooked."""
        return self.total > 0 and not self.skip

    def settle(self) -> None:
        """Go on if all is well, or if such files are to be skipped."""
        if self.bad:
            raise DataError(*self.problems, total=self.total)

    @property
    def notes(self) -> list[str]:
        """For the dataset, as many as people read."""
        skipped = [f"skipped {problem}" for problem in self.problems]
        hidden = {"skipped": self.total - len(skipped), "odd": len(self.remarks) - SHOWN_PROBLEMS}
        more = [f"and {count:,} more {kind} files" for kind, count in hidden.items() if count > 0]
        return [*self.remarks[:SHOWN_PROBLEMS], *skipped, *more]


class Tree:
    """The files below ``root`` in sorted order; names relative to it, with ``/``."""

    def __init__(self, root: Path, follow_links: bool, faults: Faults) -> None:
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
            raise unreadable(self.root / folder, error) from error
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
            raise unreadable(self.root / folder, error) from error
        return sorted(folders), sorted(files)

    def _may_follow(self, name: str) -> bool:
        target = Path(os.path.realpath(self.root / name))
        if not target.exists():
            self._fault(name, "a link that leads nowhere", "an image")
        elif not self.follow_links and not target.is_relative_to(self.real_root):
            self._fault(
                name, "a link that leads out of the folder", "files in the folder", "pass --follow-links to allow it"
            )
        else:
            return True
        return False

    def _fault(self, name: str, found: str, expected: str, hint: str | None = None) -> None:
        self.faults.add(Problem(self.root / name, found, expected, hint=hint))


def unreadable(path: Path, error: OSError) -> ResourceError:
    return ResourceError(
        f"cannot read {printable(path)}: {error.strerror or error}; check its permissions and the disk"
    )


def readable(name: str) -> str:
    r"""A file name as text that can be encoded: bytes that are not UTF-8 become ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_TABLES = frozenset(f"{role}.{kind}" for role in ("train", "test") for kind in ("csv", "csv.gz", "tsv", "tsv.gz"))


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
        files, digest = _Files(path, role, options), hashlib.sha256()
        images = np.empty(0, np.uint8)
        kept: list[int] = []
        for row, pixels in files.decoded(range(len(files.names)), digest):
            if not kept:
                images = np.empty((len(files.names), *pixels.shape), np.uint8)
            images[len(kept)] = pixels
            kept.append(row)
        notes = files.settle()
        data = files.dataset(images[: len(kept)], kept, notes)
        return replace(data, origin=(Origin(printable(path), digest.hexdigest()),))

    @classmethod
    def blocks(
        cls, path: Path | None, role: Role, options: ReadOptions, rows: int, piece: Piece | None = None
    ) -> Iterator[Block]:
        """See :meth:`Source.blocks`; what is noted about files is known at the end, so it is with the last block."""
        assert path is not None
        files = _Files(path, role, options)
        first, end = (piece.start, piece.end) if piece else (0, len(files.names))
        images: list[NDArray[np.uint8]] = []
        kept: list[int] = []
        for row, pixels in files.decoded(range(first, end)):
            if len(kept) == rows:
                yield Block(files.dataset(np.stack(images), kept), (row - first) / (end - first))
                images, kept = [], []
            images.append(pixels)
            kept.append(row)
        notes = files.settle(whole=piece is None)
        if kept:
            yield Block(files.dataset(np.stack(images), kept, notes), 1.0)

    @classmethod
    def pieces(cls, path: Path | None, role: Role, options: ReadOptions, rows: int) -> Iterator[Piece | None]:
        assert path is not None
        count = len(_Files(path, role, options).names)
        for start in range(0, count, rows):
            yield row_piece(start, min(count, start + rows), count)


class _Files:
    """The image files of a folder.

    Attributes:
        names: below the folder, with ``/``, class by class.
        class_names: as they are on the disk; empty if they are not known.
    """

    def __init__(self, path: Path, role: Role, options: ReadOptions) -> None:
        self.path, self.options = path, options
        self.faults = Faults(options.skip_bad)
        self._tree = Tree(path, options.follow_links, self.faults)
        class_folders, loose = self._tree.top()
        self.class_names: tuple[str, ...]
        self._labels: NDArray[np.int64] | None = None
        if class_folders or role == "train":
            for name in loose:
                fault = Problem(
                    path / name, "a file beside the class folders", "only class folders", hint="move it away"
                )
                self.faults.add(fault)
            self.class_names = _class_names(path, class_folders, options)
            in_class = [list(self._tree.files_below(folder)) for folder in self.class_names]
            self.names = [name for names in in_class for name in names]
            self._labels = np.repeat(np.arange(len(in_class)), [len(names) for names in in_class])
        else:
            self.class_names = options.class_names or ()
            self.names = loose
        self._read = np.zeros(len(self.names), bool)
        if not self.names:
            self.faults.settle()
            raise DataError(Problem(path, "a folder without images", "images, in a sub-folder for each class"))
        odd = [shown for name in self.names if (shown := readable(name)) != name]
        if odd and len(set(map(readable, self.names))) != len(self.names):
            raise DataError(
                Problem(path, "two file names that read alike once escaped", "names in UTF-8", hint="rename one")
            )
        try:
            check_class_names(tuple(map(_class_of, self.class_names)))
        except ValueError as error:
            raise DataError(
                Problem(path, str(error), "folders that classes can be named after", hint="rename them")
            ) from None

    def decoded(self, rows: range, digest: hashlib._Hash | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Of each of these files that is readable its row and its pixels (C, H, W), until one is not and that is a
        fault.

        The rest is then only looked through for more faults. ``digest`` takes all names and contents.
        """
        options = self.options
        shape: tuple[int, ...] | None = None if options.resize else options.shape
        measured = False
        for row in rows:
            file = self.path / self.names[row]
            try:
                content = _read_file(file)
                if digest is not None:
                    digest.update(f"{readable(self.names[row])}\0{len(content)}\0".encode())
                    digest.update(content)
                pixels = decode_image(content, str(file), channels=options.channels)
                pixels = brought_to(pixels, options.resize, keep_aspect=options.keep_aspect)
                if pixels.shape != (shape or pixels.shape):
                    raise DataError(_other_shape(file, pixels.shape, shape or (), options))
                if recognise_format(content) == "PNG" and (ending := png_ending(content, str(file))):
                    self.faults.remarks.append(f"{printable(file)}: {ending}; read all the same")
            except DataError as error:
                self.faults.add(error.problems[0])
                continue
            if not measured:
                self._insist_on_size(pixels.nbytes)
            shape, measured = pixels.shape, True
            self._read[row] = True
            if not self.faults.bad:
                yield row, pixels

    def settle(self, *, whole: bool = True) -> list[str]:
        """Raise what is wrong, after all files, or those of a piece, were decoded; else what is to be noted."""
        self.faults.settle()
        if whole and not self._read.any():
            raise DataError(*self.faults.problems, total=self.faults.total)  # nothing was readable, skipping or not
        notes = []
        if self._labels is not None:
            present = self._labels[self._read] if whole else self._labels
            notes = _empty_classes(self.path, self.class_names, present, self.options)
        if self._tree.ignored:
            notes.append(f"ignored {self._tree.ignored:,} hidden files")
        return [*notes, *self.faults.notes]

    def dataset(self, images: NDArray[np.uint8], rows: list[int], notes: Sequence[str] = ()) -> Dataset:
        """The dataset of these rows; ``images`` (n, C, H, W) are theirs."""
        return Dataset(
            images=images,
            labels=None if self._labels is None else self._labels[rows],
            ids=np.array([readable(self.names[row]) for row in rows]),
            # file names stay bytes the system knows; names that people see are text that can be encoded
            class_names=tuple(map(_class_of, self.class_names)),
            notes=tuple(notes),
        )

    def _insist_on_size(self, image: int) -> None:
        size = len(self.names) * image
        if size > self.options.max_input_bytes:
            expected = f"at most {self.options.max_input_bytes:,}"
            found = f"{len(self.names):,} images of {size:,} bytes"
            raise DataError(Problem(self.path, found, expected, hint="raise --max-input-bytes"))


def _class_names(path: Path, folders: list[str], options: ReadOptions) -> tuple[str, ...]:
    if options.class_names is not None and set(map(_class_of, folders)) != set(options.class_names):
        found, expected = (", ".join(map(printable, names)) for names in (sorted(folders), options.class_names))
        raise IntegrityError(f"{printable(path)}: found the classes {found}; expected {expected}")
    if len(folders) < 2:
        found = f"one class folder ({printable(folders[0])})" if folders else "no class folders"
        raise DataError(Problem(path, found, "a sub-folder of images for each of at least two classes"))
    if options.class_names is not None:
        return tuple(sorted(folders, key=lambda name: options.class_names.index(_class_of(name))))  # type: ignore[union-attr]
    if all(name.isascii() and name.isdigit() for name in folders):
        return tuple(sorted(folders, key=lambda name: (int(name), name)))
    return tuple(folders)


def _class_of(folder: str) -> str:
    return class_of_folder(readable(folder))


def _empty_classes(
    path: Path, class_names: tuple[str, ...], labels: NDArray[np.int64], options: ReadOptions
) -> list[str]:
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


def _read_file(file: Path) -> bytes:
    with open_regular(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > LARGEST_FILE:
            raise DataError(Problem(file, f"{size:,} bytes", f"an image file of at most {LARGEST_FILE:,}"))
        try:
            return stream.read()
        except OSError as error:
            raise unreadable(file, error) from error


def _other_shape(file: Path, found: tuple[int, ...], expected: tuple[int, ...], options: ReadOptions) -> Problem:
    wanted = "the shape asked for" if options.shape else "the shape of the first image"
    same_size = found[1:] == expected[1:]
    hint = (
        f"pass --shape {_by(expected)} to convert the colours"
        if same_size
        else f"images are never resized silently; pass --resize {_by(expected[1:])}"
    )
    return Problem(file, f"{_by(found)} (channels x height x width)", f"{_by(expected)}, {wanted}", hint=hint)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
