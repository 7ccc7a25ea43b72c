import numpy as np

from tenfold.evaluation.metrics import ConfusedPair, hardest_rows, mistaken_rows, most_confused_pairs

LABELS = np.array([0, 1, 2, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.1, 0.8, 0.1], [0.95, 0.05, 0.0], [0.5, 0.3, 0.2]])


def test_mistaken_rows_start_with_the_most_confident():
    assert mistaken_rows(LABELS, PROBABILITIES).tolist() == [3, 2, 1]


def test_hardest_rows_go_by_the_probability_of_the_truth():
    assert hardest_rows(LABELS, PROBABILITIES).tolist() == [3, 2, 1, 4, 0]
    assert hardest_rows(LABELS, PROBABILITIES, limit=2).tolist() == [3, 2]


def test_most_confused_pairs_leave_out_the_diagonal_and_break_ties_by_class():
    matrix = np.array([[50, 1, 4], [4, 60, 0], [0, 1, 70]])
    assert most_confused_pairs(matrix) == [
        ConfusedPair(0, 2, 4),
        ConfusedPair(1, 0, 4),
        ConfusedPair(0, 1, 1),
        ConfusedPair(2, 1, 1),
    ]
    assert most_confused_pairs(matrix, limit=1) == [ConfusedPair(0, 2, 4)]


def test_a_perfect_matrix_has_no_pairs():
    assert most_confused_pairs(np.diag([5, 7])) == []
