"""Whether a run or bundle is what it was - hashes, weights, its answer when made - and whether it saw a test set."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tenfold.bundle.manifest import GOLDEN_TOLERANCE, MANIFEST, bundle_folder, golden_image
from tenfold.bundle.predict import BATCH, Bundle, open_session
from tenfold.data import ReadOptions
from tenfold.data.checks import Finding
from tenfold.data.checks.equal_images import leakage
from tenfold.data.checks.near_duplicates import near_leakage
from tenfold.data.joined import is_here
from tenfold.data.load import load
from tenfold.errors import IntegrityError, TenfoldError, missing_extra
from tenfold.runtime import cores
from tenfold.values.dataset import Dataset
from tenfold.values.run import Run


def member_probabilities(
    model: bytes, images: NDArray[np.uint8], members: int, *, threads: int | None = None
) -> NDArray[np.float32] | None:
    """(M, N, K) class probabilities by each of M members; None if the graph does not tell its members apart.

    Args:
        model: the checked content of a bundle's ``model.onnx``.
        images: uint8 (N, C, H, W), as the bundle takes them.
        members: M, as the manifest says.
        threads: that compute one batch; by default as many as there are usable cores.

    Raises:
        ResourceError: the package that opens the graph is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "train", "telling the members of a bundle apart") from error
    graph = onnx.load_model_from_string(model)
    # the last tensor of each member, in their order: its softmax, or the logarithm of that where logarithms are
    # averaged
    last = {
        prefix: (node.op_type, node.output[0])
        for node in graph.graph.node
        if (prefix := re.split("[._]", node.output[0])[0]).startswith("member")  # older bundles have dots
    }
    if members < 2 or len(last) != members:
        return None
    for _, name in last.values():
        graph.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = open_session(graph.SerializeToString(), threads or cores())
    names = [name for _, name in last.values()]
    batches = [session.run(names, {"images": images[i : i + BATCH]}) for i in range(0, len(images), BATCH)]
    found: NDArray[np.float32] = np.concatenate([np.stack(batch) for batch in batches], axis=1)
    logarithms = [operator == "Log" for operator, _ in last.values()]
    found[logarithms] = np.exp(found[logarithms])
    return found


def verify(path: Path) -> tuple[list[str], str]:
    """What is wrong with the run directory or the bundle at ``path``, one sentence each, and what was looked at.

    Raises:
        UsageError: it is neither.
        IntegrityError: it has no readable manifest, or the model is not what its manifest says.
        ResourceError: the operating system refused.
    """
    if not path.exists():
        with suppress(IntegrityError):  # the name of a bundle
            path = bundle_folder(path)
    if not (path / "recipe.toml").is_file() and (path / MANIFEST).is_file():
        return answer_faults(path), "the model as recorded, its answer as on the day it was made"
    run = Run(path)
    faults = run.verify()
    looked_at = f"complete, all {len(run.files())} files as recorded"
    weights = sorted(run.path.glob("**/members/*/weights.safetensors"))
    for file in weights:
        faults += _weight_faults(file, file.relative_to(run.path).as_posix())
    if weights:
        looked_at += ", weights finite"
    if (run.path / "bundle" / MANIFEST).is_file():
        try:
            faults += answer_faults(run.path)
        except IntegrityError as error:
            faults += error.lines()
        looked_at += ", the model's answer as on the day it was made"
    return faults, looked_at


def answer_faults(path: Path) -> list[str]:
    """Ask the bundle at ``path`` what it was asked when it was made; one sentence if the answer is another now.

    Raises:
        IntegrityError: it cannot be opened.
    """
    bundle = Bundle.open(path, threads=1)
    recorded = bundle.manifest.golden
    if recorded is None:  # written before bundles had one
        return []
    answer = bundle.predict_proba(golden_image(bundle.image_shape)[None], every_look=True)[0]
    if len(recorded) != len(answer):
        return [f"{MANIFEST} records an answer of {len(recorded):,} probabilities, the model gives {len(answer):,}"]
    apart = float(np.abs(answer - np.asarray(recorded)).max())
    if apart <= GOLDEN_TOLERANCE:
        return []
    return [f"{MANIFEST} records another answer than the model gives here: probabilities differ by {apart:.1e}"]


def _weight_faults(file: Path, name: str) -> list[str]:
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        return [f"{name} cannot be read: {error}"]
    return [f"{name}: {key} is not finite" for key, tensor in sorted(tensors.items()) if not np.isfinite(tensor).all()]


def trained_on(path: Path, test: Dataset) -> Finding | None:
    """What the checks for equal images and for changed copies find between the training set of a run and ``test``.

    Args:
        path: the run, or the bundle inside it.
        test: the images to predict.

    Returns:
        None if nobody can tell: the bundle stands alone, or its training set is gone or has changed.
    """
    try:
        data = Run(bundle_folder(path).absolute().parent).data
        if not is_here(data["train"]["source"]):
            return None
        train = load(data["train"]["source"], "train", ReadOptions().or_recorded(data.get("options")))
        if train.fingerprint() != data["train"]["fingerprint"]:
            return None
        equal = leakage(train, test)
        near = equal if equal.severity in ("leak", "error") else near_leakage(train, test)
        return near if near.severity == "leak" else equal
    except (TenfoldError, KeyError, TypeError):
        return None
