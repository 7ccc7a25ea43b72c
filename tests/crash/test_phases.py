"""K06, K07: killed at a chosen file, and again while it resumes, a run ends with the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from _small_run import environment, write_inputs

BEFORE, AFTER = "before", "after"
PHASES = {
    "recipe": ("recipe.toml", AFTER),
    "data": ("data.json", BEFORE),
    "first-checkpoint": ("checkpoints/00/*.safetensors", BEFORE),
    "checkpoint-manifest": ("checkpoints/00/*.json", AFTER),
    "weights": ("members/00/weights.safetensors", AFTER),
    "history": ("checkpoints/01/history.jsonl", BEFORE),
    "validation": ("members/01/validation.npz", BEFORE),
    "member": ("members/01/member.json", BEFORE),
    "ensemble": ("predictions/test.npz", BEFORE),
    "export": ("bundle/model.onnx", AFTER),
    "bundle-manifest": ("bundle/manifest.json", BEFORE),
    "submission": ("submission.csv", BEFORE),
    "summary": ("summary.json", AFTER),
    "report": ("report.html", BEFORE),
    "manifest": ("manifest.json", BEFORE),
}


def ends(folder: Path, scenarios: list[list[str]]) -> list[dict[str, object]]:
    """How a run ends that is killed at the phases of each scenario, one after another, and then resumed to its end."""
    write_inputs(folder, checkpoint_minutes=2)
    deaths = [[PHASES[phase] for phase in phases] for phases in scenarios]
    child = subprocess.run(
        [sys.executable, Path(__file__).with_name("deaths.py"), folder, json.dumps(deaths)],
        env=environment(folder, PYTHONPATH=str(Path(__file__).parents[1]), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = child.stdout.splitlines()
    assert len(lines) == len(scenarios), child.stderr
    return [json.loads(line) for line in lines]


def killed(deaths: int) -> dict[str, object]:
    """The end of a run that was killed so often."""
    return {"codes": [-9] * deaths + [0], "different": [], "faults": []}


@pytest.mark.slow
def test_k06_killed_at_any_stage_a_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    found = ends(tmp_path, [[phase] for phase in PHASES])
    assert dict(zip(PHASES, found, strict=True)) == dict.fromkeys(PHASES, killed(1))


def test_k06_k07_killed_at_every_stage_in_turn_also_while_it_resumes_a_run_ends_with_the_same_bits(
    tmp_path: Path,
) -> None:
    assert ends(tmp_path, [list(PHASES)]) == [killed(len(PHASES))]
