"""MLflow: a tracker that copies runs to it, and a bundle as a folder that it loads, serves and registers."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.bundle.export import model_card
from tenfold.bundle.manifest import CARD, MANIFEST, MODEL
from tenfold.bundle.targets import Request, Target
from tenfold.errors import ResourceError, UsageError, missing_extra, printable
from tenfold.files import make_directory, write_folder
from tenfold.runtime import version
from tenfold.tracking import Tracker, epoch_figures, final_figures, parameters, title
from tenfold.values.names import yaml
from tenfold.values.run import Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "tenfold"
FILES = (
    "report.html",
    "recipe.toml",
    "environment.json",
    "data.json",
    "summary.json",
    "manifest.json",
    "submission.csv",
    "best.toml",
    "trials.csv",
)
FOLDERS = ("bundle", "predictions")
LONGEST = 6000
"""Characters in a parameter's value."""
SCHEMES = ("sqlite:", "http:", "https:", "postgresql:", "mysql:", "mssql:")


class Mlflow(Tracker):
    """An MLflow run in the experiment "tenfold"; ``mlflow ui`` shows it."""

    _client: MlflowClient
    _experiment: str
    _id: str

    @property
    def uri(self) -> str:
        """Where to: as the user wrote it, else MLFLOW_TRACKING_URI, else a database beside the runs."""
        known = self.place or os.environ.get("MLFLOW_TRACKING_URI")
        return known or f"sqlite:///{(self.folder / 'mlflow.db').absolute()}"

    def connect(self) -> str:
        """See :meth:`Tracker.connect`."""
        if not self.uri.startswith(SCHEMES):
            raise UsageError(f"--track mlflow={printable(self.uri)}: expected sqlite:///FILE.db or http://HOST:PORT")
        # MLflow tries for minutes, which is long for a wrong address
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise missing_extra("mlflow", "mlflow", "--track mlflow") from error
        make_directory(self.folder)
        try:
            self._client = MlflowClient(self.uri)
            known = self._client.get_experiment_by_name(EXPERIMENT)
            self._experiment = (
                known.experiment_id if known else self._client.create_experiment(EXPERIMENT, self._artefacts())
            )
        except (MlflowException, OSError, ValueError) as error:
            reason = printable(str(error).partition("\n")[0])[:200]
            raise ResourceError(f"--track mlflow: {printable(self.uri)} cannot be used: {reason}") from error
        return f"mlflow ui --backend-store-uri {self.uri}" if self.uri.startswith("sqlite:") else self.uri

    def begin(self, run: Run) -> None:
        """Name, parameters, and tags that say which recipe, data, commit and machine."""
        from mlflow.entities import Param, RunTag

        environment = run.environment if (run.path / "environment.json").is_file() else {}  # a trial has its search's
        tags = {
            "mlflow.runName": title(run),
            "mlflow.source.name": "tenfold",
            "mlflow.source.git.commit": str(environment.get("commit") or ""),
            "recipe_key": run.recipe.key(),
            "run_directory": str(run.path.resolve()),
            "claim": run.recipe.claim,
        }
        if (run.path / "data.json").is_file():
            tags |= {
                "data": str(run.data["train"]["source"]),
                "data_fingerprint": str(run.data["train"]["fingerprint"]),
            }
        self._id = self._client.create_run(self._experiment, run_name=title(run)).info.run_id
        params = [Param(_name(name), value[:LONGEST]) for name, value in parameters(run).items()]
        self._client.log_batch(
            self._id, params=params, tags=[RunTag(key, value) for key, value in tags.items() if value]
        )

    def epoch(self, name: str, row: Mapping[str, Any]) -> None:
        """A point of each curve, as ``member00/loss/train``."""
        self._metrics({f"{name}/{figure}": value for figure, value in epoch_figures(row).items()}, int(row["epoch"]))

    def end(self, run: Run) -> None:
        """Headline figures, and the files that people ask for."""
        self._metrics(final_figures(run), 0)
        for name in FILES:
            if (run.path / name).is_file():
                self._client.log_artifact(self._id, str(run.path / name))
        for name in FOLDERS:
            if (run.path / name).is_dir():
                self._client.log_artifacts(self._id, str(run.path / name), name)
        self._client.set_terminated(self._id, "FINISHED")

    def stop(self) -> None:
        """Mark it as killed."""
        self._client.set_terminated(self._id, "KILLED")

    def _metrics(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self._id, metrics=[Metric(_name(name), value, now, step) for name, value in figures.items()]
        )

    def _artefacts(self) -> str | None:
        """Beside a database file; a server has its own place."""
        path = self.uri.removeprefix("sqlite:///")
        return None if path == self.uri else (Path(path).absolute().parent / "mlflow-artefacts").as_uri()


def _name(text: str) -> str:
    """``text`` in the characters that MLflow takes."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in text)


class MlflowModel(Target):
    """An MLflow model folder: flavours onnx and python_function, signature, requirements."""

    default = "mlflow-model"

    @classmethod
    def write(cls, request: Request) -> list[str]:
        """See :meth:`Target.write`. MLmodel is YAML, of which JSON is a part."""
        manifest = request.bundle.manifest
        python = platform.python_version()
        pixels = {"dtype": "uint8", "shape": [-1, *manifest.image_shape]}
        answers = {"dtype": "float32", "shape": [-1, len(manifest.class_names)]}
        requirements = ["mlflow>=3", f"onnxruntime=={version('onnxruntime')}", f"onnx=={version('onnx') or '1.17.0'}"]
        mlmodel = {
            "flavors": {
                "onnx": {
                    "data": MODEL,
                    "onnx_version": version("onnx"),
                    "providers": ["CPUExecutionProvider"],
                    "code": None,
                },
                "python_function": {
                    "data": MODEL,
                    "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                    "loader_module": "mlflow.onnx",
                    "python_version": python,
                },
            },
            "signature": {
                "inputs": json.dumps([{"name": "images", "type": "tensor", "tensor-spec": pixels}]),
                "outputs": json.dumps([{"name": "probabilities", "type": "tensor", "tensor-spec": answers}]),
                "params": None,
            },
            "metadata": {
                "class_names": list(manifest.class_names),
                "recipe_key": manifest.recipe_key,
                "leaked": manifest.leaked,
            },
            "utc_time_created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        }
        conda = {
            "name": "tenfold",
            "channels": ["conda-forge"],
            "dependencies": [f"python={python}", "pip", {"pip": requirements}],
        }
        environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
        files = {
            "MLmodel": _yaml(mlmodel),
            MODEL: request.model,
            "conda.yaml": _yaml(conda),
            "python_env.yaml": _yaml(environment),
            "requirements.txt": "".join(f"{line}\n" for line in requirements).encode(),
            MANIFEST: (json.dumps(manifest.as_json(), indent=2) + "\n").encode(),
            CARD: model_card(manifest).encode(),
        }
        write_folder(request.out, [], files.items())
        return [
            f"{request.out}  an MLflow model; serve it with: mlflow models serve -m {request.out} --env-manager local"
        ]


def _yaml(content: object) -> bytes:
    return f"{yaml(content, indent=2)}\n".encode()
