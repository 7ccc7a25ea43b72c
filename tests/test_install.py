"""What to run when a package is missing: a command that works for this installation, in every command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tenfold import errors, runtime
from tenfold.errors import install_command, missing_module
from tenfold.runtime import Package

NEED_TORCH = {"run", "train", "cv", "tune", "study", "reproduce", "explain", "augment", "bench"}
EVERY_COMMAND = """
import contextlib, importlib.abc, io, json, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from tenfold import runtime
if sys.argv[1] == "not installed":
    known = runtime.version
    runtime.version = lambda name: None if name == "torch" else known(name)
from tenfold.cli import COMMANDS, main
CALLS = json.loads(sys.argv[2])
assert set(CALLS) == set(COMMANDS), set(CALLS) ^ set(COMMANDS)
found = {}
for name, words in CALLS.items():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([*name.split(), *words])
        except SystemExit as end:
            found[name] = [end.code, out.getvalue(), err.getvalue()]
print(json.dumps(found))
"""


@pytest.mark.parametrize("how", ["not installed", "cannot be imported"])
def test_a_missing_torch_is_exit_4_with_the_remedy_in_every_command(tmp_path: Path, how: str) -> None:
    golden = Path(__file__).parent / "golden" / "0.1.0" / "run"
    (tmp_path / "tune.toml").write_text('extends = "quick"\n[tune.ranges]\n"train.learning_rate" = [0.1, 0.2]\n')
    calls: dict[str, list[str]] = {
        "run": ["--train", "nothing.csv"],
        "train": ["--train", "nothing.csv"],
        "cv": ["quick", "--train", "nothing.csv"],
        "tune": ["tune.toml", "--train", "nothing.csv"],
        "study": ["quick", "--train", "nothing.csv"],
        "reproduce": [str(golden)],
        "explain": [str(golden), "--id", "1"],
        "augment": ["nothing.png"],
        "bench": ["quick"],
        "predict": [str(golden / "bundle"), "nothing.csv"],
        "read": ["nothing.png"],
        "submit": [str(golden), "--test", "nothing.csv"],
        "evaluate": [str(golden), "nothing.csv"],
        "compare": [str(golden), str(golden)],
        "export": [str(golden), "--to", "c", "--out", str(tmp_path / "c.h")],
        "page": [str(golden), "--out", str(tmp_path / "page.html")],
        "serve": ["nowhere"],
        "data list": [],
        "data fetch": ["nothing"],
        "data check": ["nothing.csv"],
        "data review": ["nothing.csv", str(golden)],
        "data ask": [str(golden), "nothing.csv"],
        "teach": [str(golden), "nothing.csv"],
        "data convert": ["nothing.csv", "out.npz"],
        "explore": ["nothing.csv"],
        "recipes list": [],
        "recipes show": ["quick"],
        "recipes copy": ["quick", str(tmp_path / "mine.toml")],
        "verify": [str(golden)],
        "import-log": ["nothing.csv"],
        "runs": [str(tmp_path)],
        "doctor": [],
    }
    done = subprocess.run(
        [sys.executable, "-c", EVERY_COMMAND, how, json.dumps(calls)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    remedy = "-m pip install"
    for name, (code, _, said) in found.items():
        assert "bug in tenfold" not in said and "Traceback" not in said, (name, said)
        if name in NEED_TORCH and (how == "not installed" or code == 4):
            assert (code, remedy in said, "torch" in said, said.count("error:")) == (4, True, True, 1), (name, said)
        elif "torch" in said:
            assert code == 4, (name, said)
    assert found["recipes show"][0] == found["data list"][0] == 0
    assert found["doctor"][0] == 4


def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: object, installer: str = "pip") -> None:
    """Let this be a copy in site-packages with these records."""
    texts = {"direct_url.json": origin and json.dumps(origin), "INSTALLER": installer}
    record = SimpleNamespace(read_text=texts.get, requires=['torch>=2.9; extra == "train"'], version="2.9")
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "lib" / "site-packages" / "tenfold" / "errors.py"))
    monkeypatch.setattr("importlib.metadata.distribution", lambda _: record)
    (tmp_path / "bin").mkdir()
    for name in ("python", "python3"):
        (tmp_path / "bin" / name).write_text("")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)


def test_this_checkout_is_installed_again_with_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = Path(errors.__file__).parents[2]
    monkeypatch.chdir(root)
    assert install_command("train").endswith("pip install -c constraints.txt -e '.[train]'")
    monkeypatch.chdir(tmp_path)
    assert install_command("train").endswith(f"pip install -c {root}/constraints.txt -e '{root}[train]'")


def test_a_wheel_is_installed_again_with_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = tmp_path / "my downloads" / "tenfold-0.1.0-py3-none-any.whl"
    installed(monkeypatch, tmp_path, {"url": wheel.as_uri(), "archive_info": {}})
    wheel.parent.mkdir()
    wheel.write_bytes(b"")
    expected = "python -m pip install 'my downloads/tenfold-0.1.0-py3-none-any.whl[train]'"
    assert install_command("train") == expected
    (tmp_path / "my downloads").rename(tmp_path / "moved")  # then the extra's own packages
    assert "tenfold" not in install_command("train")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({"url": "https://x.test/t.whl", "archive_info": {}}, "'tenfold[serve] @ https://x.test/t.whl'"),
        (
            {"url": "https://x.test/t.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "'tenfold[serve] @ git+https://x.test/t.git@ab12'",
        ),
    ],
)
def test_a_url_is_installed_again_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: object, expected: str
) -> None:
    installed(monkeypatch, tmp_path, origin)
    assert install_command("serve") == f"python -m pip install {expected}"


def test_a_folder_that_was_installed_is_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "pyproject.toml").write_text("")
    installed(monkeypatch, tmp_path, {"url": (tmp_path / "clone").as_uri(), "dir_info": {}})
    assert install_command("serve") == "python -m pip install './clone[serve]'"


@pytest.mark.parametrize(
    ("installer", "mark", "expected"),
    [
        ("pip", None, "python -m pip install"),
        ("pip", "pipx_metadata.json", "pipx runpip"),
        ("uv", None, "uv pip install --python bin/python"),
    ],
)
def test_of_an_unknown_origin_the_missing_packages_are_installed_as_tenfold_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installer: str, mark: str | None, expected: str
) -> None:
    installed(monkeypatch, tmp_path, None, installer)
    if mark:
        (tmp_path / mark).write_text("{}")
    some = [
        Package("torch", ">=2.9", None, "train"),
        Package("onnx", ">=1", "1.2", "train"),
        Package("ray", "", None, "ray"),
    ]
    monkeypatch.setattr(runtime, "packages", lambda: some)
    command = install_command("train")
    assert command.startswith(expected)
    assert command.endswith(" 'torch>=2.9'")


def test_a_python_that_is_not_on_the_path_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path, None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert install_command(None, "kaggle") == "bin/python -m pip install kaggle"


def test_windows_has_double_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "os", SimpleNamespace(name="nt"))
    assert [errors._quoted(word) for word in ("-e", r"C:\a\b", ".[train]", "torch>=2.9")] == [
        "-e",
        r"C:\a\b",
        '".[train]"',
        '"torch>=2.9"',
    ]


def test_a_module_is_told_by_the_name_of_its_package() -> None:
    found = missing_module(ModuleNotFoundError("no", name="sklearn.svm"))
    assert found is not None and "'scikit-learn'" in str(found) and found.exit_code == 4
    assert missing_module(ModuleNotFoundError("no", name="tenfold.nothing")) is None


def test_no_text_recommends_a_name_on_an_index() -> None:
    root = Path(errors.__file__).parents[2]
    places = [
        *root.glob("src/**/*.py"),
        *root.glob("docs/**/*.md"),
        *root.glob("examples/**/*"),
        *root.glob("notebooks/*"),
    ]
    spoken = [
        path for path in places if path.is_file() and "pip install tenfold" in path.read_text("utf-8").replace("'", "")
    ]
    assert spoken == []
