"""The ``os`` module with a fault at the n-th call that changes the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

CALLS = ("open", "write", "fsync", "close", "replace", "link", "unlink")


class FaultyOs:
    """Stands in for ``os``; ``fault(name, real, args)`` is run instead of call number ``at`` (from 1).

    ``log`` holds the names of the calls that were made.
    """

    def __init__(
        self, at: int, fault: Callable[[str, Callable[..., Any], tuple[Any, ...]], Any], *, for_ever: bool = False
    ):
        self.at, self.fault, self.for_ever = at, fault, for_ever
        self.log: list[str] = []

    @property
    def struck(self) -> bool:
        """Whether the n-th call came."""
        return len(self.log) >= self.at

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self.log.append(name)
            # an unlink that fails for ever would leave the temporary file, and nobody could help it
            later = self.for_ever and len(self.log) > self.at and name not in ("unlink", "close")
            if len(self.log) == self.at or later:
                return self.fault(name, real, args)
            return real(*args, **kwargs)

        return call
