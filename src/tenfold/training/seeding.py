"""Randomness as a pure function of what it is for.

Nothing here keeps a state: the draws of a step depend only on (seed, member, epoch, step, purpose),
never on the worker, the order of the members, or whether the run was interrupted.
"""

from __future__ import annotations

import hashlib

import torch


def derive(*parts: int | str) -> int:
    """A 63-bit seed from ``parts``; different parts give unrelated seeds."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A fresh CPU generator seeded from ``parts``."""
    return torch.Generator().manual_seed(derive(*parts))
