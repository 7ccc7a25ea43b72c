"""The cluster, Slurm and Kubernetes examples are well-formed, start no open Ray head, and call commands that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import typer
import yaml

from tenfold.cli import build_app

FOLDER = Path(__file__).parents[1] / "examples" / "cluster"
FILES = sorted(FOLDER.iterdir())
SLURM_OPTIONS = {"job-name", "nodes", "ntasks-per-node", "cpus-per-task", "mem", "time", "constraint", "signal"}


def test_all_three_are_there() -> None:
    assert [path.name for path in FILES] == ["kubernetes.yaml", "ray.yaml", "slurm.sh"]


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_d14_every_head_wants_a_token_and_none_is_written_down(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "RAY_AUTH_MODE" in text and "token" in text
    assert "0.0.0.0" not in text and "--insecure" not in text and "dashboard-host" not in text
    assert not re.search(r"[0-9a-f]{32}", text)


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_the_commands_are_taken(path: Path) -> None:
    app: Any = typer.main.get_command(build_app())
    lines = re.findall(r"tenfold (run|train) ([^\"\n&]*)", path.read_text("utf-8"))
    for name, rest in lines or [("run", "fast")]:
        with click.Context(app) as context:
            app.commands[name].make_parser(context).parse_args(rest.split())


def test_rays_own_schema_takes_the_cluster() -> None:
    ray = pytest.importorskip("ray")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text("utf-8"))
    cluster = yaml.safe_load((FOLDER / "ray.yaml").read_text("utf-8"))
    jsonschema.validate(cluster, schema)
    starts = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    assert all("RAY_AUTH_MODE=token" in command for command in starts if "ray start" in command)


def test_kubernetes_objects_are_locked_down() -> None:
    job, policy = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text("utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
    cluster = job["spec"]["rayClusterSpec"]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in pods):
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert container["resources"]["limits"] == container["resources"]["requests"]
            assert (
                container["securityContext"]["runAsNonRoot"]
                and not container["securityContext"]["allowPrivilegeEscalation"]
            )
            environment = {variable["name"]: variable for variable in container["env"]}
            assert environment["RAY_AUTH_MODE"]["value"] == "token"
            assert "value" not in environment["RAY_AUTH_TOKEN"]
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert all(name == name.lower() and isinstance(value, str) for name, value in start_parameters(pods))


def start_parameters(groups: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for group in groups:
        yield from group["rayStartParams"].items()


def test_the_slurm_script_is_bash_and_asks_for_what_slurm_knows() -> None:
    path = FOLDER / "slurm.sh"
    checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    if shutil.which("shellcheck"):
        found = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout
    text = path.read_text("utf-8")
    assert text.splitlines()[0].startswith("#!") and "set -euo pipefail" in text
    options = re.findall(r"^#SBATCH --([a-z-]+)=\S+$", text, re.MULTILINE)
    assert set(options) == SLURM_OPTIONS and len(options) == text.count("#SBATCH")
    body = text.index("set -euo")
    assert text.rindex("#SBATCH") < body, "sbatch reads options up to the first command only"
