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
