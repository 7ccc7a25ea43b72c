"""A small network as one C header without dependencies."""

from __future__ import annotations

from tenfold.bundle.manifest import Manifest
from tenfold.bundle.targets import Request, Target
from tenfold.errors import UsageError, missing_extra
from tenfold.files import write_text
from tenfold.values.names import c_comment, c_string

LARGEST = 1_000_000
"""Parameters; as text they take some 13 MB."""


class C(Target):
    """A dependency-free C99 header for small networks: tenfold_predict(pixels, probabilities)."""

    default = "tenfold_model.h"

    @classmethod
    def write(cls, request: Request) -> list[str]:
        """See :meth:`Target.write`."""
        manifest = request.bundle.manifest
        if manifest.parameters > LARGEST:
            raise UsageError(
                f"this model has {manifest.parameters:,} parameters, and a C header takes at most {LARGEST:,}; "
                "train a smaller one, or export --to onnx"
            )
        text = c_header(request.model, manifest)
        write_text(request.out, text, overwrite=request.force)
        return [
            (
                f"{request.out}  {len(text):,} bytes, {manifest.parameters:,} parameters; C99, needs math.h and nothing"
                " else"
            ),
            "  void tenfold_predict(const uint8_t pixels[TENFOLD_PIXELS], float probabilities[TENFOLD_CLASSES])",
        ]


def c_header(model: bytes, manifest: Manifest) -> str:
    """The header's text.

    Raises:
        UsageError: an operator that has no C.
        ResourceError: the package onnx is missing.
    """
    try:
        from tenfold.bundle.targets._c_code import CGraph
    except ImportError:
        raise missing_extra("onnx", "train", "exporting to C") from None
    graph = CGraph(model)
    channels, height, width = manifest.image_shape
    functions = "\n\n".join(graph.functions[name] for name in sorted(graph.functions))
    names = ", ".join(f'"{c_string(name)}"' for name in manifest.class_names)
    tenfold, recipe, key = map(c_comment, (manifest.tenfold, manifest.recipe, manifest.recipe_key))
    origin = f"made by tenfold {tenfold} from recipe {recipe} {key}"
    return f"""/* A recogniser of {len(manifest.class_names)} classes, {origin}.
 * Include it in one C file and call tenfold_predict; link with -lm. It keeps its working memory between calls, so
 * only one thread may call it. Pixels are {channels} x {height} x {width} bytes, row by row, 0 background, 255 ink,
 * as in training.
 * SHA-256 of the ONNX model that it computes: {c_comment(manifest.model.sha256)}
 */
#ifndef TENFOLD_MODEL_H
#define TENFOLD_MODEL_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#define TENFOLD_PIXELS {channels * height * width}
#define TENFOLD_CLASSES {len(manifest.class_names)}

static const char *const tenfold_class_names[TENFOLD_CLASSES] = {{{names}}};

{functions}

{chr(10).join(graph.constants)}

/* The probability of every class; returns the number of the most probable one. */
static int tenfold_predict(const uint8_t pixels[TENFOLD_PIXELS], float probabilities[TENFOLD_CLASSES])
{{
    {f"{chr(10)}    ".join([*graph.buffers, *graph.steps])}
    int best = 0;
    for (int k = 1; k < TENFOLD_CLASSES; k++) if (probabilities[k] > probabilities[best]) best = k;
    return best;
}}

#endif
"""
