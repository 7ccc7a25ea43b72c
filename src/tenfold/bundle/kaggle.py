"""Uploading a submission through Kaggle's own command, which keeps the token: this code never sees it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tenfold.errors import ResourceError, install_command, printable

DIGIT_RECOGNIZER = "digit-recognizer"
TIMEOUT = 600.0


def upload(path: Path, message: str, competition: str = DIGIT_RECOGNIZER) -> str:
    """Submit the file ``path``; returns what the kaggle command says.

    Raises:
        ResourceError: the command is not installed, has no token, or did not succeed.
    """
    command = shutil.which("kaggle")
    if command is None:
        raise ResourceError(
            f"uploading needs the kaggle command, which is not installed; run: {install_command(None, 'kaggle')}. "
            "Then, on Kaggle: Settings, API, Create New Token, and put the file at ~/.kaggle/kaggle.json (chmod 600)"
        )
    arguments = [command, "competitions", "submit", "-c", competition, "-f", str(path), "-m", message]
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ResourceError(
            f"the kaggle command did not finish within {TIMEOUT:.0f} s; {path} is there, try again"
        ) from None
    except OSError as error:
        raise ResourceError(f"cannot run {command}: {error.strerror}") from error
    lines = [printable(line) for line in done.stdout.splitlines() if line.strip()]
    said = lines[-1] if lines else "nothing"
    # it leaves with 0 even when the competition does not take the file
    if done.returncode != 0 or "successfully submitted" not in done.stdout.lower():
        raise ResourceError(
            f"{path} is written, but the kaggle command did not submit it (exit code {done.returncode}): {said}. A"
            " token comes from Kaggle: Settings, API, Create New Token; the competition's rules must be accepted"
            " there, too"
        )
    return said
