"""A bundle's ONNX graph as C: every operator of our whitelist that works on one image at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

from tenfold.errors import UsageError

FUNCTIONS = {
    "Conv": (
        """
static void {p}_conv(const float *x, const float *weight, const float *bias, float *y, int inputs,
                     int height, int width, int outputs, int kernel_h, int kernel_w, int stride_h,
                     int stride_w, int top, int left, int dilation_h, int dilation_w, int groups, int out_h, int out_w)
{
    const int group_in = inputs / groups, group_out = outputs / groups;
    for (int o = 0; o < outputs; o++) {
        const float *images = x + (o / group_out) * group_in * height * width;
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float sum = bias ? bias[o] : 0.0f;
                for (int i = 0; i < group_in; i++)
                    for (int kr = 0; kr < kernel_h; kr++) {
                        const int row = r * stride_h + kr * dilation_h - top;
                        if (row < 0 || row >= height) continue;
                        for (int kc = 0; kc < kernel_w; kc++) {
                            const int column = c * stride_w + kc * dilation_w - left;
                            if (column < 0 || column >= width) continue;
                            sum += images[(i * height + row) * width + column]
                                 * weight[((o * group_in + i) * kernel_h + kr) * kernel_w + kc];
                        }
                    }
                y[(o * out_h + r) * out_w + c] = sum;
            }
    }
}
"""
    ),
    "Gemm": (
        """
static void {p}_dense(const float *x, const float *weight, const float *bias, float *y, int inputs, int outputs)
{
    for (int o = 0; o < outputs; o++) {
        float sum = bias ? bias[o] : 0.0f;
        for (int i = 0; i < inputs; i++) sum += x[i] * weight[o * inputs + i];
        y[o] = sum;
    }
}
"""
    ),
    "MatMul": (
        """
static void {p}_product(const float *x, const float *matrix, float *y, int rows, int inputs, int outputs)
{
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outputs; o++) {
            float sum = 0.0f;
            for (int i = 0; i < inputs; i++) sum += x[r * inputs + i] * matrix[i * outputs + o];
            y[r * outputs + o] = sum;
        }
}
"""
    ),
    "GridSample": (
        """
static float {p}_pixel(const float *x, int height, int width, float row, float column)
{
    return row >= 0 && column >= 0 && row < height && column < width ? x[(int)row * width + (int)column] : 0.0f;
}

static float {p}_place(float at, int length, int corners)
{
    return corners ? (at + 1) / 2 * (float)(length - 1) : ((at + 1) * (float)length - 1) / 2;
}

static void {p}_grid_sample(const float *x, const float *grid, float *y, int channels, int height, int width, int out_h,
                            int out_w, int corners)
{
    for (int i = 0; i < out_h * out_w; i++) {
        const float column = {p}_place(grid[2 * i], width, corners), row = {p}_place(grid[2 * i + 1], height, corners);
        const float left = floorf(column), top = floorf(row), across = column - left, down = row - top;
        for (int k = 0; k < channels; k++) {
            const float *image = x + k * height * width;
            const float upper = (1 - across) * {p}_pixel(image, height, width, top, left)
                                + across * {p}_pixel(image, height, width, top, left + 1);
            const float lower = (1 - across) * {p}_pixel(image, height, width, top + 1, left)
                                + across * {p}_pixel(image, height, width, top + 1, left + 1);
            y[k * out_h * out_w + i] = (1 - down) * upper + down * lower;
        }
    }
}
"""
    ),
    "BatchNormalization": (
        """
static void {p}_batch_norm(const float *x, const float *scale, const float *shift, float *y, int channels, int pixels)
{
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < pixels; i++) y[c * pixels + i] = x[c * pixels + i] * scale[c] + shift[c];
}
"""
    ),
    "MaxPool": (
        """
static void {p}_max_pool(const float *x, float *y, int channels, int height, int width, int kernel_h, int kernel_w,
                         int stride_h, int stride_w, int top, int left, int out_h, int out_w)
{
    for (int k = 0; k < channels; k++)
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float largest = -FLT_MAX;
                for (int kr = 0; kr < kernel_h; kr++)
                    for (int kc = 0; kc < kernel_w; kc++) {
                        const int row = r * stride_h + kr - top, column = c * stride_w + kc - left;
                        if (row < 0 || row >= height || column < 0 || column >= width) continue;
                        const float value = x[(k * height + row) * width + column];
                        if (value > largest) largest = value;
                    }
                y[(k * out_h + r) * out_w + c] = largest;
            }
}
"""
    ),
    "AveragePool": (
        """
static void {p}_average_pool(const float *x, float *y, int channels, int height, int width, int kernel_h, int kernel_w,
                             int stride_h, int stride_w, int top, int left, int out_h, int out_w, int count_padding)
{
    for (int k = 0; k < channels; k++)
        for (int r = 0; r < out_h; r++)
            for (int c = 0; c < out_w; c++) {
                float sum = 0.0f;
                int count = 0;
                for (int kr = 0; kr < kernel_h; kr++)
                    for (int kc = 0; kc < kernel_w; kc++) {
                        const int row = r * stride_h + kr - top, column = c * stride_w + kc - left;
                        if (row < 0 || row >= height || column < 0 || column >= width) continue;
                        sum += x[(k * height + row) * width + column];
                        count++;
                    }
                y[(k * out_h + r) * out_w + c] = sum / (float)(count_padding ? kernel_h * kernel_w : count);
            }
}
"""
    ),
    "GlobalAveragePool": (
        """
static void {p}_global_average(const float *x, float *y, int channels, int pixels)
{
    for (int k = 0; k < channels; k++) {
        float sum = 0.0f;
        for (int i = 0; i < pixels; i++) sum += x[k * pixels + i];
        y[k] = sum / (float)pixels;
    }
}
"""
    ),
    "GlobalMaxPool": (
        """
static void {p}_global_max(const float *x, float *y, int channels, int pixels)
{
    for (int k = 0; k < channels; k++) {
        y[k] = x[k * pixels];
        for (int i = 1; i < pixels; i++) if (x[k * pixels + i] > y[k]) y[k] = x[k * pixels + i];
    }
}
"""
    ),
    "Softmax": (
        """
static void {p}_softmax(const float *x, float *y, int count)
{
    float largest = x[0], sum = 0.0f;
    for (int i = 1; i < count; i++) if (x[i] > largest) largest = x[i];
    for (int i = 0; i < count; i++) sum += y[i] = expf(x[i] - largest);
    for (int i = 0; i < count; i++) y[i] /= sum;
}
"""
    ),
}

ELEMENTWISE = {
    "Relu": "x[i] > 0.0f ? x[i] : 0.0f",
    "Elu": "x[i] > 0.0f ? x[i] : {alpha} * (expf(x[i]) - 1.0f)",
    "LeakyRelu": "x[i] > 0.0f ? x[i] : {alpha} * x[i]",
    "Sigmoid": "1.0f / (1.0f + expf(-x[i]))",
    "Log": "logf(x[i])",
    "Exp": "expf(x[i])",
    "Sqrt": "sqrtf(x[i])",
    "Softplus": "(x[i] > 0.0f ? x[i] : 0.0f) + log1pf(expf(-fabsf(x[i])))",
}
"""One value from one value."""


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
        self._call(
            "Conv", "conv", [self._in(node), self._weight(node, 1), self._weight(node, 2), self._out(node)], numbers
        )

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
        names = [
            self._constant(f"{node.output[0]}.{what}", v)
            for what, v in (("scale", scale), ("shift", bias - mean * scale))
        ]
        size = self._size(node.input[0])
        self._call(
            "BatchNormalization",
            "batch_norm",
            [self._in(node), *names, self._out(node)],
            [size[0], math.prod(size[1:])],
        )

    def _maxpool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._call("MaxPool", "max_pool", [self._in(node), self._out(node)], self._window(node, a))

    def _averagepool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        numbers = [*self._window(node, a), a.get("count_include_pad", 0)]
        self._call("AveragePool", "average_pool", [self._in(node), self._out(node)], numbers)

    def _globalaveragepool(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        channels, *pixels = self._size(node.input[0])
        self._call(
            "GlobalAveragePool", "global_average", [self._in(node), self._out(node)], [channels, math.prod(pixels)]
        )

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
        self.steps.append(
            f"for (int i = 0; i < {math.prod(size)}; i++) {self._out(node)}[i] = {expression.format(left, right)};"
        )

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
        return [
            *self._size(node.input[0]),
            *kernel,
            *a.get("strides", [1, 1]),
            top,
            left,
            *self._size(node.output[0])[1:],
        ]

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
