"""Read logs of experiments that somebody kept by hand: TOML with a table an experiment, or CSV with a line each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tenfold.api.shared import Option
from tenfold.data.streams import read_cells, read_text
from tenfold.errors import DataError, Problem
from tenfold.values.serialisation import loads

if TYPE_CHECKING:
    from tenfold.evaluation.leaderboard import ExternalEntry

Images = Annotated[int, Option(metavar="N", low=1)]

LARGEST = 16 << 20
_NAMES = {  # how logs call a field -> how we do
    "val_accuracy": "validation_accuracy",
    "val_acc": "validation_accuracy",
    "validation": "validation_accuracy",
    "test_acc": "test_accuracy",
    "test": "test_accuracy",
    "accuracy": "test_accuracy",
    "kaggle_score": "kaggle",
    "name": "title",
    "model": "title",
    "experiment": "title",
    "comment": "note",
    "notes": "note",
}
_FIELDS = ("title", "layers", "validation_accuracy", "test_accuracy", "kaggle", "note")
_SHARES = ("validation_accuracy", "test_accuracy", "kaggle")


def import_log(
    file: Annotated[str | Path, Option(metavar="FILE")],
    runs: Annotated[str | Path, Option("--runs", "FOLDER")] = "runs",
    *,
    name: str | None = None,
    validation_images: Images | None = None,
    test_images: Images | None = None,
) -> list[ExternalEntry]:
    """Read a hand-written log of experiments into the leaderboard, where its entries are shown as external.

    An earlier import of the same name is replaced. Known fields are title, layers, validation_accuracy,
    test_accuracy, kaggle and note, and usual other names for them; accuracies are shares or percentages.

    Args:
        file: TOML with tables called experiment, or CSV with a header.
        runs: the folder of run directories.
        name: what the log is called; default: the file's name.
        validation_images: images behind its validation accuracies, for their intervals.
        test_images: images behind its test accuracies, for their intervals.

    Raises:
        DataError: the file is not such a log; the message names the line.
        ResourceError: it cannot be read, or the result cannot be written.

    Example:
        >>> import tenfold
        >>> entries = tenfold.import_log("log.csv", "runs", test_images=5040)
        >>> entries[0].title, entries[0].test_accuracy
        ('baseline', 0.9897)
    """
    from tenfold.evaluation.leaderboard import write_external

    path = Path(file)
    log = name or path.stem
    rows = _toml_rows(path) if path.suffix.lower() == ".toml" else _csv_rows(path)
    counts = {"validation_images": validation_images, "test_images": test_images}
    width = len(str(len(rows)))  # so that names sort as numbers do
    entries = [_entry(path, log, width, number, row, fields, counts) for number, (row, fields) in enumerate(rows, 1)]
    if not entries:
        raise DataError(
            Problem(path, "no experiments", "[[experiment]] tables, or a CSV file with a line an experiment")
        )
    write_external(Path(runs), log, entries)
    return entries


def _toml_rows(path: Path) -> list[tuple[int | None, Mapping[str, Any]]]:
    text = read_text(path, LARGEST)
    try:
        table = loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(Problem(path, f"no valid TOML ({error})", "[[experiment]] tables")) from error
    experiments = table.get("experiment", [])
    if not isinstance(experiments, list) or not all(isinstance(one, dict) for one in experiments):
        raise DataError(Problem(path, "a key 'experiment' that is no list of tables", "[[experiment]] tables"))
    return [(_line_of(text, place), fields) for place, fields in enumerate(experiments)]


def _line_of(text: str, place: int) -> int | None:
    """The line where table number ``place`` begins, where it is written the usual way."""
    starts = [match.start() for match in re.finditer(r"^[ \t]*\[\[\s*experiment\s*\]\]", text, re.MULTILINE)]
    return text.count("\n", 0, starts[place]) + 1 if place < len(starts) else None


def _csv_rows(path: Path) -> list[tuple[int | None, Mapping[str, Any]]]:
    lines = read_cells(path, LARGEST)
    _, names = next(lines)
    header = [_known(name) for name in names]
    if not set(header) & {"title", *_SHARES}:
        found = ", ".join(names)[:200] or "nothing"
        expected = "a header that names title, validation_accuracy, test_accuracy or kaggle"
        raise DataError(Problem(path, f"a first line of {found}", expected, row=1))
    rows: list[tuple[int | None, Mapping[str, Any]]] = []
    for row, cells in lines:
        if len(cells) > len(header):
            raise DataError(Problem(path, f"{len(cells)} cells", f"{len(header)} as in line 1", row=row))
        if cells:
            rows.append((row, {key: value for key, value in zip(names, cells, strict=False) if value}))
    return rows


def _known(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return _NAMES.get(plain, plain)


def _entry(
    path: Path,
    log: str,
    width: int,
    number: int,
    row: int | None,
    fields: Mapping[str, Any],
    counts: Mapping[str, int | None],
) -> ExternalEntry:
    from pydantic import ValidationError

    from tenfold.evaluation.leaderboard import ExternalEntry

    given = {_known(name): value for name, value in fields.items()}
    known = {name: given[name] for name in _FIELDS if name in given}
    for name in _SHARES:
        if name in known:
            known[name] = _share(path, row, name, known[name])
    identity = given.get("id", number)
    try:
        return ExternalEntry(
            name=f"{log}-{str(identity).rjust(width, '0')}", **{"title": f"experiment {identity}", **known, **counts}
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(
            Problem(path, f"{where} = {first['input']!r}", first["msg"][:1].lower() + first["msg"][1:], row=row)
        ) from error


def _share(path: Path, row: int | None, name: str, value: Any) -> float:
    """0.9936, 99.36 and "99.36 %" are the same accuracy."""
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = float("nan")
    share = number / 100 if text.endswith("%") or number > 1 else number
    if not 0 <= share <= 1:
        raise DataError(
            Problem(path, f"{name} = {value!r}", "a share such as 0.9936, or a percentage such as 99.36", row=row)
        )
    return share
