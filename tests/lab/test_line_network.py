import itertools

import numpy as np
import pytest

from tenfold.reading.line_network import CORE, ROWS, likely_texts, line_image, places_of, text_scores


def rows(columns: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), columns)


def by_hand(probabilities: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every text's probability: the sum over all ways to write it."""
    found: dict[tuple[int, ...], float] = {}
    for way in itertools.product(range(probabilities.shape[1]), repeat=len(probabilities)):
        text = tuple(k for k, before in zip(way, (0, *way), strict=False) if k and k != before)
        share = float(np.prod(probabilities[np.arange(len(way)), way]))
        found[text] = found.get(text, 0.0) + share
    return found


@pytest.mark.parametrize("seed", range(3))
def test_texts_are_as_probable_as_all_their_ways_together(seed: int) -> None:
    probabilities = rows(6, 3, seed)
    expected = by_hand(probabilities)
    texts = list(expected)
    assert np.allclose(np.exp(text_scores(probabilities, texts)), list(expected.values()))
    found = likely_texts(probabilities, beam=1000, least=0)
    assert {text: pytest.approx(share) for text, share in found if share > 0} == {
        t: s for t, s in expected.items() if s > 0
    }
    assert found[0][0] == max(expected, key=expected.__getitem__)


def test_no_text_is_longer_than_the_line() -> None:
    assert text_scores(rows(3, 4), [(1, 2, 3, 1)])[0] < -600
    assert np.isnan(places_of(rows(3, 4), (1, 1, 1))).all()
    assert text_scores(rows(3, 4), []).shape == (0,)


def test_signs_stand_where_their_columns_are() -> None:
    probabilities = np.full((40, 5), 0.01)
    probabilities[:, 0] = 0.96
    for place, kind in ((4, 2), (5, 2), (12, 2), (30, 4)):
        probabilities[place] = [0.05, 0.05, 0.05, 0.05, 0.05]
        probabilities[place, kind] = 0.8
    probabilities[5, 2] = 0.9
    assert likely_texts(probabilities)[0][0] == (2, 2, 4)
    assert places_of(probabilities, (2, 2, 4)).tolist() == [5, 12, 30]


@pytest.mark.parametrize("height", [9, 20, 70])
def test_the_lines_digits_fill_the_middle_of_its_image(height: int) -> None:
    contrast = np.zeros((3 * height, 9 * height), np.float32)
    contrast[height : 2 * height, 2 * height : 7 * height] = 0.4
    image, zoom, left = line_image(contrast, (2 * height, height, 7 * height, 2 * height), height, 1.5 * height)
    assert image.shape[0] == ROWS
    inked = np.flatnonzero(image.max(axis=1) > 100)
    assert abs(len(inked) - CORE) <= 2 and abs(inked.mean() - (ROWS - 1) / 2) <= 1
    columns = np.flatnonzero(image.max(axis=0) > 100)
    assert left + columns[0] / zoom == pytest.approx(2 * height, abs=0.06 * height + 1)
    assert left + columns[-1] / zoom == pytest.approx(7 * height, abs=0.06 * height + 1)


def test_what_hangs_out_of_the_line_is_not_cut_off() -> None:
    contrast = np.zeros((100, 60), np.float32)
    contrast[5:95, 30:32] = 1  # a slash four times as tall as the digit beside it
    contrast[40:60, 10:20] = 1
    image, zoom, _ = line_image(contrast, (10, 5, 32, 95), 20, 50)
    assert zoom < CORE / 20
    assert np.ptp(np.flatnonzero(image.max(axis=1) > 60)) < ROWS - 1
