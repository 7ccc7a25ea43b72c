"""Answers at the first look: most images are easy, and need not wait for all that hard ones need.

A model of several networks that look at an image several times spends as much on a clear digit as on a scrawl. So a manifest
may name a tensor inside the graph, what one network says of the image as it is, and the confidence from which on that is the
answer; the images below it get every look, and the vote. Such a cascade of ensembles is as good as the whole and several
times faster (Viola and Jones 2001, "Rapid object detection using a boosted cascade"; Wang et al. 2022, "Wisdom of
committees", arXiv:2012.01988), if "sure" is learnt from images that training held out: :func:`sure_from`.

The model stays one file that holds every look, as any ONNX runtime computes it; its first look is cut out when it is opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.inspection import messages
from tenfold.errors import IntegrityError, printable

_GRAPH, _OPERATOR_SETS, _IR_VERSION = 7, 8, 1
_NODES, _NAME, _WEIGHTS, _INPUTS, _OUTPUTS = 1, 2, 5, 11, 12
_NODE_INPUTS, _NODE_OUTPUTS, _VALUE_NAME, _VALUE_TYPE, _WEIGHT_NAME = 1, 2, 1, 2, 8
"""Numbers of fields in ``onnx.proto``."""
_IR = bytes([_IR_VERSION << 3, 8])
"""The version that :mod:`tenfold.bundle.onnx_graph` writes."""


def first_look(model: bytes, tensor: str) -> bytes:
    """The part of a model that ``tensor`` needs, as a model of its own: the same input, and the tensor instead of the output.

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


def sure_from(
    first: NDArray[np.float32],
    every: NDArray[np.float32],
    labels: NDArray[np.int64],
    reject_threshold: float = 0.0,
    step: float = 0.001,
) -> float:
    """The least confidence from which on a first look makes no mistake that every look does not make.

    A mistake is a wrong class, or any class for what is none of them, that is not rejected.

    Args:
        first: (N, K) probabilities at the first look, of images that training held out.
        every: (N, K) those of every look.
        labels: (N,) what they show; what is no number of a class is none of them.
        reject_threshold: confidence of every look below which an image is rejected. A first look rejects nothing.
        step: what the answer is a multiple of.

    Returns:
        0..1; 0 if it makes none at all, 1 if no confidence is enough.
    """
    confidence = first.max(axis=1)
    wrong = first.argmax(axis=1) != labels
    new = wrong & ((every.argmax(axis=1) == labels) | (every.max(axis=1) < reject_threshold))
    if not new.any():
        return 0.0
    steps = 1 + math.floor(float(confidence[new].max()) / step)
    return min(1.0, round(steps * step, 6))


def _texts(message: memoryview, number: int) -> set[str]:
    return {bytes(text).decode("utf-8", "replace") for text in messages(message, number)}


def _field(number: int, content: bytes | memoryview) -> bytes:
    """A field of bytes: key, length, content."""
    length, size = len(content), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + bytes(content)
