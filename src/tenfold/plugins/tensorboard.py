"""Curves for TensorBoard, a folder of event files a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.errors import missing_extra
from tenfold.tracking import Tracker, epoch_figures, final_figures, parameters, title
from tenfold.values.run import Run

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Tensorboard(Tracker):
    """Event files in a folder; ``tensorboard --logdir`` shows them."""

    _run: Path
    _whole: SummaryWriter
    _members: dict[str, SummaryWriter]

    @property
    def logs(self) -> Path:
        """The folder of all runs."""
        return Path(self.place) if self.place else self.folder / "tensorboard"

    def connect(self) -> str:
        """See :meth:`Tracker.connect`."""
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise missing_extra("tensorboard", "tensorboard", "--track tensorboard") from error
        return f"tensorboard --logdir {self.logs}"

    def begin(self, run: Run) -> None:
        """The recipe as text and as a table of parameters."""
        self._run = self.logs / title(run)
        self._members = {}
        self._whole = self._writer(self._run)
        rows = "".join(f"| {name} | {_cell(value)} |\n" for name, value in parameters(run).items())
        self._whole.add_text("recipe", f"| parameter | value |\n|---|---|\n{rows}")

    def epoch(self, name: str, row: Mapping[str, Any]) -> None:
        """A point of each curve; every member is a run of its own, so that curves lie over each other."""
        if name not in self._members:
            self._members[name] = self._writer(self._run / name.replace(" ", "-"))
        for figure, value in epoch_figures(row).items():
            self._members[name].add_scalar(figure, value, row["epoch"])
        self._members[name].flush()

    def end(self, run: Run) -> None:
        """The headline figures, where everything is, and a line for the table of hyperparameters."""
        figures = final_figures(run)
        for figure, value in figures.items():
            self._whole.add_scalar(f"result/{figure}", value, 0)
        files = [name for name in run.files() if "/" not in name or name.startswith("bundle/")]
        listed = "".join(f"* {name}\n" for name in files)
        self._whole.add_text("artefacts", f"In `{run.path.resolve()}`:\n\n{listed}")
        metrics = {f"result/{figure}": value for figure, value in figures.items()}
        self._whole.add_hparams(parameters(run), metrics, run_name=str((self._run / "parameters").resolve()))
        self.stop()

    def stop(self) -> None:
        """Close the files."""
        for writer in (self._whole, *self._members.values()):
            writer.close()

    def _writer(self, folder: Path) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder))


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
