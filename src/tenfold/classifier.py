"""Any recipe as a scikit-learn classifier."""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tenfold import pipeline
from tenfold.api.recipes import all_keys, keys_named, load_recipe
from tenfold.bundle.manifest import Manifest
from tenfold.bundle.predict import Bundle
from tenfold.data import ReadOptions
from tenfold.data.memory import as_array, channels_first, dimensions, is_picture, pixels_of
from tenfold.errors import TenfoldError, UsageError, missing_extra
from tenfold.pipeline import Settings
from tenfold.progress import listener_for
from tenfold.reading.ink import resized
from tenfold.reading.normalise import FIELD
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe, recipe_names
from tenfold.values.run import Run

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise missing_extra("scikit-learn", "train", "tenfold.Classifier") from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

Shape = tuple[int, int] | tuple[int, int, int]
REPEATS = 8
"""Weights repeat a row; they add so many times the rows at most."""


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A recipe as a scikit-learn classifier: one network, an ensemble, a support vector machine, whatever it says.

    It takes images (N, H, W), (N, C, H, W) or (N, H, W, C), rows of pixels (N, D), frames of pixels, tensors, and lists
    of Pillow's pictures. What is 0 and what is 255 is learnt in `fit` from the values, whatever their type: 0..255 if
    they fill that, else the smallest and the largest of the training images; `predict` uses the same. Images too small
    for the recipe are enlarged, few rows are learnt from in smaller batches and more epochs.

    Args:
        recipe: a recipe, its file, or the name of one that comes with tenfold; its data table's sources play no part.
        overrides: keys of the recipe to change, such as ``["model.C=5"]``.
        image_shape: (H, W) or (C, H, W) of rows of pixels; by default square, and where D is no square, one line.
        random_state: seed, instead of the recipe's: an integer or a ``RandomState``.
        class_weight: None, "balanced" or {class: weight}: rows count so many times.
        out: a folder in which a run directory is kept, as of `tenfold train`; None keeps the model only, in memory.
        executor: "local", in this process, or "processes", which an ensemble is quicker with.
        workers: members trained at once; None is one a core.
        device: "auto", "cpu", "cuda" or "mps".
        verbose: show progress.
        settings: keys of the recipe by name, such as ``C=5`` or ``epochs=20``; where tables share a name, with the
            table's: ``train__epochs=20``, ``model__0__layers=...``. `get_params` has them all, a grid varies them.

    Attributes:
        classes_: (K,) what `predict` answers, sorted.
        n_features_in_: D.
        image_shape_: (C, H, W).
        pixel_range_: what became 0 and 255.
        recipe_: the recipe as it was trained.
        run_: the run directory, or None.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> import tenfold
        >>> X, y = load_digits(return_X_y=True)
        >>> model = tenfold.Classifier("linear", C=0.5).fit(X[:1000], y[:1000])
        >>> model.score(X[1000:], y[1000:])  # doctest: +ELLIPSIS
        0.9...
    """

    def __init__(
        self,
        recipe: str | Path | Recipe = "quick",
        overrides: Sequence[str] = (),
        *,
        image_shape: Shape | None = None,
        random_state: Any = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        out: str | Path | None = None,
        executor: str = "local",
        workers: int | None = None,
        device: str = "auto",
        verbose: bool = False,
        **settings: Any,
    ) -> None:
        self.recipe = recipe
        self.overrides = overrides
        self.image_shape = image_shape
        self.random_state = random_state
        self.class_weight = class_weight
        self.out = out
        self.executor = executor
        self.workers = workers
        self.device = device
        self.verbose = verbose
        self._settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with ``deep`` every key of the recipe too, such as ``train__epochs``."""
        params: dict[str, Any] = super().get_params(deep=False) | self._settings
        if deep:
            with suppress(TenfoldError, ValueError, TypeError):  # no such recipe: `fit` says so
                params = dict(all_keys(self._recipe())) | params
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, keys of the recipe among them; a ValueError says that neither has such a name."""
        own = super().get_params(deep=False).keys()
        for name in own & params.keys():
            setattr(self, name, params[name])
        if further := {name: value for name, value in params.items() if name not in own}:
            with suppress(TenfoldError, TypeError, AttributeError):  # no such recipe: `fit` says so
                loaded = self._loaded()
                for name in further:
                    keys_named(name, loaded)
            self._settings = self._settings | further
        return self

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on images X and their classes y (N,), of any type that can be sorted.

        Args:
            X: images, see the class.
            y: their classes.
            sample_weight: (N,) how many times each row counts: whole numbers repeat it, others in the nearest way.

        Raises:
            ValueError: not numbers, other lengths, fewer than two classes, or no such parameter.
            TenfoldError: what is wrong with the recipe or the machine, and what to do.
        """
        flat, shape = _flat(X)
        flat, y = validate_data(self, flat, y, dtype="numeric", y_numeric=False)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        rows = self._rows_by_weight(flat, y, sample_weight)
        classes, labels = np.unique(y[rows], return_inverse=True)
        if len(classes) < 2:
            raise ValueError("Classifier needs at least two classes to tell apart, found 1 class")
        self.classes_ = classes
        self.image_shape_ = self._shape_of(shape, flat.shape[1])
        self.pixel_range_ = _range_of(flat)
        recipe = self._for_few_rows(self._recipe())
        recipe = recipe.model_copy(
            update={"data": recipe.data.model_copy(update={"train": pipeline.MEMORY, "test": None})}
        )
        names = tuple(map(str, classes))
        data = self._fitting(recipe, flat[rows], labels.astype(np.int64), names)
        with tempfile.TemporaryDirectory(prefix="tenfold-") as scratch:
            settings = Settings(
                Path(self.out or scratch), executor=self.executor, workers=self.workers, device=self.device
            )
            settings = replace(settings, scratch=None if self.out else Path(scratch))
            listener = listener_for(quiet=not self.verbose)
            run = pipeline.start(recipe, "train", settings, listener, train=data)
            self.recipe_, bundle = run.recipe, run.path / "bundle"
            self._model = (bundle / "manifest.json").read_text("utf-8"), (bundle / "model.onnx").read_bytes()
        self.run_: Run | None = run if self.out else None
        self._bundle = _opened(*self._model)
        return self

    @property
    def partial_fit(self) -> Any:
        """There is none: a recipe learns from all rows together."""
        raise AttributeError(
            "Classifier has no partial_fit: a recipe learns from all rows together. Fit on all of them, or go on from a"
            " trained model with: tenfold train --from BUNDLE --train FEW"
        )

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (N, K) of the classes, in the order of ``classes_``."""
        check_is_fitted(self)
        flat, shape = _flat(X)
        flat = validate_data(self, flat, dtype="numeric", reset=False)
        if shape is not None and self._shape_of(shape, flat.shape[1]) != self.image_shape_:
            raise ValueError(f"X has images of {shape}, but Classifier was fitted on {self.image_shape_} (C, H, W)")
        self._compare_range(flat)
        images = self._enlarged(self._levels(flat), self.bundle_.image_shape)
        probabilities = self.bundle_.predict_proba(images).astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each image, (N,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    @property
    def bundle_(self) -> Bundle:
        """What it learnt, as one bundle: the same that `tenfold predict` and `serve` take."""
        check_is_fitted(self)
        return self._bundle

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value for name, value in super().__getstate__().items() if name != "_bundle"
        }  # a session cannot be copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_model" in state:
            self._bundle = _opened(*self._model)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _loaded(self) -> Recipe:
        loaded = self.recipe if isinstance(self.recipe, Recipe) else load_recipe(self.recipe)
        return loaded.overridden(self.overrides)

    def _recipe(self) -> Recipe:
        loaded = self._loaded()
        changes = [
            f"{key}={json.dumps(value.item() if isinstance(value, np.generic) else value)}"
            for name, value in self._settings.items()
            if value is not None
            for key in keys_named(name, loaded)
        ]
        if self.random_state is not None:
            changes.append(f"seed={int(check_random_state(self.random_state).randint(2**31 - 1))}")
        return loaded.overridden(changes)

    def _for_few_rows(self, recipe: Recipe) -> Recipe:
        """``recipe``, to be fitted to the number of rows unless epochs or batches were chosen by the caller."""
        chosen = {key for name in self._settings for key in keys_named(name, recipe)}
        chosen |= {override.partition("=")[0].strip() for override in self.overrides}
        if chosen & {"train.epochs", "train.batch_size"} or str(self.recipe) not in recipe_names():
            return recipe
        return recipe.model_copy(update={"fit": tuple(dict.fromkeys((*recipe.fit, "steps")))})

    def _rows_by_weight(self, X: NDArray[Any], y: NDArray[Any], sample_weight: ArrayLike | None) -> NDArray[np.int64]:
        """The rows to learn from, each as many times as it counts, but every class with a weight at least once."""
        rows = np.arange(len(y))
        if sample_weight is None and self.class_weight is None:
            return rows
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, y)
        least = weights[weights > 0].min()
        for whole in (weights, weights / least):
            if np.allclose(whole, np.rint(whole), atol=1e-9) and whole.sum() <= REPEATS * len(y):
                return np.repeat(rows, np.rint(whole).astype(int))
        ends = np.floor(np.cumsum(weights) / weights.sum() * REPEATS * len(y) + 0.5).astype(int)
        counts = np.diff(ends, prepend=0)
        for of_class in np.unique(y[weights > 0]):
            heaviest = np.flatnonzero(y == of_class)[weights[y == of_class].argmax()]
            counts[heaviest] = max(counts[heaviest], 1)
        return np.repeat(rows, counts)

    def _shape_of(self, given: tuple[int, ...] | None, features: int) -> tuple[int, int, int]:
        """(C, H, W) of images that came as ``given``, or as rows of ``features`` pixels."""
        shape = given or self.image_shape
        if shape is None:
            side = math.isqrt(features)
            shape = (side, side) if side * side == features else (1, features)
        channels, height, width = shape if len(shape) == 3 else (1, *shape)
        if channels * height * width != features:
            raise ValueError(
                f"image_shape={self.image_shape} has {channels * height * width} pixels, but X has {features} features"
            )
        return channels, height, width

    def _fitting(
        self, recipe: Recipe, flat: NDArray[Any], labels: NDArray[np.int64], names: tuple[str, ...]
    ) -> Dataset:
        """The training set, its images as they are, or enlarged where the recipe's models do not take them."""
        from tenfold.training.ensemble import check_recipe
        from tenfold.training.fitting import fitted

        channels, height, width = self.image_shape_
        shapes = [self.image_shape_]
        if (least := min(height, width)) < FIELD:
            side = math.isqrt(height * width - 1) + 1  # of a square that takes a line of pixels
            small = (height, width) if max(height, width) <= 4 * least else (side, side)
            shapes.append((channels, round(small[0] * FIELD / min(small)), round(small[1] * FIELD / min(small))))
        levels, ids = self._levels(flat), np.arange(len(flat), dtype=np.int64)
        refused: UsageError | None = None
        for shape in shapes:
            data = Dataset(self._enlarged(levels, shape), labels, ids, names)
            try:
                check_recipe(fitted(recipe, data)[0], data)
            except UsageError as error:
                refused = refused or error
            else:
                return data
        assert refused is not None
        raise refused

    def _levels(self, flat: NDArray[Any]) -> NDArray[np.uint8]:
        """Rows of pixels as uint8 (N, C, H, W)."""
        low, high = self.pixel_range_
        if flat.dtype == bool:
            flat = np.where(flat, high, low)
        if flat.dtype != np.uint8 or (low, high) != (0, 255):
            scale = 255 / (high - low) if high > low else 0.0
            flat = np.rint(np.clip((flat - low) * scale, 0, 255)).astype(np.uint8)
        return np.ascontiguousarray(flat).reshape(-1, *self.image_shape_)

    def _enlarged(self, images: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """``images`` as ``shape`` (C, H, W): a line of pixels as a square, and interpolated."""
        if images.shape[1:] == shape:
            return images
        height, width = images.shape[2:]
        if max(height, width) > 4 * min(height, width):
            side = math.isqrt(height * width - 1) + 1
            lines = images.reshape(len(images), shape[0], -1)
            lines = np.pad(lines, ((0, 0), (0, 0), (0, side * side - lines.shape[2])))
            images, height, width = lines.reshape(len(images), shape[0], side, side), side, side
        planes = images.reshape(-1, height, width).astype(np.float32)
        larger = np.array([resized(plane, shape[1], shape[2]) for plane in planes], np.float32)
        return np.rint(larger.clip(0, 255)).astype(np.uint8).reshape(len(images), *shape)

    def _compare_range(self, flat: NDArray[Any]) -> None:
        """Warn of images on another scale than those of `fit`."""
        low, high = self.pixel_range_
        if flat.dtype == bool or not flat.size or high <= low:
            return
        largest, span = float(flat.max()), high - low
        if largest > high + 2 * span or low < largest < low + span / 8:
            warnings.warn(
                f"the largest pixel of X is {largest:g}, but Classifier was fitted on {low:g}..{high:g}: bring X to"
                " that scale, or the answers mean nothing",
                UserWarning,
                stacklevel=3,
            )


def _opened(manifest: str, model: bytes) -> Bundle:
    return Bundle(Manifest.model_validate_json(manifest), model)


def _range_of(values: NDArray[Any]) -> tuple[float, float]:
    """What is 0 and what is 255 of these training images: decided by the values, whatever their type."""
    if values.dtype == bool:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (0.0, 255.0) if low >= 0 and 128 <= high <= 255 else (low, high)


def _flat(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images as rows, and the shape (C, H, W) of one; anything else is for scikit-learn to judge."""
    if isinstance(X, list | tuple) and X and (is_picture(X[0]) or dimensions(X[0]) > 1):
        images: NDArray[Any] = pixels_of(X, ReadOptions(), [])
    elif len(getattr(X, "shape", ())) in (3, 4):
        images = as_array(X)
        images = images[:, None] if images.ndim == 3 else channels_first(images)
        if images.shape[1] not in (1, 3):
            images = pixels_of(images, ReadOptions(), [])
    else:
        return X, None
    return images.reshape(len(images), reduce(lambda a, b: a * b, images.shape[1:])), images.shape[1:]
