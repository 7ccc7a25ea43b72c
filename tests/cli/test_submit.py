from __future__ import annotations

import sys

import numpy as np
import pytest

from _bundles import TRAINING_ROWS, digits, digits_run
from _command_line import tenfold
from tenfold.files import write_json


def save(path, data, role: str):
    np.savez(path, **{f"x_{role}": data.images[:, 0], f"y_{role}": data.labels})
    return path


@pytest.fixture
def test_set(tmp_path):
    return save(tmp_path / "test.npz", digits().take(range(TRAINING_ROWS, 1797)), "test")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose training set is still there."""
    folder = tmp_path_factory.mktemp("runs")
    train = save(folder / "train.npz", digits().take(range(TRAINING_ROWS)), "train")
    return digits_run(folder, str(train))


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """Puts a command called kaggle on PATH that notes its arguments, says ``says`` and leaves with ``code``."""

    def install(says: str, code: int = 0):
        noted = tmp_path / "noted"
        script = tmp_path / "bin" / "kaggle"
        script.parent.mkdir()
        program = (
            f"import sys; open({str(noted)!r}, 'w').write('\\n'.join(sys.argv[1:])); print({says!r}); sys.exit({code})"
        )
        script.write_text(f"#!{sys.executable}\n{program}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent))
        return noted

    return install


def test_s01_a_run_and_a_test_set_make_a_submission(run, test_set, tmp_path):
    out = tmp_path / "submission.csv"
    done = tenfold("submit", run.path, "--test", test_set, "--out", out)
    assert (done.code, done.out, done.err) == (0, f"{out}\n", "")
    assert out.read_bytes().startswith(b"ImageId,Label\n1,")
    assert out.read_bytes().count(b"\n") == 598
    checked = tenfold("submit", "--check", out, "--rows", "597")
    assert (checked.code, checked.err) == (0, "")


def test_s04_an_existing_file_stays_without_force(run, test_set, tmp_path):
    out = tmp_path / "submission.csv"
    out.write_text("mine")
    done = tenfold("submit", run.path, "--test", test_set, "--out", out)
    assert done.code == 2
    assert "--force" in done.err
    assert out.read_text() == "mine"
    assert tenfold("submit", run.path, "--test", test_set, "--out", out, "--force").code == 0
    assert out.read_text().startswith("ImageId,Label\n")


def test_s02_check_names_faults_and_lets_oddities_pass(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_bytes(b"ImageId,Label\r\n1,7\r\n2,3.0\r\n")
    done = tenfold("submit", "--check", path, "--rows", "2")
    assert done.code == 3
    assert f"warning: {path}:1:2(Label): found Windows line ends (CRLF)" in done.err
    assert f"error: {path}:3:2(Label): found '3.0', expected a label: 0, 1" in done.err
    path.write_bytes(b"ImageId,Label\r\n1,7\r\n2,3\r\n")
    assert tenfold("submit", "--check", path, "--rows", "2").code == 0


def test_a_leak_is_shouted_and_shows_in_the_file_name(run, tmp_path):
    seen = save(tmp_path / "seen.npz", digits().take(range(100)), "test")
    done = tenfold("submit", run.path, "--test", seen, "--out", tmp_path / "submission.csv")
    assert done.code == 0
    assert "!!! LEAKAGE: 100 of 100" in done.err
    assert done.out == f"{tmp_path / 'submission.leaked.csv'}\n"
    assert not (tmp_path / "submission.csv").exists()


def test_a_leaked_submission_is_not_uploaded(run, tmp_path, kaggle):
    noted = kaggle("Successfully submitted")
    seen = save(tmp_path / "seen.npz", digits().take(range(100)), "test")
    done = tenfold("submit", run.path, "--test", seen, "--out", tmp_path / "s.csv", "--upload", "--rows", "100")
    assert done.code == 2
    assert "not uploaded" in done.err
    assert not noted.exists()


def test_where_the_training_set_is_gone_the_bundle_s_own_word_counts(test_set, tmp_path):
    plain, leaked = digits_run(tmp_path / "a"), digits_run(tmp_path / "b", leaked=True)
    done = tenfold("submit", plain.path, "--test", test_set, "--out", tmp_path / "plain.csv")
    assert "nobody looked for leakage" in done.err
    assert (tmp_path / "plain.csv").is_file()
    done = tenfold("submit", leaked.path / "bundle", "--test", test_set, "--out", tmp_path / "other.csv")
    assert "!!! LEAKAGE" in done.err
    assert (tmp_path / "other.leaked.csv").is_file()


def test_looking_for_leaks_downloads_nothing(test_set, tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "empty"))
    named = digits_run(tmp_path / "runs", "mnist")
    write_json(named.path / "data.json", {"train": {"source": "mnist", "fingerprint": "0"}, "leaked": False})
    done = tenfold("submit", named.path, "--test", test_set, "--out", tmp_path / "s.csv")
    assert done.code == 0
    assert "nobody looked for leakage" in done.err


def test_upload_goes_through_the_kaggle_command(run, test_set, tmp_path, kaggle):
    noted = kaggle("Successfully submitted to Digit Recognizer")
    out = tmp_path / "submission.csv"
    done = tenfold("submit", run.path, "--test", test_set, "--out", out, "--upload", "--rows", "597")
    assert (done.code, done.err) == (0, "")
    assert "Successfully submitted to Digit Recognizer" in done.out
    message = f"tenfold digits {run.recipe.key()}"
    assert noted.read_text().split("\n") == [
        *("competitions", "submit", "-c", "digit-recognizer", "-f", str(out), "-m", message)
    ]


def test_only_a_submission_of_the_right_size_is_uploaded(run, test_set, tmp_path, kaggle):
    noted = kaggle("Successfully submitted")
    done = tenfold("submit", run.path, "--test", test_set, "--out", tmp_path / "s.csv", "--upload")
    assert done.code == 3
    assert "found 597 rows, expected 28,000 rows" in done.err
    assert not noted.exists()


@pytest.mark.parametrize(("says", "code"), [("401 - Unauthorized", 1), ("Could not submit to competition", 0)])
def test_an_upload_that_fails_says_so(run, test_set, tmp_path, kaggle, says, code):
    kaggle(says, code)
    out = tmp_path / "submission.csv"
    done = tenfold("submit", run.path, "--test", test_set, "--out", out, "--upload", "--rows", "597")
    assert done.code == 4
    assert says in done.err
    assert "Create New Token" in done.err
    assert out.is_file()


def test_without_the_kaggle_command_upload_says_how_to_get_it(run, test_set, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = tenfold("submit", run.path, "--test", test_set, "--out", tmp_path / "s.csv", "--upload", "--rows", "597")
    assert done.code == 4
    assert "pip install kaggle" in done.err


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["--test", "x"], ["run", "--check", "x"], ["--check", "x", "--upload"]]
)
def test_what_cannot_be_meant_is_a_usage_error(arguments):
    assert tenfold("submit", *arguments).code == 2
