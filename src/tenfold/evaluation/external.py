"""Figures that somebody wrote down by hand elsewhere, kept beside our runs and shown as what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenfold.atomic import make_directory, write_json
from tenfold.errors import IntegrityError
from tenfold.values.json_object import read_json_object

FOLDER = "external"
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ExternalEntry(BaseModel):
    """One line of somebody's log.

    Attributes:
        name: of the log and the entry's number in it.
        title: what the entry is called.
        layers: in our notation, where the log has it.
        validation_accuracy: as logged, 0..1; None where not stated, like all that follow.
        test_accuracy: likewise.
        kaggle: score of a submission.
        validation_images: how many images ``validation_accuracy`` is about.
        test_images: likewise.
        note: what else is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str
    layers: str | None = None
    validation_accuracy: Share | None = None
    test_accuracy: Share | None = None
    kaggle: Share | None = None
    validation_images: Annotated[int, Field(gt=0)] | None = None
    test_images: Annotated[int, Field(gt=0)] | None = None
    note: str = ""


def write_external(folder: Path, log: str, entries: Iterable[ExternalEntry]) -> Path:
    """Keep the entries of the log called ``log`` beside the runs in ``folder``, instead of those it had before.

    Raises:
        ResourceError: the file cannot be written.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", log).strip(".-") or "log"
    path = make_directory(folder / FOLDER) / f"{stem}.json"
    write_json(path, {"entries": [entry.model_dump(exclude_none=True) for entry in entries]})
    return path


def read_external(folder: Path) -> list[ExternalEntry]:
    """The entries of all logs kept in ``folder``, in the order of their names.

    Raises:
        IntegrityError: a file is damaged; the message names it.
    """
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        entries = read_json_object(path).get("entries")
        try:
            found += [ExternalEntry.model_validate(entry) for entry in entries or []]
        except (ValidationError, TypeError) as error:
            raise IntegrityError(f"{path} is not a log that tenfold wrote; import it again: {error}") from error
    return found
