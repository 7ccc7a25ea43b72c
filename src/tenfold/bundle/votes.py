"""What each member of a bundle says: the graph holds them all, but gives only their vote."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.loaded import BATCH, open_session
from tenfold.environment import cores
from tenfold.errors import missing_extra


def member_probabilities(
    model: bytes, images: NDArray[np.uint8], members: int, *, threads: int | None = None
) -> NDArray[np.float32] | None:
    """(M, N, K) class probabilities by each of M members; None if the graph does not tell its members apart.

    Args:
        model: the checked content of a bundle's ``model.onnx``.
        images: uint8 (N, C, H, W), as the bundle takes them.
        members: M, as the manifest says.
        threads: that compute one batch; by default as many as there are usable cores.

    Raises:
        ResourceError: the package that opens the graph is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "train", "telling the members of a bundle apart") from error
    graph = onnx.load_model_from_string(model)
    # the last tensor of each member, in their order: its softmax, or the logarithm of that where logarithms are averaged
    last = {
        prefix: (node.op_type, node.output[0])
        for node in graph.graph.node
        if (prefix := node.output[0].partition(".")[0]).startswith("member")
    }
    if members < 2 or len(last) != members:
        return None
    for _, name in last.values():
        graph.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = open_session(graph.SerializeToString(), threads or cores())
    names = [name for _, name in last.values()]
    batches = [session.run(names, {"images": images[i : i + BATCH]}) for i in range(0, len(images), BATCH)]
    found: NDArray[np.float32] = np.concatenate([np.stack(batch) for batch in batches], axis=1)
    logarithms = [operator == "Log" for operator, _ in last.values()]
    found[logarithms] = np.exp(found[logarithms])
    return found
