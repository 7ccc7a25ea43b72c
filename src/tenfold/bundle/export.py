"""A finished run's networks -> its bundle, published only if it says what the networks say."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.manifest import (
    CARD,
    DARK,
    MANIFEST,
    MODEL,
    Calibration,
    Estimate,
    Manifest,
    ModelFile,
    golden_image,
)
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import BATCH, Bundle, open_session
from tenfold.data.joined import title_of
from tenfold.errors import IntegrityError, UsageError
from tenfold.evaluation.calibration import Confidence, learn_confidence
from tenfold.files import make_directory, write_bytes, write_json, write_text
from tenfold.models._fitted import Fitted
from tenfold.values.accuracy import Accuracy
from tenfold.values.dataset import Dataset
from tenfold.values.names import as_file_name, markdown
from tenfold.values.names import markdown_code as code
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

if TYPE_CHECKING:
    from torch import nn


def model_card(manifest: Manifest) -> str:
    """The card as Markdown, from nothing but the manifest."""
    channels, height, width = manifest.image_shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")
    count, vote = manifest.members, markdown(manifest.vote)
    members = "one network" if count == 1 else f"{count} networks that vote ({vote})"
    figures = [_line(name, estimate) for name, estimate in sorted(manifest.metrics.items())]
    level = manifest.pixel_mean
    ground = "bright on a dark background" if level < DARK else f"of a mean level near {level:.0f}"
    if manifest.left_out:
        all_members = manifest.members + manifest.left_out
        figures.insert(0, f"**Partial: {manifest.left_out} of {all_members} networks were damaged and do not vote.**\n")
    if manifest.leaked:
        figures.insert(0, "**Leakage: test images were among the training images. The test accuracy means nothing.**\n")
    names, recipe, known = manifest.class_names, manifest.recipe, "\n".join(figures or ["It was not measured."])
    return f"""\
# {markdown(recipe)}

A classifier of {colour} images of {width} x {height} pixels: {members}, {manifest.parameters:,} parameters.

## Intended use

Tell which one of {len(names)} classes an image shows: {", ".join(map(markdown, names))}.

## Training data

{markdown(manifest.trained_on)} (fingerprint {code(manifest.data_fingerprint[:16])}), recipe {code(recipe)} with key \
{code(manifest.recipe_key)}, tenfold {markdown(manifest.tenfold)}.

## How good it is

{known}

The intervals are for images like those it was measured on; elsewhere it will do worse.

## Limits

- It reads only images made like its training data: exactly {width} x {height} pixels, one centred object, {ground}. \
Photos and scans must be brought to that form first.
- It always answers with one of its classes, also for an image that shows none of them.
- {_confidence(manifest)}

## Files

`model.onnx`: input `images` uint8 (N, {channels}, {height}, {width}), output `probabilities` float32 \
(N, {len(names)}), SHA-256 {code(manifest.model.sha256)}. `manifest.json`: all of this for programs.
"""


def _confidence(manifest: Manifest) -> str:
    if manifest.calibration is None:
        return "Its probabilities are not calibrated."
    learnt = (
        "Its probabilities are as the networks say them; `manifest.json` has a temperature that makes them honest "
        f"({manifest.calibration.temperature:.3g}, from {manifest.calibration.images:,} held-out images)"
    )
    if manifest.reject_threshold is None:
        return f"{learnt}. No confidence was found from which on it is hardly ever wrong."
    return (
        f"{learnt}, and the confidence below which an answer is better left to people"
        f" ({manifest.reject_threshold:.4f})."
    )


def _line(name: str, estimate: Estimate) -> str:
    interval = f"95 % interval {estimate.low:.2%} to {estimate.high:.2%}"
    return f"- {markdown(name)}: **{estimate.value:.2%}** ({interval}) of {estimate.images:,} images"


CALIBRATION = 1000
"""Images that ranges of activations are observed on; they are not measured on."""


@dataclass(frozen=True)
class Quantised:
    """The small model, and both models on the same ``images`` images that it was not calibrated on.

    Attributes:
        model: the ONNX file's content.
        images: how many were measured.
        right: answers of the original that were right.
        right_int8: those of the small model.
        changed: answers that differ.
    """

    model: bytes
    images: int
    right: int
    right_int8: int
    changed: int

    def figures(self) -> dict[str, str]:
        """The measurements, as metadata."""
        return {name: str(getattr(self, name)) for name in ("images", "right", "right_int8", "changed")}

    def lines(self) -> list[str]:
        """The same for people."""

        def share(right: int) -> str:
            found = Accuracy.of(right, self.images)
            return f"{found.accuracy:.4f} (95 % interval {found.low:.4f} to {found.high:.4f})"

        return [
            f"accuracy {share(self.right_int8)}, before {share(self.right)}, on {self.images:,} images",
            (
                f"{self.changed:,} answers changed; {abs(self.right_int8 - self.right):,} "
                f"{'more' if self.right_int8 > self.right else 'fewer'} are right"
            ),
        ]


def quantised(model: bytes, data: Dataset) -> Quantised:
    """``model`` in 8 bits, calibrated on an even choice of at most a third of ``data`` and measured on the rest.

    Raises:
        UsageError: ``data`` has no labels, or too few images.
    """
    if data.labels is None or len(data) < 100:
        found = "no labels" if data.labels is None else f"{len(data):,} images"
        raise UsageError(
            f"--data has {found}; expected at least 100 labelled images to calibrate and measure the int8 model on"
        )
    chosen = np.zeros(len(data), bool)
    chosen[np.linspace(0, len(data) - 1, min(CALIBRATION, len(data) // 3)).astype(int)] = True
    small = _quantise(model, data.images[chosen])
    images, labels = data.images[~chosen], data.labels[~chosen]
    before, after = _classes(model, images), _classes(small, images)
    return Quantised(
        small, len(images), int((before == labels).sum()), int((after == labels).sum()), int((before != after).sum())
    )


def _quantise(model: bytes, images: NDArray[np.uint8]) -> bytes:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(images, -(-len(images) // BATCH)))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"images": batch}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # it advises steps that our graph has behind it
        try:
            write_bytes(Path(folder) / "model.onnx", model)
            quantization.quantize_static(
                Path(folder) / "model.onnx",
                path,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["Conv", "Gemm", "MaxPool", "Relu"],
            )
        finally:
            logging.disable(logging.NOTSET)
        return path.read_bytes()


def _classes(model: bytes, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    session = open_session(model, 1)
    batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
    return np.concatenate([session.run(None, {"images": batch})[0].argmax(axis=1) for batch in batches])


TOLERANCE = 1e-5
"""How far probabilities of networks may differ."""
FITTED_TOLERANCE = 3e-4
"""The same where a fitted model votes: a kernel machine adds thousands of terms, whose float32 rounding adds up."""
MARGIN = 10
"""Where the best two classes are closer than so many tolerances, rounding may decide between them."""


def export_bundle(
    run: Run,
    members: Iterable[nn.Module],
    sample: Dataset,
    reference: NDArray[np.float32],
    *,
    metrics: Mapping[str, Estimate],
    data_fingerprint: str,
    leaked: bool = False,
    confidence: Confidence | None = None,
) -> Path:
    """Write ``run.path/bundle/`` and return it. The manifest comes last: without it there is no bundle.

    Args:
        run: what was trained.
        members: its networks, taken one by one (see :func:`~tenfold.bundle.onnx_graph.export_onnx`).
        sample: images of the kind it was trained on, on which parity is checked.
        reference: (N, K) the ensemble's probabilities for ``sample``, computed with torch.
        metrics: what is known of its quality, such as "test accuracy".
        data_fingerprint: of the training set.
        leaked: whether test images were found among the training images.
        confidence: what held-out rows taught: a temperature and a reject threshold.

    Raises:
        IntegrityError: ONNX Runtime and torch disagree, or weights are not finite; nothing was published.
        ResourceError: the operating system refused, or the ensemble is too large for one file.
    """
    ensemble, parameters, fitted = run.recipe.ensemble, [], False

    def counted() -> Iterator[nn.Module]:  # so that no more than one network need be in memory
        nonlocal fitted
        for member in members:
            fitted |= isinstance(member, Fitted)
            parameters.append(sum(p.numel() for p in member.parameters()))
            yield member

    model = export_onnx(counted(), sample.image_shape, len(sample.class_names), ensemble.vote, ensemble.offsets)
    manifest = Manifest(
        model=ModelFile(sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)),
        image_shape=sample.image_shape,
        class_names=sample.class_names,
        pixel_mean=round(float(sample.images.mean()), 2),
        vote=ensemble.vote,
        members=len(parameters),
        left_out=len(run.left_out),
        parameters=sum(parameters),
        metrics=dict(metrics),
        recipe=run.recipe.name,
        recipe_key=run.recipe.key(),
        trained_on=as_file_name(title_of(run.recipe.data.train)),
        data_fingerprint=data_fingerprint,
        leaked=leaked,
        calibration=confidence and Calibration(temperature=confidence.temperature, images=confidence.images),
        reject_threshold=confidence and confidence.reject_threshold,
        resize=_resized(run),
    )
    tolerance = FITTED_TOLERANCE if fitted else TOLERANCE
    bundle = Bundle(manifest, model)
    check_parity(reference, bundle.predict_proba(sample.images), tolerance)
    answer = bundle.predict_proba(golden_image(sample.image_shape)[None], every_look=True)[0]
    manifest = manifest.model_copy(update={"golden": tuple(round(min(float(p), 1.0), 6) for p in answer)})
    folder = make_directory(run.path / "bundle", within=run.path)
    write_bytes(folder / MODEL, model)
    write_text(folder / CARD, model_card(manifest))
    write_json(folder / MANIFEST, manifest.as_json())
    return folder


def _resized(run: Run) -> Literal["stretch", "keep aspect"] | None:
    """How the run's images were brought to one size, if they were."""
    options = run.data.get("options", {}) if (run.path / "data.json").is_file() else {}
    return None if not options.get("resize") else "keep aspect" if options.get("keep_aspect") else "stretch"


def check_parity(
    reference: NDArray[np.float32], probabilities: NDArray[np.float32], tolerance: float = TOLERANCE
) -> None:
    """Whether two computations of the same probabilities (N, K) agree.

    No probability may differ by more than ``tolerance``, and the classes must be equal wherever the
    best two are not closer than ten times that.

    Raises:
        IntegrityError: they do not, or ``reference`` is no fair sample (empty, another shape).
    """
    if not len(reference) or reference.shape != probabilities.shape:
        raise IntegrityError(f"cannot compare probabilities {probabilities.shape} with the reference {reference.shape}")
    ranked = np.sort(reference, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > MARGIN * tolerance
    other = int((clear & (reference.argmax(axis=1) != probabilities.argmax(axis=1))).sum())
    difference = float(np.abs(reference - probabilities).max())
    if other or not difference <= tolerance:
        raise IntegrityError(
            f"the exported model disagrees with the trained networks: {other:,} of {len(reference):,} images get"
            f" another class, probabilities differ by up to {difference:.1e} (allowed {tolerance:.0e}); the bundle was"
            " not published"
        )


def export_run(run: Run, train: Dataset, made: dict[str, Predictions], images: dict[str, Dataset]) -> None:
    """Write the bundle, after comparing it with the trained networks on the images that were predicted."""
    from tenfold.training.member import load_member

    shape, classes = train.image_shape, len(train.class_names)

    def members() -> Iterator[nn.Module]:
        for member in run.finished_members():
            try:
                network = load_member(run, member, shape, classes)
            except IntegrityError as error:
                raise IntegrityError(
                    f"{error}. Remove {run.member_path(member)} and resume, which trains this member again to the same"
                    " bits; or resume with --allow-partial, which does without it"
                ) from error
            yield network

    name = next((n for n in ("test", "validation") if n in made), None)
    if name is not None:
        sample, reference = images[name], made[name].probabilities
        sample = sample if sample.class_names == train.class_names else replace(sample, class_names=train.class_names)
    else:
        sample = train.take(range(min(1000, len(train))))
        reference = _torch_vote(run, members(), sample)
    scores = {name: predictions.score for name, predictions in made.items() if predictions.labels is not None}
    metrics = {
        f"{n} accuracy": Estimate(value=s.accuracy, low=s.low, high=s.high, images=s.n) for n, s in scores.items()
    }
    export_bundle(
        run,
        members(),
        sample,
        reference,
        metrics=metrics,
        data_fingerprint=train.fingerprint(),
        leaked=run.data["leaked"],
        confidence=next((learn_confidence(made[n]) for n in ("validation", "estimate") if n in made), None),
    )


def _torch_vote(run: Run, members: Iterator[nn.Module], sample: Dataset) -> Any:
    import torch

    from tenfold.training.loop import predict_shifted
    from tenfold.values.predictions import vote

    images = torch.from_numpy(sample.images.copy())
    ensemble = run.recipe.ensemble
    return vote((predict_shifted(member, images, ensemble.offsets).numpy() for member in members), ensemble.vote)
