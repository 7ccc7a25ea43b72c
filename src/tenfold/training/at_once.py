"""Members that are fitted at once: no steps, no epochs, nothing to go on from but the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn import functional as F

from tenfold.errors import Stopped
from tenfold.models.fitted import Fitted, Work
from tenfold.training.loop import Rows, predict_proba
from tenfold.training.seeding import derive
from tenfold.training.state import TrainingState
from tenfold.values.predictions import PROBABILITY_FLOOR


def fit_at_once(
    state: TrainingState,
    train: Rows,
    held: Rows,
    seed: int,
    member: int,
    threads: int,
    *,
    emit: Callable[[dict[str, Any]], None],
    should_stop: Callable[[], bool],
) -> None:
    """Fit the :class:`~tenfold.models.fitted.Fitted` network of ``state``; its history gets one row, for epoch 1.

    Args:
        state: changed in place.
        train: rows to learn from.
        held: rows held out; only for the history.
        seed: the recipe's.
        member: number of this member; part of every seed.
        threads: how many compute.
        emit: gets ``{"fitting": what, "done": n, "total": m}``, and the history's row at the end.
        should_stop: asked between parts.

    Raises:
        Stopped: ``should_stop`` said so; a fit that goes on begins anew.
    """
    from threadpoolctl import threadpool_limits

    network = state.network
    assert isinstance(network, Fitted)
    device = train.labels.device

    def report(what: str, done: int, total: int) -> None:
        emit({"fitting": what, "done": done, "total": total})

    def check_stop() -> None:
        if should_stop():
            raise Stopped("stopped; this member begins anew when the run goes on")

    network.to("cpu")
    with threadpool_limits(1):
        work = Work(derive(seed, member, "fit"), threads, report, check_stop)
        network.learn(train.images.cpu().numpy(), train.labels.cpu().numpy(), work)
    network.to(device)
    row: dict[str, Any] = {"epoch": 1, "learning_rate": None}
    for name, rows in (("train", train), ("validation", held)):
        row |= {f"{name}_loss": None, f"{name}_accuracy": None}
        if len(rows):
            probabilities = predict_proba(network, rows.images)
            row[f"{name}_loss"] = float(F.nll_loss(probabilities.clamp_min(PROBABILITY_FLOOR).log().double(), rows.labels))
            row[f"{name}_accuracy"] = float((probabilities.argmax(1) == rows.labels).double().mean())
    state.position.history, state.position.epoch, state.position.best_epoch = [row], 1, 1
    emit({"history": row, "epochs": 1})
