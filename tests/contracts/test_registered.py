"""The contract of what is registered by name, several a file: corruptions, checks of data and sections of a report."""

import dataclasses
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from _report_runs import RunMaker, digits, predict
from tenfold import registry
from tenfold.data.checks import CHECKS, Check, Finding, Subject, check
from tenfold.errors import UsageError
from tenfold.evaluation.corruptions import CORRUPTIONS, Corruption, corrupt, corruption
from tenfold.report.page import write_report
from tenfold.report.sections import SECTIONS, Material, Section, filled


@pytest.fixture
def rain() -> Iterator[str]:
    @corruption(in_mnist_c=False)
    def rain(images, severity, generator):  # type: ignore[no-untyped-def]
        """Every other column a little brighter."""
        images = images.copy()
        images[..., ::2] += 0.1 * severity
        return images

    yield "rain"
    CORRUPTIONS.remove("rain")


@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_a_corruption_says_what_it_does_and_how_strong_it_was_released(name: str) -> None:
    some = CORRUPTIONS[name]
    assert some.description.endswith((".", "5."))
    assert len(some.description) > 10
    assert some.released is None or (some.in_mnist_c and 1 <= some.released <= 5)


def test_a_function_with_the_decorator_is_a_corruption(rain: str) -> None:
    images = np.zeros((2, 1, 4, 4), np.uint8)
    assert (corrupt(images, rain, 2)[..., 0] == 51).all()
    assert rain in list(CORRUPTIONS)
    with pytest.raises(UsageError, match="already; choose another name"):
        CORRUPTIONS.add(rain, CORRUPTIONS[rain])


def test_another_package_adds_entries_by_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "tenfold.evaluation.corruptions"
    point = EntryPoint("upside-down", "numpy:flipud", group)
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [point] if group == point.group else [])
    entries: registry.Entries[Corruption] = registry.Entries(group, "corruption")
    assert "upside-down" in entries
    assert entries["upside-down"] is np.flipud
    with pytest.raises(UsageError, match=r"unknown corruption 'sideways'; expected one of: .*upside-down"):
        entries["sideways"]


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_check_makes_the_finding_of_its_name_and_leaves_the_data_alone(name: str) -> None:
    train, test = digits(60), digits(60).take(range(20))
    before = train.fingerprint(), test.fingerprint()
    some = CHECKS[name]
    subject = Subject(train, test)
    assert all(subject.has(need) for need in some.needs)
    found = some.look(subject)
    assert found.name == name
    assert 0 <= found.count <= found.total
    assert (train.fingerprint(), test.fingerprint()) == before
    orders = [other.order for other in CHECKS.load().values()]
    assert orders.count(some.order) == 1


def test_a_check_of_another_package_runs_with_the_others_where_its_needs_are_met() -> None:
    def look(subject: Subject) -> Finding:
        return Finding("weather", "warning", 1, 1, f"{len(subject.tested)} test images in the rain")

    CHECKS.add("weather", Check(look, 55, ("test",)))
    try:
        data = digits(20)
        assert [f.name for f in check(data, data)][-3:-1] == ["weather", "leakage"]
        assert "weather" not in [f.name for f in check(data)]
    finally:
        CHECKS.remove("weather")


@pytest.mark.parametrize("key", sorted(SECTIONS))
def test_a_section_has_title_order_template_and_needs_that_there_are(key: str) -> None:
    some = SECTIONS[key]
    assert key == f"{some.page}-{some.name}"
    assert some.title[0].isupper()
    assert (files("tenfold.report") / "templates" / some.template).is_file()
    if some.page == "model":
        assert set(some.needs) <= {field.name for field in dataclasses.fields(Material)}
    orders = [other.order for other in SECTIONS.load().values() if other.page == some.page]
    assert orders.count(some.order) == 1


def test_a_page_about_nothing_has_no_section() -> None:
    assert filled("model", Material(("a", "b")))["sections"] == []


def test_a_section_of_another_package_stands_on_the_page_in_its_place(tmp_path: Path) -> None:
    data = digits(40)
    made = predict(data, {3: 5})
    mine = Section(
        "weather",
        "Weather",
        35,
        lambda of: {"errors": int((~of.made.correct).sum())} if of.made is not None else None,
        needs=("made",),
        markup='<section id="weather"><h2>Weather</h2>{{ weather.errors }} &lt; 2</section>',
    )
    SECTIONS.add("model-weather", mine)
    try:
        page = write_report(RunMaker(tmp_path)({"test": made}), {"test": data}).read_text()
    finally:
        SECTIONS.remove("model-weather")
    assert '<section id="weather"><h2>Weather</h2>1 &lt; 2</section>' in page
    places = [page.index(f'<a href="#{name}">') for name in ("confusion", "weather", "mistakes")]
    assert places == sorted(places)
