"""One ONNX file that says what it is."""

from __future__ import annotations

import json

from tenfold.bundle.manifest import Manifest
from tenfold.bundle.targets import Request, Target
from tenfold.errors import missing_extra, printable
from tenfold.files import write_bytes

try:
    import onnx
    from onnx import helper
except ImportError:
    raise missing_extra("onnx", "train", "exporting") from None


class Onnx(Target):
    """A single ONNX file with classes, accuracy and origin in its metadata; with --data an int8 one too, measured."""

    default = "model.onnx"
    measures = True

    @classmethod
    def write(cls, request: Request) -> list[str]:
        """See :meth:`Target.write`. The int8 file is named after the other: ``model.int8.onnx``."""
        manifest = request.bundle.manifest
        model = onnx.load_from_string(request.model)
        opset = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}["ai.onnx"]
        content = described(request.model, _properties(manifest))
        c, h, w = manifest.image_shape
        signature = f"images uint8 (N, {c}, {h}, {w}), 0..255 -> probabilities float32 (N, {len(manifest.class_names)})"
        lines = [
            f"{request.out}  {len(content):,} bytes, opset {opset}, IR version {model.ir_version}",
            f"  {signature}",
        ]
        files = {request.out: content}
        if request.data is not None:
            from tenfold.bundle.export import quantised

            small = quantised(request.model, request.data)
            path = request.out.with_suffix(".int8.onnx")
            measured = {f"int8.{name}": value for name, value in small.figures().items()}
            files[path] = described(small.model, {**_properties(manifest), **measured})
            lines += [f"{path}  {len(files[path]):,} bytes, weights and activations of 8 bits"]
            lines += [f"  {line}" for line in small.lines()]
        for path, content in files.items():
            write_bytes(path, content, overwrite=request.force)
        return lines


def described(model: bytes, properties: dict[str, str]) -> bytes:
    """``model`` with ``properties`` as its metadata, and what narrow readers need; see :func:`spell_out`."""
    proto = onnx.load_from_string(model)
    spell_out(proto.graph)
    helper.set_model_props(proto, properties)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def spell_out(graph: onnx.GraphProto) -> None:
    """Names without dots, of which onnx2torch cannot make attributes, and every convolution's ``kernel_shape``.

    Bundles of earlier releases have neither; what is computed stays.
    """
    taken = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
    plain = {name: name.replace(".", "_") for name in taken}
    if len(set(plain.values())) < len(taken):
        plain = {}  # two would be called the same
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Mul") and node.input[0] in shapes:  # weights of 8 or 16 bits
            shapes[node.output[0]] = shapes[node.input[0]]
        if node.op_type == "Conv" and node.input[1] in shapes and all(a.name != "kernel_shape" for a in node.attribute):
            node.attribute.append(helper.make_attribute("kernel_shape", shapes[node.input[1]][2:]))
    for node in graph.node:
        node.input[:] = [plain.get(name, name) for name in node.input]
        node.output[:] = [plain.get(name, name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = plain.get(tensor.name, tensor.name)


def _properties(manifest: Manifest) -> dict[str, str]:
    return {
        "class_names": json.dumps(manifest.class_names),
        "preprocessing": manifest.preprocessing,
        "metrics": json.dumps({name: estimate.model_dump() for name, estimate in manifest.metrics.items()}),
        "leaked": json.dumps(manifest.leaked),
        "recipe": printable(f"{manifest.recipe} {manifest.recipe_key}"),
        "tenfold": printable(manifest.tenfold),
        "source_sha256": manifest.model.sha256,
    }
