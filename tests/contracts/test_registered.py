"""The contract of what is registered by name, several a file: corruptions and sections of a report."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from tenfold import registry
from tenfold.errors import UsageError
from tenfold.evaluation.corruptions import CORRUPTIONS, Corruption, corrupt, corruption


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
