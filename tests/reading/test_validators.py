import pytest

from tenfold.errors import UsageError
from tenfold.reading.review import faults, parse_rule


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        ("length=5", ["12345"], ["1234", "123456"]),
        ("length=4-6", ["1234", "123456"], ["123", "1234567"]),
        ("range=1-31", ["1", "031", "31"], ["0", "32"]),
        ("date=DDMMYYYY", ["29022024", "31121999"], ["29022023", "31041999", "3112199"]),
        ("date=YYMMDD", ["240229"], ["241329"]),
        ("luhn", ["4539578763621486", "79927398713"], ["79927398710", "4539578763621487", "0"]),
        ("mod11", ["0306406152", "0471606952"], ["0306406153"]),
        ("mod97", ["3214282912345698765432161182"], ["3214282912345698765432161183"]),
        ("one-of=10|20|50", ["10", "50"], ["30"]),
    ],
)
def test_rules_take_what_is_right_and_name_what_is_wrong(rule: str, right: list[str], wrong: list[str]) -> None:
    checked = parse_rule(rule)
    for digits in right:
        assert faults(digits, [checked]) == [], digits
    for digits in wrong:
        assert faults(digits, [checked]), digits


@pytest.mark.parametrize("length", [8, 16])
def test_luhn_finds_every_single_wrong_digit(length: int) -> None:
    luhn = parse_rule("luhn")
    number = "4539578763621486"[-length:] if length == 16 else "79927398713"
    for place in range(len(number)):
        for digit in set("0123456789") - {number[place]}:
            assert luhn(number[:place] + digit + number[place + 1 :])


@pytest.mark.parametrize(
    "text",
    ["", "luhn=3", "length", "length=", "length=6-4", "range=a-b", "date=DDMM", "date=DDMMYYYYDD", "one-of=a", "x=1"],
)
def test_rules_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_rule(text)


def test_what_is_not_all_digits_is_one_fault() -> None:
    assert faults("12?4", [parse_rule("length=4")]) == ["not all of it could be read"]
    assert faults("", []) == ["not all of it could be read"]
