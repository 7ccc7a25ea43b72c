"""All stages of a run, one after another: the way through the house."""

from tenfold.pipeline import cross_validation
from tenfold.pipeline.listener import SILENT, Listener
from tenfold.pipeline.reproducing import Reproduction, reproduce
from tenfold.pipeline.settings import DEFAULTS, Settings, Stages
from tenfold.pipeline.sources import MEMORY
from tenfold.pipeline.stages import resume, start

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
