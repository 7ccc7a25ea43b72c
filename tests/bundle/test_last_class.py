import numpy as np
import onnxruntime
import torch
from torch import nn

from lab.synthesis.views import SpreadLast
from tenfold.bundle.onnx_graph import export_onnx


def test_nothing_known_is_every_class_alike_and_the_rest_stays() -> None:
    logits = torch.tensor([[9.0, 0, 0, -9], [0, 0, 0, 60.0]])
    p = SpreadLast(3)(logits).softmax(1)
    torch.testing.assert_close(p.sum(1), torch.ones(2))
    torch.testing.assert_close(p[1], torch.full((3,), 1 / 3))
    torch.testing.assert_close(p[0], logits[0, :3].softmax(0), atol=1e-6, rtol=0)


def test_the_exported_graph_says_the_same() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), SpreadLast(3)).eval()
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4), dtype=np.uint8)
    session = onnxruntime.InferenceSession(export_onnx([network], (1, 4, 4), 3, "mean"))
    with torch.no_grad():
        expected = network(torch.from_numpy(images).float() / 255).softmax(1).numpy()
    np.testing.assert_allclose(session.run(None, {"images": images})[0], expected, atol=1e-6)
