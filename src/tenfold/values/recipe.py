"""A recipe: everything that decides what a training produces, as TOML.

The seed, the data, the model, the augmentation, the training schedule and the ensemble. Two recipes
with the same :meth:`Recipe.key` train the same networks on the same rows.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tenfold.errors import UsageError
from tenfold.registry import Registry
from tenfold.values.names import RECIPE_NAME, check_class_names
from tenfold.values.serialisation import apply, dumps, loads

Scalar = bool | int | float | str


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(_Table):
    """Numbers from ``low`` to ``high``, both included; whole ones where both ends and the step are."""

    low: int | float
    high: int | float
    log: bool = False
    """Equal ratios are equally likely: for learning rates and penalties."""
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"found low = {self.low} and high = {self.high}, expected low < high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a logarithmic range starts above 0 and has no step")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether its values are integers."""
        return all(isinstance(value, int) for value in (self.low, self.high, 1 if self.step is None else self.step))


class TuneSettings(_Table):
    """A search: ``ranges`` maps keys as ``--set`` takes them to a range, or to a list of choices."""

    trials: Annotated[int, Field(ge=1, le=100_000)] = 30
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds that the rows are dealt into; a trial is judged by out-of-fold rows."""
    scored: Annotated[int, Field(ge=1)] = 1
    """How many of the folds each trial trains: 1 is a quick look, all of them a cross-validation."""
    metric: Literal["accuracy", "log-loss"] = "accuracy"
    startup: Annotated[int, Field(ge=1)] = 10
    """Trials drawn at random before the search learns from them; none of them is stopped early, either."""
    prune: bool = True
    """Stop a trial whose first member is, after an epoch, worse on its held-out rows than the median of the others."""
    ranges: Annotated[dict[str, Range | Annotated[tuple[Scalar, ...], Field(min_length=2)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_the_folds(self) -> Self:
        if self.scored > self.folds:
            raise ValueError(f"found scored = {self.scored} of folds = {self.folds}, expected no more than there are")
        return self


Share = Annotated[float, Field(ge=0, lt=1)]


class _OpenTable(BaseModel):
    """A table whose further keys belong to the thing that ``kind`` names; that thing checks them."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    kind: str

    @model_validator(mode="after")
    def _is_plain(self) -> Self:
        try:
            json.dumps(self.model_extra, allow_nan=False, default=str)
        except (ValueError, RecursionError):
            raise ValueError("every number must be finite, and tables not nested too deep") from None
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The keys besides ``kind``."""
        return dict(self.model_extra or {})


class DataSettings(_Table):
    """Where rows come from and which of them train."""

    train: str = "mnist"
    test: str | None = None
    class_names: tuple[str, ...] | None = None
    """Names of the classes in their order, as ``--classes`` gives them; None takes what the source says."""
    validation: Share = 0.1
    """Share of the training rows held out, stratified; 0 trains on all of them."""
    bag: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the remaining rows that each member draws, another draw for each."""
    limit: Annotated[int, Field(gt=0)] | None = None
    """Use only this many training rows, stratified: for quick trials."""
    holdout: Share = 0
    """Share of the rows left by ``validation`` that are a test set of their own: nothing is chosen by them."""
    draw: Literal["stratified", "shuffled"] = "stratified"
    """How held-out rows are drawn: ``stratified``, copies of an image on one side, or ``shuffled`` as scikit-learn's
    ``train_test_split`` does after ``numpy.random.seed(seed)``, whatever the classes and the copies."""
    folds: Annotated[int, Field(ge=0)] = 0
    """Cross-validate the rows that train, too, in so many folds; 0 does not. The run's report then has both."""

    @field_validator("class_names")
    @classmethod
    def _are_names(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None:
            check_class_names(names)
        return names

    @field_validator("folds")
    @classmethod
    def _is_no_single_fold(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("expected 0 or at least 2 folds")
        return folds


class EarlyStopping(_Table):
    """Stop when the monitored validation figure has not improved for ``patience`` epochs."""

    monitor: Literal["loss", "accuracy"] = "loss"
    patience: Annotated[int, Field(ge=1)] = 10
    min_delta: Annotated[float, Field(ge=0)] = 0.001


class Selective(_Table):
    """Learn only from the images of each batch that the network finds hardest, once it knows the easy ones."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of each batch; the others cost a forward pass only. The work of a step shrinks to 1/3 + share."""
    after: Annotated[int, Field(ge=0)] = 2
    """Epochs that learn from all images first."""


class Progressive(_Table):
    """Learn from smaller images first: they cost less, and show enough for a beginning."""

    size: Annotated[int, Field(ge=4)]
    """Height and width in pixels that images are scaled to."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the steps, from the first on."""


class Pruning(_Table):
    """Leave out, in each epoch, a share of the images that are known well by then; which of them is drawn anew each
    time.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of the images whose last loss was below the mean of all."""
    until: Annotated[float, Field(gt=0, le=1)] = 0.875
    """Share of the epochs after which all images are learnt from again."""


def _optimizer(name: str) -> str:
    """``name``, if a file or another package has this optimiser; nothing is imported to find out."""
    if name not in (known := Registry("tenfold.training.optimisers", "optimizer").names()):
        raise PydanticCustomError("literal_error", f"Input should be {', '.join(map(repr, known))}")
    return name


class TrainSettings(_Table):
    """How one member is trained."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    batch_size: Annotated[int, Field(ge=1)] = 128
    """Images in a step, of each replica."""
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    """Processes, or GPUs, that train one network together: a step takes the mean gradient of ``replicas * batch_size``
    images.
    """
    sync_batch_norm: bool = True
    """Whether batch norms see the images of all replicas; else each sees its own, and the statistics are averaged."""
    optimizer: Annotated[str, AfterValidator(_optimizer)] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    momentum: Share = 0.9
    schedule: Literal["one-cycle", "cosine", "constant", "exponential", "plateau"] = "one-cycle"
    warmup: Share = 0.2
    """Share of all steps in which the rate rises (one-cycle)."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Factor per epoch (exponential) or per plateau."""
    plateau_patience: Annotated[int, Field(ge=1)] = 3
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Of convolutions and matrix products while training; weights, batch norms and predictions stay float32. bfloat16
    is
    quicker where the processor has instructions for it, such as AVX512_BF16, AMX or CUDA's tensor cores, else slower;
    auto takes it just there."""
    label_smoothing: Share = 0.0
    weight_average: Share = 0.0
    """Share of the last steps over which weights are averaged; 0 keeps the last weights."""
    progressive: Progressive | None = None
    selective: Selective | None = None
    pruning: Pruning | None = None
    clean_epochs: Annotated[int, Field(ge=0)] = 0
    """Last epochs that see the images without augmentation."""
    early_stopping: EarlyStopping | None = None
    keep: Literal["last", "best"] = "last"
    """Which weights a member ends with: those of the last epoch, or of the best by validation."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 2.0


class EnsembleSettings(_Table):
    """How many members there are, and how they vote."""

    members: Annotated[int, Field(ge=1, le=10_000)] = 1
    vote: Literal["mean", "log-mean"] = "mean"
    """``mean`` of the probabilities (soft vote), or of their logarithms (geometric mean)."""
    shifts: Annotated[int, Field(ge=0, le=3)] = 0
    """A member's opinion is its mean over all shifts of up to so many pixels: 1 has 5 of them, 2 has 13, 3 has 25,
    and predicting takes as many times longer."""

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """(down, right) of each shift, in pixels; only (0, 0) without any."""
        reach = range(-self.shifts, self.shifts + 1)
        return [(down, right) for down in reach for right in reach if abs(down) + abs(right) <= self.shifts]


_NOT_IN_KEY: Any = {
    **dict.fromkeys(("name", "claim", "expected", "tune", "fit", "fitted_from"), True),
    "data": {"train", "test", "class_names", "folds"},  # the names of its classes are part of a data set's fingerprint
}


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


class Recipe(_Table):
    """One experiment. See the class's fields for every key that a TOML file may have.

    Example:
        >>> import tenfold
        >>> recipe = tenfold.load_recipe("quick", ["seed=7"])
        >>> recipe.seed, recipe.key() == tenfold.load_recipe("quick").key()
        (7, False)
    """

    name: Annotated[str, Field(pattern=RECIPE_NAME)]
    claim: str = ""
    """What a run of this recipe shows, for people; the ``expected`` table says it in numbers."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: DataSettings = DataSettings()
    model: Annotated[tuple[ModelSettings, ...], BeforeValidator(_one_or_many), Field(min_length=1)]
    """One table, or several: member i is built from table i modulo their number."""
    augment: tuple[AugmentSettings, ...] = ()
    train: TrainSettings = TrainSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    expected: dict[str, float | str] = {}
    fit: tuple[Literal["layers", "shift", "steps"], ...] = ()
    """What a training suits to its data: the layers to size and channels, shifts to the size, batch and epochs to the
    rows. A key that ``--set`` or a recipe that extends this one gives is left as it is.
    """
    fitted_from: str = ""
    """In a run's recipe: the key of the recipe as it was before it was fitted; empty where nothing had to change."""
    tune: TuneSettings | None = None
    """What `tenfold tune` searches through; a training does not look at it."""

    def model_of(self, member: int) -> ModelSettings:
        """The model table that member number ``member`` is built from."""
        return self.model[member % len(self.model)]

    def key(self) -> str:
        """16 hexadecimal digits of the SHA-256 of everything that decides the result.

        Names, claims and what might be tuned don't; nor do the sources, since data are known by their fingerprint. A
        recipe that has yet to be fitted has the key that it has on data which it suits as it is.
        """
        canonical = json.dumps(self.deciding(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def deciding(self) -> dict[str, Any]:
        """Everything that :meth:`key` is made from, as JSON."""
        content = self.model_dump(mode="json", exclude=_NOT_IN_KEY)
        if self.train.replicas == 1:  # says nothing, and said nothing when there were no replicas
            del content["train"]["replicas"], content["train"]["sync_batch_norm"]
        return content

    def overridden(self, overrides: Sequence[str]) -> Recipe:
        """This recipe with ``--set`` overrides such as ``train.epochs=3`` applied.

        Raises:
            UsageError: an unknown key or a wrong type.
        """
        return parse_recipe(self.to_toml(), overrides, where=self.name) if overrides else self

    def to_toml(self) -> str:
        """The recipe as TOML, defaults included, keys in the order of the fields."""
        return dumps(self.model_dump(mode="json"))


class ModelSettings(_OpenTable):
    """Which model; the other keys are its own (``layers`` for a network)."""

    kind: str = "network"


class AugmentSettings(_OpenTable):
    """One augmentation step; the other keys are its own."""


Recipe.model_rebuild()


def changes(before: object, after: object, key: str = "") -> list[str]:
    """Every setting that differs between two recipes as JSON, such as ``train.epochs: 20 became 30``."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        pairs = [(str(name), before.get(name), after.get(name)) for name in {**before, **after}]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(str(place), *each) for place, each in enumerate(zip(before, after, strict=True))]
    else:
        return [] if before == after else [f"{key}: {json.dumps(before)} became {json.dumps(after)}"]
    return [line for name, old, new in pairs for line in changes(old, new, f"{key}.{name}" if key else name)]


LARGEST = 1 << 20
"""Bytes of a recipe file."""
DEEPEST = 8
"""Recipes that one recipe may extend, one through another."""
_OWN = ("name", "claim", "expected")
"""What a recipe says of itself alone; one that extends it does not take it over."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and apply ``--set`` overrides such as ``train.epochs=3``.

    ``extends = "best"`` starts from tenfold's recipe of that name, ``extends = "base.toml"`` from a file beside this
    one. Tables are merged key by key, lists are replaced, ``false`` leaves a table out; a table of another ``kind``
    replaces the base's. Name, claim and ``expected`` are not taken over.

    Raises:
        UsageError: not TOML, an unknown key, a wrong type; the message names the key and what it allows. Or the
            recipes extend each other in a circle, or more than 8 deep.
    """
    return parse_recipe(
        recipe_text(Path(path)), overrides, where=str(path), default_name=Path(path).stem, path=Path(path)
    )


def recipe_file(path: Path) -> str:
    """The recipe as a file that stands on its own: a variant is written with all that it extends."""
    return load_recipe(path).to_toml() if path.parent.is_file() else recipe_text(path)


def recipe_text(path: Path) -> str:
    """What a recipe file says; ``notebook.toml/13-baseline.toml`` is the variant of that name in ``notebook.toml``."""
    if path.parent.is_file():
        variants = {one.get("name"): one for one in _variants(recipe_text(path.parent)) or ()}
        if path.stem not in variants:
            raise UsageError(f"{path.parent} has no [[variant]] of the name {path.stem!r}")
        return dumps(variants[path.stem])
    try:
        if not path.is_file():
            path.stat()
            raise UsageError(f"cannot read the recipe {path}: it is not a regular file")
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UsageError(f"cannot read the recipe {path}: it has more than {LARGEST:,} bytes")
        return content.decode("utf-8").replace("\r\n", "\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the recipe {path}: {error}") from error


@lru_cache(maxsize=8)
def _variants(text: str) -> tuple[dict[str, Any], ...] | None:
    """The ``[[variant]]`` tables of a file of them; None for a file that is a recipe itself."""
    found = loads(text).get("variant")
    return None if found is None else tuple(found)


def parse_recipe(
    text: str,
    overrides: Sequence[str] = (),
    *,
    where: str = "recipe",
    default_name: str = "recipe",
    path: Path | None = None,
) -> Recipe:
    """A recipe from TOML ``text``; ``path`` is its file, beside which files are that it extends. See
    :func:`load_recipe`.
    """
    table = _resolved(text, where, path, [] if path is None else [path.resolve()])
    table.setdefault("name", default_name)
    own: dict[str, Any] = {}
    for override in overrides:
        apply(table, override)
        own |= dict.fromkeys(override.partition("=")[0].strip().split("."))
    _leave(table, own)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise UsageError("\n".join(f"{where}: {_explain(dict(item))}" for item in error.errors())) from error


def _resolved(text: str, where: str, path: Path | None, seen: list[Path]) -> dict[str, Any]:
    """The table in ``text``, merged into what it extends; ``seen`` are the files that led here, this one last."""
    try:
        table = loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from error
    if "extends" not in table:
        return table
    base = table.pop("extends")
    if not isinstance(base, str) or not base:
        raise UsageError(f'{where}: extends = {base!r}: expected one recipe, such as extends = "best"')
    try:
        file = (path.parent if path else Path()) / base if base.endswith(".toml") else find_recipe(base, files=False)
        if file.resolve() in seen:
            raise UsageError(f"the recipes extend each other in a circle: {' -> '.join(each.stem for each in seen)}")
        if len(seen) > DEEPEST:
            raise UsageError(f"found more than {DEEPEST} recipes that extend one another, expected at most {DEEPEST}")
        below = _resolved(recipe_text(file), str(file), file, [*seen, file.resolve()])
    except UsageError as error:
        raise UsageError(f"{where}: extends = {base!r}: {error}") from error
    merged: dict[str, Any] = _merged({key: value for key, value in below.items() if key not in _OWN}, table)
    if "fit" not in table:
        _leave(merged, table | (table["train"] if isinstance(table.get("train"), Mapping) else {}))
    return merged


_FITTED_BY = {"model": "layers", "augment": "shift", "epochs": "steps", "batch_size": "steps"}


def _leave(table: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Fit no key of ``table`` that is among the ``given``."""
    if isinstance(fit := table.get("fit"), list):
        table["fit"] = [each for each in fit if each not in {_FITTED_BY.get(key) for key in given}]


def _merged(base: Any, own: Any) -> Any:
    """``own`` over ``base``: see :func:`load_recipe`."""
    if not isinstance(base, Mapping) or not isinstance(own, Mapping):
        return own
    if "kind" in own and own["kind"] != base.get("kind", "network"):
        return own
    left_out = {key for key, value in base.items() if own.get(key) is False and isinstance(value, Mapping | list)}
    both = {**base, **{key: _merged(base.get(key), value) for key, value in own.items()}}
    return {key: value for key, value in both.items() if key not in left_out}


def _explain(item: dict[str, Any]) -> str:
    """One pydantic error as key, what was found, what is allowed."""
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    if item["type"] == "extra_forbidden":
        allowed = _keys_at(location[:-1])
        close = get_close_matches(location[-1], allowed, n=1)
        if not close and len(location) == 1:  # such as epochs, which belongs into a table
            close = [f"{name}.{key}" for name in allowed if key in _keys_at([name])][:1]
        hint = f"; did you mean {close[0]!r}?" if close else "."
        return f"unknown key {key!r}{hint} Allowed here: {', '.join(allowed)}"
    if item["type"] == "missing":
        return f"the key {key!r} is missing"
    if item["type"] == "value_error":
        return f"{key}: {item['ctx']['error']}"
    return f"{key} = {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _keys_at(location: Sequence[str]) -> list[str]:
    model: Any = Recipe
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        annotation = field.annotation if field else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return list(model.model_fields) if model is not None else []


FOLDER = Path(__file__).resolve().parents[1] / "recipes"
"""The recipes that come with tenfold."""


_LAB = FOLDER.parents[2] / "lab" / "recipes"
"""More of them in a checkout; a file of variants, ``notebook.toml``, holds the recipes ``notebook/...``."""


def recipe_names() -> list[str]:
    """Names of all recipes here, such as "quick" and "notebook/svm"; in a checkout, those of ``lab/recipes`` too."""
    return sorted(_recipe_files())


def _recipe_files() -> dict[str, Path]:
    """Name -> file."""
    files = {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in FOLDER.rglob("*.toml")}
    for path in _LAB.glob("*.toml") if FOLDER.parents[1].name == "src" else ():
        variants = _variants(recipe_text(path))
        inside = {f"{path.stem}/{one['name']}": path / f"{one['name']}.toml" for one in variants or ()}
        files |= {path.stem: path} if variants is None else inside
    return files


def find_recipe(name: str, *, files: bool = True) -> Path:
    """The file of a recipe: a path that exists (unless not ``files``), or the name of one that comes with tenfold.

    Raises:
        UsageError: neither; the message has the nearest names.
    """
    if files and Path(name).is_file():
        return Path(name)
    inside, found = name.removeprefix("recipes/").removesuffix(".toml"), _recipe_files()
    if inside in found:
        return found[inside]
    names = sorted(found)
    close = get_close_matches(inside, names, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are: {', '.join(names)}"
    neither = "found neither a file of that name nor one of tenfold's" if files else "tenfold has none of that name"
    raise UsageError(f"no recipe {name!r}: {neither}; {hint}")
