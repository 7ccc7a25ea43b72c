"""What the global options decided, for the commands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The global options of this invocation."""

    errors: str = "text"
    debug: bool = False
    quiet: bool = False


settings = Settings()


def say(text: str = "") -> None:
    """Print a line for people, unless --quiet."""
    if not settings.quiet:
        print(text, flush=True)
