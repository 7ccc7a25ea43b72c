"""A bundle's ONNX graph as C: every operator of our whitelist that works on one image at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

from tenfold.bundle.targets._c_source import ELEMENTWISE, FUNCTIONS
from tenfold.errors import UsageError

PREFIX = "tenfold"
WIDENED: dict[str, Callable[..., NDArray[Any]]] = {"Cast": lambda weight: weight.astype(np.float32), "Mul": np.multiply}
"""What makes weights of 16 or 8 bits float32, done here instead of in C."""
_PER_LINE = 8


class CGraph:
    """The pieces of a header, made from a model.

    Attributes:
        functions: C functions that are needed.
        constants: weights, as definitions of arrays.
        buffers: arrays for what is between two operators.
        steps: the body of the function that predicts.
    """

    def __init__(self, model: bytes) -> None:
        graph = shape_inference.infer_shapes(onnx.load_from_string(model), data_prop=True).graph
        known = [*graph.input, *graph.value_info, *graph.output]
        self._shapes = {value.name: _shape(value) for value in known}
        self._values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._names = {graph.input[0].name: "pixels", graph.output[0].name: "probabilities"}
        self.functions: dict[str, str] = {}
        self.constants: list[str] = []
        self.buffers: list[str] = []
        self.steps: list[str] = []
        for node in graph.node:
            if node.op_type in WIDENED and all(name in self._values for name in node.input):
                self._values[node.output[0]] = WIDENED[node.op_type](*(self._values[name] for name in node.input))
                continue
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            emit = getattr(self, f"_{node.op_type.lower()}", None)
            if node.op_type in ELEMENTWISE:
                expression = ELEMENTWISE[node.op_type].replace("{alpha}", _number(attributes.get("alpha", 0.01)))
                self._each(node, expression)
            elif emit is not None:
                emit(node, attributes)
            else:
                raise UsageError(f"no C for the operator {node.op_type}; export this model --to onnx")

    def _conv(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        channels, height, width = self._size(node.input[0])
        outputs, out_h, out_w = self._size(node.output[0])
        kernel = self._values[node.input[1]].shape[2:]
        top, left = a.get("pads", [0] * 4)[:2]
        numbers = [channels, height, width, outputs, *kernel, *a.get("strides", [1, 1]), top, left]
        numbers += [*a.get("dilations", [1, 1]), a.get("group", 1), out_h, out_w]
        self._call("Conv", "conv", [self._in(node), self._weight(node, 1), self._weight(node, 2), self._out(node)], numbers)

    def _gemm(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        if a.get("transA") or a.get("alpha", 1.0) != 1 or a.get("beta", 1.0) != 1:
            raise UsageError("no C for a Gemm with these attributes; export this model --to onnx")
        tensor, weight = node.input[1], self._values[node.input[1]]
        if not a.get("transB"):
            tensor, weight = f"{tensor}.transposed", weight.T
        tensors = [self._in(node), self._constant(tensor, weight), self._weight(node, 2), self._out(node)]
        self._call("Gemm", "dense", tensors, [weight.shape[1], weight.shape[0]])

    def _batchnormalization(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        weight, bias, mean, variance = (self._values[name].astype(np.float64) for name in node.input[1:])
        scale = weight / np.sqrt(variance + a.get("epsilon", 1e-5))
        names = [self._constant(f"{node.output[0]}.{what}", v) for what, v in (("scale", scale), ("shift", bias - mean * scale))]
        size = self._size(node.input[0])
        self._call("BatchNormalization", "batch_norm", [self._in(node), *names, self._out(node)], [size[0], math.prod(size[1:])])

    def _maxpool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._call("MaxPool", "max_pool", [self._in(node), self._out(node)], self._window(node, a))

    def _averagepool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        numbers = [*self._window(node, a), a.get("count_include_pad", 0)]
        self._call("AveragePool", "average_pool", [self._in(node), self._out(node)], numbers)

    def _globalaveragepool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        channels, *pixels = self._size(node.input[0])
        self._call("GlobalAveragePool", "global_average", [self._in(node), self._out(node)], [channels, math.prod(pixels)])

    def _globalmaxpool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        channels, *pixels = self._size(node.input[0])
        self._call("GlobalMaxPool", "global_max", [self._in(node), self._out(node)], [channels, math.prod(pixels)])

    def _softmax(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._call("Softmax", "softmax", [self._in(node), self._out(node)], [math.prod(self._size(node.input[0]))])

    def _flatten(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._names[node.output[0]] = self._in(node)  # the same numbers in the same order

    def _cast(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._each(node, "(float)x[i]", kind="uint8_t" if self._in(node) == "pixels" else "float")

    def _reshape(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._names[node.output[0]] = self._in(node)

    def _matmul(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        right = self._values.get(node.input[1])
        if right is None or right.ndim != 2:
            raise UsageError("no C for a MatMul by anything but one matrix; export this model --to onnx")
        rows = math.prod(self._size(node.input[0])) // len(right)
        self._call("MatMul", "product", [self._in(node), self._weight(node, 1), self._out(node)], [rows, *right.shape])

    def _gridsample(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        if a.get("mode", b"linear") not in (b"linear", b"bilinear") or a.get("padding_mode", b"zeros") != b"zeros":
            raise UsageError("no C for a GridSample with these attributes; export this model --to onnx")
        numbers = [*self._size(node.input[0]), *self._size(node.output[0])[1:], a.get("align_corners", 0)]
        self._call("GridSample", "grid_sample", [self._in(node), self._name(node.input[1]), self._out(node)], numbers)

    def _add(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pairs(node, "{} + {}")

    def _sub(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pairs(node, "{} - {}")

    def _mul(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pairs(node, "{} * {}")

    def _div(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pairs(node, "{} / {}")

    def _max(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._pairs(node, "{0} > {1} ? {0} : {1}")

    def _mean(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        """The mean of any number of tensors of one shape."""
        terms = " + ".join(f"{self._name(name)}[i]" for name in node.input)
        count = math.prod(self._size(node.output[0]))
        self.steps.append(f"for (int i = 0; i < {count}; i++) {self._out(node)}[i] = ({terms}) / {len(node.input)}.0f;")

    def _each(self, node: onnx.NodeProto, expression: str, kind: str = "float") -> None:
        """One value from one value."""
        count = math.prod(self._size(node.output[0]))
        each = f"for (int i = 0; i < {count}; i++) {self._out(node)}[i] = {expression};"
        self.steps.append(f"{{ const {kind} *x = {self._in(node)}; {each} }}")

    def _pairs(self, node: onnx.NodeProto, expression: str) -> None:
        """One value from one value of each of two tensors."""
        size = self._size(node.output[0])
        left, right = (self._operand(node.op_type, name, size) for name in node.input)
        self.steps.append(f"for (int i = 0; i < {math.prod(size)}; i++) {self._out(node)}[i] = {expression.format(left, right)};")

    def _operand(self, operator: str, tensor: str, size: list[int]) -> str:
        """Value ``i`` of a tensor of that ``size``, or the one value of a tensor that has no more."""
        value, count = self._values.get(tensor), math.prod(self._size(tensor))
        if value is not None and count == 1:
            return _number(float(value.ravel()[0]))
        if value is not None and count == math.prod(size):
            return f"{self._constant(tensor, value)}[i]"
        if value is None and (count == 1 or self._size(tensor) == size):
            return f"{self._name(tensor)}[{0 if count == 1 else 'i'}]"
        raise UsageError(f"no C for a {operator} of tensors of two shapes; export this model --to onnx")

    def _call(self, operator: str, name: str, tensors: list[str], numbers: list[int]) -> None:
        self.functions[operator] = FUNCTIONS[operator].strip().replace("{p}", PREFIX)
        self.steps.append(f"{PREFIX}_{name}({', '.join([*tensors, *map(str, numbers)])});")

    def _window(self, node: onnx.NodeProto, a: dict[str, Any]) -> list[int]:
        top, left = a.get("pads", [0] * 4)[:2]
        kernel = a["kernel_shape"]
        return [*self._size(node.input[0]), *kernel, *a.get("strides", [1, 1]), top, left, *self._size(node.output[0])[1:]]

    def _in(self, node: onnx.NodeProto) -> str:
        return self._name(node.input[0])

    def _name(self, tensor: str) -> str:
        return self._names[tensor]

    def _out(self, node: onnx.NodeProto) -> str:
        """The C name of a node's output, whose memory is declared when it is first asked for."""
        tensor = node.output[0]
        if tensor not in self._names:
            self._names[tensor] = f"t{len(self.buffers)}"
            self.buffers.append(f"static float {self._names[tensor]}[{math.prod(self._size(tensor))}];")
        return self._names[tensor]

    def _weight(self, node: onnx.NodeProto, place: int) -> str:
        if len(node.input) <= place:
            return "0"
        return self._constant(node.input[place], self._values[node.input[place]])

    def _constant(self, tensor: str, value: NDArray[Any]) -> str:
        if tensor not in self._names:
            self._names[tensor] = f"{PREFIX}_w{len(self.constants)}"
            lines = ",\n    ".join(_lines(value.astype(np.float32).ravel()))
            self.constants.append(f"static const float {self._names[tensor]}[{value.size}] = {{\n    {lines}\n}};")
        return self._names[tensor]

    def _size(self, tensor: str) -> list[int]:
        if tensor in self._values:
            return list(self._values[tensor].shape)
        return self._shapes[tensor]


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    """Without the batch, which is 1."""
    return [d.dim_value for d in value.type.tensor_type.shape.dim][1:]


def _lines(values: NDArray[np.float32]) -> Iterator[str]:
    for start in range(0, len(values), _PER_LINE):
        yield ", ".join(map(_number, values[start : start + _PER_LINE].tolist()))


def _number(value: float) -> str:
    """A float literal that is read back as exactly this float32."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if any(c in text for c in ".en") else f"{text}.0f"
