"""A page in headless Chromium, driven by a script of our own; standard library only."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=2000",
]

DRIVER = """
(async () => { %s })().then((value) => value, (error) => ({ failed: String(error) }))
  .then((value) => parent.postMessage(JSON.stringify(value), "*"));
"""

# Windows have a least width, frames do not.
OUTER = """<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<script>addEventListener("message", (event) => {
  const out = document.createElement("pre");
  out.textContent = event.data;
  document.body.append(out);
});</script><body><iframe src="driven.html" style="width: %dpx; height: 900px; border: 0"></iframe>"""


def drive(page: Path, script: str, folder: Path, *, width: int = 1280, dark: bool = False) -> Any:
    """What ``script``, the body of an async JavaScript function, returns inside a copy of ``page``, as JSON.

    The copy's policy admits the script by its hash, and still refuses whatever the page would refuse.
    """
    body = DRIVER % script
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    admitted, count = re.subn(r"script-src ", f"script-src 'sha256-{digest}' ", page.read_text("utf-8"), count=1)
    assert count == 1, "the page has no policy"
    (folder / "driven.html").write_text(admitted.replace("</body>", f"<script>{body}</script></body>"), "utf-8")
    (folder / "outer.html").write_text(OUTER % width, "utf-8")
    theme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", theme, "--dump-dom"]
    done = subprocess.run([*command, (folder / "outer.html").as_uri()], capture_output=True, text=True, timeout=60)
    found = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found, f"the script did not end; Chromium said {done.stderr[-2000:]}"
    value = json.loads(html.unescape(found[1]))
    assert not (isinstance(value, dict) and "failed" in value), value
    return value
