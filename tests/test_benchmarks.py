"""What the benchmarks compute from measurements, and that what they try can be trained."""

from __future__ import annotations

import importlib
import math
import os
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tenfold

FOLDER = Path(__file__).parents[1] / "lab" / "benchmarks"
BEFORE, TINY_BEFORE = (str(FOLDER / f"{name}-before.toml") for name in ("fast", "tiny"))
TABLES = {
    "ablation.toml": (BEFORE, ["ensemble.members=1"]),
    "ablation-cheap.toml": (BEFORE, ["ensemble.members=1"]),
    "ablation-ensemble.toml": (BEFORE, []),
    "ablation-best.toml": (BEFORE, []),
    "ablation-tiny.toml": (TINY_BEFORE, []),
    "ablation-tiny-directions.toml": (TINY_BEFORE, []),
    "ablation-quick.toml": (str(FOLDER / "quick-before.toml"), []),
    "ablation-lite.toml": ("quick", []),
    "learning-curves.toml": ("svm-fast", []),
}
VARIANTS = [
    (recipe, base, variant)
    for table, (recipe, base) in TABLES.items()
    for variant in tomllib.loads((FOLDER / table).read_text("utf-8"))["variant"]
]


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("ablation")


@pytest.fixture
def speedrun(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("speedrun")


@pytest.mark.parametrize(("of", "base", "variant"), VARIANTS, ids=[variant["name"] for *_, variant in VARIANTS])
def test_every_variant_of_the_ablation_is_another_recipe(of: str, base: list[str], variant: dict[str, Any]) -> None:
    from tenfold.augmentation import build
    from tenfold.training.ensemble import check_recipe

    blank = tenfold.Dataset(np.zeros((40, 1, 28, 28), np.uint8), np.arange(40) % 10, np.arange(40), tuple("0123456789"))
    recipe = tenfold.load_recipe(variant.get("recipe", of), [*base, *variant.get("set", [])])
    build(recipe.augment)
    check_recipe(recipe, blank)
    assert recipe.key() != tenfold.load_recipe(of, base).key()


def run(errors: list[int], core_seconds: float = 10.0) -> dict[str, Any]:
    right = 1 - len(errors) / 1000
    return {"errors": errors, "held": 1000, "ensemble": right, "members": [right], "core_seconds": core_seconds}


def test_variants_are_compared_on_the_images_that_only_one_gets_wrong(ablation: ModuleType) -> None:
    base, variant = [run([1, 2, 3]), run([7])], [run([2, 3, 4, 5]), run([7, 8])]
    more, noise = ablation.paired(variant, base)
    assert more == pytest.approx(5 * (3 - 1))  # 4, 5 and 8 against 1, in 2,000 images
    assert noise == pytest.approx(5 * math.sqrt(4))


def test_the_table_says_what_is_noise_and_what_it_costs(ablation: ModuleType) -> None:
    base = [run([1, 2, 3])]
    found = {ablation.BASE: base, "close": [run([1, 2, 4], 20.0)], "bad": [run(list(range(100)))]}
    lines = ablation.table(found).splitlines()
    assert lines[2] == "| the recipe itself | 0.99700 | 0.99700 | +0.0 | 0.0 |  | 1.00 |"
    assert lines[3] == "| close | 0.99700 | 0.99700 | +0.0 | 14.1 | not significant | 2.00 |"
    assert "| worse | 1.00 |" in lines[4]


def test_spread_is_mean_and_deviation(speedrun: ModuleType) -> None:
    assert speedrun.spread([0.996, 0.998]) == "0.99700 ± 0.00141"
    assert speedrun.spread([0.996]) == "0.99600"


def test_the_columns_of_the_record_table_are_those_that_rows_have(speedrun: ModuleType) -> None:
    import argparse

    arguments = argparse.Namespace(train=Path("train.csv"), recipe="fast", seeds=1, overrides=["a=1"], record="less")
    row = speedrun.table_row([{**run([1]), "images_per_core_second": 5}], arguments, speedrun.HERE / "logs" / "x.jsonl")
    header = next(line for line in speedrun.TABLE.read_text("utf-8").splitlines() if line.startswith("| date"))
    assert row.count("|") == header.count("|")
    assert "`speedrun.py train.csv --recipe fast --seeds 1 --set a=1`" in row
    assert "[log](logs/x.jsonl)" in row


def test_the_notebooks_svm_is_compared_on_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from _digits import digits

    monkeypatch.syspath_prepend(str(FOLDER))
    benchmark = importlib.import_module("notebook_svm")
    recipe = tenfold.load_recipe("notebook/svm", ["data.limit=400", "model.components=64"])
    lines = list(benchmark.compare(recipe, digits()))
    assert "272 rows to learn from, 129 to answer for" in lines[0]
    assert [line.split()[0] for line in lines[1:3]] == ["tenfold", "scikit-learn"]
    assert float(lines[-1].split()[3]) < 0.05


def test_efficiency_counts_what_workers_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    scaling = importlib.import_module("scaling")
    found = scaling.efficiency([1.0] * 10, 4, 3.5)
    assert found["efficiency"] == pytest.approx(10 / 14)
    assert found["of_what_is_possible"] == pytest.approx(2.5 / 3.5)
    assert found["milliseconds_a_member"] == pytest.approx(100)


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """lab/benchmarks/scaling.py, which Ray's workers find, too."""
    pytest.importorskip("ray")
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")]))
    return importlib.import_module("scaling")


@pytest.mark.slow
def test_d15_eight_workers_share_sixteen_members(scaling: ModuleType) -> None:
    """Members that sleep, so that a machine of two cores has eight; the rest is what Ray takes, or whatever else
    runs.
    """
    assert scaling.cluster(8, 16, 12.0, 1.0)["efficiency"] >= 0.85


@pytest.mark.slow
def test_d15_a_thousand_tiny_members_cost_less_than_50_ms_each(scaling: ModuleType) -> None:
    assert (
        scaling.overhead(1000, 440.0, 3)["milliseconds_when_undisturbed"] <= 50
    )  # the quickest tenth: others run here, too


def test_labels_that_are_made_wrong_are_counted_where_a_ranking_puts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    noise = importlib.import_module("label_noise")
    labels = np.arange(1000) % 10
    data, wrong = noise.spoilt(
        tenfold.Dataset(np.zeros((1000, 1, 2, 2), np.uint8), labels, np.arange(1000), "0123456789"), 0.02, 1
    )
    assert sorted(wrong) == np.flatnonzero(data.labels != labels).tolist()
    assert len(wrong) == 20
    sure = np.full((1000, 10), 0.01, dtype=np.float32)
    sure[np.arange(1000), labels] = 0.91
    assert noise.counted(data.labels, sure, wrong) == {"n": 20, "first": 20, "second": 20, "suspected": 20, "right": 20}
    for row in wrong[:5]:  # as if five of them had been learnt by heart
        sure[row, [labels[row], data.labels[row]]] = 0.01, 0.91
    assert noise.counted(data.labels, sure, wrong) == {"n": 20, "first": 15, "second": 15, "suspected": 15, "right": 15}


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("claims")


def test_a_claim_fails_only_above_the_interval_of_what_was_measured(claims: ModuleType) -> None:
    assert claims.verdict(0.9945, 9945, 10_000)[0]
    assert claims.verdict(0.9945, 9990, 10_000)[0], "better than claimed is no fault"
    assert claims.verdict(0.9945, 9935, 10_000)[0], "within the interval"
    holds, line = claims.verdict(0.9945, 9900, 10_000)
    assert not holds
    assert line == "FAILS: claimed 0.9945, found 0.9900 (0.9879 to 0.9918; 100 errors in 10,000)"


def test_claims_are_those_that_a_training_can_check(claims: ModuleType) -> None:
    table = {"test_accuracy": 0.99, "accuracy_500": 0.97, "core_seconds": 3, "note": "x"}
    assert claims.claims(table) == [("test_accuracy", None, 0.99), ("accuracy_500", 500, 0.97)]
    shipped = [
        tenfold.load_recipe(name) for name in ("quick", "svm-fast", "fast", "best", "tiny", "mlp", "linear", "knn")
    ]
    assert all(claims.claims(recipe.expected) for recipe in shipped)


def test_a_wrong_claim_is_found_and_a_right_one_holds(
    claims: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from _digits import digits

    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path))
    recipe = tenfold.load_recipe("linear", ["expected={accuracy_600 = 0.85, test_accuracy = 0.9}"])
    assert claims.check(recipe, digits()) == []
    assert capsys.readouterr().out.count("holds: claimed 0.8500, found 0.9") == 1
    monkeypatch.setattr(claims, "measured", lambda *_: (950, 1000))  # as if it had been trained again
    assert claims.check(recipe.overridden(["expected={accuracy_600 = 0.9999}"]), digits()) == ["accuracy_600"]
    monkeypatch.undo()
    with pytest.raises(SystemExit, match="found 1,797 rows"):
        claims.check(recipe.overridden(["expected={accuracy_2000 = 0.9}"]), digits())
    with pytest.raises(SystemExit, match="nothing under"):
        claims.check(recipe.overridden(["expected={}"]), digits())


@pytest.mark.slow
def test_the_smallest_recipes_claim_holds_on_mnist(claims: ModuleType) -> None:
    from tenfold.data.sources.mnist import Mnist

    if Mnist.cached_in() is None:
        pytest.skip("MNIST is not in the cache")
    recipe = tenfold.load_recipe("linear", ["expected={test_accuracy = 0.9193}"])
    assert claims.check(recipe, None) == []
