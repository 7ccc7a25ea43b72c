"""Trained networks as one ONNX file: uint8 images in, class probabilities out, all members inside.

The graph is built directly: every layer of :mod:`tenfold.models.layers` adds its own operators. ``torch.onnx.export``
is not used: it takes seconds, writes paths of the machine into the file, and does not give the same bytes twice. A
block with layers of its own passes them to :meth:`Graph.chain`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from torch import Tensor, nn

from tenfold.bundle.folding import folded
from tenfold.bundle.inspection import check_model_bytes
from tenfold.errors import IntegrityError, ResourceError
from tenfold.models.layers import layer_of
from tenfold.values.predictions import PROBABILITY_FLOOR

Vote = Literal["mean", "log-mean"]
Bits = Literal[8, 16, 32]

OPSET = 17
IR_VERSION = 8
"""What belongs to opset 17; read by every ONNX Runtime since 1.12."""
INPUT, OUTPUT = "images", "probabilities"
INT8 = 127
"""The largest whole number of a weight of 8 bits."""
LARGEST = 2_000_000_000
"""Bytes of weights in one file: Protocol Buffers end at 2 GiB."""


def export_onnx(
    members: Iterable[nn.Module],
    image_shape: tuple[int, int, int],
    classes: int,
    vote: Vote,
    offsets: Sequence[tuple[int, int]] = ((0, 0),),
    *,
    bits: Bits = 32,
) -> bytes:
    """The ensemble as one ONNX model; the same members give the same bytes.

    Input ``images``: uint8 (N, C, H, W), 0..255, divided by 255 in the graph. Output
    ``probabilities``: float32 (N, K).

    Args:
        members: trained networks, float32 (B, C, H, W) in 0..1 to logits (B, K); taken one by one.
        image_shape: (C, H, W).
        classes: K.
        vote: ``mean`` of the members' softmax, or ``log-mean``, the normalised geometric mean.
        offsets: (down, right), in pixels; each member's softmax is its mean over the images shifted by each.
        bits: what a layer's weight is stored in; they are float32 again when the model is loaded. 16 are a float, 8 a
            whole number -127..127 times a scale of its output channel (Jacob et al. 2018, arXiv:1712.05877) and one of
            its input channel (the ranges of channels made equal, after Nagel et al. 2019, arXiv:1906.04721).

    Raises:
        IntegrityError: a weight is NaN or infinite.
        ResourceError: more weights than one ONNX file can hold.
        TypeError: see :func:`emit`.
    """
    graph = Graph(bits)
    images = graph.node("Cast", INPUT, to=TensorProto.FLOAT)
    images = graph.node("Div", images, graph.constant("pixel_maximum", np.float32(255)))
    views = [graph.shifted(images, image_shape[0], *offset) for offset in offsets]
    floor = graph.constant("probability_floor", np.float32(PROBABILITY_FLOOR)) if vote == "log-mean" else None
    opinions = []
    for number, member in enumerate(members):
        graph.prefix = f"member{number:02d}"
        opinion = graph.mean([graph.node("Softmax", graph.chain(member, view), axis=1) for view in views])
        opinions.append(graph.node("Log", graph.node("Max", opinion, floor)) if floor else opinion)
    if not opinions:
        raise ValueError("an ensemble needs at least one member")
    graph.prefix = "vote"
    together = graph.mean(opinions)
    if floor:
        together = graph.node("Softmax", together, axis=1)
    graph.nodes[-1].output[0] = OUTPUT
    model = graph.finish(image_shape, classes)
    checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    check_model_bytes(content)
    return content


class Graph:
    """An ONNX graph while it grows. Tensors are known by their names.

    Attributes:
        nodes: in the order of computation.
        prefix: goes before the names of what is added next.
        bits: what weights are stored in: 32, 16 or 8.
    """

    def __init__(self, bits: Bits = 32) -> None:
        self.bits = bits
        self.nodes: list[NodeProto] = []
        self.prefix = "input"
        self._constants: list[TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._wide: dict[tuple[str, ...], str] = {}
        self._bytes = 0

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; returns the name of its only output."""
        return self.outputs(operator, *inputs, count=1, **attributes)[0]

    def outputs(self, operator: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Add an operation with ``count`` outputs; returns their names."""
        name = f"{self.prefix}_{len(self.nodes)}_{operator.lower()}"  # no dots: onnx2torch makes attributes of them
        names = [name, *(f"{name}_{number}" for number in range(1, count))]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def constant(self, name: str, value: Tensor | ArrayLike) -> str:
        """Add a float32 constant, such as a layer's ``weight``; returns its full name. Equal ones are stored once."""
        return self._store(name, np.asarray(value, dtype=np.float32))

    def weight(self, value: Tensor | ArrayLike) -> str:
        """Add a layer's weight (outputs, ...), which is what most bytes are, in ``bits`` and what makes it float32
        behind it.
        """
        if self.bits == 32:
            return self.constant("weight", value)
        array = np.asarray(value)
        if self.bits == 16:
            with np.errstate(over="ignore"):  # infinite then, and refused
                return self._widened(self._store("weight", array.astype(np.float16)))
        # a batch norm folded in makes some inputs' weights much larger than others', which rounding must not see
        usual = np.sqrt(np.square(array).mean(axis=(0, *range(2, array.ndim)), keepdims=True))
        usual = np.where(usual == 0, 1, usual)
        of_inputs = self.constant("input_scale", usual)  # it refuses what is not finite
        largest = np.abs(array / usual).max(axis=tuple(range(1, array.ndim)), keepdims=True)
        step = np.where(largest == 0, 1, largest) / INT8
        whole = self._store("weight", np.rint(array / usual / step).astype(np.int8))
        return self._widened(whole, self.constant("scale", step), of_inputs)

    def _widened(self, stored: str, *scales: str) -> str:
        """Add what makes a stored weight float32; once, however many layers have it."""
        if (stored, *scales) not in self._wide:
            wide = self.node("Cast", stored, to=TensorProto.FLOAT)
            for scale in scales:
                wide = self.node("Mul", wide, scale)
            self._wide[stored, *scales] = wide
        return self._wide[stored, *scales]

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add an int64 constant, such as a shape; returns its full name."""
        return self._store(name, np.asarray(values, dtype=np.int64))

    def _store(self, name: str, array: NDArray[Any]) -> str:
        content = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if content in self._known:
            return self._known[content]
        name = f"{self.prefix}_{len(self.nodes)}_{name}"
        if not np.isfinite(array).all():
            raise IntegrityError(f"{name} holds NaN or infinity; the network diverged while training or is damaged")
        self._bytes += array.nbytes
        if self._bytes > LARGEST:
            raise ResourceError(
                f"the ensemble has more than {LARGEST:,} bytes of weights, which one ONNX file cannot hold"
            )
        self._constants.append(numpy_helper.from_array(array, name))
        self._known[content] = name
        return name

    def mean(self, xs: Sequence[str]) -> str:
        """Add the mean of ``xs``, of which there is at least one; without ONNX's ``Mean``, which OpenCV lacks."""
        if len(xs) == 1:
            return xs[0]
        total = reduce(lambda one, other: self.node("Add", one, other), xs)
        return self.node("Mul", total, self.constant("share", np.float32(1 / len(xs))))

    def picked(self, images: str, channels: int, reach: int, *, down: int = 0, right: int = 0, padding: int = 0) -> str:
        """Add ``images`` moved and then cut by ``reach - padding`` pixels on each side; 0 comes in.

        A convolution with a single 1 does it, exactly; ``down`` and ``right`` are at most ``reach``.
        """
        kernel = np.zeros((channels, 1, 2 * reach + 1, 2 * reach + 1))
        kernel[:, :, reach - down, reach - right] = 1
        shape = list(kernel.shape[2:])
        pick = self.constant("pick", kernel)
        return self.node("Conv", images, pick, kernel_shape=shape, pads=[padding] * 4, group=channels)

    def shifted(self, images: str, channels: int, down: int, right: int) -> str:
        """Add ``images`` moved by so many pixels; 0 comes in."""
        reach = max(abs(down), abs(right))
        return self.picked(images, channels, reach, down=down, right=right, padding=reach) if reach else images

    def chain(self, network: nn.Module, x: str) -> str:
        """Add the layers of ``network``, applied to ``x``, with batch norms folded; returns the output's name."""
        for layer in folded(network):
            x = emit(layer, self, x)
        return x

    def finish(self, image_shape: tuple[int, int, int], classes: int) -> ModelProto:
        """The model with its input and output declared."""
        images = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", *image_shape])
        probabilities = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", classes])
        graph = helper.make_graph(self.nodes, "tenfold", [images], [probabilities], self._constants)
        operators = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=operators, ir_version=IR_VERSION, producer_name="tenfold")


def emit(layer: nn.Module, graph: Graph, x: str) -> str:
    """Add ``layer`` (for inference, float64 weights) applied to the tensor ``x``; returns the output's name.

    Raises:
        TypeError: no layer of :mod:`tenfold.models.layers` is this module, or it has a setting without an ONNX form.
    """
    known = layer_of(layer)
    if known is None:
        raise TypeError(
            f"cannot export the layer {type(layer).__name__}; add a Layer with its ONNX form to tenfold.models.layers"
        )
    return known.emit(layer, graph, x)
