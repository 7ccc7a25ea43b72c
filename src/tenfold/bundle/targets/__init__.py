"""What a bundle can be turned into for others: one file a target, found by its name.

A new target is a new file here with a class that derives from :class:`Target`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tenfold.bundle.predict import Bundle
from tenfold.registry import Registry
from tenfold.values.dataset import Dataset


@dataclass(frozen=True)
class Request:
    """What is to be exported, and where to.

    Attributes:
        bundle: opened, which means checked.
        model: its ``model.onnx``.
        out: the file or folder to write.
        force: replace a file that is there.
        data: labelled images, where something is to be measured.
    """

    bundle: Bundle
    model: bytes
    out: Path
    force: bool = False
    data: Dataset | None = None


class Target(ABC):
    """A form in which others take a model. The first docstring line is what ``tenfold export --help`` shows.

    Attributes:
        default: name of the file or folder that is written where none is given.
        measures: whether it takes ``data``.
    """

    default: ClassVar[str]
    measures: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def write(cls, request: Request) -> list[str]:
        """Write it; lines that tell people what it is.

        Raises:
            UsageError: it exists, or this model has no such form.
            ResourceError: a package is missing, or the operating system refused.
        """


TARGETS: Registry[type[Target]] = Registry(__name__, "export target")
