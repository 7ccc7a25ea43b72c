"""The trained line network as the file that comes along.

python -m lab.lines.export CHECKPOINT.pt src/tenfold/reading/lines.onnx
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, checker, helper

from lab.lines.train import LineNetwork, Residual
from tenfold.bundle.inspection import check_model_bytes
from tenfold.bundle.onnx_graph import IR_VERSION, OPSET, Graph
from tenfold.models.layers import LAYERS, Layer, OnnxGraph
from tenfold.reading.line_network import CLASSES, ROWS


def _residual(layer: Residual, graph: OnnxGraph, x: str) -> str:
    return graph.node("Relu", graph.node("Add", x, graph.chain(layer.body, x)))


LAYERS.add("residual", Layer((Residual,), _residual))


def exported(network: LineNetwork) -> bytes:
    """uint8 (N, 1, 48, W) -> log-probabilities (N, W / 4, 2, classes), weights of 8 bits."""
    graph = Graph(8)
    x = graph.node("Cast", "images", to=TensorProto.FLOAT)
    x = graph.node("Div", x, graph.constant("pixel_maximum", np.float32(255)))
    for number, _layer in enumerate(network.layers):
        graph.prefix = f"layer{number:02d}"
    graph.prefix = "network"
    x = graph.chain(network.layers, x)  # (N, 2 classes, 1, W / 4)
    shape = graph.integers("two_answers", [0, 2, len(CLASSES), -1])
    x = graph.node("Softmax", graph.node("Reshape", x, shape), axis=2)
    graph.nodes[-1].output[0] = "probabilities"
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, ROWS, "W"])
    answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2, len(CLASSES), "T"])
    found = helper.make_graph(graph.nodes, "tenfold lines", [images], [answer], graph._constants)
    model = helper.make_model(
        found, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="tenfold"
    )
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    check_model_bytes(content)
    return content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    network = LineNetwork()
    network.load_state_dict(torch.load(arguments.checkpoint, weights_only=True)["average"])
    content = exported(network.eval())
    arguments.model.write_bytes(content)
    print(f"{len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
