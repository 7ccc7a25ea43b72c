"""The training loop: one member, from its state to its final weights."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tenfold.errors import Stopped, UsageError
from tenfold.training.optimisers import learning_rate
from tenfold.training.replicas import ALONE, Replicas
from tenfold.training.state import TrainingState, derive, generator, has_bfloat16, load_weights, weights_of
from tenfold.values.predictions import PROBABILITY_FLOOR
from tenfold.values.recipe import Pruning, Recipe, TrainSettings


def shrunk(images: torch.Tensor, size: int) -> torch.Tensor:
    """float32 images (B, C, H, W) as (B, C, ``size``, ``size``), interpolated without aliasing, channels last.

    Progressive resizing (Howard 2018; Tan & Le 2021, arXiv:2104.00298, who also strengthen the augmentation
    as images grow). The network must take images of either size: it ends with GAP or GMP, not with FLAT.
    """
    small = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return small.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def hardest(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The images with the largest losses, in the order in which they stood.

    Selective backprop (Jiang et al. 2019, arXiv:1910.00762), which takes the paper's chance to be chosen
    as certainty, so that every batch has the same size. The losses are those of the network as it would
    predict: without dropout, and with running batch-norm statistics, which see all images only before
    the selection begins.

    Args:
        network: in training mode, and left so.
        images: (B, C, H, W), augmented.
        labels: (B,).
        share: of the images, rounded to the nearest whole number, at least one.
    """
    network.eval()
    losses = F.cross_entropy(network(images), labels, reduction="none")
    network.train()
    count = max(1, round(share * len(labels)))
    rows = losses.argsort(descending=True, stable=True)[:count].sort().values
    return images[rows].contiguous(memory_format=torch.channels_last), labels[rows]


def kept(losses: torch.Tensor, settings: Pruning, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows that an epoch learns from, and how much each of all N rows counts.

    InfoBatch (Qin et al. 2023, arXiv:2303.04947): of the images whose loss is below the mean a share is left out,
    drawn anew each time, and those that stay count for them, so that gradients stay what they were on average.

    Args:
        losses: (N,), each image's loss when it was last learnt from; infinite before.
        settings: the share.
        generator: decides which.

    Returns:
        (rows (M,) in order, weights float32 (N,)).
    """
    known = losses.isfinite()
    easy = known & (losses < losses[known].mean()) if known.any() else known
    left_out = easy & (torch.rand(len(losses), generator=generator) < settings.share)
    weights = torch.where(easy, 1 / (1 - settings.share), 1.0).to(torch.float32)
    return (~left_out).nonzero()[:, 0], weights


def predict_shifted(network: nn.Module, images: torch.Tensor, offsets: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Class probabilities, float32 (N, K): the mean over the ``offsets`` (down, right), in pixels, of uint8 ``images``.

    What comes in from outside is 0. It costs as many predictions as there are offsets.
    """
    total = torch.zeros(())
    for down, right in offsets:
        total = total + predict_proba(network, F.pad(images, (right, -right, down, -down)))
    return total / len(offsets)


Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class Rows:
    """Labelled images on the device: images uint8 (N, C, H, W), labels int64 (N,)."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def fit(
    state: TrainingState,
    train: Rows,
    held: Rows,
    recipe: Recipe,
    member: int,
    augment: Augment,
    *,
    save: Callable[[], None],
    emit: Callable[[dict[str, Any]], None],
    should_stop: Callable[[], bool],
    replicas: Replicas = ALONE,
) -> None:
    """Train ``state`` to the end of the recipe, from wherever it stands.

    Every draw is a function of (seed, member, epoch, step), so a training that was saved and went on
    ends with the same bits as one that was never interrupted.

    Args:
        state: the network in training; changed in place.
        train: rows to learn from.
        held: rows held out for validation; may be empty.
        recipe: what to do.
        member: number of this member; part of every seed.
        augment: changes a batch.
        save: writes a checkpoint; called at each epoch's end, every few minutes and before stopping.
        emit: gets a dict about twice a second.
        should_stop: asked before each step.
        replicas: who trains the same network; all of them call this with the same arguments but for the callbacks.

    Raises:
        Stopped: ``should_stop`` said so; the state is saved.
        UsageError: the loss became infinite or not a number.
    """
    settings, position = recipe.train, state.position
    batch = min(settings.batch_size, len(train) // replicas.world) * replicas.world
    if settings.pruning and not len(state.losses):
        state.losses = torch.full((len(train),), math.inf)
        state.fresh = state.losses.clone()
    clock = _Clock(settings.checkpoint_minutes * 60)
    while position.epoch < settings.epochs and not position.stopped_early:
        epoch = position.epoch
        rows, weights = torch.arange(len(train)), None
        if settings.pruning and epoch < settings.pruning.until * settings.epochs:
            pruned = kept(state.losses, settings.pruning, generator(recipe.seed, member, epoch, "pruning"))
            if len(pruned[0]) >= batch:  # an epoch has one step at least
                rows, weights = pruned
        order = rows[torch.randperm(len(rows), generator=generator(recipe.seed, member, epoch, "order"))]
        steps = len(order) // batch
        clean = epoch >= settings.epochs - settings.clean_epochs
        state.network.train()
        while position.step < steps:
            if replicas.stopping or (replicas.world == 1 and should_stop()):
                save()
                raise Stopped("stopped; the checkpoint is written")
            step = position.step
            progress = (epoch + step / steps) / settings.epochs
            rate = learning_rate(settings, progress, epoch) * position.rate_factor
            chosen = order[step * batch : (step + 1) * batch]
            images, labels = to_input(train.images[chosen]), train.labels[chosen]
            if not clean:
                images = augment(images, generator(recipe.seed, member, epoch, step, "augment"))
            if settings.progressive and progress < settings.progressive.share:
                images = shrunk(images, settings.progressive.size)
            if replicas.world > 1:  # cut after the augmentation, so that it does not depend on their number
                images, labels = images[replicas.part(batch)], labels[replicas.part(batch)]
            if settings.selective and epoch >= settings.selective.after:
                with arithmetic(settings, images.device):
                    images, labels = hardest(state.network, images, labels, settings.selective.share)
            torch.manual_seed(derive(recipe.seed, member, epoch, step, "dropout", *replicas.tag))
            counted = None if weights is None else weights[chosen]
            sharing = partial(replicas.share, stop=should_stop()) if replicas.world > 1 else None
            losses = train_step(state, images, labels, rate, settings, counted, sharing)
            if settings.pruning:
                state.fresh[chosen] = losses.cpu()
            if settings.weight_average and progress >= 1 - settings.weight_average:
                state.update_average()
            position.step += 1
            if event := clock.tick(batch):
                place = {"epoch": epoch, "step": position.step, "steps": steps, "epochs": settings.epochs}
                emit({**place, "loss": float(state.running[0] / state.running[2]), **event})
            if clock.checkpoint_due():
                save()
        last = (epoch + 1 - 1 / steps) / settings.epochs  # a resumed epoch may have no step left to ask
        state.losses = state.fresh.clone()  # not before the end: a resumed epoch must leave out the same images
        _end_epoch(state, held, learning_rate(settings, last, epoch) * position.rate_factor, recipe)
        emit({"history": position.history[-1], "epochs": settings.epochs})
        save()


def train_step(
    state: TrainingState,
    images: torch.Tensor,
    labels: torch.Tensor,
    rate: float,
    settings: TrainSettings,
    weights: torch.Tensor | None = None,
    sharing: Callable[[nn.Module, torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """One step of the optimiser at learning rate ``rate`` on a batch of float32 images (B, C, H, W) and labels (B,).

    ``weights`` (B,) say how much each image counts; None is alike. ``sharing`` brings gradients, and the sums that are
    counted, together with those of other replicas. Returns the losses (B,) before the step.
    """
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    with arithmetic(settings, images.device):
        logits = state.network(images)
    losses = F.cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing, reduction="none")
    loss = losses.mean() if weights is None else (losses * weights.to(losses.device)).mean()
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    losses = losses.detach()
    count, correct = loss.new_tensor(len(labels)), (logits.detach().argmax(1) == labels).sum()
    sums = torch.stack([losses.double().sum(), correct.double(), count.double()])
    state.running += sums if sharing is None else sharing(state.network, sums)
    state.optimizer.step()
    return losses


def _end_epoch(state: TrainingState, held: Rows, rate: float, recipe: Recipe) -> None:
    """Evaluate, remember the best weights, lower the rate on a plateau, stop early."""
    position, settings = state.position, recipe.train
    train_loss, train_correct, seen = state.running.tolist()
    if not math.isfinite(train_loss):
        raise UsageError(
            f"training diverged: the loss is {train_loss} in epoch {position.epoch + 1}; lower train.learning_rate "
            f"({settings.learning_rate}) with --set train.learning_rate=..."
        )
    row: dict[str, Any] = {
        "epoch": position.epoch + 1,
        "train_loss": train_loss / seen,
        "train_accuracy": train_correct / seen,
        "validation_loss": None,
        "validation_accuracy": None,
        "learning_rate": rate,
    }
    if len(held):
        probabilities = predict_proba(state.network, held.images, weights=state.current_weights())
        row["validation_accuracy"] = float((probabilities.argmax(1) == held.labels).double().mean())
        row["validation_loss"] = float(
            F.nll_loss(probabilities.clamp_min(PROBABILITY_FLOOR).log().double(), held.labels)
        )
        row["validation_mistakes"] = _mistakes(held.labels, probabilities.argmax(1))
        _compare_with_best(state, row, recipe)
    position.history.append(row)
    position.epoch += 1
    position.step = 0
    state.running.zero_()


def _mistakes(labels: torch.Tensor, predicted: torch.Tensor) -> list[list[int]]:
    """[true class, predicted class, images] of each pair that was confused: the confusion matrix without its
    diagonal.
    """
    wrong = labels != predicted
    pairs = zip(labels[wrong].tolist(), predicted[wrong].tolist(), strict=True)
    return [[*pair, count] for pair, count in sorted(Counter(pairs).items())]


def _compare_with_best(state: TrainingState, row: dict[str, Any], recipe: Recipe) -> None:
    position, settings = state.position, recipe.train
    stopping = settings.early_stopping
    monitor = stopping.monitor if stopping else "accuracy"
    sign = -1 if monitor == "loss" else 1
    value = sign * row[f"validation_{monitor}"]
    if value > max((sign * r[f"validation_{monitor}"] for r in position.history), default=-math.inf):
        position.best_epoch = row["epoch"]
        if settings.keep == "best":
            state.best = {name: tensor.clone() for name, tensor in state.current_weights().items()}
    if stopping:
        if position.reference is None or value > position.reference + stopping.min_delta:
            position.reference, position.waited = value, 0
        else:
            position.waited += 1
        position.stopped_early = position.waited >= stopping.patience
    if settings.schedule == "plateau":
        lowest = min((r["validation_loss"] for r in position.history), default=math.inf)
        position.plateau_waited = 0 if row["validation_loss"] < lowest else position.plateau_waited + 1
        if position.plateau_waited >= settings.plateau_patience:
            position.rate_factor *= settings.decay
            position.plateau_waited = 0


def arithmetic(settings: TrainSettings, device: torch.device) -> torch.autocast:
    """The context in which convolutions and matrix products are computed as ``train.precision`` says; weights stay
    float32.
    """
    half = settings.precision == "bfloat16" or (settings.precision == "auto" and has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def to_input(images: torch.Tensor) -> torch.Tensor:
    """uint8 (B, C, H, W) as the float32 in 0..1, channels last, that networks take."""
    return images.to(torch.float32).div_(255).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def predict_proba(
    network: nn.Module, images: torch.Tensor, *, weights: dict[str, torch.Tensor] | None = None, batch: int = 256
) -> torch.Tensor:
    """Class probabilities, float32 (N, K), of uint8 images (N, C, H, W), in evaluation mode.

    Args:
        network: left in training mode, with its own weights, afterwards.
        images: on the network's device.
        weights: used instead of the network's own.
        batch: images at a time.
    """
    own = {name: tensor.clone() for name, tensor in weights_of(network).items()} if weights is not None else None
    if weights is not None:
        load_weights(network, weights)
    network.eval()
    try:
        parts = [network(to_input(part)).softmax(1) for part in torch.split(images, batch)]
    finally:
        network.train()
        if own is not None:
            network.load_state_dict(own, strict=False)
    return torch.cat(parts)


class _Clock:
    """When to report and when to save; never decides what is computed."""

    def __init__(self, checkpoint_seconds: float) -> None:
        now = time.monotonic()
        self._reported, self._saved, self._images = now, now, 0
        self._checkpoint_seconds = checkpoint_seconds

    def tick(self, images: int) -> dict[str, float] | None:
        self._images += images
        elapsed = time.monotonic() - self._reported
        if elapsed < 0.5:
            return None
        event = {"images_per_second": self._images / elapsed}
        self._reported, self._images = time.monotonic(), 0
        return event

    def checkpoint_due(self) -> bool:
        due = time.monotonic() - self._saved > self._checkpoint_seconds
        if due:
            self._saved = time.monotonic()
        return due
