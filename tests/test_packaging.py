"""What is published: metadata, the container, the workflows; all that can be checked without publishing it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenfold import __version__
from tenfold.pipeline import DEFAULTS
from tenfold.pipeline.session import first_line
from tenfold.runtime import TESTED_TORCH

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_torch_is_a_range_and_the_tested_one_is_pinned() -> None:
    assert "torch>=2.9" in PROJECT["optional-dependencies"]["train"]
    assert f"torch=={TESTED_TORCH}" in (ROOT / "constraints.txt").read_text("utf-8").splitlines()


def test_another_torch_is_told_when_a_run_begins() -> None:
    known = {"replicas": 1, "device": "cpu", "device_reason": "no GPU", "instruction_set": "AVX2"}
    assert "\n" not in first_line({**known, "torch": f"{TESTED_TORCH}+cpu"}, DEFAULTS)
    assert "\nnote: torch 2.9.1 gives other bits than" in first_line({**known, "torch": "2.9.1"}, DEFAULTS)


def test_all_has_every_extra_of_users() -> None:
    extras = set(PROJECT["optional-dependencies"])
    (everything,) = PROJECT["optional-dependencies"]["all"]
    named = set(re.fullmatch(r"tenfold\[(.*)\]", everything)[1].split(","))  # type: ignore[index]
    assert named == extras - {"all", "docs", "dev"}


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_sound(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert True in workflow, "YAML 1.1 reads the key `on` as true"
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert re.fullmatch(r"[\w./-]+@[\w./-]+", step.get("uses", "a@b"))
            for word in re.findall(
                r"(?<![\w$])(?:\.ci/run|docs/\w+\.py|tests/[\w/.]+|constraints\.txt)", step.get("run", "")
            ):
                assert (ROOT / word).exists(), word
            for target in re.findall(r"\bmake ([\w-]+)", step.get("run", "")):
                assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8"), target
            for extras in re.findall(r"\.\[([\w,]+)\]", step.get("run", "")):
                assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
        for needed in [job["needs"]] if "needs" in job else []:
            assert needed in workflow["jobs"]


def test_the_workflows_are_for_the_systems_and_pythons_that_the_metadata_names() -> None:
    text = "".join(path.read_text("utf-8") for path in WORKFLOWS)
    assert all(f"{system}-latest" in text for system in ("ubuntu", "macos", "windows"))
    versions = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    matrix = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text("utf-8"))["jobs"]["linux"]["strategy"][
        "matrix"
    ]
    assert versions == set(matrix["python"])


def test_the_hooks_run_what_there_is() -> None:
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]:
        for hook in repository["hooks"]:
            for word in hook["entry"].split():
                assert not word.endswith(".py") or (ROOT / word).is_file()


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line.strip()]


def test_the_container_is_slim_without_root_and_writes_to_two_places() -> None:
    made = instructions()
    assert all(rest.split()[0].endswith("-slim") for name, rest in made if name == "FROM")
    assert [rest for name, rest in made if name == "USER"] == ["10001"]
    variables = dict(pair.split("=", 1) for name, rest in made if name == "ENV" for pair in rest.split())
    assert all(value == "1" or value.startswith(("/tmp", "/data")) for value in variables.values())
    allowed = (ROOT / ".dockerignore").read_text("utf-8")
    for rest in (rest for name, rest in made if name == "COPY" and "--from" not in rest):
        *sources, _ = rest.split()
        assert all((ROOT / source).exists() and f"\n!{source}\n" in allowed for source in sources)
    extras = next(rest for name, rest in made if name == "ARG").removeprefix("EXTRAS=")
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.slow
def test_the_containers_steps_run_without_docker(tmp_path: Path) -> None:
    """Its COPY and RUN lines in a folder that stands for the image; packages but tenfold itself are those of this Python."""
    image = {"/source": tmp_path / "source", "/wheels": tmp_path / "wheels"}
    image["/source"].mkdir()
    made = instructions()
    for rest in (rest for name, rest in made if name == "COPY" and "--from" not in rest):
        for source in rest.split()[:-1]:
            subprocess.run(["cp", "-r", ROOT / source, image["/source"]], check=True)
    build = next(rest for name, rest in made if name == "RUN" and "pip wheel" in rest)
    words = [sys.executable if w == "python" else str(image.get(w, w)) for w in shlex.split(build)]
    subprocess.run([*words, "--no-build-isolation"], cwd=image["/source"], check=True, capture_output=True)
    (wheel,) = image["/wheels"].glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--target", tmp_path / "site", wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    entry = json.loads(next(rest for name, rest in made if name == "ENTRYPOINT"))
    command = json.loads(next(rest for name, rest in made if name == "CMD"))
    data = tmp_path / "data"
    data.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path / "site"),
        "TENFOLD_HOME": str(data / ".tenfold"),
    }
    ask = [sys.executable, "-m", *entry]
    help_text = subprocess.run(
        [*ask, "--version"], cwd=data, env=environment, capture_output=True, text=True, check=True
    )
    assert __version__ in help_text.stdout
    open_to_all = subprocess.run([*ask, *command], cwd=data, env=environment, capture_output=True, text=True)
    assert open_to_all.returncode == 2 and "TENFOLD_TOKEN" in open_to_all.stderr  # all but the token is there


@pytest.mark.slow
def test_wheel_and_source_archive_hold_what_they_should(tmp_path: Path) -> None:
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", ROOT, source], check=True)
    for kind in ("wheel", "sdist"):
        code = f"import setuptools.build_meta as made; made.build_{kind}({str(tmp_path)!r})"
        subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (wheel,), (archive,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "py.typed",
        "bundle/released.json",
        "recipes/quick.toml",
        "report/templates/report.css",
        "service/page/index.html",
    ):
        assert f"tenfold/{needed}" in names
    assert not [name for name in names if name.startswith(("lab/", "tests/", "models/"))]
    assert [name for name in names if name.endswith("model.onnx")] == ["tenfold/bundle/builtin/model.onnx"]
    metadata = zipfile.ZipFile(wheel).read(f"tenfold-{__version__}.dist-info/METADATA").decode()
    assert "Description-Content-Type: text/markdown" in metadata
    assert "Requires-Dist: torch>=2.9" in metadata
    with tarfile.open(archive) as content:
        assert "README.md" in {Path(name).name for name in content.getnames()}
