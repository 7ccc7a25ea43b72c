"""A folder as model hubs take it: a card with front matter, a configuration, the model."""

from __future__ import annotations

import json

from tenfold.bundle.export import model_card
from tenfold.bundle.manifest import MANIFEST, MODEL, Manifest
from tenfold.bundle.targets import Request, Target
from tenfold.files import write_folder
from tenfold.values.names import yaml


class Hub(Target):
    """A Hugging Face style folder: README.md with front matter, config.json, model.onnx; also a bundle."""

    default = "hub-model"

    @classmethod
    def write(cls, request: Request) -> list[str]:
        """See :meth:`Target.write`. With its manifest the folder is a bundle again for whoever downloads it."""
        manifest = request.bundle.manifest
        files = {
            "README.md": hub_card(manifest).encode(),
            "config.json": _json(_config(manifest)),
            "preprocessor_config.json": _json(_preprocessing(manifest)),
            MODEL: request.model,
            MANIFEST: _json(manifest.model_dump(mode="json")),
        }
        write_folder(request.out, [], files.items())
        return [f"{request.out}  a model folder for a hub; tenfold predict {request.out} IMAGE reads it too"]


def hub_card(manifest: Manifest) -> str:
    """The bundle's card under the front matter that hubs index. JSON values are YAML values."""
    front = {
        "license": "mit",
        "pipeline_tag": "image-classification",
        "library_name": "onnx",
        "tags": ["onnx", "image-classification", "tenfold"],
        "model-index": [{"name": manifest.recipe, "results": _results(manifest)}],
    }
    lines = [f"{key}: {yaml(value)}" for key, value in front.items() if key != "model-index" or _results(manifest)]
    use = """
## Use it

With tenfold:

```console
$ tenfold predict . seven.png
```

Without it, after `pip install onnxruntime`:

```python
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
(probabilities,) = session.run(["probabilities"], {"images": images})  # images: uint8 (N, C, H, W), ink bright on dark
```
"""
    return "\n".join(["---", *lines, "---", "", model_card(manifest).rstrip(), use])


def _results(manifest: Manifest) -> list[dict[str, object]]:
    """A result for every metric, unless the test set leaked, when no figure means anything."""
    if manifest.leaked:
        return []
    return [
        {
            "task": {"type": "image-classification"},
            "dataset": {"type": manifest.trained_on, "name": f"{manifest.trained_on} ({name.partition(' ')[0]})"},
            "metrics": [{"type": "accuracy", "name": name, "value": round(estimate.value, 6)}],
        }
        for name, estimate in sorted(manifest.metrics.items())
    ]


def _config(manifest: Manifest) -> dict[str, object]:
    names = manifest.class_names
    return {
        "model_type": "tenfold-onnx",
        "num_channels": manifest.image_shape[0],
        "image_size": list(manifest.image_shape[1:]),
        "id2label": {str(k): name for k, name in enumerate(names)},
        "label2id": {name: k for k, name in enumerate(names)},
        "members": manifest.members,
        "vote": manifest.vote,
    }


def _preprocessing(manifest: Manifest) -> dict[str, object]:
    """Nothing to do: the graph takes bytes."""
    _, height, width = manifest.image_shape
    size = {"height": height, "width": width}
    return {
        "do_resize": False,
        "do_rescale": False,
        "do_normalize": False,
        "size": size,
        "note": manifest.preprocessing,
    }


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()
