"""Adding a thing is adding a file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenfold.errors import UsageError
from tenfold.registry import Registry


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[type]]:
    package = tmp_path / "shop_for_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "plain.py").write_text("class Plain: pass")
    (package / "two_words.py").write_text("class TwoWords: pass")
    (package / "_private.py").write_text("raise RuntimeError('imported')")
    (package / "helper.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    yield Registry("shop_for_test", "ware", exclude=frozenset({"helper"}))
    for name in [m for m in sys.modules if m.startswith("shop_for_test")]:
        del sys.modules[name]


def test_names_are_the_public_files_and_nothing_is_imported_to_list_them(shop: Registry[type]) -> None:
    assert list(shop) == ["plain", "two-words"]
    assert "shop_for_test.plain" not in sys.modules


def test_a_name_gives_the_factory_of_its_file(shop: Registry[type]) -> None:
    assert shop.get("two-words").__name__ == "TwoWords"


@pytest.mark.parametrize("name", ["plane", "helper", "_private", "two_words", "", "os.path"])
def test_an_unknown_name_is_answered_with_those_there_are(shop: Registry[type], name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown ware .*expected one of: plain, two-words"):
        shop.get(name)


def test_a_script_adds_an_entry_but_replaces_none() -> None:
    registry: Registry[object] = Registry("tenfold.augmentation", "augmentation")
    thing = object()
    registry.add("mine", thing)
    assert registry.get("mine") is thing
    assert "mine" in registry.names()
    registry.add("mine", thing)  # a cell of a notebook that is run twice
    with pytest.raises(UsageError, match="there is augmentation 'affine' already"):
        registry.add("affine", thing)


def test_another_package_adds_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "other-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[tenfold.augmentation]\nfrost = other_frost:Frost\naffine = other_frost:Frost\n"
    )
    (tmp_path / "other_frost.py").write_text("class Frost: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry: Registry[type] = Registry("tenfold.augmentation", "augmentation")
    assert "frost" in registry.names()
    assert registry.get("frost").__name__ == "Frost"
    assert registry.get("affine").__name__ == "Affine", "our own come first"
