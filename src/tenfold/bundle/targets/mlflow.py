"""A folder that MLflow loads, serves and registers; MLflow itself is not needed to write it."""

from __future__ import annotations

import json
import platform
import time

from tenfold.bundle.export import model_card
from tenfold.bundle.manifest import CARD, MANIFEST, MODEL
from tenfold.bundle.targets import Request, Target
from tenfold.files import write_folder
from tenfold.runtime import version
from tenfold.values.names import yaml


class Mlflow(Target):
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
            MANIFEST: (json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n").encode(),
            CARD: model_card(manifest).encode(),
        }
        write_folder(request.out, [], files.items())
        return [
            f"{request.out}  an MLflow model; serve it with: mlflow models serve -m {request.out} --env-manager local"
        ]


def _yaml(content: object) -> bytes:
    return f"{yaml(content, indent=2)}\n".encode()
