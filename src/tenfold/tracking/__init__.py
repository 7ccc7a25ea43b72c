"""Runs in other people's trackers, as they happen: curves, parameters and artefacts, a file a tracker.

A tracker gets copies. Everything stands in the run directory, with a tracker or without one, and no tracker can stop a
training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenfold.registry import Registry
from tenfold.values.run import Run

SEPARATOR = "="


class Tracker(ABC):
    """One place that runs are copied to; made for one run.

    Args:
        place: where to, as the user wrote it; None is the tracker's own choice.
        folder: that holds the run directories, for trackers that keep files.
    """

    def __init__(self, place: str | None, folder: Path) -> None:
        self.place = place
        self.folder = folder

    @abstractmethod
    def connect(self) -> str:
        """Make sure that it can be reached, before anything is trained; the answer says where runs will be seen.

        Raises:
            ResourceError: a package is missing, or nobody answers.
            UsageError: the place cannot be meant.
        """

    @abstractmethod
    def begin(self, run: Run) -> None:
        """A run begins or goes on: its name and parameters."""

    @abstractmethod
    def epoch(self, name: str, row: Mapping[str, Any]) -> None:
        """An epoch of the member ``name`` has ended: a row of its history."""

    @abstractmethod
    def end(self, run: Run) -> None:
        """The run is complete: its figures and files."""

    @abstractmethod
    def stop(self) -> None:
        """The run was interrupted, or failed."""


TRACKERS: Registry[type[Tracker]] = Registry(__name__, "tracker", exclude=frozenset({"listener", "figures", "told"}))


def make_trackers(wanted: Sequence[str], folder: Path) -> list[Tracker]:
    """The trackers in ``wanted``, each ``NAME`` or ``NAME=PLACE``; the last of a name counts.

    Raises:
        UsageError: no such tracker.
    """
    pairs = [one.partition(SEPARATOR)[::2] for one in wanted]
    return [TRACKERS.get(name)(place or None, folder) for name, place in dict(pairs).items()]
