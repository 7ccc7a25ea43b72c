"""What holds for every registered model, whatever its architecture."""

from typing import Any

import pytest
import torch

from tenfold.errors import UsageError
from tenfold.models import MODELS, build
from tenfold.models._fitted import Fitted
from tenfold.values.recipe import ModelSettings

# settings that a model cannot do without; a model that is not here is tested with its defaults
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "network": [
        {"layers": "8C3 BN MP2 FLAT 16 D40 SOFTMAX"},
        {"layers": "8C3S2L RELU GAP SOFTMAX", "init": "he-normal"},
        {"layers": "FLAT 12 SOFTMAX", "init": "glorot-uniform"},
    ],
}
CASES = [
    pytest.param(ModelSettings(kind=name, **settings), id=f"{name}-{number}")
    for name in MODELS
    for number, settings in enumerate(EXAMPLES.get(name, [{}]))
]
BY_GRADIENT = [case for case in CASES if not isinstance(build(case.values[0], (1, 28, 28), 10), Fitted)]


@pytest.mark.parametrize("classes", [2, 10, 47])
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)], ids=str)
@pytest.mark.parametrize("settings", CASES)
def test_images_become_logits_of_each_class(
    settings: ModelSettings, image_shape: tuple[int, int, int], classes: int
) -> None:
    network = build(settings, image_shape, classes)
    for training, count in ((True, 4), (False, 4), (False, 1)):
        network.train(training)
        logits = network(torch.rand(count, *image_shape))
        assert logits.shape == (count, classes)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()


@pytest.mark.parametrize("settings", CASES)
def test_what_comes_out_are_logits_and_not_yet_probabilities(settings: ModelSettings) -> None:
    logits = build(settings, (1, 28, 28), 10).eval()(torch.rand(4, 1, 28, 28))
    assert not torch.allclose(logits.sum(1), torch.ones(4))
    assert not torch.allclose(logits.exp().sum(1), torch.ones(4))


@pytest.mark.parametrize("settings", BY_GRADIENT)
def test_the_global_seed_decides_the_initial_weights(settings: ModelSettings) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(build(settings, (1, 28, 28), 10).state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(weights(1), weights(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(1), weights(2), strict=True))


@pytest.mark.parametrize("settings", CASES)
def test_the_rows_of_a_batch_do_not_see_each_other_when_predicting(settings: ModelSettings) -> None:
    network = build(settings, (1, 28, 28), 10).eval()
    images = torch.rand(6, 1, 28, 28)
    assert torch.allclose(network(images)[2:3], network(images[2:3]), atol=1e-5)


@pytest.mark.parametrize("settings", BY_GRADIENT)
def test_every_weight_learns_and_is_in_the_state(settings: ModelSettings) -> None:
    network = build(settings, (1, 28, 28), 10)
    torch.nn.functional.cross_entropy(network(torch.rand(8, 1, 28, 28)), torch.arange(8)).backward()
    named = dict(network.named_parameters())
    assert named.keys() <= network.state_dict().keys()
    assert [name for name, weight in named.items() if weight.grad is None] == []


@pytest.mark.parametrize("settings", CASES)
def test_an_unknown_key_is_named_with_those_there_are(settings: ModelSettings) -> None:
    wrong = ModelSettings(kind=settings.kind, **settings.settings, no_such_key=1)
    with pytest.raises(UsageError, match=r"'no_such_key'; allowed: "):
        build(wrong, (1, 28, 28), 10)
