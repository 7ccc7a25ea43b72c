"""Any recipe as a scikit-learn classifier."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tenfold import pipeline
from tenfold.api.recipes import load_recipe
from tenfold.bundle.manifest import Manifest
from tenfold.bundle.predict import Bundle
from tenfold.errors import ResourceError
from tenfold.pipeline import Settings
from tenfold.progress import listener_for
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise ResourceError("tenfold.Classifier needs scikit-learn 1.6; run: pip install 'tenfold[train]'") from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

Shape = tuple[int, int] | tuple[int, int, int]


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A recipe as a scikit-learn classifier: one network, an ensemble, a support vector machine, whatever it says.

    It takes images (N, H, W) or (N, C, H, W), or rows of pixels (N, D). Pixels of type uint8 are taken as they are;
    of others, the smallest and the largest of the training images become 0 and 255, in 256 steps.

    Args:
        recipe: a recipe, its file, or the name of one that comes with tenfold; its data table's sources play no part.
        overrides: keys of the recipe to change, such as ``["model.C=5"]``: what a grid search varies.
        image_shape: (H, W) or (C, H, W) of rows of pixels; by default square, and where D is no square, one line.
        random_state: seed, instead of the recipe's: an integer or a ``RandomState``.
        out: a folder in which a run directory is kept, as of `tenfold train`; None keeps the model only.
        executor: "local", in this process, or "processes", which an ensemble is quicker with.
        workers: members trained at once; None is one a core.
        device: "auto", "cpu", "cuda" or "mps".
        verbose: show progress.

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
        >>> model = tenfold.Classifier("linear").fit(X[:1000], y[:1000])
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
        out: str | Path | None = None,
        executor: str = "local",
        workers: int | None = None,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        self.recipe = recipe
        self.overrides = overrides
        self.image_shape = image_shape
        self.random_state = random_state
        self.out = out
        self.executor = executor
        self.workers = workers
        self.device = device
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on images X and their classes y (N,), of any type that can be sorted.

        Raises:
            ValueError: not numbers, other lengths, or fewer than two classes.
            TenfoldError: what is wrong with the recipe or the machine, and what to do.
        """
        flat, shape = _flat(X)
        flat, y = validate_data(self, flat, y, dtype="numeric", y_numeric=False)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError("Classifier needs at least two classes to tell apart, found 1 class")
        self.classes_ = classes
        self.image_shape_ = self._shape_of(shape, flat.shape[1])
        self.pixel_range_ = (0.0, 255.0) if flat.dtype == np.uint8 else (float(flat.min()), float(flat.max()))
        names = tuple(map(str, classes))
        data = Dataset(self._pixels(flat), labels.astype(np.int64), np.arange(len(flat), dtype=np.int64), names)
        self.recipe_ = self._recipe()
        with tempfile.TemporaryDirectory(prefix="tenfold-") as scratch:
            settings = Settings(
                Path(self.out or scratch), executor=self.executor, workers=self.workers, device=self.device
            )
            settings = replace(settings, scratch=None if self.out else Path(scratch))
            listener = listener_for(quiet=not self.verbose)
            run = pipeline.start(self.recipe_, "train", settings, listener, train=data)
            bundle = run.path / "bundle"
            self._model = (bundle / "manifest.json").read_text("utf-8"), (bundle / "model.onnx").read_bytes()
        self.run_: Run | None = run if self.out else None
        self._bundle = _loaded(*self._model)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities (N, K) of the classes, in the order of ``classes_``."""
        check_is_fitted(self)
        flat, shape = _flat(X)
        flat = validate_data(self, flat, dtype="numeric", reset=False)
        if shape is not None and self._shape_of(shape, flat.shape[1]) != self.image_shape_:
            raise ValueError(f"X has images of {shape}, but Classifier was fitted on {self.image_shape_} (C, H, W)")
        probabilities = self.bundle_.predict_proba(self._pixels(flat)).astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
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
            self._bundle = _loaded(*self._model)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _recipe(self) -> Recipe:
        loaded = self.recipe if isinstance(self.recipe, Recipe) else load_recipe(self.recipe)
        loaded = loaded.overridden(self.overrides)
        changed: dict[str, Any] = {"data": loaded.data.model_copy(update={"train": "memory", "test": None})}
        if self.random_state is not None:
            changed["seed"] = int(check_random_state(self.random_state).randint(2**31 - 1))
        return loaded.model_copy(update=changed)

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

    def _pixels(self, flat: NDArray[Any]) -> NDArray[np.uint8]:
        """uint8 (N, C, H, W)."""
        if flat.dtype != np.uint8:
            low, high = self.pixel_range_
            scale = 255 / (high - low) if high > low else 0.0
            flat = np.rint(np.clip((flat - low) * scale, 0, 255)).astype(np.uint8)
        return np.ascontiguousarray(flat).reshape(-1, *self.image_shape_)


def _loaded(manifest: str, model: bytes) -> Bundle:
    return Bundle(Manifest.model_validate_json(manifest), model)


def _flat(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images as rows, and the shape of one; anything else is for scikit-learn to judge."""
    shape = getattr(X, "shape", ())
    if len(shape) not in (3, 4):
        return X, None
    images = np.asarray(X)
    return images.reshape(len(images), -1), shape[1:]
