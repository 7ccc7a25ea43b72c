"""A small network as one C header without dependencies; layers bring their C from :mod:`tenfold.models.layers`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.manifest import Manifest
from tenfold.bundle.targets import Request, Target
from tenfold.errors import UsageError, missing_extra
from tenfold.files import write_text
from tenfold.models.layers import LAYERS, CFunction
from tenfold.values.names import c_comment, c_string

if TYPE_CHECKING:
    import onnx

LARGEST = 1_000_000
"""Parameters; as text they take some 13 MB."""


class C(Target):
    """A dependency-free C99 header for small networks: tenfold_predict(pixels, probabilities)."""

    default = "tenfold_model.h"

    @classmethod
    def write(cls, request: Request) -> list[str]:
        """See :meth:`Target.write`."""
        manifest = request.bundle.manifest
        if manifest.parameters > LARGEST:
            raise UsageError(
                f"this model has {manifest.parameters:,} parameters, and a C header takes at most {LARGEST:,}; "
                "train a smaller one, or export --to onnx"
            )
        text = c_header(request.model, manifest)
        write_text(request.out, text, overwrite=request.force)
        return [
            (
                f"{request.out}  {len(text):,} bytes, {manifest.parameters:,} parameters; C99, needs math.h and nothing"
                " else"
            ),
            "  void tenfold_predict(const uint8_t pixels[TENFOLD_PIXELS], float probabilities[TENFOLD_CLASSES])",
        ]


def c_header(model: bytes, manifest: Manifest) -> str:
    """The header's text.

    Raises:
        UsageError: an operator that has no C.
        ResourceError: the package onnx is missing.
    """
    graph = CGraph(model)
    channels, height, width = manifest.image_shape
    functions = "\n\n".join(graph.functions[name] for name in sorted(graph.functions))
    names = ", ".join(f'"{c_string(name)}"' for name in manifest.class_names)
    tenfold, recipe, key = map(c_comment, (manifest.tenfold, manifest.recipe, manifest.recipe_key))
    origin = f"made by tenfold {tenfold} from recipe {recipe} {key}"
    return f"""/* A recogniser of {len(manifest.class_names)} classes, {origin}.
 * Include it in one C file and call tenfold_predict; link with -lm. It keeps its working memory between calls, so
 * only one thread may call it. Pixels are {channels} x {height} x {width} bytes, row by row, 0 background, 255 ink,
 * as in training.
 * SHA-256 of the ONNX model that it computes: {c_comment(manifest.model.sha256)}
 */
#ifndef TENFOLD_MODEL_H
#define TENFOLD_MODEL_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#define TENFOLD_PIXELS {channels * height * width}
#define TENFOLD_CLASSES {len(manifest.class_names)}

static const char *const tenfold_class_names[TENFOLD_CLASSES] = {{{names}}};

{functions}

{chr(10).join(graph.constants)}

/* The probability of every class; returns the number of the most probable one. */
static int tenfold_predict(const uint8_t pixels[TENFOLD_PIXELS], float probabilities[TENFOLD_CLASSES])
{{
    {f"{chr(10)}    ".join([*graph.buffers, *graph.steps])}
    int best = 0;
    for (int k = 1; k < TENFOLD_CLASSES; k++) if (probabilities[k] > probabilities[best]) best = k;
    return best;
}}

#endif
"""


PREFIX = "tenfold"
WIDENED: dict[str, Callable[..., NDArray[Any]]] = {"Cast": lambda weight: weight.astype(np.float32), "Mul": np.multiply}
"""What makes weights of 16 or 8 bits float32, done here instead of in C."""
PAIRS = {"Add": "{} + {}", "Sub": "{} - {}", "Mul": "{} * {}", "Div": "{} / {}", "Max": "{0} > {1} ? {0} : {1}"}
"""One value from one value of each of two tensors; with ``Log``, what a vote is made of besides its layers."""
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
        try:
            import onnx
            from onnx import helper, numpy_helper, shape_inference
        except ImportError:
            raise missing_extra("onnx", "train", "exporting to C") from None
        graph = shape_inference.infer_shapes(onnx.load_from_string(model), data_prop=True).graph
        known = [*graph.input, *graph.value_info, *graph.output]
        self._shapes = {value.name: _shape(value) for value in known}
        self._values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._names = {graph.input[0].name: "pixels", graph.output[0].name: "probabilities"}
        self.functions: dict[str, str] = {}
        self.constants: list[str] = []
        self.buffers: list[str] = []
        self.steps: list[str] = []
        forms: dict[str, CFunction | str] = {"Log": "logf(x[i])"}
        forms |= {operator: form for layer in LAYERS.load().values() for operator, form in layer.c.items()}
        for node in graph.node:
            if node.op_type in WIDENED and all(name in self._values for name in node.input):
                self._values[node.output[0]] = WIDENED[node.op_type](*(self._values[name] for name in node.input))
                continue
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            emit = getattr(self, f"_{node.op_type.lower()}", None)
            if emit is not None:
                emit(node, attributes)
            elif node.op_type in PAIRS:
                self._pairs(node, PAIRS[node.op_type])
            elif isinstance(form := forms.get(node.op_type), CFunction):
                self._call(form, node, form.arguments(self, node, attributes))
            elif form is not None:
                self._each(node, form.replace("{alpha}", _number(attributes.get("alpha", 0.01))))
            else:
                raise UsageError(f"no C for the operator {node.op_type}; export this model --to onnx")

    def _flatten(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._names[node.output[0]] = self.source(node)  # the same numbers in the same order

    def _cast(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._each(node, "(float)x[i]", kind="uint8_t" if self.source(node) == "pixels" else "float")

    def _reshape(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        self._names[node.output[0]] = self.source(node)

    def _mean(self, node: onnx.NodeProto, a: dict[str, Any]) -> None:
        """The mean of any number of tensors of one shape."""
        terms = " + ".join(f"{self.named(name)}[i]" for name in node.input)
        count = math.prod(self.size(node.output[0]))
        self.steps.append(
            f"for (int i = 0; i < {count}; i++) {self.result(node)}[i] = ({terms}) / {len(node.input)}.0f;"
        )

    def _each(self, node: onnx.NodeProto, expression: str, kind: str = "float") -> None:
        """One value from one value."""
        count = math.prod(self.size(node.output[0]))
        each = f"for (int i = 0; i < {count}; i++) {self.result(node)}[i] = {expression};"
        self.steps.append(f"{{ const {kind} *x = {self.source(node)}; {each} }}")

    def _pairs(self, node: onnx.NodeProto, expression: str) -> None:
        """One value from one value of each of two tensors."""
        size = self.size(node.output[0])
        left, right = (self._operand(node.op_type, name, size) for name in node.input)
        self.steps.append(
            f"for (int i = 0; i < {math.prod(size)}; i++) {self.result(node)}[i] = {expression.format(left, right)};"
        )

    def _operand(self, operator: str, tensor: str, size: list[int]) -> str:
        """Value ``i`` of a tensor of that ``size``, or the one value of a tensor that has no more."""
        value, count = self._values.get(tensor), math.prod(self.size(tensor))
        if value is not None and count == 1:
            return _number(float(value.ravel()[0]))
        if value is not None and count == math.prod(size):
            return f"{self.constant(tensor, value)}[i]"
        if value is None and (count == 1 or self.size(tensor) == size):
            return f"{self.named(tensor)}[{0 if count == 1 else 'i'}]"
        raise UsageError(f"no C for a {operator} of tensors of two shapes; export this model --to onnx")

    def _call(self, function: CFunction, node: onnx.NodeProto, arguments: list[str | int]) -> None:
        self.functions[node.op_type] = function.text.strip().replace("{p}", PREFIX)
        self.steps.append(f"{PREFIX}_{function.name}({', '.join(map(str, arguments))});")

    def value(self, tensor: str) -> NDArray[Any]:
        """The numbers of a constant."""
        return self._values[tensor]

    def source(self, node: onnx.NodeProto) -> str:
        """The C name of a node's first input."""
        return self.named(node.input[0])

    def named(self, tensor: str) -> str:
        """The C name of a tensor."""
        return self._names[tensor]

    def result(self, node: onnx.NodeProto) -> str:
        """The C name of a node's output, whose memory is declared when it is first asked for."""
        tensor = node.output[0]
        if tensor not in self._names:
            self._names[tensor] = f"t{len(self.buffers)}"
            self.buffers.append(f"static float {self._names[tensor]}[{math.prod(self.size(tensor))}];")
        return self._names[tensor]

    def weight(self, node: onnx.NodeProto, place: int) -> str:
        """The C name of a constant input, ``0`` where it is left out."""
        if len(node.input) <= place:
            return "0"
        return self.constant(node.input[place], self._values[node.input[place]])

    def constant(self, tensor: str, value: NDArray[Any]) -> str:
        """Add an array of numbers; returns its C name."""
        if tensor not in self._names:
            self._names[tensor] = f"{PREFIX}_w{len(self.constants)}"
            lines = ",\n    ".join(_lines(value.astype(np.float32).ravel()))
            self.constants.append(f"static const float {self._names[tensor]}[{value.size}] = {{\n    {lines}\n}};")
        return self._names[tensor]

    def size(self, tensor: str) -> list[int]:
        """A tensor's shape without the batch, or a constant's whole shape."""
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
