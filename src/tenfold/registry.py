"""Things found by name: adding one is adding a file.

A registry belongs to a package. Each public module in the package (a file that does not start with
an underscore and is not excluded) holds one factory with the module's name in CamelCase:
``augment/affine.py`` defines ``Affine`` and is found as ``affine``; ``sources/kaggle_csv.py``
defines ``KaggleCsv`` and is found as ``kaggle-csv``. Listing the names imports nothing.

Other packages add entries through entry points of the same group, such as ``tenfold.augmentation``, and so does
:mod:`tenfold.plugins`; a script adds one with :meth:`Registry.add`, for its own process only.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from tenfold.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """The factories in the modules of one package.

    Args:
        package: dotted name of the package whose files are the entries; of a module, if all entries are entry points.
        noun: what an entry is, for messages ("augmentation").
        exclude: module names that are helpers, not entries.
        attribute: what an entry's module calls its factory; its own name in CamelCase if None.
    """

    def __init__(
        self, package: str, noun: str, exclude: frozenset[str] = frozenset(), attribute: str | None = None
    ) -> None:
        self.package = package
        self.noun = noun
        self.exclude = exclude
        self.attribute = attribute
        self._added: dict[str, T] = {}

    def add(self, name: str, factory: T) -> None:
        """Make ``factory`` known as ``name`` in this process; members that are to use it need ``executor="local"``.

        For every process, let a package of your own name it as an entry point.

        Raises:
            UsageError: there is an entry of this name already.
        """
        if name in self.names() and name not in self._added:
            raise UsageError(f"there is {self.noun} {name!r} already; choose another name")
        self._added[name] = factory

    def names(self) -> list[str]:
        """All entries, sorted, without importing any of them."""
        return sorted({*self._own_names, *self._added, *self._entry_points})

    @cached_property
    def _own_names(self) -> list[str]:
        spec = importlib.util.find_spec(self.package)
        assert spec is not None, self.package
        folders = spec.submodule_search_locations or []
        modules = (module.name for module in pkgutil.iter_modules(folders))
        return [m.replace("_", "-") for m in modules if not m.startswith("_") and m not in self.exclude]

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.package)}

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def get(self, name: str) -> T:
        """The factory called ``name``.

        Raises:
            UsageError: no such entry; the message lists those there are.
        """
        if name not in self.names():
            raise UsageError(f"unknown {self.noun} {name!r}; expected one of: {', '.join(self.names())}")
        if name in self._added:
            return self._added[name]
        if name not in self._own_names:
            found: T = self._entry_points[name].load()
            return found
        module_name = name.replace("-", "_")
        module = importlib.import_module(f"{self.package}.{module_name}")
        camel_case = "".join(part.capitalize() for part in module_name.split("_"))
        factory: T = getattr(module, self.attribute or camel_case)
        return factory


class Entries(Generic[T]):
    """Things that the modules of one package register by name, several a file.

    A module calls :meth:`add` (mostly through a decorator of its package) when it is imported; all modules are imported
    when an entry is first asked for. Other packages add entries through entry points of the same group.

    Args:
        package: dotted name of the package whose files hold the entries.
        noun: what an entry is, for messages ("corruption").
    """

    def __init__(self, package: str, noun: str) -> None:
        self.package = package
        self.noun = noun
        self._known: dict[str, T] = {}
        self._is_loaded = False

    def add(self, name: str, entry: T) -> T:
        """Register ``entry``; returns it.

        Raises:
            UsageError: there is another entry of this name.
        """
        if name in self._known:
            raise UsageError(f"there is {self.noun} {name!r} already; choose another name")
        self._known[name] = entry
        return entry

    def remove(self, name: str) -> None:
        """Forget an entry that was added in this process."""
        self._known.pop(name, None)

    def load(self) -> dict[str, T]:
        """All entries by name."""
        if not self._is_loaded:
            self._is_loaded = True
            for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.package}.{module.name}")
            for point in entry_points(group=self.package):
                self.add(point.name, point.load())
        return self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self.load())

    def __contains__(self, name: object) -> bool:
        return name in self.load()

    def __getitem__(self, name: str) -> T:
        """The entry called ``name``.

        Raises:
            UsageError: no such entry; the message lists those there are.
        """
        if name not in self.load():
            raise UsageError(f"unknown {self.noun} {name!r}; expected one of: {', '.join(self._known)}")
        return self._known[name]
