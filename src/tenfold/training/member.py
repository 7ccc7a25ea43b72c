"""One ensemble member: a pure function of (data, recipe, index), the unit of work of every executor."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.augmentation import build as build_augmentation
from tenfold.data.cache import open_stored
from tenfold.data.splits import stratified_split
from tenfold.errors import IntegrityError, ResourceError, Stopped
from tenfold.executors import Context
from tenfold.files import make_directory, refused, write_json, write_text
from tenfold.models import build as build_model
from tenfold.models._fitted import Fitted
from tenfold.runtime import instruction_set, peak_memory_bytes, version
from tenfold.training.ensemble import fit_at_once
from tenfold.training.loop import Rows, fit, predict_shifted
from tenfold.training.optimisers import build_optimizer
from tenfold.training.replicas import ALONE, PATIENCE, Replicas, join, leave, train_together
from tenfold.training.state import (
    TrainingState,
    derive,
    load_newest,
    load_weights,
    load_weights_file,
    own_device,
    pick_device,
    prepare,
    save_checkpoint,
    save_weights,
    weights_sha256,
)
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run
from tenfold.values.serialisation import read_json_object


def train_member(
    context: Context, run: str, member: int, train: str, rows: str, test: str | None, device: str, threads: int = 1
) -> dict[str, Any]:
    """Train one member, write its weights, history and predictions into the run.

    Args:
        context: how to report and when to stop.
        run: the run directory.
        member: number of the member, from 0.
        train: folder of the stored training set.
        rows: .npz file with the rows that train and those that are held out.
        test: folder of the stored test set, or None.
        device: "cpu", "cuda" or "mps".
        threads: for a model that is fitted at once; networks take one.

    Returns:
        The content of the member's ``member.json``.

    Raises:
        IntegrityError: this machine would give other bits than the run's, or the data here is not the run's.
        ResourceError: the run directory is gone, or the operating system refused.
        Stopped: ``context`` asked to.
    """
    if not Path(run).is_dir():  # removed while another member trained
        raise refused(Path(run), FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))
    here = Run(run)
    if (finished := _finished(here, member)) is not None:
        return finished  # a copy of this task was quicker
    task: dict[str, Any] = {
        "run": run,
        "member": member,
        "train": train,
        "rows": rows,
        "test": test,
        "device": device,
        "threads": threads,
    }
    log = here.checkpoint_path(member) / "error.txt"
    log.unlink(missing_ok=True)
    try:
        if (world := here.recipe.train.replicas) > 1:
            return train_together(context, world, task, train_as)
        return train_as(context, ALONE, **task)
    except Stopped:
        raise
    except Exception:
        with contextlib.suppress(ResourceError):  # a full disk has no room for the log either
            write_text(make_directory(log.parent, within=here.path) / log.name, traceback.format_exc())
        raise


def train_replica(context: Context, rank: int, world: int, meeting: str, **task: Any) -> dict[str, Any]:
    """Be replica ``rank`` of ``world`` on this machine, who meet at the URL ``meeting``; the task of an executor."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    replicas = join(rank, world, init_method=meeting, timeout=PATIENCE)
    try:
        return train_as(context, replicas, **task)
    finally:
        leave()


def train_as(
    context: Context,
    replicas: Replicas,
    *,
    run: str,
    member: int,
    train: str,
    rows: str,
    test: str | None,
    device: str,
    threads: int = 1,
) -> dict[str, Any]:
    """See :func:`train_member`; the first of ``replicas`` reports and writes, the others return an empty object."""
    here, leads = Run(run), replicas.rank == 0
    recipe, chosen = here.recipe, own_device(pick_device(device), replicas.rank)
    context = context if leads else Context(lambda event: None, context.should_stop)
    prepare(chosen)
    _check_machine(here)
    began, cpu_began = time.monotonic(), time.process_time()
    dataset = open_stored(Path(train))
    with np.load(rows, allow_pickle=False) as split:
        train_rows, held_rows = bag_of(recipe, member, dataset, split["train"]), split["held"]
        holdout_rows = split.get("holdout", held_rows[:0])
    state = new_state(recipe, member, dataset.image_shape, len(dataset.class_names), chosen)
    folder = here.checkpoint_path(member)
    if earlier := _restore(state, folder, context):
        context.emit({"resumed": {"epoch": state.position.epoch, "step": state.position.step}})
    if replicas.world > 1 and recipe.train.sync_batch_norm:
        replicas.synchronise_batch_norms(state.network)
    held = _on_device(dataset, held_rows, chosen)
    rows_to_learn = _on_device(dataset, train_rows, chosen)

    def spent() -> dict[str, float]:
        return _timing(earlier, began, cpu_began, replicas.world)

    if isinstance(state.network, Fitted):
        fit_at_once(
            state, rows_to_learn, held, recipe.seed, member, threads, emit=context.emit, should_stop=context.should_stop
        )
    else:
        fit(
            state,
            rows_to_learn,
            held,
            recipe,
            member,
            build_augmentation(recipe.augment),
            save=lambda: _save(here, state, folder, spent()) if leads else None,
            emit=context.emit,
            should_stop=context.should_stop,
            replicas=replicas,
        )
    if not leads:
        return {}
    load_weights(state.network, state.best if recipe.train.keep == "best" and state.best else state.current_weights())
    if len(held):
        _save_predictions(here, member, "validation", state.network, held.images, dataset.take(held_rows))
    if len(holdout_rows):
        _save_predictions(
            here,
            member,
            "holdout",
            state.network,
            _as_tensor(dataset.images[holdout_rows]).to(chosen),
            dataset.take(holdout_rows),
        )
    if test is not None:
        unseen = open_stored(Path(test))
        images = _as_tensor(unseen.images).to(chosen)
        _save_predictions(here, member, "test", state.network, images, unseen)
    return _finish(here, member, state, spent())


def new_state(
    recipe: Recipe, member: int, image_shape: tuple[int, int, int], classes: int, device: torch.device
) -> TrainingState:
    """The state of a member before its first step; its initial weights depend on (seed, member) only."""
    torch.manual_seed(derive(recipe.seed, member, "weights"))
    network = build_model(recipe.model_of(member), image_shape, classes)
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainingState(network, build_optimizer(network, recipe.train), device)


def bag_of(recipe: Recipe, member: int, dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The share of ``rows`` that this member draws, stratified; all of them when ``data.bag`` is 1."""
    if recipe.data.bag == 1:
        return rows
    drawn, _ = stratified_split(dataset.truth[rows], 1 - recipe.data.bag, derive(recipe.seed, member, "bag"))
    return rows[drawn]


def load_member(run: Run, member: int, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The trained network of a finished member, on the CPU, in evaluation mode.

    Raises:
        IntegrityError: the member is not finished, or its weights do not match their hash.
    """
    record = run.read_json(f"members/{member:02d}/member.json")
    weights = load_weights_file(run.member_path(member) / "weights.safetensors", str(record.get("weights_sha256")))
    network = build_model(run.recipe.model_of(member), image_shape, classes)
    if isinstance(network, Fitted):
        network.take_shapes(weights)
    try:
        load_weights(network, weights)
    except IntegrityError as error:
        raise IntegrityError(f"member {member} of {run.path}: {error}") from error
    return network.eval()


def _restore(state: TrainingState, folder: Path, context: Context) -> dict[str, float]:
    """Go back to the newest good checkpoint; returns the time already spent, empty for a fresh start."""
    found, damaged = load_newest(folder) if folder.is_dir() else (None, [])
    for name in damaged:
        context.emit({"warning": f"checkpoint {name} is damaged; going on from the one before"})
    if found is None:
        return {}
    state.unpack(*found)
    try:
        spent: dict[str, float] = json.loads((folder / "timing.json").read_text("utf-8"))
    except (OSError, ValueError):
        spent = {"seconds": 0.0, "core_seconds": 0.0}  # times are for people; losing them loses nothing
    return spent


def _timing(earlier: dict[str, float], began: float, cpu_began: float, replicas: int) -> dict[str, float]:
    """What a member has cost so far; replicas cost alike."""
    return {
        "seconds": earlier.get("seconds", 0.0) + time.monotonic() - began,
        "core_seconds": earlier.get("core_seconds", 0.0) + replicas * (time.process_time() - cpu_began),
        "peak_rss_bytes": peak_memory_bytes(),
    }


def _save(run: Run, state: TrainingState, folder: Path, timing: dict[str, float]) -> None:
    save_checkpoint(folder, *state.pack(), within=run.path)
    write_text(folder / "history.jsonl", _lines(state.position.history))
    write_json(folder / "timing.json", timing)


def _finish(run: Run, member: int, state: TrainingState, timing: dict[str, float]) -> dict[str, Any]:
    folder = make_directory(run.member_path(member), within=run.path)
    weights = {k: v for k, v in state.network.state_dict().items() if v.is_floating_point()}
    if (twin := _finished(run, member)) is not None:
        if twin["weights_sha256"] != weights_sha256(weights):
            there = json.loads((folder / "timing.json").read_text("utf-8")).get("machine")
            raise IntegrityError(
                f"member {member} was trained twice, on {there} and on {platform.node()}, with different weights: one"
                " of these machines does not compute the same thing twice; check their memory, processors and versions"
            )
        return twin
    sha256 = save_weights(folder / "weights.safetensors", weights)
    write_text(folder / "history.jsonl", _lines(state.position.history))
    write_json(folder / "timing.json", {**timing, "machine": platform.node()})
    record = {
        "member": member,
        "parameters": sum(p.numel() for p in state.network.parameters()),
        "epochs": state.position.epoch,
        "best_epoch": state.position.best_epoch,
        "stopped_early": state.position.stopped_early,
        "model": run.recipe.model_of(member).model_dump(mode="json"),
        "weights_sha256": sha256,
    }
    write_json(folder / "member.json", record)  # last: its presence means that the member is finished
    return record


def _finished(run: Run, member: int) -> dict[str, Any] | None:
    """The member's record, if some attempt at this task has finished it."""
    path = run.member_path(member) / "member.json"
    return read_json_object(path) if path.is_file() else None


def _check_machine(run: Run) -> None:
    """Refuse a worker whose bits would differ from those of the others; who resumed inexactly has accepted that."""
    if (run.path / "resumed.json").is_file() or not (run.path / "environment.json").is_file():
        return
    here = {"torch": version("torch"), "instruction_set": instruction_set()}
    for name, value in here.items():
        if value != run.environment.get(name):
            raise IntegrityError(
                f"{name}: the run has {run.environment.get(name)!r}, the machine {platform.node()} has {value!r}; its"
                " members would have other bits. Set ATEN_CPU_CAPABILITY everywhere to what all have (such as avx2),"
                " and start again"
            )


def _lines(history: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, sort_keys=True) + "\n" for row in history)


def _save_predictions(
    run: Run, member: int, name: str, network: nn.Module, images: torch.Tensor, dataset: Dataset
) -> None:
    probabilities = predict_shifted(network, images, run.recipe.ensemble.offsets).cpu().numpy()
    Predictions(dataset.ids, probabilities, dataset.labels).save(
        make_directory(run.member_path(member), within=run.path) / f"{name}.npz"
    )


def _on_device(dataset: Dataset, rows: NDArray[np.int64], device: torch.device) -> Rows:
    images, labels = _as_tensor(dataset.images[rows]), torch.from_numpy(np.array(dataset.truth[rows]))
    return Rows(images.to(device), labels.to(device))


def _as_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images if images.flags.writeable else images.copy())
