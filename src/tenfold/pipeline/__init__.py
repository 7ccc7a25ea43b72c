"""All stages of a run, one after another: the way through the house."""

from tenfold.pipeline import cross_validation
from tenfold.pipeline.datasets import MEMORY
from tenfold.pipeline.run import Reproduction, reproduce, resume, start
from tenfold.pipeline.session import DEFAULTS, SILENT, Listener, Settings, Stages

__all__ = [
    "DEFAULTS",
    "MEMORY",
    "SILENT",
    "Listener",
    "Reproduction",
    "Settings",
    "Stages",
    "cross_validation",
    "reproduce",
    "resume",
    "start",
]
