"""What a reader may be told about a source."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from tenfold.errors import IntegrityError, UsageError
from tenfold.values.names import check_class_names

Role = Literal["train", "test"]

GIB = 1024**3
_LIMITS = ("max_input_bytes", "follow_links")


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source; every reader ignores what does not concern it.

    Attributes:
        header: tables: whether line 1 names the columns.
        scale: tables: the value that means 255; pixels become ``round(255 * value / scale)``.
        allow_float_integers: tables: take ``12.0`` and ``1e2`` for the integers they are.
        shape: (C, H, W) of an image, where the source does not say; pixels in that order.
        max_input_bytes: largest input, counted after decompression.
        skip_bad: folders: leave out unreadable images and list them, instead of refusing all.
        follow_links: folders: follow symbolic links that lead out of the folder.
        allow_empty_classes: folders: accept a class without images.
        class_names: K names; a label is one of them, or 0..K-1 where they are no numbers. Without it labels are the
            digits, or the words that occur.
        label_column: tables: the name of the column of labels, where it is not a usual one.
        id_column: tables: the name of a column that is neither label nor pixel.
        resize: (H, W), or (C, H, W) to convert colours, too: what every image is brought to, without aliasing.
        keep_aspect: with ``resize``: scale both sides alike and fill up with the ground, instead of stretching.

    Example:
        >>> import tenfold
        >>> tenfold.load("cifar.csv", "test", tenfold.ReadOptions(shape=(3, 32, 32))).image_shape
        (3, 32, 32)
    """

    header: bool = True
    scale: float | None = None
    allow_float_integers: bool = False
    shape: tuple[int, int, int] | None = None
    max_input_bytes: int = 4 * GIB
    skip_bad: bool = False
    follow_links: bool = False
    allow_empty_classes: bool = False
    class_names: tuple[str, ...] | None = None
    label_column: str | None = None
    id_column: str | None = None
    resize: tuple[int, ...] | None = None
    keep_aspect: bool = False

    def __post_init__(self) -> None:
        if self.scale is not None and not (math.isfinite(self.scale) and self.scale > 0):
            raise UsageError(f"--scale: found {self.scale}, expected a number above 0")
        if self.shape is not None and (len(self.shape) != 3 or min(self.shape) < 1):
            raise UsageError(f"--shape: found {self.shape}, expected three numbers above 0: channels, height, width")
        sides = self.resize
        if sides is not None and not (len(sides) in (2, 3) and 1 <= min(sides) <= max(sides) <= 4096):
            raise UsageError(f"--resize: found {sides}, expected height and width of 1 to 4096 pixels")
        if self.keep_aspect and self.resize is None:
            raise UsageError("--keep-aspect says how to resize; give --resize HxW, too")
        try:
            check_class_names(self.class_names or ())
        except ValueError as error:
            raise UsageError(f"class names: {error}") from None

    def told(self) -> dict[str, Any]:
        """What was said about the source, by name: what is not the default, but for limits."""
        usual = asdict(ReadOptions())
        return {name: value for name, value in asdict(self).items() if value != usual[name] and name not in _LIMITS}

    def or_recorded(self, recorded: object) -> ReadOptions:
        """These options, or, where nothing was said, what :meth:`told` gave when a run was recorded.

        Raises:
            IntegrityError: the record is damaged.
        """
        if not recorded or self.told():
            return self
        try:
            values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in recorded.items()}  # type: ignore[attr-defined]
            return replace(self, **values)
        except (TypeError, AttributeError, UsageError) as error:
            raise IntegrityError(f"data.json: found damaged reading options: {error}") from None

    def or_classes(self, names: tuple[str, ...] | None) -> ReadOptions:
        """These options, with ``names`` of the classes where they say none."""
        return self if names is None or self.class_names is not None else replace(self, class_names=names)

    @property
    def channels(self) -> int | None:
        """What the colours of pictures are converted to; None leaves them as they are."""
        if self.resize is not None:
            return self.resize[0] if len(self.resize) == 3 else None
        return self.shape[0] if self.shape is not None else None
