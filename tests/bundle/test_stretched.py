"""An image and its stretched views, seen by one network: what it means, and that the exported graph says the same."""

import numpy as np
import onnxruntime
import torch
from torch import nn

from lab.synthesis.views import SpreadLast, Stretched, stretching
from tenfold.bundle.onnx_graph import export_onnx


def test_rows_become_wider_around_their_middle() -> None:
    row = torch.zeros(1, 21)
    row[0, 6:15] = 1  # 9 pixels, the middle one is number 10
    wider, narrower = (row @ stretching(21, width) for width in (1.5, 0.5))
    assert abs(wider.sum() - 13.5) < 0.5 and abs(narrower.sum() - 4.5) <= 0.5
    torch.testing.assert_close(wider, wider.flip(1))
    torch.testing.assert_close(row @ stretching(21, 1.0), row)


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 4), SpreadLast(3)
    return nn.Sequential(*layers).eval()


def test_it_is_the_mean_probability_of_the_views() -> None:
    images, one = torch.rand(5, 1, 8, 8), network()
    views = [images, images @ stretching(8, 0.7), images @ stretching(8, 1.3)]
    with torch.no_grad():
        expected = torch.stack([one(view).softmax(1) for view in views]).mean(0)
        torch.testing.assert_close(Stretched(one, 8, (0.7, 1.3))(images).softmax(1), expected)


def test_the_exported_graph_says_the_same_and_has_the_weights_once() -> None:
    images, one = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8), network()
    stretched = Stretched(one, 8)
    model = export_onnx([stretched], (1, 8, 8), 3, "mean")
    with torch.no_grad():
        expected = stretched(torch.from_numpy(images).float() / 255).softmax(1).numpy()
    np.testing.assert_allclose(
        onnxruntime.InferenceSession(model).run(None, {"images": images})[0], expected, atol=1e-6
    )
    assert len(model) < 1.2 * len(export_onnx([one], (1, 8, 8), 3, "mean")) + 2 * 4 * 8 * 8 + 2000
