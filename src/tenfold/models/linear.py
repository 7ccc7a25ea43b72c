"""Logistic regression: what a model without any hidden layer can do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenfold.models._fitted import Fitted, Work, apply, check_range, dense, feature_layers

NEVER = -50.0
"""The logit of a class that has no rows."""


class Linear(Fitted):
    """Features, and one dense layer: multinomial logistic regression with an L2 penalty (scikit-learn's, L-BFGS).

    Args:
        image_shape: (C, H, W).
        classes: K.
        features: ``pixels`` or ``gradients``.
        deskew: set slanted writing upright first.
        C: inverse strength of the penalty on the weights.
        iterations: of L-BFGS, at most.

    Raises:
        UsageError: a setting out of its range.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        classes: int,
        features: str = "pixels",
        deskew: bool = False,
        C: float = 1.0,
        iterations: int = 200,
    ) -> None:
        check_range("C", C, 1e-9, 1e9)
        check_range("iterations", iterations, 1, 1_000_000)
        before, width = feature_layers(image_shape, features, deskew)
        super().__init__(*before, dense(np.zeros((classes, width)), np.zeros(classes)))
        self._features, self._classes, self._C, self._iterations = before, classes, C, iterations

    def learn(self, images: NDArray[np.uint8], labels: NDArray[np.int64], work: Work) -> None:
        """See :meth:`Fitted.learn`."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        work.check_stop()
        features = apply(self._features, images)
        work.report("features", 1, 2)
        work.check_stop()
        present = np.unique(labels)
        weights, biases = np.zeros((self._classes, features.shape[1])), np.full(self._classes, NEVER)
        biases[present] = 0
        if len(present) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is a setting
                solved = LogisticRegression(C=self._C, max_iter=self._iterations, tol=1e-4).fit(features, labels)
            rows = present[-1:] if len(present) == 2 else present  # of two classes, only the second has a row
            weights[rows], biases[rows] = solved.coef_, solved.intercept_
        self[-1] = dense(weights, biases)
        work.report("weights", 2, 2)
