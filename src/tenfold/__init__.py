"""tenfold: from a table of handwritten digits to a recogniser that can be trusted."""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
