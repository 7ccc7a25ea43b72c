"""A bundle at work: images in, probabilities out, with ONNX Runtime, numpy and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tenfold.bundle.inspection import check_model_bytes, messages
from tenfold.bundle.manifest import MANIFEST, MODEL, Manifest, bundle_folder, read_manifest, read_model
from tenfold.data import ReadOptions
from tenfold.data.memory import dataset_of
from tenfold.errors import IntegrityError, printable
from tenfold.evaluation.calibration import with_temperature
from tenfold.runtime import cores
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions

_GRAPH, _OPERATOR_SETS, _IR_VERSION = 7, 8, 1
_NODES, _NAME, _WEIGHTS, _INPUTS, _OUTPUTS = 1, 2, 5, 11, 12
_NODE_INPUTS, _NODE_OUTPUTS, _VALUE_NAME, _VALUE_TYPE, _WEIGHT_NAME = 1, 2, 1, 2, 8
"""Numbers of fields in ``onnx.proto``."""
_IR = bytes([_IR_VERSION << 3, 8])
"""The version that :mod:`tenfold.bundle.onnx_graph` writes."""


def first_look(model: bytes, tensor: str) -> bytes:
    """The part of a model that ``tensor`` needs, as a model of its own: the same input, and the tensor instead of the
    output.

    Args:
        model: one that passed :func:`~tenfold.bundle.inspection.check_model_bytes`.
        tensor: the output of a node, of the same type and shape as the model's.

    Raises:
        IntegrityError: no node has that output.
    """
    graph = b"".join(messages(memoryview(model), _GRAPH))
    view = memoryview(graph)
    wanted, nodes = {tensor}, []
    for node in reversed(list(messages(view, _NODES))):  # they are in the order of computation
        if wanted & _texts(node, _NODE_OUTPUTS):
            wanted |= _texts(node, _NODE_INPUTS)
            nodes.append(node)
    if not nodes:
        name = printable(repr(tensor))
        raise IntegrityError(f"model.onnx computes nothing called {name}, which the manifest names as its first look")
    weights = [weight for weight in messages(view, _WEIGHTS) if wanted & _texts(weight, _WEIGHT_NAME)]
    kind = b"".join(kind for output in messages(view, _OUTPUTS) for kind in messages(output, _VALUE_TYPE))
    output = _field(_VALUE_NAME, tensor.encode()) + _field(_VALUE_TYPE, kind)
    parts: list[tuple[int, Iterable[bytes | memoryview]]] = [
        (_NODES, reversed(nodes)),
        (_NAME, [b"first look"]),
        (_WEIGHTS, weights),
        (_INPUTS, messages(view, _INPUTS)),
        (_OUTPUTS, [output]),
    ]
    part = b"".join(_field(number, content) for number, contents in parts for content in contents)
    versions = (_field(_OPERATOR_SETS, version) for version in messages(memoryview(model), _OPERATOR_SETS))
    return _IR + _field(_GRAPH, part) + b"".join(versions)


def _texts(message: memoryview, number: int) -> set[str]:
    return {bytes(text).decode("utf-8", "replace") for text in messages(message, number)}


def _field(number: int, content: bytes | memoryview) -> bytes:
    """A field of bytes: key, length, content."""
    length, size = len(content), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + bytes(content)


onnxruntime.disable_telemetry_events()  # whoever loaded it before tenfold may have left them on

BATCH = 64
TOLERANCE = 0.01
"""By how much the probabilities of an answer may miss a sum of 1: weights of 8 bits round."""
"""Images at a time: the activations of a small network then stay in the processor's cache."""


class Bundle:
    """A model that predicts. Make one with :meth:`open`.

    Attributes:
        manifest: what it takes, what it says, and how good it is.

    Example:
        >>> import tenfold
        >>> model = tenfold.Bundle.open("builtin")
        >>> model.predict_proba(tenfold.load("train.csv").images[:5]).shape
        (5, 10)
    """

    def __init__(self, manifest: Manifest, model: bytes, threads: int | None = None) -> None:
        """Check ``model`` against ``manifest`` and load it.

        Raises:
            IntegrityError: another hash, something that no bundle of ours holds, or another signature.
        """
        self.manifest = manifest
        if len(model) != manifest.model.bytes or hashlib.sha256(model).hexdigest() != manifest.model.sha256:
            raise IntegrityError(
                f"{MODEL}: SHA-256 differs from manifest; the file was changed or damaged. Copy the bundle again"
            )
        check_model_bytes(model)
        self.threads = threads or cores()
        self._session = open_session(model, self.threads)
        self._check_signature(self._session, "probabilities")
        self._first: onnxruntime.InferenceSession | None = None
        if (look := manifest.first_look) is not None:
            self._first = open_session(first_look(model, look.tensor), self.threads)
            self._check_signature(self._first, look.tensor)
        self._check_answer()

    @classmethod
    def open(cls, path: Path | str, threads: int | None = None) -> Bundle:
        """The bundle in the folder ``path``, which is a bundle itself or a run with one inside.

        Args:
            path: the folder; "builtin", the small recogniser that comes with tenfold; or the name of a released bundle.
            threads: how many compute one batch; by default as many as there are usable cores.

        Raises:
            IntegrityError: no bundle there, or one that is not what its manifest says.
            ResourceError: the operating system refused.
        """
        folder = bundle_folder(path)
        manifest = read_manifest(folder / MANIFEST)
        return cls(manifest, read_model(folder / MODEL, manifest.model.bytes), threads)

    def __repr__(self) -> str:
        m = self.manifest
        return f"Bundle({m.recipe!r}, {m.members} member(s), {m.image_shape} uint8 -> {len(m.class_names)} classes)"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images it takes."""
        return self.manifest.image_shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K names that the columns of probabilities stand for."""
        return self.manifest.class_names

    @property
    def identity(self) -> str:
        """What decides its probabilities: the SHA-256 of its model, and its first look if it has one."""
        look = self.manifest.first_look
        return self.manifest.model.sha256 if look is None else f"{self.manifest.model.sha256} {look.tensor} {look.sure}"

    def predict_proba(self, images: Any, batch: int = BATCH, *, every_look: bool = False) -> NDArray[np.float32]:
        """Class probabilities (N, K) of ``images``, computed ``batch`` at a time.

        Where the manifest knows a first look, an image that it is sure of gets no other; see
        :mod:`tenfold.bundle.predict`.

        Args:
            images: what to recognise: uint8 (N, C, H, W), taken as it is; or anything else that
                :mod:`tenfold.data.memory` takes, such as float images 0..1, tensors and Pillow's pictures.
            batch: how many at a time.
            every_look: take all looks at every image, so that small differences between answers mean something.

        Raises:
            DataError: no images of the model's shape.
            IntegrityError: what the model answers are no probabilities.
        """
        if getattr(images, "dtype", None) != np.uint8 or images.shape[1:] != self.image_shape:
            images = dataset_of(images, "test", ReadOptions(shape=self.image_shape)).images
        look = self.manifest.first_look
        if self._first is None or look is None or every_look:
            return self._computed(self._session, images, batch)
        probabilities = self._computed(self._first, images, batch)
        unsure = np.flatnonzero(probabilities.max(axis=1) < look.sure)
        probabilities[unsure] = self._computed(self._session, images[unsure], batch)
        return probabilities

    def _computed(
        self, session: onnxruntime.InferenceSession, images: NDArray[np.uint8], batch: int
    ) -> NDArray[np.float32]:
        probabilities = np.empty((len(images), len(self.class_names)), np.float32)
        for start in range(0, len(images), batch):
            rows = slice(start, start + batch)
            probabilities[rows] = session.run(None, {"images": images[rows]})[0]
        if not (probabilities.min(initial=0) >= 0 and (abs(probabilities.sum(axis=1) - 1) <= TOLERANCE).all()):
            raise IntegrityError(
                "the model's answers are no probabilities: they are not between 0 and 1 with a sum of 1; "
                "it is damaged, or was made by something else: export or download it again"
            )
        return probabilities

    def calibrated(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Honest probabilities (N, K) for those that :meth:`predict_proba` gave; the same if it knows no
        temperature.
        """
        calibration = self.manifest.calibration
        return probabilities if calibration is None else with_temperature(probabilities, calibration.temperature)

    def is_sure(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(N,) whether an answer is worth giving: its probability (N, K) reaches the manifest's reject threshold."""
        sure: NDArray[np.bool_] = probabilities.max(axis=1) >= (self.manifest.reject_threshold or 0.0)
        return sure

    def predict(self, dataset: Dataset) -> Predictions:
        """Predictions for ``dataset``, with its ids and labels.

        Raises:
            IntegrityError: its images have another shape, or its labels mean other classes.
        """
        self.check(dataset)
        return Predictions(dataset.ids, self.predict_proba(dataset.images), dataset.labels)

    def check(self, dataset: Dataset) -> None:
        """Refuse what this model cannot mean anything for.

        Raises:
            IntegrityError: the images have another shape, or the labels mean other classes.
        """
        if dataset.image_shape != self.image_shape:
            raise IntegrityError(
                f"the images are {_by(dataset.image_shape)} (channels x height x width), "
                f"but this model was trained on {_by(self.image_shape)}"
            )
        if dataset.labels is not None and dataset.class_names != self.class_names:
            raise IntegrityError(
                f"the data has the classes {printable(', '.join(dataset.class_names))}; "
                f"this model was trained on {printable(', '.join(self.class_names))}"
            )

    def _check_signature(self, session: onnxruntime.InferenceSession, output: str) -> None:
        def described(arguments: list[onnxruntime.NodeArg]) -> list[tuple[str, str, list[int | str]]]:
            return [(a.name, a.type, a.shape) for a in arguments]

        expected_input = [("images", "tensor(uint8)", ["N", *self.image_shape])]
        expected_output = [(output, "tensor(float)", ["N", len(self.class_names)])]
        for found, expected in (
            (described(session.get_inputs()), expected_input),
            (described(session.get_outputs()), expected_output),
        ):
            if found != expected:
                raise IntegrityError(f"{MODEL}: found the signature {printable(found)}, expected {expected}")

    def _check_answer(self) -> None:
        """Compute one image: what the graph's signature promises, its layers may not keep."""
        blank = np.zeros((1, *self.image_shape), np.uint8)
        for session in (self._session, self._first):
            if session is None:
                continue
            try:
                answer = session.run(None, {"images": blank})[0]
            except Exception as error:  # ONNX Runtime's exceptions have no common base
                raise IntegrityError(f"{MODEL} cannot compute a single image: {_reason(error)}") from None
            if not (np.isfinite(answer).all() and abs(answer.sum() - 1) < 1e-3):
                what = "its weights are damaged" if session is self._session else "the first look is another tensor"
                raise IntegrityError(f"{MODEL} answers with something other than probabilities: {what}")


def open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime's session for ``model``, as bundles use it, computing with ``threads`` threads.

    Raises:
        IntegrityError: ONNX Runtime does not take it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # what goes wrong is raised, and told in our words
    # a waiting thread sleeps instead of spinning: several processes share a machine's cores
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base
        raise IntegrityError(f"{MODEL} cannot be loaded: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return printable(str(error).partition("\n")[0] or type(error).__name__)[:200]


def _by(shape: tuple[int, ...], separator: str = "x") -> str:
    return separator.join(map(str, shape))
