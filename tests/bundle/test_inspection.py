from __future__ import annotations

import pickle

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from _networks import small_network
from tenfold.bundle.inspection import OPERATORS, check_model_bytes, operators_of
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.errors import IntegrityError

GOOD = export_onnx([small_network()], (1, 8, 8), 10, "mean")


def model_with(change) -> bytes:
    model = onnx.load_from_string(GOOD)
    change(model)
    return model.SerializeToString()


def external_data(model):
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")


def sparse_weights(model):
    values = helper.make_tensor("values", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))


def custom_domain(model):
    model.graph.node[0].domain = "evil.ops"


def custom_operator_set(model):
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))


def if_branches(model):
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["images"], ["z"], then_branch=branch, else_branch=branch))


def loop(model):
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["images"], ["z"], body=body))


def sub_graph_in_an_innocent_node(model):
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "body", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", body))


def nested_functions(model):
    for i in range(3000):
        node = helper.make_node(f"f{i - 1}" if i else "Relu", ["x"], ["y"])
        model.functions.append(helper.make_function("", f"f{i}", ["x"], ["y"], [node], [helper.make_opsetid("", 17)]))


def tensor_attribute(model):
    value = numpy_helper.from_array(np.zeros(3, np.float32))
    model.graph.node[0].attribute.append(helper.make_attribute("value", value))


HOSTILE = [
    external_data,
    sparse_weights,
    custom_domain,
    custom_operator_set,
    if_branches,
    loop,
    sub_graph_in_an_innocent_node,
    nested_functions,
    tensor_attribute,
]


def test_what_we_export_passes():
    check_model_bytes(GOOD)
    check_model_bytes(model_with(lambda model: None))


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_m09_m10_whatever_our_export_never_writes_is_refused(change):
    with pytest.raises(IntegrityError, match="which no bundle of ours holds"):
        check_model_bytes(model_with(change))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (pickle.dumps({"weights": [1.0]}), "not an ONNX file|no bundle of ours"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}", "not an ONNX file|no bundle of ours"),
        (b"PK\x03\x04" + bytes(60), "not an ONNX file|no bundle of ours"),
        (b"\xff" * 40, "a number is cut off"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x3a\xff\xff\xff\x7f", "does not fit"),
        (b"\x38\x05", "field 7 of a model is not a message"),
    ],
    ids=["empty", "pickle", "npy", "zip", "endless-number", "group", "too-long", "number-for-message"],
)
def test_m01_m10_other_content_is_refused(content, reason):
    with pytest.raises(IntegrityError, match=reason):
        check_model_bytes(content)


def test_a_truncated_model_is_refused():
    with pytest.raises(IntegrityError, match="does not fit"):
        check_model_bytes(GOOD[:-20])


def padded(value: int, length: int) -> bytes:
    """A number in exactly so many bytes: longer than needed, which the format allows."""
    return bytes(value >> 7 * n & 0x7F | 0x80 for n in range(length - 1)) + bytes([value >> 7 * (length - 1) & 0x7F])


def field(number: int, content: bytes) -> bytes:
    return padded(number << 3 | 2, 2) + padded(len(content), 2) + content


VERSION = b"\x08\x09"
"""The field ir_version of a model: a number."""


@pytest.mark.parametrize(
    "content",
    [
        VERSION,
        b"\x09" + b"\x03" * 8 + VERSION,  # the same in 8 bytes
        b"\x0d" + b"\x03" * 4 + VERSION,  # in 4
        padded(8, 10) + b"\x01",
        b"\x08" + padded(300, 10) + VERSION,
        field(2, b"") + VERSION,
        field(2, b"x" * 130) + VERSION,
        field(7, field(2, b"name")) + VERSION,
    ],
    ids=["number", "fixed-64", "fixed-32", "ten-byte-key", "ten-byte-number", "empty", "130-bytes", "message"],
)
def test_every_way_to_write_a_plain_field_passes(content):
    check_model_bytes(content)


NOT_ONNX = "model.onnx is not an ONNX file: "
OURS = ", which no bundle of ours holds"
BEYOND = f"{OURS} (external data, functions and sub-graphs are refused)"
DOMAINS = "expected one of: , ai.onnx"
ALLOWED = f"expected one of: {', '.join(sorted(OPERATORS))}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "model.onnx is empty"),
        (padded(8, 11) + b"\x01", f"{NOT_ONNX}a number is cut off at byte 10"),
        (b"\x08", f"{NOT_ONNX}a number is cut off at byte 1"),
        (b"\x08\x80", f"{NOT_ONNX}a number is cut off at byte 2"),
        (b"\x0b\x0c", f"{NOT_ONNX}wire type 3 at byte 1"),
        (VERSION + b"\x0e", f"{NOT_ONNX}wire type 6 at byte 3"),
        (b"\x09" + bytes(7), f"{NOT_ONNX}field 1 does not fit at byte 9"),
        (b"\x0d" + bytes(3), f"{NOT_ONNX}field 1 does not fit at byte 5"),
        (b"\x12\x05abcd", f"{NOT_ONNX}field 2 does not fit at byte 7"),
        (b"\x02\x00", f"{NOT_ONNX}field 0 does not fit at byte 2"),
        (b"\x38\x05", f"{NOT_ONNX}field 7 of a model is not a message"),
        (field(25, b""), f"model.onnx: found field 25 in a model{BEYOND}"),
        (field(7, field(3, b"")), f"model.onnx: found field 3 in a graph{BEYOND}"),
        (field(7, field(5, field(13, b""))), f"model.onnx: found field 13 in a tensor{BEYOND}"),
        (field(7, field(1, field(5, field(6, b"")))), f"model.onnx: found field 6 in an attribute{BEYOND}"),
        (field(7, field(11, field(3, b""))), f"model.onnx: found field 3 in a value{BEYOND}"),
        (field(7, field(12, field(3, b""))), f"model.onnx: found field 3 in a value{BEYOND}"),
        (field(8, field(1, b"evil")), f"model.onnx: found 'evil' in an operator set{OURS}; {DOMAINS}"),
        (
            field(7, field(1, field(7, b"evil\x1b[2J"))),
            f"model.onnx: found 'evil\\\\x1b[2J' in a node{OURS}; {DOMAINS}",
        ),
        (
            field(8, field(1, b"\xff" + b"e" * 70)),
            f"model.onnx: found '\ufffd{'e' * 59}' in an operator set{OURS}; {DOMAINS}",
        ),
        (
            field(7, field(1, field(4, b"If"))),
            f"model.onnx: found 'If' in a node{OURS}; {ALLOWED}",
        ),
        (
            field(7, field(1, b"\x20\x01")),
            f"model.onnx: found '' in a node{OURS}; {ALLOWED}",
        ),
    ],
)
def test_what_is_refused_is_said_word_for_word(content, words):
    with pytest.raises(IntegrityError) as caught:
        check_model_bytes(content)
    assert str(caught.value) == words


def test_the_operators_of_a_model_are_those_of_its_nodes():
    nodes = {node.op_type for node in onnx.load_from_string(GOOD).graph.node}
    assert operators_of(GOOD) == nodes <= OPERATORS
    assert operators_of(field(7, field(1, field(4, b"Relu")) + field(1, field(1, b"x") + field(4, b"Add")))) == {
        "Relu",
        "Add",
    }
    assert operators_of(field(8, field(1, field(4, b"Relu")))) == frozenset()
    assert operators_of(field(7, field(2, field(4, b"Relu")))) == frozenset()
    assert operators_of(b"\x38\x01" + field(7, b"\x08\x01" + field(1, b"\x20\x01"))) == frozenset()


@given(st.binary(max_size=200))
def test_any_bytes_pass_or_are_refused_and_nothing_else(content):
    try:
        check_model_bytes(content)
    except IntegrityError:
        return
    onnx.ModelProto().ParseFromString(content)
