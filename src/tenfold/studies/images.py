"""The images behind a run's predictions, read again from where the run had them."""

from __future__ import annotations

from typing import Literal

from tenfold.errors import UsageError
from tenfold.pipeline import Settings
from tenfold.pipeline.session import images_behind, load_again
from tenfold.values.dataset import Dataset
from tenfold.values.run import Run

On = Literal["test", "validation"]


def images_of(run: Run, on: On) -> Dataset:
    """The images of the predictions called ``on``, row for row.

    Raises:
        UsageError: the run has none of that name.
        IntegrityError: the source has changed since, or is gone.
    """
    data = run.recipe.data
    if on == "test":
        if data.test is None:
            raise UsageError(f"{run.path} has no test set; choose --on validation")
        return load_again(run, "test", str(data.test), Settings())
    if not (run.path / "split.npz").is_file():
        raise UsageError(f"{run.path} held no rows out; choose --on test")
    held = images_behind(run, load_again(run, "train", data.train, Settings()), None)
    if "validation" not in held:
        raise UsageError(f"{run.path} held no rows out; choose --on test")
    return held["validation"]
