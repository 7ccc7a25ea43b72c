"""A worker whose model is slow, and fails where the first pixel of an image says so: python _faulty_worker.py DELAY
START.
"""

import os
import signal
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.predict import Bundle
from tenfold.service import worker

RAISE, HANG, DIE = 201, 202, 203
"""Levels of the first pixel."""


def main() -> None:
    delay, whole = float(sys.argv[1]), Bundle.predict_proba
    time.sleep(float(sys.argv[2]))

    def predict_proba(self: Bundle, images: NDArray[np.uint8], *more: Any) -> NDArray[np.float32]:
        time.sleep(delay)
        wishes = set(images[:, 0, 0, 0].tolist())
        if DIE in wishes:
            os.kill(os.getpid(), signal.SIGSEGV)
        if HANG in wishes:
            time.sleep(600)
        if RAISE in wishes:
            raise RuntimeError("asked for")
        return whole(self, images, *more)

    Bundle.predict_proba = predict_proba  # type: ignore[method-assign]
    worker.main()


if __name__ == "__main__":
    main()
