"""What a ``model.onnx`` of ours may hold, decided from its bytes before any ONNX library sees them.

A whitelist: the fields that :mod:`tenfold.bundle.onnx_graph` writes and the operators it uses.
External data, functions, sub-graphs (If, Loop), other operator domains and whatever ONNX adds one day
are not on it. The format is Protocol Buffers: a message is a row of fields, each a key (number and
wire type) and a value; see https://protobuf.dev/programming-guides/encoding and ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tenfold.errors import IntegrityError, printable

OPERATORS = frozenset(
    {"Add", "AveragePool", "BatchNormalization", "Cast", "Conv", "Div", "Elu", "Flatten", "Gemm", "GlobalAveragePool"}
    | {"GlobalMaxPool", "LeakyRelu", "Log", "Max", "MaxPool", "Mean", "Mul", "Relu", "Sigmoid", "Softmax"}
    | {
        "Exp",
        "Gather",
        "GridSample",
        "MatMul",
        "ReduceMin",
        "Reshape",
        "Softplus",
        "Sqrt",
        "Sub",
        "TopK",
    }  # of fitted models
)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class _Message:
    """The fields of one message type that may occur, by number; a message inside a message has its own."""

    name: str
    plain: frozenset[int]
    messages: Mapping[int, _Message] = field(default_factory=dict)
    texts: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Fields that must hold one of these words."""


_STANDARD_DOMAIN = frozenset({"", "ai.onnx"})
_TENSOR = _Message("a tensor", frozenset({1, 2, 8, 9}))  # dims, data_type, name, raw_data: no external_data (13)
_ATTRIBUTE = _Message("an attribute", frozenset({1, 2, 3, 8, 20}))  # name, f, i, ints, type: no graph (6)
_NODE = _Message("a node", frozenset({1, 2, 3}), {5: _ATTRIBUTE}, {4: OPERATORS, 7: _STANDARD_DOMAIN})
_VALUE = _Message("a value", frozenset({1, 2}))  # name, type
_GRAPH = _Message("a graph", frozenset({2}), {1: _NODE, 5: _TENSOR, 11: _VALUE, 12: _VALUE})
_OPERATOR_SET = _Message("an operator set", frozenset({2}), texts={1: _STANDARD_DOMAIN})
_MODEL = _Message("a model", frozenset({1, 2, 3}), {7: _GRAPH, 8: _OPERATOR_SET})  # no functions (25)


def check_model_bytes(model: bytes) -> None:
    """Refuse a model that holds anything but plain layers and their weights.

    Raises:
        IntegrityError: not an ONNX file, or one with something that our export never writes.
    """
    if not model:
        raise IntegrityError("model.onnx is empty")
    try:
        _check(memoryview(model), _MODEL)
    except _NotProtobufError as error:
        raise IntegrityError(f"model.onnx is not an ONNX file: {error}") from None


def operators_of(model: bytes) -> frozenset[str]:
    """The operators in a model that passed :func:`check_model_bytes`."""
    nodes = (node for graph in messages(memoryview(model), 7) for node in messages(graph, 1))
    return frozenset(bytes(name).decode() for node in nodes for name in messages(node, 4))


def messages(data: memoryview, number: int) -> Iterator[memoryview]:
    """The contents of the fields ``number`` of a message, in a model that passed :func:`check_model_bytes`."""
    return (content for found, content in _fields(data) if found == number and content is not None)


class _NotProtobufError(ValueError):
    pass


def _check(data: memoryview, message: _Message) -> None:
    for number, content in _fields(data):
        if number in message.messages:
            if content is None:
                raise _NotProtobufError(f"field {number} of {message.name} is not a message")
            _check(content, message.messages[number])
        elif number in message.texts:
            word = bytes(content or b"").decode("utf-8", "replace")
            if word not in message.texts[number]:
                raise IntegrityError(
                    f"model.onnx: found {printable(word[:60])!r} in {message.name}, which no bundle of ours holds; "
                    f"expected one of: {', '.join(sorted(message.texts[number]))}"
                )
        elif number not in message.plain:
            raise IntegrityError(
                f"model.onnx: found field {number} in {message.name}, which no bundle of ours holds "
                "(external data, functions and sub-graphs are refused)"
            )


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """(field number, content) of each field; the content of a number is None."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        content = None
        if wire_type == _VARINT:
            _, position = _varint(data, position)
        elif wire_type == _BYTES:
            length, position = _varint(data, position)
            content = data[position : position + length]
            position += length
        elif wire_type in (_FIXED32, _FIXED64):
            position += 4 if wire_type == _FIXED32 else 8
        else:
            raise _NotProtobufError(f"wire type {wire_type} at byte {position}")
        if position > len(data) or number == 0:
            raise _NotProtobufError(f"field {number} does not fit at byte {position}")
        yield number, content


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _NotProtobufError(f"a number is cut off at byte {position}")
