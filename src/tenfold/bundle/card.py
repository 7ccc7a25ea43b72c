"""The model card: what a bundle is good for, and what not, for the person who is handed one.

After Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993).
"""

from __future__ import annotations

from tenfold.bundle.manifest import DARK, Estimate, Manifest
from tenfold.values.names import markdown
from tenfold.values.names import markdown_code as code


def model_card(manifest: Manifest) -> str:
    """The card as Markdown, from nothing but the manifest."""
    channels, height, width = manifest.image_shape
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")
    members = "one network" if manifest.members == 1 else f"{manifest.members} networks that vote ({markdown(manifest.vote)})"
    figures = [_line(name, estimate) for name, estimate in sorted(manifest.metrics.items())]
    ground = "bright on a dark background" if manifest.pixel_mean < DARK else f"of a mean level near {manifest.pixel_mean:.0f}"
    if manifest.left_out:
        all_members = manifest.members + manifest.left_out
        figures.insert(0, f"**Partial: {manifest.left_out} of {all_members} networks were damaged and do not vote.**\n")
    if manifest.leaked:
        figures.insert(0, "**Leakage: test images were among the training images. The test accuracy means nothing.**\n")
    return "\n".join(
        [
            f"# {markdown(manifest.recipe)}",
            "",
            f"A classifier of {colour} images of {width} x {height} pixels: {members}, {manifest.parameters:,} parameters.",
            "",
            "## Intended use",
            "",
            f"Tell which one of {len(manifest.class_names)} classes an image shows: "
            f"{', '.join(map(markdown, manifest.class_names))}.",
            "",
            "## Training data",
            "",
            f"{markdown(manifest.trained_on)} (fingerprint {code(manifest.data_fingerprint[:16])}), "
            f"recipe {code(manifest.recipe)} with key {code(manifest.recipe_key)}, tenfold {markdown(manifest.tenfold)}.",
            "",
            "## How good it is",
            "",
            *(figures or ["It was not measured."]),
            "",
            "The intervals are for images like those it was measured on; elsewhere it will do worse.",
            "",
            "## Limits",
            "",
            f"- It reads only images made like its training data: exactly {width} x {height} pixels, one centred object, "
            f"{ground}. Photos and scans must be brought to that form first.",
            "- It always answers with one of its classes, also for an image that shows none of them.",
            f"- {_confidence(manifest)}",
            "",
            "## Files",
            "",
            f"`model.onnx`: input `images` uint8 (N, {channels}, {height}, {width}), output `probabilities` float32 "
            f"(N, {len(manifest.class_names)}), SHA-256 {code(manifest.model.sha256)}. "
            "`manifest.json`: all of this for programs.",
            "",
        ]
    )


def _confidence(manifest: Manifest) -> str:
    if manifest.calibration is None:
        return "Its probabilities are not calibrated."
    learnt = (
        f"Its probabilities are as the networks say them; `manifest.json` has a temperature that makes them honest "
        f"({manifest.calibration.temperature:.3g}, from {manifest.calibration.images:,} held-out images)"
    )
    if manifest.reject_threshold is None:
        return f"{learnt}. No confidence was found from which on it is hardly ever wrong."
    return f"{learnt}, and the confidence below which an answer is better left to people ({manifest.reject_threshold:.4f})."


def _line(name: str, estimate: Estimate) -> str:
    interval = f"95 % interval {estimate.low:.2%} to {estimate.high:.2%}"
    return f"- {markdown(name)}: **{estimate.value:.2%}** ({interval}) of {estimate.images:,} images"
