"""Written lines, lessons and what is no digit: right labels, the same from the same seed, and nothing empty."""

import numpy as np
import pytest

from _handwriting import digits
from lab.synthesis.allographs import QUICK, SHAPES, allograph
from lab.synthesis.glyphs import LETTERS, cloth, curl, letter, noise, non_digit, scribble
from lab.synthesis.lessons import NOTHING, Amounts, from_line, lessons
from lab.synthesis.noughts import chain
from lab.synthesis.pens import Hand, written
from lab.synthesis.prints import ALIKE, printed
from lab.synthesis.scans import scanned
from lab.synthesis.strings import write_string
from tenfold.reading.normalise import frame
from tenfold.reading.reader import Reader
from tenfold.values.dataset import Dataset

IMAGES, LABELS = digits()
FEW = Dataset(IMAGES[:60, None], LABELS[:60], np.arange(1, 61), tuple("0123456789"))
AMOUNTS = Amounts(written=30, strings=12, wrong=4, nothing=20, scanned=30, drawn=40)


def test_lessons_are_the_same_from_the_same_seed_and_part() -> None:
    one, again = lessons(FEW, 3, amounts=AMOUNTS), lessons(FEW, 3, amounts=AMOUNTS)
    other = lessons(FEW, 4, amounts=AMOUNTS)
    assert one.fingerprint() == again.fingerprint() != other.fingerprint()
    assert one.class_names == (*FEW.class_names, NOTHING)
    assert one.images.shape[1:] == (1, 28, 28)
    assert set(one.labels.tolist()) == set(range(11))
    assert one.images.any(axis=(1, 2, 3)).mean() > 0.99


def test_parts_share_the_digits_out() -> None:
    parts = [lessons(FEW, 3, part, 2, Amounts(0, 0, 0, 0, 0, 0)) for part in range(2)]
    assert [len(part) for part in parts] == [30, 30]
    np.testing.assert_array_equal(parts[1].labels, FEW.labels[1::2])


def test_other_amounts_of_what_is_no_digit_leave_the_digits_as_they_are() -> None:
    few, many = (lessons(FEW, 3, amounts=Amounts(20, 4, 4, nothing, 5, 10)) for nothing in (5, 50))
    count = len(few) - 5 - 5
    np.testing.assert_array_equal(few.images[:count], many.images[:count])


def test_the_digits_of_lessons_are_what_their_labels_say() -> None:
    made = lessons(FEW, 5, amounts=AMOUNTS)
    known = made.labels < 10
    found = Reader().bundle.predict_proba(made.images[known]).argmax(axis=1)
    assert (found == made.labels[known]).mean() > 0.85


def test_noughts_in_one_go_stand_side_by_side_and_belong_each_to_itself() -> None:
    for seed in range(20):
        links = chain(4, 40, np.random.default_rng(seed))
        middles = [left + ink.shape[1] / 2 for ink, left, _ in links]
        assert len(links) == 4
        assert middles == sorted(middles)
        assert all(ink.max() > 0.5 for ink, _, _ in links)
    labels = np.array([7, 0, 0, 3, 0, 0, 0])
    images = np.stack([IMAGES[np.flatnonzero(LABELS == label)[0]] for label in labels])
    line = write_string(images, labels, np.random.default_rng(1), marks=0, chained=1.0)
    assert line.text == "7003000"
    assert set(np.unique(line.owners).tolist()) >= set(range(8))


@pytest.mark.parametrize("kind", [scribble, cloth, noise, curl, letter, printed, non_digit])
def test_what_is_no_digit_has_ink_and_no_two_are_alike(kind) -> None:
    rng = np.random.default_rng(0)
    made = [frame(kind(rng)) for _ in range(12)]
    assert all(image.any() for image in made)
    assert len({image.tobytes() for image in made}) == 12


def test_every_letter_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    for name in LETTERS:
        assert letter(rng, name).max() > 0.5


def test_a_line_knows_whose_ink_is_whose() -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(IMAGES), 5)
    line = write_string(IMAGES[rows], LABELS[rows], rng, closeness=(0.1, 0.3), marks=1.0)
    assert line.text == "".join(map(str, LABELS[rows]))
    assert set(np.unique(line.owners).tolist()) >= set(range(6))
    left = [np.flatnonzero((line.owners == i + 1).any(axis=0)).mean() for i in range(5)]
    assert left == sorted(left)


def test_a_thicker_pen_leaves_more_ink_and_a_slant_moves_the_top() -> None:
    image, label = IMAGES[0], int(LABELS[0])
    thin, thick = (written(image, label, Hand(pen=pen), np.random.default_rng(0)).mean() for pen in (-1.5, 0.8))
    assert thick > 1.3 * thin
    leaning = written(_stick(), 1, Hand(slant=0.4), np.random.default_rng(0))
    top, bottom = (np.flatnonzero(rows.max(axis=0) > 0.5).mean() for rows in (leaning[:5], leaning[-5:]))
    assert top > bottom + 5


def test_a_thin_stroke_stays_thin() -> None:
    one = np.zeros((28, 28), np.uint8)
    one[4:24, 14] = 255
    ink = written(one, 1, Hand(), np.random.default_rng(0), 80)  # four pixels for one
    assert 3 < np.median(ink.sum(axis=1)) < 8


def test_a_one_that_has_an_upstroke_gets_no_other() -> None:
    flagged = _stick()
    for step in range(12):
        flagged[4 + step, 12 - step // 2 : 14 - step // 2] = 255
    more = []
    for image in (flagged, _stick()):
        plain, european = (
            written(image, 1, Hand(european=each), np.random.default_rng(0), 40).sum() for each in (False, True)
        )
        more.append(european / plain)
    assert abs(more[0] - 1) < 0.05
    assert more[1] > 1.1


def test_two_ones_that_touch_are_not_called_no_digit() -> None:
    sticks, rng = np.stack([_stick(), _stick()]), np.random.default_rng(4)
    line = write_string(sticks, np.array([1, 1]), rng, closeness=(-0.1, -0.1), marks=0)
    assert {label for _, label in from_line(line, 10, rng, 9)} == {1}


def _stick() -> np.ndarray:
    """A one as MNIST has it, (28, 28)."""
    stick = np.zeros((28, 28), np.uint8)
    stick[4:24, 13:15] = 255
    return stick


def test_scans_have_few_pixels_and_often_two_levels() -> None:
    rng = np.random.default_rng(0)
    ink = written(IMAGES[0], int(LABELS[0]), Hand(), rng, 40)
    made = [scanned(ink, rng) for _ in range(60)]
    rows = [
        len(scan) // 3 if np.array_equal(scan[::3], scan[1::3]) else len(scan) for scan in made if len(scan) % 3 == 0
    ]
    assert all(10 <= count <= 24 for count in rows)
    two = [scan for scan in made if len(np.unique(scan)) == 2]
    assert 10 < len(two) < 50
    aspects = [scan.shape[1] / scan.shape[0] for scan in made]
    assert max(aspects) > 1.15 * min(aspects)


def test_every_shape_of_a_digit_can_be_drawn_and_most_are_read() -> None:
    rng = np.random.default_rng(0)
    labels = [label for label in SHAPES for _ in range(12)]
    images = np.stack([allograph(rng, label) for label in labels])
    assert images.shape == (120, 28, 28)
    assert (images.max(axis=(1, 2)) >= 250).all()
    assert (Reader().bundle.predict_proba(images[:, None]).argmax(axis=1) == labels).mean() > 0.7


def test_quick_shapes_are_drawn_where_they_are_asked_for() -> None:
    assert set(QUICK) == set(SHAPES)
    rng = np.random.default_rng(0)
    images = np.stack([allograph(rng, label, quick=1.0) for label in QUICK for _ in range(12)])
    labels = np.repeat(list(QUICK), 12)
    assert (images.max(axis=(1, 2)) >= 250).all()
    assert (Reader().bundle.predict_proba(images[:, None]).argmax(axis=1) == labels).mean() > 0.7


def test_what_is_printed_is_no_letter_that_could_be_a_digit() -> None:
    assert {"O", "o", "l", "S", "З", "Λ"} <= ALIKE
    assert not {"A", "K", "W"} & ALIKE


def test_a_hand_that_is_unsteady_bends_strokes_and_keeps_their_ink() -> None:
    image, label = IMAGES[0], int(LABELS[0])
    steady, bent = (written(image, label, Hand(unsteady=each), np.random.default_rng(0), 60) for each in (0.0, 0.8))
    assert abs(bent.sum() / steady.sum() - 1) < 0.3
    assert bent.shape != steady.shape or np.abs(bent - steady).mean() > 0.01


def test_ligatures_belong_to_the_digits_that_they_join() -> None:
    rng = np.random.default_rng(2)
    rows = rng.integers(0, len(IMAGES), 4)
    for seed in range(40):
        line = write_string(IMAGES[rows], LABELS[rows], np.random.default_rng(seed), closeness=(0.2, 0.3), marks=0)
        assert set(np.unique(line.owners).tolist()) == set(range(5))
