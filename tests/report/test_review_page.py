from pathlib import Path

import numpy as np
import pytest

from _browser import CHROMIUM, drive
from tenfold.report.question_pages import Question, write_review_page

CROP = np.full((60, 200), 240, np.uint8)
CROP[20:40, 90:110] = 10
QUESTIONS = [
    Question("form 1.png", 1, "123", ("digit 2 is doubtful",), CROP),
    Question("=cmd().png", 2, "45", ("2 digits, expected 3",), CROP),
    Question("<script>alert(1)</script>.png", 1, "", ("nothing was found",), CROP),
]

ANSWER = """
const press = (input, shiftKey = false) => input.dispatchEvent(
  new KeyboardEvent("keydown", { key: "Enter", shiftKey, bubbles: true, cancelable: true }));
const inputs = [...document.querySelectorAll("#questions input")];
const save = document.getElementById("save");
const log = { first: document.activeElement.id, disabled: save.disabled };
inputs[0].value = "12x"; press(inputs[0]);
log.refused = document.querySelectorAll(".done").length;
inputs[0].value = "128"; press(inputs[0]);
log.second = document.activeElement.id;
press(inputs[1], true);
log.back = document.activeElement.id;
press(inputs[1]); press(inputs[2]);
log.count = document.getElementById("count").textContent;
log.enabled = !save.disabled;
log.focus = document.activeElement.id;
const event = new CustomEvent("table", { detail: {} });
document.getElementById("questions").dispatchEvent(event);
log.table = event.detail.text;
log.wide = document.documentElement.scrollWidth;
return log;
"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [320, 1280])
def test_a_person_confirms_with_keys_alone(tmp_path: Path, width: int) -> None:
    page = tmp_path / "review.html"
    write_review_page(QUESTIONS, page, sure=7)
    log = drive(page, ANSWER, tmp_path, width=width)
    assert log["first"] == "answer1"
    assert log["disabled"] and log["refused"] == 0
    assert log["second"] == "answer2" and log["back"] == "answer1"
    assert log["count"] == "3 of 3" and log["enabled"] and log["focus"] == "save"
    assert log["table"].splitlines() == [
        "file,line,text,confidence",
        "form 1.png,1,128,1.000000",
        "'=cmd().png,2,45,1.000000",
        "<script>alert(1)</script>.png,1,,1.000000",
    ]
    assert log["wide"] <= width


def test_names_of_files_are_text_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    write_review_page(QUESTIONS, page, sure=1)
    assert "<script>alert(1)" not in page.read_text("utf-8")
    assert "default-src 'none'" in page.read_text("utf-8")


def test_no_question_is_a_page_too(tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    write_review_page([], page, sure=3)
    assert "0 lines to confirm" in page.read_text("utf-8")
