import json
import time

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from tenfold.data.checks import MOST_IDS, Finding, check
from tenfold.data.checks.content import chi_square_p, class_balance, constant_images
from tenfold.data.checks.equal_images import duplicates, label_conflicts, leakage
from tenfold.values.dataset import Dataset

DIGITS = tuple("0123456789")


def dataset(images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None, first_id: int = 1) -> Dataset:
    return Dataset(images, labels, np.arange(first_id, first_id + len(images)), DIGITS)


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 6, 6), dtype=np.uint8)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_every_check_reports_also_when_all_is_well() -> None:
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[:, None]
    train, test = dataset(images[:1000], digits.target[:1000].astype(np.int64)), dataset(images[1000:])
    findings = check(train, test)
    assert [f.name for f in findings] == [
        "duplicates",
        "constant-images",
        "pixel-range",
        "label-conflicts",
        "class-balance",
        "leakage",
        "near-leakage",
    ]
    assert {f.severity for f in findings} == {"note"}
    json.dumps([f.as_dict() for f in findings], allow_nan=False)


def test_checks_of_labels_need_labels() -> None:
    assert list(by_name(check(dataset(noise(10))))) == ["duplicates", "constant-images", "pixel-range"]


def test_l01_planted_copies_are_all_found_and_listed() -> None:
    train, test = noise(20_000, seed=1), noise(12_000, seed=2)
    rows = np.random.default_rng(3).permutation(12_000)[:100]
    train[500:600] = test[rows]
    finding = leakage(dataset(train), dataset(test, first_id=100_001))
    assert (finding.severity, finding.count, finding.total) == ("warning", 100, 12_000)
    assert set(finding.ids) == {(501 + i, 100_001 + int(row)) for i, row in enumerate(rows)}
    assert "100 of 12,000 test rows" in finding.message


def test_l01_seventy_thousand_images_take_at_most_two_seconds() -> None:
    images = np.random.default_rng(0).integers(0, 256, (70_000, 1, 28, 28), dtype=np.uint8)
    train, test = dataset(images[:42_000]), dataset(images[42_000:])
    began = time.process_time()
    leakage(train, test)
    duplicates(train)
    assert time.process_time() - began < 2


def test_l06_the_test_set_itself_among_the_training_images_is_a_leak() -> None:
    images = noise(3000)
    finding = leakage(dataset(images), dataset(images[1000:]))
    assert finding.severity == "leak"
    assert "2,000 of 2,000 test rows (100.00%) are known from training: the test set itself" in finding.message
    assert (finding.count, len(finding.ids)) == (2000, MOST_IDS)
    assert finding.ids[0] == (1001, 1)


@pytest.mark.parametrize(
    ("planted", "severity"), [(0, "note"), (1, "warning"), (10, "warning"), (11, "leak"), (999, "leak")]
)
def test_more_than_one_percent_of_the_test_rows_is_a_leak(planted: int, severity: str) -> None:
    train, test = noise(2000, seed=1), noise(1000, seed=2)
    train[:planted] = test[:planted]
    assert leakage(dataset(train), dataset(test)).severity == severity


def test_blank_images_in_both_sets_are_no_leak() -> None:
    train, test = noise(100, seed=1), noise(100, seed=2)
    train[:50] = test[:50] = 0
    assert leakage(dataset(train), dataset(test)).severity == "note"


def test_sets_of_different_shapes_do_not_belong_together() -> None:
    finding = leakage(dataset(noise(10)), dataset(np.zeros((5, 3, 6, 6), np.uint8)))
    assert finding.severity == "error"
    assert "3x6x6" in finding.message
    assert "1x6x6" in finding.message


def test_l05_one_image_with_two_labels_is_listed() -> None:
    images, labels = noise(1000), np.arange(1000) % 10
    images[[20, 31, 42]] = images[5]  # labels 5; 0, 1, 2
    images[17] = images[7]  # label 7, twice
    finding = label_conflicts(dataset(images, labels))
    assert (finding.severity, finding.count) == ("warning", 4)
    assert finding.ids == ((6, 21, 32, 43),)
    assert "6 = '5', 21 = '0'" in finding.message


def test_duplicates_within_a_set() -> None:
    images = noise(1000)
    images[900:910] = images[:10]
    images[910] = images[0]
    finding = duplicates(dataset(images))
    assert (finding.severity, finding.count) == ("warning", 11)
    assert finding.ids[0] == (1, 901, 911)
    assert len(finding.ids) == 10
    finding = duplicates(dataset(np.concatenate([noise(1000), noise(10)])))
    assert (finding.severity, finding.count) == ("note", 10)


def test_c34_constant_images_of_any_level() -> None:
    images = noise(100)
    images[3], images[50] = 0, 255
    finding = constant_images(dataset(images))
    assert (finding.severity, finding.count, finding.ids) == ("warning", 2, ((4,), (51,)))


@pytest.mark.parametrize(
    ("counts", "severity", "message"),
    [
        ([50] * 10, "note", "50 to 50 images a class"),
        ([40] * 9 + [60], "note", "40 to 60"),
        ([50] * 9 + [0], "warning", "no images of class '9'"),
        ([50] * 9 + [1], "warning", "a single image of class '9'"),
        ([50] * 9 + [4], "warning", "accuracy hides the small classes"),
        ([50] + [0] * 9, "error", "1 of 10 classes have images"),
    ],
)
def test_c32_class_balance(counts: list[int], severity: str, message: str) -> None:
    labels = np.repeat(np.arange(10), counts)
    finding = class_balance(dataset(noise(len(labels)), labels))
    assert finding.severity == severity
    assert message in finding.message
    assert finding.details["counts"] == dict(zip(DIGITS, counts, strict=True))
    assert finding.details["p_value"] == pytest.approx(scipy.stats.chisquare(counts).pvalue, rel=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 25, 99])
@pytest.mark.parametrize("statistic", [0.0, 1e-6, 0.5, 9.0, 100.0, 2000.0])
def test_chi_square_tail_is_scipys(degrees: int, statistic: float) -> None:
    assert chi_square_p(statistic, degrees) == pytest.approx(
        scipy.stats.chi2.sf(statistic, degrees), rel=1e-9, abs=1e-300
    )
