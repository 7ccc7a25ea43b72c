"""A trained model learns from a few images more: what it is stays, and a correction of its answer is added.

The model is the frozen stem. The last hidden layer of each of its members, f (N, D), is what the correction sees: the
new answer is ``softmax(log p + W f + b)`` with p the old one. W and b start at zero, which is the old model, and are
drawn back to it by a penalty; old images at hand are answered along with the new ones, so that nothing is forgotten.
It works with every bundle, whatever is inside, and the taught one is a bundle as any other. Classes that the model does
not know get a row of W, too.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, load_from_string, numpy_helper

from tenfold.bundle.inspection import check_model_bytes
from tenfold.bundle.onnx_graph import INPUT, OUTPUT
from tenfold.bundle.predict import BATCH, open_session
from tenfold.values.predictions import PROBABILITY_FLOOR

Floats = NDArray[np.float64]

PENALTY = 1e-4
"""On the squared norm of W; features have a mean squared norm of 1."""
OLD_WEIGHT = 1.0
"""What the mean loss of old images counts beside that of the new ones."""
MOST_OLD = 3000
"""Old images that are answered along with the new ones."""
UNKNOWN = 1e-4
"""What the old model is taken to say of a class that it does not know."""
ITERATIONS = 200
FOLDS = 4
"""Parts that the new images are dealt into, to judge a correction by images that it did not learn from."""


@dataclass(frozen=True)
class Features:
    """What a model makes of images.

    Attributes:
        hidden: float32 (N, D), the last hidden layers of its members, side by side.
        log_probabilities: float64 (N, K), of its answer.
    """

    hidden: NDArray[np.float32]
    log_probabilities: Floats

    def take(self, rows: NDArray[Any]) -> Features:
        """Of these rows only."""
        return Features(self.hidden[rows], self.log_probabilities[rows])


@dataclass(frozen=True)
class Correction:
    """What was learnt: added to the logarithms of the old answer, of K + J classes.

    Attributes:
        weights: (D, K + J).
        bias: (K + J,), of classes that were not known the logarithm of what they begin with, too.
    """

    weights: Floats
    bias: Floats

    def probabilities(self, features: Features) -> Floats:
        """(N, K + J) the new answer."""
        known = features.log_probabilities
        logits = np.tile(self.bias, (len(known), 1))
        logits[:, : known.shape[1]] += known
        return _softmax(logits + features.hidden @ self.weights)


def hidden_layers(model: ModelProto) -> list[str]:
    """Names of the tensors (N, D) that the members' last dense layers take, each once: what a softmax looks at.

    Only layers that every image passes count once, however many views share their weights.
    """
    made_by = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, str] = {}
    for node in model.graph.node:
        before = made_by.get(node.input[0]) if node.op_type == "Softmax" else None
        if before is not None and before.op_type == "Gemm":
            found.setdefault(before.input[1], before.input[0])
    return list(found.values())


class Teachable:
    """A bundle's model, opened so that its hidden layers are seen."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        self._model = load_from_string(model)
        self.layers = hidden_layers(self._model)
        seen = load_from_string(model)
        seen.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self.layers)
        self._session = open_session(seen.SerializeToString(), threads)

    def features(self, images: NDArray[np.uint8]) -> Features:
        """Of images uint8 (N, C, H, W)."""
        answers, hidden = [], []
        for start in range(0, len(images), BATCH):
            answer, *layers = self._session.run([OUTPUT, *self.layers], {INPUT: images[start : start + BATCH]})
            answers.append(answer)
            hidden.append(np.concatenate([layer.reshape(len(answer), -1) for layer in layers or [answer]], axis=1))
        together = np.concatenate(answers).astype(np.float64)
        return Features(np.concatenate(hidden), np.log(together.clip(PROBABILITY_FLOOR)))

    def corrected(self, correction: Correction, widths: list[int]) -> bytes:
        """The model with ``correction`` behind it, as ONNX; ``widths`` are the hidden layers' D.

        Raises:
            IntegrityError: the graph is none of ours.
        """
        model = ModelProto()
        model.CopyFrom(self._model)
        graph = model.graph
        prefix = f"taught{sum(node.output[0].endswith('_sum_0') for node in graph.node)}"  # it may be taught again
        shape = graph.output[0].type.tensor_type.shape
        classes, count = shape.dim[1].dim_value, len(correction.bias)
        for node in graph.node:
            for place, name in enumerate(node.output):
                node.output[place] = f"{prefix}_old" if name == OUTPUT else name
            for place, name in enumerate(node.input):
                node.input[place] = f"{prefix}_old" if name == OUTPUT else name

        def constant(name: str, value: Any) -> str:
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{prefix}_{name}"))
            return f"{prefix}_{name}"

        layers = self.layers or [f"{prefix}_old"]
        floor = constant("floor", PROBABILITY_FLOOR)
        graph.node.append(helper.make_node("Max", [f"{prefix}_old", floor], [f"{prefix}_max"]))
        graph.node.append(helper.make_node("Log", [f"{prefix}_max"], [f"{prefix}_log"]))
        spread = [constant("spread", np.eye(classes, count)), constant("bias", correction.bias)]
        graph.node.append(helper.make_node("Gemm", [f"{prefix}_log", *spread], [f"{prefix}_sum_0"]))
        start = 0
        for number, (layer, width) in enumerate(zip(layers, widths, strict=True), 1):
            weights = constant(f"weights_{number}", correction.weights[start : start + width])
            graph.node.append(helper.make_node("MatMul", [layer, weights], [f"{prefix}_part_{number}"]))
            parts = [f"{prefix}_sum_{number - 1}", f"{prefix}_part_{number}"]
            graph.node.append(helper.make_node("Add", parts, [f"{prefix}_sum_{number}"]))
            start += width
        graph.node.append(helper.make_node("Softmax", [f"{prefix}_sum_{len(layers)}"], [OUTPUT], axis=1))
        shape.dim[1].dim_value = count
        content = bytes(model.SerializeToString(deterministic=True))
        check_model_bytes(content)
        return content

    def widths(self, images: NDArray[np.uint8]) -> list[int]:
        """D of each hidden layer; of a model without any, K: its answer is all that can be seen."""
        seen = self._session.run(self.layers or [OUTPUT], {INPUT: images[:1]})
        return [int(np.prod(one.shape[1:])) for one in seen]


def learn(
    new: Features,
    labels: NDArray[np.int64],
    old: Features | None,
    old_labels: NDArray[np.int64] | None,
    classes: int,
    *,
    penalty: float = PENALTY,
    old_weight: float = OLD_WEIGHT,
) -> Correction:
    """The correction that answers ``new`` rightly, and ``old`` as well as before.

    Args:
        new: of the images that are taught.
        labels: (N,) 0..classes-1.
        old: of images that the model knew; None if none are at hand.
        old_labels: theirs.
        classes: K + J.
        penalty: on W.
        old_weight: what old images count.
    """
    from scipy.optimize import minimize

    parts = [(new, labels, 1.0)] if old is None or old_labels is None else [
        (new, labels, 1.0), (old, old_labels, old_weight)
    ]  # fmt: skip
    scale = float(np.sqrt((new.hidden.astype(np.float64) ** 2).sum(axis=1).mean())) or 1.0
    known = new.log_probabilities.shape[1]
    rows = np.concatenate([part.hidden for part, _, _ in parts]).astype(np.float64) / scale
    base = np.full((len(rows), classes), np.log(UNKNOWN))
    base[:, :known] = np.concatenate([part.log_probabilities for part, _, _ in parts])
    wanted = np.concatenate([one for _, one, _ in parts])
    share = np.concatenate([np.full(len(one), weight / len(one)) for _, one, weight in parts])
    width = rows.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat[: width * classes].reshape(width, classes), flat[width * classes :]
        probabilities = _softmax(base + rows @ weights + bias)
        right = probabilities[np.arange(len(rows)), wanted]
        gradient = probabilities
        gradient[np.arange(len(rows)), wanted] -= 1
        gradient *= share[:, None]
        value = -(share * np.log(right.clip(1e-12))).sum() + penalty / 2 * ((weights**2).sum() + (bias**2).sum())
        slope = np.concatenate([(rows.T @ gradient + penalty * weights).ravel(), gradient.sum(axis=0) + penalty * bias])
        return float(value), slope

    start = np.zeros((width + 1) * classes)
    solved = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}).x
    bias = solved[width * classes :]
    bias[known:] += np.log(UNKNOWN)
    return Correction(solved[: width * classes].reshape(width, classes) / scale, bias)


def out_of_fold(
    new: Features, copies: Features, labels: NDArray[np.int64], old: Features | None, old_labels: Any, classes: int
) -> NDArray[np.int64]:
    """(N,) what corrections that did not learn from an image, or from a copy of it, take it for.

    Args:
        new: of N images.
        copies: of a number of changed copies of all of them, one set after another.
        labels: (N,).
        old: see :func:`learn`.
        old_labels: see :func:`learn`.
        classes: see :func:`learn`.
    """
    folds = min(FOLDS, len(labels))
    part = np.empty(len(labels), np.int64)
    draw = np.random.default_rng(0)
    for number in np.unique(labels):
        rows = draw.permutation(np.flatnonzero(labels == number))
        part[rows] = (np.arange(len(rows)) + number) % folds
    found, sets = np.empty(len(labels), np.int64), len(copies.hidden) // len(labels)
    for fold in np.unique(part):
        learnt = part != fold
        some = joined(new.take(learnt), copies.take(np.tile(learnt, sets)))
        correction = learn(some, np.tile(labels[learnt], sets + 1), old, old_labels, classes)
        found[~learnt] = correction.probabilities(new.take(~learnt)).argmax(axis=1)
    return found


def joined(first: Features, second: Features) -> Features:
    """Those of two sets of images, one after the other."""
    hidden = np.concatenate([first.hidden, second.hidden])
    return Features(hidden, np.concatenate([first.log_probabilities, second.log_probabilities]))


def worth_asking(features: Features, most: int, seed: int = 0) -> NDArray[np.int64]:
    """The rows, at most ``most``, that are worth a person's look, the least certain first.

    Of ten times as many with the smallest margin between the best two classes, one of each cluster of hidden layers,
    uncertain ones weighing more: margin and diversity, after Zhdanov 2019 (arXiv:1901.05954).
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    ranked = np.sort(np.exp(features.log_probabilities), axis=1)
    margins = ranked[:, -1] - ranked[:, -2]
    near = np.argsort(margins, kind="stable")[: 10 * most]
    if len(near) <= most:
        return near
    points = features.hidden[near] / np.linalg.norm(features.hidden[near], axis=1, keepdims=True).clip(1e-9)
    weights = np.maximum(1 - margins[near], 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # copies of one image: fewer clusters, fewer questions
        clusters = KMeans(most, n_init=1, random_state=seed).fit(points, sample_weight=weights)
    distance = np.linalg.norm(points - clusters.cluster_centers_[clusters.labels_], axis=1) / weights
    chosen = [
        rows[distance[rows].argmin()] for one in range(most) if len(rows := np.flatnonzero(clusters.labels_ == one))
    ]
    return near[np.sort(np.array(chosen, np.int64))]


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return result
