"""One file per format: from a path, or a data set's name, to a :class:`~tenfold.values.dataset.Dataset`.

A new format is a new file here: ``sources/my_format.py`` with a class ``MyFormat`` that derives from
:class:`Source`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tenfold.data.options import ReadOptions, Role
from tenfold.registry import Registry

if TYPE_CHECKING:
    from tenfold.values.dataset import Dataset


class Source(ABC):
    """A format. The first docstring line is what ``tenfold data list`` shows.

    Attributes:
        named: the source is a data set known by its name; ``read`` then takes no path.
        version: raise it when ``read`` gives another outcome than before: parsed copies are then made anew.
    """

    named: ClassVar[bool] = False
    version: ClassVar[int] = 1

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether ``path`` (an existing regular file or folder) looks like this format: by names and first bytes only."""

    @classmethod
    @abstractmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        """The images of ``role`` in ``path``; ``path`` is None exactly when the source is ``named``.

        Raises:
            DataError: the content is not what it should be.
            ResourceError: the operating system refused.
        """

    @classmethod
    def inputs(cls, path: Path, role: Role) -> Sequence[Path]:
        """The files whose bytes decide what ``read`` returns, where a parsed copy is worth keeping; else empty."""
        return ()


SOURCES: Registry[type[Source]] = Registry(__name__, "source")
