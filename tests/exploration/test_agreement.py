"""Agreement of neighbours: what it needs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tenfold.errors import ResourceError
from tenfold.exploration.statistics import neighbour_agreement


def test_without_scipy_the_command_to_install_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(ResourceError, match=r"scipy.*pip install .*\[explore\]'"):
        neighbour_agreement(np.zeros((3, 2)), np.zeros(3, np.int64))
