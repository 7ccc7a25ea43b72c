"""The usual way to serve a model, as a yardstick for `tenfold serve`: FastAPI, uvicorn and a thread pool.

It has no limits, no isolation and no batches; `serve.py --yardstick` measures both in one run.
"""

import asyncio
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

import tenfold
from tenfold.reading.normalise import normalise

app, model, pool = FastAPI(), tenfold.Bundle.open("builtin", 1), ThreadPoolExecutor(int(sys.argv[2]))


def answer(body: bytes) -> dict[str, Any]:
    image = normalise(np.asarray(Image.open(io.BytesIO(body)).convert("L")))
    shares = model.predict_proba(image[None, None])[0].tolist()
    best = max(range(len(shares)), key=shares.__getitem__)
    named = dict(zip(model.class_names, shares, strict=True))
    return {"predictions": [{"class": model.class_names[best], "confidence": shares[best], "probabilities": named}]}


@app.post("/v1/predict")
async def predict(request: Request) -> dict[str, Any]:
    return await asyncio.get_running_loop().run_in_executor(pool, answer, await request.body())


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
