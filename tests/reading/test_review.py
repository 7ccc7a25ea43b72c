import numpy as np

from tenfold.reading.results import Box, Digit, Line, Reading
from tenfold.reading.review import check, parse_rule, sorted_out

GREY = np.arange(100 * 200, dtype=np.uint32).reshape(100, 200).astype(np.uint8)


def digit(label: str, x: int, *, rejected: bool = False) -> Digit:
    return Digit(
        label, 0.5, rejected, False, Box(x, 40, 10, 20), np.zeros(10, np.float32), np.zeros((28, 28), np.uint8)
    )


def test_lines_that_are_sure_and_keep_the_rules_pass_and_the_others_say_why() -> None:
    lines = (
        Line((digit("1", 50), digit("2", 70))),
        Line((digit("3", 50), digit("4", 70, rejected=True))),
        Line((digit("5", 50),)),
    )
    checked = check("a.png", GREY, Reading(lines, 200, 100), [parse_rule("length=2")])
    sure, doubtful = sorted_out(checked)
    assert [each.guess for each in sure] == ["12"]
    assert [each.faults for each in doubtful] == [("digit 2 is doubtful",), ("1 digits, expected 2",)]
    np.testing.assert_array_equal(sure[0].crop, GREY[32:68, 42:88])


def test_a_blank_picture_is_a_question() -> None:
    (only,) = check("a.png", GREY, Reading((), 200, 100))
    assert only.faults == ("nothing was found",)


def test_the_number_of_lines_may_be_known() -> None:
    reading = Reading((Line((digit("1", 5),)),), 200, 100)
    assert check("a.png", GREY, reading, lines=1)[0].faults == ()
    assert "expected 2" in check("a.png", GREY, reading, lines=2)[0].faults[0]
