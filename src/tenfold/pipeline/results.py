"""What a run leaves: the bundle, the submission, the summary."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.atomic import write_json
from tenfold.errors import IntegrityError
from tenfold.evaluation.confidence import learn_confidence
from tenfold.evaluation.mistakes import hardest_rows
from tenfold.pipeline.listener import Listener
from tenfold.values.dataset import Dataset
from tenfold.values.interval import wilson_interval
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

if TYPE_CHECKING:
    from torch import nn

    from tenfold.explanation.explain import Explanation

HARDEST = 6
"""Images that the report explains."""


def explore(run: Run, train: Dataset, test: Dataset | None, listener: Listener) -> None:
    """Write the page about the data, unless it is there."""
    path = run.path / "explore.html"
    if path.exists():
        return
    from tenfold.exploration.examine import examine
    from tenfold.exploration.tsne import DEFAULT
    from tenfold.report.data_page import write_data_page

    def hear(part: str, done: int, total: int) -> None:
        if not done:
            listener.say(f"exploring the data: {part}")

    write_data_page(examine(train, test, maps=(DEFAULT,), progress=hear), path, Path(run.recipe.data.train).name)


def export(run: Run, train: Dataset, made: dict[str, Predictions], images: dict[str, Dataset]) -> None:
    """Write the bundle, after comparing it with the trained networks on the images that were predicted."""
    from tenfold.bundle.export import export_bundle
    from tenfold.bundle.manifest import Estimate
    from tenfold.training.member import load_member

    shape, classes = train.image_shape, len(train.class_names)

    def members() -> Iterator[nn.Module]:
        for member in run.finished_members():
            try:
                network = load_member(run, member, shape, classes)
            except IntegrityError as error:
                raise IntegrityError(
                    f"{error}. Remove {run.member_path(member)} and resume, which trains this member again to the same bits; "
                    "or resume with --allow-partial, which does without it"
                ) from error
            yield network

    name = next((n for n in ("test", "validation") if n in made), None)
    if name is not None:
        sample, reference = images[name], made[name].probabilities
        sample = sample if sample.class_names == train.class_names else replace(sample, class_names=train.class_names)
    else:
        sample = train.take(range(min(1000, len(train))))
        reference = _torch_vote(run, members(), sample)
    metrics = {f"{n} accuracy": Estimate(**_estimate(p)) for n, p in made.items() if p.labels is not None}
    export_bundle(
        run,
        members(),
        sample,
        reference,
        metrics=metrics,
        data_fingerprint=train.fingerprint(),
        leaked=run.data["leaked"],
        confidence=learn_confidence(made["validation"]) if "validation" in made else None,
    )


def _torch_vote(run: Run, members: Iterator[nn.Module], sample: Dataset) -> Any:
    import torch

    from tenfold.training.shifts import predict_shifted
    from tenfold.values.voting import vote

    images = torch.from_numpy(sample.images.copy())
    ensemble = run.recipe.ensemble
    return vote((predict_shifted(member, images, ensemble.offsets).numpy() for member in members), ensemble.vote)


def _estimate(made: Predictions) -> dict[str, Any]:
    right = int(made.correct.sum())
    low, high = wilson_interval(right, len(made))
    return {"value": right / len(made), "low": low, "high": high, "images": len(made)}


def explain_hardest(run: Run, images: dict[str, Dataset]) -> list[Explanation]:
    """What the first network looks at in the images that were hardest; none for models that are no networks."""
    from tenfold.explanation.explain import explain_image
    from tenfold.models.fitted import Fitted
    from tenfold.training.member import load_member

    name = next((n for n in ("test", "holdout", "validation") if n in images and images[n].labels is not None), None)
    if name is None or not run.finished_members():
        return []
    data = images[name]
    network = load_member(run, run.finished_members()[0], data.image_shape, len(run.data["train"]["class_names"]))
    if isinstance(network, Fitted):
        return []
    assert data.labels is not None
    rows = hardest_rows(data.labels, run.predictions(name).probabilities, HARDEST)
    return [
        explain_image(network, data.images[row], data.ids[row], int(data.labels[row]), with_maps=False, stride=2) for row in rows
    ]


def submit(run: Run, made: Predictions, class_names: tuple[str, ...]) -> None:
    """Write Kaggle's file; its name says so if the test set leaked."""
    from tenfold.bundle.submission import submission_name, write_submission

    write_submission(run.path / submission_name(run.data["leaked"], partial=bool(run.left_out)), made, class_names, force=True)


def summarise(run: Run, made: dict[str, Predictions], seconds: dict[str, float]) -> None:
    """Write ``summary.json``: accuracies with intervals, times, memory, whether the test set leaked."""
    figures: dict[str, Any] = {"validation": None, "test": None}
    figures |= {name: scored(predictions) for name, predictions in made.items() if predictions.labels is not None}
    summary = {
        **figures,
        **costs(run.trained(), seconds),
        "leaked": run.data["leaked"],
        "left_out": sorted(run.left_out),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_json(run.path / "summary.json", summary)


def scored(made: Predictions) -> dict[str, Any]:
    """Accuracy of labelled predictions with its 95 % interval, as ``summary.json`` has it."""
    estimate = _estimate(made)
    wrong = int((~made.correct).sum())
    return {
        "accuracy": estimate["value"],
        "low": estimate["low"],
        "high": estimate["high"],
        "errors": wrong,
        "n": len(made),
    }


def costs(trained: Sequence[tuple[Run, int]], seconds: Mapping[str, float]) -> dict[str, Any]:
    """Times and memory of these members, as ``summary.json`` has them; ``seconds`` on the clock, by stage."""
    timings = [run.read_json(f"members/{member:02d}/timing.json") for run, member in trained]
    return {
        "members": len(timings),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "core_seconds": sum(t["core_seconds"] for t in timings),
        "peak_rss_bytes": max(t["peak_rss_bytes"] for t in timings),
    }
