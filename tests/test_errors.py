"""What a user reads when something is wrong."""

import json

import pytest

from tenfold.errors import (
    BusyError,
    DataError,
    IntegrityError,
    Problem,
    ResourceError,
    Stopped,
    TenfoldError,
    UsageError,
    from_json,
    install_command,
    missing_extra,
    printable,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TenfoldError("x"), 1),
        (UsageError("x"), 2),
        (DataError(Problem("f.csv", "a", "b")), 3),
        (ResourceError("x"), 4),
        (BusyError("x"), 5),
        (IntegrityError("x"), 6),
        (Stopped("x"), 130),
        (Stopped("x", 143), 143),
    ],
)
def test_each_error_has_the_exit_code_that_is_documented(error: TenfoldError, code: int) -> None:
    assert error.exit_code == code
    assert error.as_json()["exit_code"] == code


@pytest.mark.parametrize(
    "error",
    [
        TenfoldError("x"),
        UsageError("x\ny"),
        DataError(Problem("f.csv", "a", "b", row=1, column=2, column_name="p", hint="h"), total=9),
        ResourceError("x"),
        BusyError("x"),
        IntegrityError("x"),
        Stopped("x", 143),
    ],
    ids=lambda error: error.kind,
)
def test_an_error_survives_the_way_to_another_process(error: TenfoldError) -> None:
    again = from_json(json.loads(json.dumps(error.as_json())))
    assert type(again) is type(error)
    assert again.lines() == error.lines()
    assert again.as_json() == error.as_json()


def test_a_problem_names_file_row_column_found_expected_and_hint() -> None:
    problem = Problem("train.csv", "'256'", "an integer 0..255", row=3, column=7, column_name="pixel5", hint="clip it")
    assert str(problem) == "train.csv:3:7(pixel5): found '256', expected an integer 0..255; clip it"
    assert problem.as_json()["row"] == 3
    assert str(Problem("train.csv", "'x'", "a digit", row=3, column=1)) == "train.csv:3:1: found 'x', expected a digit"
    assert str(Problem("train.csv", "0 bytes", "a header")) == "train.csv: found 0 bytes, expected a header"


def test_a_kind_of_fault_is_one_line_with_its_number_and_some_places() -> None:
    same = [Problem("f.csv", str(i), "a digit", row=i, column=2) for i in range(2, 9)]
    other = Problem("g.csv", "x", "a digit", row=1)
    (line, last) = DataError(*same, other, Problem("f.csv", "no rows", "rows")).lines()
    assert line == "f.csv:2:2: found 2, expected a digit (8 such; also 3:2, 4:2, 5:2 and 4 more)"
    assert last == "f.csv: found no rows, expected rows"


def test_at_most_twenty_kinds_are_shown_and_the_rest_counted() -> None:
    error = DataError(*(Problem("f.csv", "x", f"digit {i}") for i in range(25)), total=1254)
    assert len(error.lines()) == 21
    assert error.lines()[-1] == "... and 1,234 more"
    assert error.as_json()["total"] == 1254


def test_a_message_of_several_lines_is_several_lines_and_several_problems() -> None:
    error = UsageError("one\ntwo")
    assert error.lines() == ["one", "two"]
    assert error.as_json()["problems"] == [{"message": "one"}, {"message": "two"}]


@pytest.mark.parametrize("evil", ["\x1b[31mred", "a\rb", "a\u202eb", "\x00", "\udc80"])
def test_no_input_can_steer_the_terminal(evil: str) -> None:
    assert printable(evil).isprintable()
    assert str(Problem(evil, evil, "x", row=1, column=1, column_name=evil)).isprintable()
    assert all(line.isprintable() for line in UsageError(f"no such file: {evil}").lines())


def test_a_missing_package_comes_with_the_command_that_installs_it() -> None:
    assert str(missing_extra("torch", "train", "training")).endswith(f"; run: {install_command('train')}")
