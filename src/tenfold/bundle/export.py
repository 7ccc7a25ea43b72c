"""A finished run's networks -> its bundle, published only if it says what the networks say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tenfold.atomic import make_directory, write_bytes, write_json, write_text
from tenfold.bundle.card import model_card
from tenfold.bundle.golden import golden_image
from tenfold.bundle.loaded import Bundle
from tenfold.bundle.manifest import CARD, MANIFEST, MODEL, Calibration, Estimate, Manifest, ModelFile
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.errors import IntegrityError
from tenfold.evaluation.confidence import Confidence
from tenfold.models.fitted import Fitted
from tenfold.values.dataset import Dataset
from tenfold.values.names import as_file_name
from tenfold.values.run import Run

if TYPE_CHECKING:
    from torch import nn

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
    count = _Count(members)
    ensemble = run.recipe.ensemble
    model = export_onnx(count, sample.image_shape, len(sample.class_names), ensemble.vote, ensemble.offsets)
    manifest = Manifest(
        model=ModelFile(sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)),
        image_shape=sample.image_shape,
        class_names=sample.class_names,
        pixel_mean=round(float(sample.images.mean()), 2),
        vote=ensemble.vote,
        members=count.members,
        left_out=len(run.left_out),
        parameters=count.parameters,
        metrics=dict(metrics),
        recipe=run.recipe.name,
        recipe_key=run.recipe.key(),
        trained_on=as_file_name(Path(run.recipe.data.train).name),
        data_fingerprint=data_fingerprint,
        leaked=leaked,
        calibration=confidence and Calibration(temperature=confidence.temperature, images=confidence.images),
        reject_threshold=confidence and confidence.reject_threshold,
    )
    tolerance = FITTED_TOLERANCE if count.fitted else TOLERANCE
    bundle = Bundle(manifest, model)
    check_parity(reference, bundle.predict_proba(sample.images), tolerance)
    answer = bundle.predict_proba(golden_image(sample.image_shape)[None], every_look=True)[0]
    manifest = manifest.model_copy(update={"golden": tuple(round(min(float(p), 1.0), 6) for p in answer)})
    folder = make_directory(run.path / "bundle", within=run.path)
    write_bytes(folder / MODEL, model)
    write_text(folder / CARD, model_card(manifest))
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    return folder


def check_parity(reference: NDArray[np.float32], probabilities: NDArray[np.float32], tolerance: float = TOLERANCE) -> None:
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
            f"the exported model disagrees with the trained networks: {other:,} of {len(reference):,} images get another "
            f"class, probabilities differ by up to {difference:.1e} (allowed {tolerance:.0e}); the bundle was not published"
        )


class _Count:
    """Counts what passes, so that no more than one network need be in memory; ``fitted`` tells whether one was fitted at once."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        self._source = members
        self.members = 0
        self.parameters = 0
        self.fitted = False

    def __iter__(self) -> Iterator[nn.Module]:
        for member in self._source:
            self.members += 1
            self.fitted |= isinstance(member, Fitted)
            self.parameters += sum(p.numel() for p in member.parameters())
            yield member
