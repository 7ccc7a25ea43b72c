"""`tenfold serve` with other limits and a worker that fails on purpose: python _strained_service.py BUNDLE JSON.

JSON: {"limits": {...}, "times": {...}, "delay": seconds that each round takes longer, "start": and the beginning}.
"""

import json
import sys
from pathlib import Path

from tenfold.errors import Stopped
from tenfold.service.server import serve
from tenfold.service.settings import Limits, Settings, Times

WORKER = Path(__file__).with_name("_faulty_worker.py")


def main() -> None:
    bundle, text = sys.argv[1:]
    asked = json.loads(text)
    settings = Settings(
        models={"digits": bundle},
        port=0,
        workers=asked.get("workers", 1),
        limits=Limits(**asked.get("limits", {})),
        times=Times(**asked.get("times", {})),
    )
    command = [str(WORKER), str(asked.get("delay", 0)), str(asked.get("start", 0))]
    try:
        serve(
            settings,
            log_to=sys.stderr,
            on_listening=lambda at: print(f"listening on {at}", flush=True),
            worker_command=command,
        )
    except Stopped as end:
        sys.exit(end.exit_code)


if __name__ == "__main__":
    main()
