"""Checks that take seconds where :mod:`tenfold.data.checks` takes a moment: they look at what the images show.

Every check returns one :class:`~tenfold.data.checks.Finding`, also when all is well. ``docs/checks.md`` lists them.
"""

from __future__ import annotations

from tenfold.data.checks import Finding
from tenfold.data.checks.drift import drift
from tenfold.data.checks.near_duplicates import near_duplicate_rows, near_leakage
from tenfold.data.checks.outliers import clipped, inverted, off_centre, outliers
from tenfold.data.ink import InkMeasures, measure
from tenfold.values.dataset import Dataset


def check_closely(
    train: Dataset,
    test: Dataset | None = None,
    *,
    train_measures: InkMeasures | None = None,
    test_measures: InkMeasures | None = None,
) -> list[Finding]:
    """Run every close check.

    Args:
        train: the rows to learn from; without labels, outliers are not looked for.
        test: the rows to predict; enables the checks that compare the two sets. Of another shape, it is left out.
        train_measures: of the training images, if they are known.
        test_measures: likewise.

    Returns:
        one finding per check.
    """
    measures = train_measures or measure(train.images)
    findings = [near_duplicate_rows(train), inverted(train), off_centre(train, measures), clipped(train, measures)]
    if train.labels is not None:
        findings.append(outliers(train))
    if test is not None and test.image_shape == train.image_shape and len(test) and len(train):
        findings += [near_leakage(train, test), drift(measures, test_measures or measure(test.images))]
    return findings
