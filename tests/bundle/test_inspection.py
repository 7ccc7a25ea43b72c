from __future__ import annotations

import pickle

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from _networks import small_network
from tenfold.bundle.inspection import check_model_bytes
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
        (b"\x38\x05", "field 7 of the model is not a message"),
    ],
    ids=["empty", "pickle", "npy", "zip", "endless-number", "group", "too-long", "number-for-message"],
)
def test_m01_m10_other_content_is_refused(content, reason):
    with pytest.raises(IntegrityError, match=reason):
        check_model_bytes(content)


def test_a_truncated_model_is_refused():
    with pytest.raises(IntegrityError, match="does not fit"):
        check_model_bytes(GOOD[:-20])


@given(st.binary(max_size=200))
def test_any_bytes_pass_or_are_refused_and_nothing_else(content):
    try:
        check_model_bytes(content)
    except IntegrityError:
        return
    onnx.ModelProto().ParseFromString(content)
