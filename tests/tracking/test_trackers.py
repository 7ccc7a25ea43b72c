"""Runs in MLflow and TensorBoard, read back with their own readers; what goes wrong there stops no training."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import tenfold as library
from _command_line import tenfold
from tenfold.errors import ResourceError
from tenfold.pipeline import Listener
from tenfold.tracking import TRACKERS, Tracked, Tracker, parameters, tracked
from tenfold.values.run import Run

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow and TensorBoard say about their own dependencies
RECIPE = ["model.layers=8C3 BN MP2 FLAT 16 SOFTMAX", "train.epochs=2", "ensemble.members=2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracking")
    images, labels = load_digits(return_X_y=True)
    pixels = (images * 15.9375).astype(np.uint8).reshape(-1, 8, 8)
    for name, rows in (("train", slice(0, 600)), ("test", slice(1600, None))):
        np.savez(folder / f"{name}.npz", images=pixels[rows], labels=labels[rows])
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Tracked by both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return library.run(
            library.load_recipe("quick", RECIPE),
            train=folder / "train.npz",
            test=folder / "test.npz",
            out=folder / "runs",
            executor="local",
            track=["tensorboard", f"mlflow=sqlite:///{folder / 'mlflow.db'}"],
            progress=False,
        )


def test_tensorboard_has_the_curves_of_every_member_and_the_recipe(run: Run, folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = folder / "runs" / "tensorboard" / run.path.name
    for member in range(2):
        seen = EventAccumulator(str(logs / f"member{member:02d}")).Reload()
        history = run.history(member)
        assert [point.step for point in seen.Scalars("loss/train")] == [1, 2]
        for figure, key in (("loss/train", "train_loss"), ("accuracy/validation", "validation_accuracy")):
            assert [point.value for point in seen.Scalars(figure)] == pytest.approx([row[key] for row in history])
    whole = EventAccumulator(str(logs)).Reload()
    accuracy = run.summary["test"]["accuracy"]
    assert whole.Scalars("result/test/accuracy")[0].value == pytest.approx(accuracy)
    text = whole.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| train.epochs | 2 |" in text
    assert "report.html" in whole.Tensors("artefacts/text_summary")[0].tensor_proto.string_val[0].decode()
    assert (logs / "parameters").is_dir()


def test_mlflow_has_curves_parameters_figures_and_files(run: Run, folder: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tenfold")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == run.path.name
    assert found.info.status == "FINISHED"
    assert {name.replace("/", "."): value for name, value in found.data.params.items()} == parameters(run)
    assert found.data.tags["recipe_key"] == run.recipe.key()
    assert found.data.metrics["test/accuracy"] == run.summary["test"]["accuracy"]
    for member in range(2):
        points = client.get_metric_history(found.info.run_id, f"member{member:02d}/loss/validation")
        assert [(point.step, point.value) for point in points] == [
            (row["epoch"], row["validation_loss"]) for row in run.history(member)
        ]
    files = {item.path for item in client.list_artifacts(found.info.run_id)}
    assert {"report.html", "recipe.toml", "submission.csv", "bundle", "predictions"} <= files
    copied = client.download_artifacts(found.info.run_id, "bundle/model.onnx", str(folder))
    assert Path(copied).read_bytes() == (run.path / "bundle" / "model.onnx").read_bytes()


def test_the_run_is_what_it_would_be_without(run: Run, folder: Path) -> None:
    how = {"train": folder / "train.npz", "test": folder / "test.npz", "out": folder / "plain", "executor": "local"}
    plain = library.run(library.load_recipe("quick", RECIPE), progress=False, **how)  # type: ignore[arg-type]
    np.testing.assert_array_equal(plain.predictions("test").probabilities, run.predictions("test").probabilities)
    assert sorted(path for path in plain.files() if "timing" not in path) == sorted(
        p for p in run.files() if "timing" not in p
    )


class _Heard(Listener):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_tracker_that_fails_is_named_once_and_left_alone(run: Run, folder: Path) -> None:
    class Broken(TRACKERS.get("tensorboard")):  # type: ignore[misc]
        def epoch(self, name: str, row: object) -> None:
            raise OSError("the disk is full\nand more")

    heard = _Heard()
    listener = Tracked(heard, lambda: [Broken(None, folder / "broken")])
    listener.run_begins(run)
    listener.event(0, {"history": run.history(0)[0], "epochs": 2})
    listener.run_ends(run)
    assert heard.lines == ["warning: Broken is told nothing more (the disk is full); all of it is in the run directory"]


def test_a_run_that_goes_on_tells_its_earlier_epochs_again_and_a_stopped_one_is_killed(run: Run) -> None:
    told: list[object] = []

    class Written(TRACKERS.get("tensorboard")):  # type: ignore[misc]
        def begin(self, run: Run) -> None:
            told.append(run.path.name)

        def epoch(self, name: str, row: dict[str, object]) -> None:
            told.append((name, row["epoch"]))

        def stop(self) -> None:
            told.append("stopped")

    listener = Tracked(Listener(), lambda: [Written(None, Path())])
    listener.run_begins(run)
    listener.run_stops()
    listener.run_ends(run)  # nobody listens any more
    assert told == [run.path.name, ("member00", 1), ("member00", 2), ("member01", 1), ("member01", 2), "stopped"]


def test_every_training_of_a_study_is_a_run(folder: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder / 'study.db'}"
    how = {"train": str(folder / "train.npz"), "test": str(folder / "test.npz"), "overrides": RECIPE}
    done = library.study(
        "quick", seeds=2, out=folder / "study", executor="local", track=[f"mlflow={uri}"], progress=False, **how
    )  # type: ignore[arg-type]
    client = MlflowClient(uri)
    runs = {
        run.info.run_name: run for run in client.search_runs([client.get_experiment_by_name("tenfold").experiment_id])
    }
    assert sorted(runs) == sorted(row.name for row in done.rows)
    for row in done.rows:
        told, run = runs[row.name], Run(done.folder / row.name)
        assert (told.info.status, told.data.params["seed"]) == ("FINISHED", str(row.seed))
        assert told.data.metrics["test/accuracy"] == run.summary["test"]["accuracy"]
        points = client.get_metric_history(told.info.run_id, "member01/loss/train")
        assert [point.value for point in points] == [epoch["train_loss"] for epoch in run.history(1)]


def test_a_search_is_a_run_and_so_is_every_trial(folder: Path) -> None:
    from mlflow import MlflowClient

    pytest.importorskip("optuna")
    uri = f"sqlite:///{folder / 'search.db'}"
    ranges = ["tune.folds=2", 'tune.ranges={"train.learning_rate" = { low = 0.001, high = 0.1, log = true }}']
    found = library.tune(
        library.load_recipe("quick", [*RECIPE, "ensemble.members=1", *ranges]),
        trials=2,
        train=folder / "train.npz",
        out=folder / "searches",
        executor="local",
        track=[f"mlflow={uri}"],
        progress=False,
    )
    client = MlflowClient(uri)
    runs = {
        run.info.run_name: run for run in client.search_runs([client.get_experiment_by_name("tenfold").experiment_id])
    }
    trials = {f"{found.path.name}/{trial.path.name}": trial for trial in found.trials()}
    assert sorted(runs) == sorted([found.path.name, *trials])
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for name, trial in trials.items():
        assert float(runs[name].data.params["train.learning_rate"]) == trial.recipe.train.learning_rate
        assert runs[name].data.metrics["validation/accuracy"] == trial.summary["validation"]["accuracy"]
        assert [p.step for p in client.get_metric_history(runs[name].info.run_id, "fold01/member00/loss/train")] == [
            1,
            2,
        ]
    whole = runs[found.path.name]
    assert whole.data.metrics["validation/accuracy"] == found.summary["validation"]["accuracy"]
    assert {"best.toml", "trials.csv"} <= {item.path for item in client.list_artifacts(whole.info.run_id)}


def test_a_tracker_that_is_gone_by_then_is_named_and_the_run_goes_on(run: Run) -> None:
    def gone() -> list[Tracker]:
        raise ResourceError("nobody answers")

    heard = _Heard()
    listener = Tracked(heard, gone)
    listener.run_begins(run)
    listener.run_ends(run)
    assert heard.lines == ["warning: nobody answers; all of it is in the run directory"]


def test_a_trial_that_is_given_up_is_killed_and_so_is_one_that_a_lost_worker_left(run: Run) -> None:
    told: list[str] = []

    class Written(TRACKERS.get("tensorboard")):  # type: ignore[misc]
        def begin(self, run: Run) -> None:
            told.append("begun")

        def epoch(self, name: str, row: dict[str, object]) -> None:
            told.append(name)

        def stop(self) -> None:
            told.append("stopped")

        def end(self, run: Run) -> None:
            told.append("ended")

    listener = Tracked(Listener(), lambda: [Written(None, Path())])
    epoch = {"history": {}, "epochs": 2, "fold": 1, "member": 0}
    empty = Run.at(run.path.parent / "empty", run.recipe)
    listener.trial_begins(1, empty)
    listener.event(1, epoch)
    listener.trial_ends(1, None)
    listener.trial_ends(1, None)  # the values of an earlier trial: nothing was trained
    listener.trial_begins(0, empty)
    listener.trial_begins(0, empty)
    listener.trial_ends(0, empty)
    assert told == ["begun", "fold02/member00", "stopped", "begun", "stopped", "begun", "ended"]


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        ("wandb", 2, "unknown tracker 'wandb'; expected one of: mlflow, tensorboard"),
        ("mlflow=file.db", 2, "--track mlflow=file.db: expected sqlite:///FILE.db or http://HOST:PORT"),
        ("mlflow=http://127.0.0.1:9", 4, "--track mlflow: http://127.0.0.1:9 cannot be used"),
    ],
)
def test_what_cannot_be_reached_is_said_before_anything_is_trained(
    folder: Path, tmp_path: Path, wanted: str, code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    out = tmp_path / "runs"
    done = tenfold("train", "--train", folder / "train.npz", "--out", out, "--track", wanted, "--executor", "local")
    assert (done.code, message in done.err) == (code, True), done.err
    assert not out.exists() or not list(out.iterdir())


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ResourceError, match=r"pip install .*\[tensorboard\]"):
        tracked(Listener(), ["tensorboard"], Path())
