"""A run: one directory per training, to which stages only add files.

::

    recipe.toml         what was asked
    environment.json    versions, device, threads, instruction set
    data.json           kind of the run, sources with their hashes, fingerprints, what the checks found
    members/NN/         weights.safetensors, history.jsonl (a line an epoch), member.json
    checkpoints/NN/     while training only
    predictions/        validation.npz, test.npz, holdout.npz, estimate.npz
    bundle/             model.onnx, manifest.json, card.md
    folds/NN/           of a cross-validation: a run each, with its members; predictions/ has oof.npz and train.npz
    estimate/           the training with rows held out that judges a recipe which learns from every row: a run, too
    cv/                 the cross-validation beside a training, if data.folds asks for one: a run of its own
    trials/             of a search: a run each, of which predictions and figures are kept
    left_out.json       members that are damaged and were left out, if that was allowed
    report.html, submission.csv, summary.json
    manifest.json       SHA-256 of every file above, written last: its presence means "complete"
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from tenfold.errors import BusyError, IntegrityError, ResourceError, UsageError
from tenfold.files import locked, make_directory, refused, remove_leftovers, sha256_of, write_json, write_text
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe, load_recipe
from tenfold.values.serialisation import json_object, read_json_object, read_text

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
LEFT_OUT = "left_out.json"
_NOT_LISTED = (".lock", MANIFEST)
_COMMANDS = {"trials": "tune", "folds": "cv"}  # the folder that a run of each has


class Run:
    """A run directory, opened for reading; see :meth:`create` and :meth:`lock` for writing.

    Raises:
        UsageError: ``path`` is not a run directory.

    Example:
        >>> import tenfold
        >>> run = tenfold.Run("runs/RUN")
        >>> run.recipe.name, run.verify(), "report.html" in run.files()
        ('quick', [], True)
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "recipe.toml").is_file():
            raise UsageError(
                f"{self.path} is not a run directory (it has no recipe.toml); `tenfold runs` lists the runs"
            )

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """In a notebook: the headline figures and the way to the report."""
        from tenfold.values import display

        recipe = self.recipe
        rows: dict[str, object] = {"recipe": f"{recipe.name}, seed {recipe.seed}, members: {recipe.ensemble.members}"}
        for name in ("validation", "estimate", "test"):
            if self.has_predictions(name) and (made := self.predictions(name)).labels is not None and len(made):
                rows[name] = made.score.text
        if (self.path / "summary.json").is_file():
            summary = self.summary
            rows["time"] = (
                f"{summary['seconds']['total']:,.0f} s, {summary['core_seconds']:,.0f} core-seconds of training"
            )
            if summary["leaked"]:
                rows["warning"] = "test images were among the training images"
        rows |= {"report": str(self.path / "report.html")} if (self.path / "report.html").is_file() else {}
        rows |= {} if self.is_complete else {"state": "not complete; tenfold.resume goes on"}
        return display.table(f"Run {self.path.name}", rows)

    @classmethod
    def create(cls, folder: Path, recipe: Recipe) -> Run:
        """Make ``folder/<time>_<recipe>_<key>/`` with the recipe inside.

        Raises:
            ResourceError: the folder cannot be written to.
        """
        make_directory(folder)
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}_{recipe.name}_{recipe.key()[:8]}"
        for attempt in itertools.count():
            path = folder / (f"{stem}-{attempt}" if attempt else stem)
            try:
                make_directory(path, exist_ok=False)
                break
            except ResourceError:
                if not path.exists():  # else another run of the same second has the name
                    raise
        return cls.at(path, recipe)

    @classmethod
    def at(cls, path: Path, recipe: Recipe) -> Run:
        """The run of ``recipe`` in the folder ``path``, which is made unless it is there."""
        make_directory(path)
        write_text(path / "recipe.toml", recipe.to_toml())
        return cls(path)

    # what is inside

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it was trained.

        Raises:
            IntegrityError: the file is damaged.
        """
        try:
            return load_recipe(self.path / "recipe.toml")
        except UsageError as error:
            raise IntegrityError(str(error)) from error

    @property
    def is_complete(self) -> bool:
        """Whether the run went to its end."""
        return (self.path / MANIFEST).is_file()

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, device, threads and instruction set, as recorded at the start."""
        return self.read_json("environment.json")

    @property
    def data(self) -> dict[str, Any]:
        """Sources, fingerprints and findings of the checks."""
        return self.read_json("data.json")

    @property
    def summary(self) -> dict[str, Any]:
        """The headline figures: accuracies with intervals, times, memory."""
        return self.read_json("summary.json")

    def member_path(self, member: int) -> Path:
        """The folder of member number ``member``, counted from 0."""
        return self.path / "members" / f"{member:02d}"

    def checkpoint_path(self, member: int) -> Path:
        """Where member number ``member`` keeps its checkpoints while it trains."""
        return self.path / "checkpoints" / f"{member:02d}"

    def finished_members(self) -> list[int]:
        """The members whose weights are final, but for those that are left out."""
        folder = self.path / "members"
        found = {int(p.parent.name) for p in folder.glob("[0-9]*/member.json")} if folder.is_dir() else set()
        return sorted(found - self.left_out.keys())

    @property
    def left_out(self) -> dict[int, str]:
        """Members that are damaged and that the run goes on without, with what is wrong with each."""
        if not (self.path / LEFT_OUT).is_file():
            return {}
        return {int(member): str(why) for member, why in self.read_json(LEFT_OUT).items()}

    def folds(self) -> list[Run]:
        """The runs of a cross-validation's folds, in order; none for a single training."""
        return [Run(path.parent) for path in sorted(self.path.glob("folds/[0-9]*/recipe.toml"))]

    def cross_validation(self) -> Run | None:
        """The cross-validation of the rows that this run trained on, if its recipe asked for one and it is complete."""
        path = self.path / "cv"
        return Run(path) if (path / MANIFEST).is_file() else None

    @property
    def command(self) -> str:
        """The command that goes on with this run, as its data.json records: "run", "cv" or "tune"."""
        recorded = self.data.get("kind") if (self.path / "data.json").is_file() else None
        if isinstance(recorded, str):
            return recorded  # runs of earlier releases, and those that died at once, have only their folders
        return next((command for folder, command in _COMMANDS.items() if (self.path / folder).is_dir()), "run")

    def trials(self) -> list[Run]:
        """The runs of a search's trials, in order of their names; none for anything else."""
        return [Run(path.parent) for path in sorted(self.path.glob("trials/*/recipe.toml"))]

    def trained(self) -> list[tuple[Run, int]]:
        """(run, member) of every finished member, those of the folds included."""
        return [(run, member) for run in (self, *self.folds()) for member in run.finished_members()]

    def history(self, member: int) -> list[dict[str, Any]]:
        """One dict an epoch: epoch, train_loss, train_accuracy, validation_loss, validation_accuracy, learning_rate.

        With ``validation_mistakes``, a list of [true class, predicted class, images].
        """
        path = self.member_path(member) / "history.jsonl"
        if not path.is_file():
            path = self.checkpoint_path(member) / "history.jsonl"
        if not path.is_file():
            return []
        return [json_object(line, f"{path}:{row}") for row, line in enumerate(read_text(path).splitlines(), 1)]

    def predictions(self, name: str) -> Predictions:
        """The stored predictions called ``name``: "validation" or "test"; "oof" or "train" of a cross-validation."""
        return Predictions.load(self.path / "predictions" / f"{name}.npz")

    def has_predictions(self, name: str) -> bool:
        """Whether predictions called ``name`` are stored."""
        return (self.path / "predictions" / f"{name}.npz").is_file()

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON object of this run, by its path inside the directory.

        Raises:
            IntegrityError: missing, too large, or not a JSON object.
        """
        return read_json_object(self.path / name)

    # completing and verifying

    def files(self) -> list[str]:
        """Paths (with ``/``) of the files a manifest covers, sorted."""
        found = (p for p in self.path.rglob("*") if p.is_file() and not p.is_symlink())
        names = (p.relative_to(self.path).as_posix() for p in found)
        return sorted(
            n for n in names if n not in _NOT_LISTED and not n.startswith("checkpoints/") and not n.endswith(".tmp")
        )

    def seal(self) -> None:
        """Write the manifest: the run is complete."""
        files = {
            name: {"sha256": sha256_of(self.path / name), "bytes": (self.path / name).stat().st_size}
            for name in self.files()
        }
        write_json(
            self.path / MANIFEST, {"format_version": FORMAT_VERSION, "recipe_key": self.recipe.key(), "files": files}
        )

    def verify(self) -> list[str]:
        """What differs from the manifest, one sentence each; empty when all is well.

        Raises:
            IntegrityError: there is no readable manifest.
        """
        if not self.is_complete:
            raise IntegrityError(
                f"{self.path} has no {MANIFEST}: the run is not complete. Go on with: tenfold {self.command} --resume"
                f" {self.path}"
            )
        manifest = self.read_json(MANIFEST)
        if manifest.get("format_version") != FORMAT_VERSION:
            raise IntegrityError(
                f"{self.path / MANIFEST}: found format_version {manifest.get('format_version')!r}, "
                f"this release reads {FORMAT_VERSION}"
            )
        recorded = manifest.get("files")
        if not isinstance(recorded, dict):
            raise IntegrityError(f"{self.path / MANIFEST}: found no table of files; the manifest is damaged")
        faults = []
        present = set(self.files())
        for name, entry in recorded.items():
            if name not in present:
                faults.append(f"{name} is missing")
            elif not isinstance(entry, dict) or sha256_of(self.path / name) != entry.get("sha256"):
                faults.append(f"{name}: SHA-256 differs from manifest")
        faults.extend(f"{name} is not in the manifest" for name in sorted(present - set(recorded)))
        return faults

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only writer of this directory; released by the system even after ``kill -9``.

        Raises:
            BusyError: another process holds it; the message names pid, host and start time.
        """
        path = self.path / ".lock"
        with locked(path) as descriptor:
            if descriptor is None:
                holder = _text_in(path) or "another process"
                raise BusyError(f"{self.path} is in use by {holder}; wait for it or stop it")
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            try:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode())
            except OSError as error:
                raise refused(path, error) from error
            remove_leftovers(self.path)  # whoever was killed while writing is not at it any more
            yield


def _text_in(lock: Path) -> str:
    try:
        with open(lock, "rb") as file:
            return file.read(1000).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def list_runs(folder: Path) -> list[Run]:
    """The run directories directly below ``folder``, oldest first.

    Raises:
        ResourceError: the folder may not be read.
    """
    if not folder.is_dir():
        return []
    try:
        return [Run(p) for p in sorted(folder.iterdir()) if (p / "recipe.toml").is_file()]
    except OSError as error:
        raise refused(folder, error, "list the folder") from error
