"""The training loop: it learns, its bits are reproducible, and an interruption leaves no trace in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tenfold.errors import UsageError
from tenfold.evaluation.metrics import confusion_matrix
from tenfold.training import loop
from tenfold.training.loop import Rows, predict_proba
from tenfold.training.state import has_bfloat16, load_newest, save_checkpoint
from tenfold.values.recipe import Recipe


def changed(recipe: Recipe, **train: Any) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | {"train": recipe.train.model_dump() | train})


def bits(state: Any) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in state.current_weights().items()}


def test_it_learns(train: Callable[..., Any], recipe: Recipe) -> None:
    history = train(recipe).state.position.history
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["validation_accuracy"] > 0.8
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_every_epoch_counts_its_confusions(
    train: Callable[..., Any], recipe: Recipe, digits: tuple[Rows, Rows]
) -> None:
    trained, held = train(recipe), digits[1]
    for row in trained.state.position.history:
        wrong = sum(count for _, _, count in row["validation_mistakes"])
        assert wrong == round((1 - row["validation_accuracy"]) * len(held))
        assert all(true != predicted for true, predicted, _ in row["validation_mistakes"])
    predicted = predict_proba(trained.state.network, held.images, weights=trained.state.current_weights()).argmax(1)
    expected = confusion_matrix(held.labels.numpy(), predicted.numpy(), 10)
    assert row["validation_mistakes"] == [
        [t, p, expected[t, p]] for t, p in zip(*expected.nonzero(), strict=True) if t != p
    ]


def test_r01_same_seed_same_bits(train: Callable[..., Any], recipe: Recipe) -> None:
    assert bits(train(recipe).state) == bits(train(recipe).state)


def test_r11_another_seed_or_member_gives_other_weights(train: Callable[..., Any], recipe: Recipe) -> None:
    first = bits(train(recipe).state)
    assert bits(train(recipe.model_copy(update={"seed": 6})).state) != first
    assert bits(train(recipe, member=1).state) != first


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "nadam", "sgd", "muon"])
@pytest.mark.parametrize("stop_at", [0, 7, 15, 23, 44])
def test_a_stop_anywhere_leaves_no_trace(
    train: Callable[..., Any], recipe: Recipe, optimizer: str, stop_at: int, tmp_path: Any
) -> None:
    recipe = changed(recipe, optimizer=optimizer, keep="best")
    whole = train(recipe).state
    interrupted = train(recipe, stop_at=stop_at)
    assert interrupted.stopped
    save_checkpoint(tmp_path, *interrupted.saves[-1])
    found, damaged = load_newest(tmp_path)
    assert damaged == []
    resumed = train(recipe, go_on=found).state
    assert bits(resumed) == bits(whole)
    assert resumed.position == whole.position
    assert {k: v.numpy().tobytes() for k, v in resumed.best.items()} == {
        k: v.numpy().tobytes() for k, v in whole.best.items()
    }


def test_a_checkpoint_after_the_last_step_of_an_epoch_is_enough(train: Callable[..., Any], recipe: Recipe) -> None:
    recipe = changed(recipe, checkpoint_minutes=1e-9)  # save after every step
    whole = train(recipe)
    before_evaluation = [saved for saved in whole.saves if saved[1]["step"] == 15]
    assert [position["epoch"] for _, position in before_evaluation] == [0, 1, 2]
    for saved in before_evaluation:
        resumed = train(recipe, go_on=saved).state
        assert bits(resumed) == bits(whole.state)
        assert resumed.position == whole.state.position


def test_the_last_weights_are_the_mean_over_the_last_share_of_steps(train: Callable[..., Any], recipe: Recipe) -> None:
    recipe = changed(recipe, epochs=1, weight_average=0.3)
    live = [train(recipe, stop_at=step).saves[-1][0]["network/0.weight"] for step in range(11, 15)]
    live.append(train(recipe).saves[-1][0]["network/0.weight"])
    averaged = train(recipe).state.average["0.weight"]
    assert train(recipe).state.position.averaged == 4  # of 15 steps, 11 to 14 begin in the last 30 %
    assert torch.allclose(averaged, torch.stack(live[1:]).mean(0), atol=1e-6)


def test_early_stopping_waits_its_patience(train: Callable[..., Any], recipe: Recipe) -> None:
    stopping = {"monitor": "accuracy", "patience": 2, "min_delta": 1.0}  # nothing improves by 1.0 after the first epoch
    position = train(changed(recipe, epochs=9, early_stopping=stopping)).state.position
    assert position.stopped_early
    assert position.epoch == 3


def test_the_best_weights_are_those_of_the_best_epoch(train: Callable[..., Any], recipe: Recipe, digits: Any) -> None:
    state = train(
        changed(recipe, epochs=4, learning_rate=0.05, schedule="constant", weight_average=0.0, keep="best")
    ).state
    history = state.position.history
    best = max(history, key=lambda row: row["validation_accuracy"])
    assert state.position.best_epoch == best["epoch"]
    right = predict_proba(state.network, digits[1].images, weights=state.best).argmax(1) == digits[1].labels
    assert float(right.double().mean()) == best["validation_accuracy"]


def test_a_plateau_lowers_the_rate(train: Callable[..., Any], recipe: Recipe) -> None:
    recipe = changed(
        recipe, epochs=6, schedule="plateau", plateau_patience=1, decay=0.5, learning_rate=0.2, optimizer="sgd"
    )
    history = train(recipe).state.position.history
    expected, lowest, factor = [], float("inf"), 1.0
    for row in history:
        expected.append(0.2 * factor)
        if row["validation_loss"] >= lowest:
            factor *= 0.5
        lowest = min(lowest, row["validation_loss"])
    assert [row["learning_rate"] for row in history] == expected
    assert factor < 1, "the settings of this test must reach a plateau"


def test_clean_epochs_see_the_images_as_they_are(digits: Any, recipe: Recipe) -> None:
    from tenfold.training.loop import fit
    from tenfold.training.member import new_state

    calls: list[int] = []

    def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        calls.append(len(images))
        return images

    state = new_state(recipe, 0, (1, 8, 8), 10, torch.device("cpu"))
    recipe = changed(recipe, epochs=3, clean_epochs=1)
    fit(state, *digits, recipe, 0, augment, save=lambda: None, emit=lambda e: None, should_stop=lambda: False)
    assert len(calls) == 2 * 15


def test_divergence_is_said_with_what_to_do(train: Callable[..., Any], recipe: Recipe) -> None:
    with pytest.raises(UsageError, match=r"diverged.*lower train\.learning_rate"):
        train(changed(recipe, optimizer="sgd", learning_rate=1e9, momentum=0.9))


def test_without_held_out_rows_there_are_no_validation_figures(
    train: Callable[..., Any], recipe: Recipe, digits: Any
) -> None:
    none = Rows(digits[1].images[:0], digits[1].labels[:0])
    row = train(recipe, held=none).state.position.history[-1]
    assert row["validation_loss"] is None
    assert row["validation_accuracy"] is None


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_r08_the_batch_size_of_a_prediction_does_not_matter(
    train: Callable[..., Any], recipe: Recipe, digits: Any, batch: int
) -> None:
    network, images = train(changed(recipe, epochs=1)).state.network, digits[1].images[:100]
    whole, parts = predict_proba(network, images), predict_proba(network, images, batch=batch)
    assert torch.equal(whole.argmax(1), parts.argmax(1))
    assert (whole - parts).abs().max() <= 1e-6


def test_predicting_leaves_the_network_as_it_was(train: Callable[..., Any], recipe: Recipe, digits: Any) -> None:
    state = train(changed(recipe, epochs=1)).state
    before = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    predict_proba(state.network, digits[1].images, weights=state.average)
    assert state.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.network.state_dict().items())


def test_bfloat16_learns_as_well_with_weights_in_float32(train: Callable[..., Any], recipe: Recipe) -> None:
    half = train(changed(recipe, precision="bfloat16")).state
    whole = train(recipe).state
    assert {tensor.dtype for tensor in half.current_weights().values()} == {torch.float32}
    assert bits(half) != bits(whole)
    accuracies = [state.position.history[-1]["validation_accuracy"] for state in (half, whole)]
    assert abs(accuracies[0] - accuracies[1]) < 0.03


@pytest.mark.parametrize("there", [True, False])
def test_precision_auto_takes_bfloat16_where_the_processor_has_it(
    train: Callable[..., Any], recipe: Recipe, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr(loop, "has_bfloat16", lambda device: there)
    found = train(changed(recipe, precision="auto", epochs=1)).state
    expected = train(changed(recipe, precision="bfloat16" if there else "float32", epochs=1)).state
    assert bits(found) == bits(expected)


@pytest.mark.parametrize(("capability", "there"), [("AVX512", True), ("AVX2", False), ("DEFAULT", False)])
def test_a_processor_limited_to_less_has_no_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capability: str, there: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert has_bfloat16(torch.device("cpu")) is there


def test_bfloat16_leaves_no_trace_of_a_stop_either(train: Callable[..., Any], recipe: Recipe, tmp_path: Any) -> None:
    recipe = changed(recipe, precision="bfloat16", selective={"share": 0.5, "after": 1})
    whole = train(recipe).state
    save_checkpoint(tmp_path, *train(recipe, stop_at=23).saves[-1])
    assert bits(train(recipe, go_on=load_newest(tmp_path)[0]).state) == bits(whole)
