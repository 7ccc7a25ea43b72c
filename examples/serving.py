"""Recognising over HTTP: start the service, ask it as any program could, stop it.

python examples/serving.py PICTURE [BUNDLE]
"""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def ready(address: str) -> bool:
    """Whether its workers have loaded the model; until then it answers with 503."""
    try:
        return urllib.request.urlopen(f"{address}/readyz", timeout=60).status == 200
    except urllib.error.HTTPError:
        return False


picture, *bundle = sys.argv[1:]
command = [
    sys.executable,
    "-m",
    "tenfold",
    "serve",
    *bundle,
    "--port",
    "0",
    "--workers",
    "1",
    "--no-log",
    "--drain-delay",
    "0",
]
service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
try:
    address = next(
        found[0] for line in service.stdout if (found := re.search(r"http://[\d.]+:\d+", line))
    )  # port 0: any free one
    while not ready(address):
        time.sleep(0.2)
    body = Path(picture).read_bytes()
    request = urllib.request.Request(f"{address}/v1/read", body, {"Content-Type": "image/png"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    print(json.dumps(answer, indent=2))
finally:
    service.send_signal(signal.SIGTERM)  # it finishes what it has begun
    service.communicate(timeout=60)
