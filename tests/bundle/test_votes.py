"""What each member says, out of the graph that holds them all."""

import numpy as np
import pytest
import torch

from _networks import random_images, small_network
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.verification import member_probabilities
from tenfold.values.predictions import vote

IMAGES = random_images(150)


@pytest.mark.parametrize("how", ["mean", "log-mean"])
def test_members_are_told_apart_and_their_vote_is_the_bundle_s(how) -> None:
    networks = [small_network(seed) for seed in range(3)]
    model = export_onnx(networks, (1, 8, 8), 10, how)
    found = member_probabilities(model, IMAGES, 3)
    with torch.inference_mode():
        expected = [
            network(torch.from_numpy(IMAGES.copy()).float() / 255).softmax(dim=1).numpy() for network in networks
        ]
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(vote(found, how), vote(expected, how), atol=2e-6)


def test_one_member_or_a_graph_of_another_kind_has_no_votes() -> None:
    model = export_onnx([small_network()], (1, 8, 8), 10, "mean")
    assert member_probabilities(model, IMAGES, 1) is None
    assert member_probabilities(model, IMAGES, 2) is None
