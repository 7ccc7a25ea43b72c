"""What the public functions share: the types of their parameters, and how data, progress and images are found."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec, TypedDict, TypeVar

from tenfold.data import ReadOptions, Role
from tenfold.errors import UsageError

if TYPE_CHECKING:
    from tenfold.bundle.predict import Bundle
    from tenfold.pipeline import Listener, Settings
    from tenfold.values.dataset import Dataset
    from tenfold.values.predictions import Predictions
    from tenfold.values.recipe import Recipe
    from tenfold.values.run import Run


P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """What the command line adds to a parameter's type: its name there, what stands for its value, its limits.

    ``many`` sources may be given, and are read as one.
    """

    name: str | None = None
    metavar: str | None = None
    low: float | None = None
    high: float | None = None
    many: bool = False


RecipeLike = Annotated["str | Path | Recipe", Option(metavar="RECIPE.toml")]
InMemory = Any
"""Arrays, pictures, tensors, (images, labels), frames: what :mod:`tenfold.data.memory` takes."""
Source = Annotated["str | Path | Dataset | InMemory", Option(metavar="SOURCE")]
Sources = Annotated["str | Path | Dataset | InMemory | list[str | Path | Dataset]", Option(metavar="SOURCE", many=True)]
"""One source, or several as one: the images of all; on the command line the option may be repeated."""
Model = Annotated["str | Path | Run | Bundle", Option(metavar="RUN|BUNDLE")]
RunLike = Annotated["str | Path | Run", Option(metavar="RUN")]
OutOfFold = Annotated["str | Path | Run | Predictions", Option(metavar="RUN|FILE")]
Overrides = Annotated[Sequence[str], Option("--set", "KEY=VALUE")]
Track = Annotated[Sequence[str], Option(metavar="NAME[=PLACE]")]
Count = Annotated[int, Option(low=1)]
Minutes = Annotated[float, Option(metavar="MINUTES", low=0.1)]
Page = Annotated["str | Path", Option(metavar="FILE.html")]
Folder = Annotated["str | Path", Option(metavar="DIR")]
Progress = Annotated["bool | Listener", Option()]
On = Literal["test", "validation"]


class Compute(TypedDict, total=False):
    """What every function that trains takes by keyword; see :func:`sharing`.

    Args:
        options: how to read the sources.
        executor: where members run: processes, ray (see docs/scaling.md) or local.
        workers: members trained at once; default: one a core, or on a cluster all.
        device: auto, cpu, cuda or mps.
        progress: True shows it, False does not, a listener hears it.
    """

    options: ReadOptions
    executor: str
    workers: Count | None
    device: str
    progress: Progress


class Training(Compute, total=False):
    """What every function that starts a training takes besides.

    Args:
        overrides: override a recipe key, such as train.epochs=3; may be repeated.
        out: folder for run directories.
        track: copy curves, parameters and files to mlflow or tensorboard, too; may be repeated.
    """

    overrides: Overrides
    out: Folder
    track: Track


_USUAL = {
    "options": ReadOptions(),
    "executor": "processes",
    "workers": None,
    "device": "auto",
    "progress": True,
    "overrides": (),
    "out": "runs",
    "track": (),
}


def sharing(keywords: type) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: signature and docstring have the keywords of ``keywords`` as if they were written there.

    A type checker knows them by ``**given: Unpack[...]``. What the docstring itself says of one of them stays.
    """

    def complete(function: Callable[P, T]) -> Callable[P, T]:
        written = inspect.signature(function)  # below: a TypedDict has the annotations of its bases, too
        hints = {name: getattr(hint, "__forward_arg__", hint) for name, hint in keywords.__annotations__.items()}
        own = [one for one in written.parameters.values() if one.kind is not one.VAR_KEYWORD]
        by_keyword = inspect.Parameter.KEYWORD_ONLY
        shared = [inspect.Parameter(n, by_keyword, default=_USUAL[n], annotation=hints[n]) for n in hints]
        whole = written.replace(parameters=[*own, *shared])

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            if unknown := kwargs.keys() - whole.parameters.keys():
                raise TypeError(f"{function.__name__}() got an unexpected keyword argument {min(unknown)!r}")
            return function(*args, **kwargs)

        call.__signature__ = whole  # type: ignore[attr-defined]
        call.__annotations__ = {**hints, **{n: hint for n, hint in function.__annotations__.items() if n != "given"}}
        call.__doc__ = _with_arguments(function.__doc__ or "", keywords)
        return call

    return complete


def _with_arguments(text: str, keywords: type) -> str:
    """The docstring with the lines of ``keywords`` behind its own arguments."""
    head, _, rest = text.partition("    Args:\n")
    own, blank, rest = rest.partition("\n\n")
    shared = "".join(base.__doc__ or "" for base in (Compute, keywords))
    for name, line in dict(re.findall(r"^ {8}(\w+)(: .*(?:\n {12}.*)*)", shared, re.MULTILINE)).items():
        if not re.search(rf"^ {{8}}{name}:", own, re.MULTILINE):
            own += f"\n        {name}{line}"
    return f"{head}    Args:\n{own}{blank}{rest}"


def settings_of(given: Mapping[str, Any], **more: Any) -> Settings:
    """Where and how to work, by the keywords of :class:`Training` and what else a function takes."""
    from tenfold.pipeline import Settings

    named = {name: given[name] for name in ("options", "executor", "workers", "device") if name in given}
    return Settings(Path(given.get("out", "runs")), **named, **more)


def prepared(
    recipe: str | Path | Recipe,
    train: Sources | None,
    test: Source | None,
    overrides: Sequence[str],
    options: ReadOptions,
) -> tuple[Recipe, dict[str, Dataset]]:
    """The recipe with its sources named, and those of them that are in memory, read by ``options``."""
    from tenfold.api.recipes import load_recipe
    from tenfold.values.dataset import Dataset
    from tenfold.values.recipe import Recipe

    loaded = recipe.overridden(overrides) if isinstance(recipe, Recipe) else load_recipe(recipe, overrides)
    options = options.or_classes(loaded.data.class_names)
    train = _in_memory(train, "train", options)
    if isinstance(train, Dataset):  # what it is decides what the test set has to be
        shape = options.shape if options.resize else train.image_shape
        options = replace(options, shape=shape, class_names=train.class_names)
    test = _in_memory(test, "test", options)

    given = {"train": loaded.data.train, "test": loaded.data.test}
    if train is not None:  # the recipe's own test set belongs to its own training set
        given = {"train": source_name(train), "test": None}
    if test is not None:
        given["test"] = source_name(test)
    loaded = loaded.model_copy(update={"data": loaded.data.model_copy(update=given)})
    datasets = {name: source for name, source in (("train", train), ("test", test)) if isinstance(source, Dataset)}
    return loaded, datasets


def _in_memory(source: Sources | None, role: Role, options: ReadOptions) -> Source | None:
    """The source's name, or the dataset that it is; of several sources, one for all."""
    from tenfold.data.joined import joined, joined_name
    from tenfold.values.dataset import Dataset

    if isinstance(source, list) and source and all(isinstance(one, str | Path | Dataset) for one in source):
        if not any(isinstance(one, Dataset) for one in source):
            return joined_name(map(str, source))
        names = [f"dataset {n}" if isinstance(one, Dataset) else str(one) for n, one in enumerate(source, 1)]
        return joined([read_source(one, role, options) for one in source], names)
    return source if source is None or isinstance(source, str | Path) else read_source(source, role, options)


def source_name(source: Source) -> str:
    """What a recipe records of a source; a dataset from memory is found again in the cache by its fingerprint."""
    from tenfold.pipeline import MEMORY
    from tenfold.values.dataset import Dataset

    return f"{MEMORY}{source.fingerprint()[:16]}" if isinstance(source, Dataset) else str(source)


def read_source(source: Source, role: Any = "train", options: Any = None) -> Dataset:
    """The dataset itself, or what is read from a path, a name or memory."""
    from tenfold.data.load import load

    return load(source, role, options or ReadOptions())


def heard_by(given: Mapping[str, Any], folder: Path) -> Listener:
    """The listener that the keyword ``progress`` means, and the trackers that ``track`` names."""
    from tenfold.pipeline import Listener
    from tenfold.progress import listener_for
    from tenfold.tracking import tracked

    progress = given.get("progress", True)
    listener = progress if isinstance(progress, Listener) else listener_for(quiet=not progress)
    return tracked(listener, given.get("track", ()), folder)


def as_run(run: str | Path | Run, *, complete: bool = True) -> Run:
    """The run itself, or the one in a directory; "latest" is the newest below ``runs``.

    Raises:
        UsageError: "latest", and there is none.
    """
    from tenfold.values.run import Run

    return run if isinstance(run, Run) else Run(place_of(run, complete=complete))


LATEST = "latest"
AGO = re.compile(rf"{LATEST}(?:~(\d{{1,6}}))?(?:[/\\](.+))?")
"""latest, latest~1 (the run before it), latest/submission.csv."""


def place_of(run: str | Path | Run, *, complete: bool = True) -> Path:
    """The directory of a run or bundle, or a file in it.

    "latest" is the newest (complete) run below ``runs``, "latest~1" the one before it, and so on.

    Raises:
        UsageError: "latest", and there is none.
    """
    from tenfold.values.run import Run, list_runs

    if isinstance(run, Run):
        return run.path
    ago = AGO.fullmatch(str(run))
    if ago is None or Path(run).exists():
        return Path(run)
    before, inside = int(ago[1] or 0), ago[2] or ""
    made = [found for found in list_runs(Path("runs")) if found.is_complete or not complete]
    if len(made) <= before:
        raise UsageError(f"{run}: the folder runs has {len(made)} such runs; make one with: tenfold run")
    made.sort(key=lambda found: (found.path.stat().st_mtime_ns, found.path.name))
    return made[-1 - before].path / inside


def opened(model: Model, threads: int | None = None) -> Bundle:
    """The bundle of a run, in a folder, called "builtin", or released under a name."""
    from tenfold.bundle.predict import Bundle

    return model if isinstance(model, Bundle) else Bundle.open(place_of(model), threads)


def insist_on_free(replace: bool, *paths: str | Path | None, option: str = "--out") -> None:
    """Nothing is written, read or computed if something stands in the way of a part of it.

    Raises:
        UsageError: a file exists, or its folder does not.
    """
    for path in (Path(path) for path in paths if path is not None):
        if path.exists() and not replace:
            raise UsageError(f"{path} exists; pass --force to replace it, or choose another name with {option}")
        if not path.parent.is_dir():
            raise UsageError(f"{path.parent} is no folder; make it, or choose another place with {option}")


def images_of(run: Run, on: On) -> Dataset:
    """The images of the predictions called ``on``, row for row, read again from where the run had them.

    Raises:
        UsageError: the run has none of that name.
        IntegrityError: the source has changed since, or is gone.
    """
    from tenfold.pipeline.datasets import images_behind, load_again

    data = run.recipe.data
    if on == "test":
        if data.test is None:
            raise UsageError(f"{run.path} has no test set; choose --on validation")
        return load_again(run, "test", ReadOptions())
    if not (run.path / "split.npz").is_file():
        raise UsageError(f"{run.path} held no rows out; choose --on test")
    held = images_behind(run, load_again(run, "train", ReadOptions()), None)
    if "validation" not in held:
        raise UsageError(f"{run.path} held no rows out; choose --on test")
    return held["validation"]
