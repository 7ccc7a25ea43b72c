"""The clients that people have: Triton's with its binary tensors, HEAD, ``image/jpg``, and what they send besides."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from _service import Served, base64_of, big_digits, png

IMAGES = big_digits().images[1300:1303]
LABELS = big_digits().labels[1300:1303].tolist()


@pytest.fixture(scope="module")
def triton(web: Served):
    http = pytest.importorskip("tritonclient.http")
    with http.InferenceServerClient(f"127.0.0.1:{web.port}") as client:
        yield client, http


@pytest.mark.parametrize("sent_as_bytes", [True, False])
@pytest.mark.parametrize("answered_in_bytes", [True, False])
def test_tritons_client_infers_in_every_form(triton, sent_as_bytes: bool, answered_in_bytes: bool) -> None:
    client, http = triton
    tensor = http.InferInput("images", list(IMAGES.shape), "UINT8")
    tensor.set_data_from_numpy(IMAGES, binary_data=sent_as_bytes)
    wanted = [http.InferRequestedOutput("probabilities", binary_data=answered_in_bytes)]
    found = client.infer("digits", [tensor], outputs=wanted, request_id="seven").as_numpy("probabilities")
    assert found.dtype == np.float32
    assert found.argmax(axis=1).tolist() == LABELS


def test_tritons_client_as_it_comes(triton) -> None:
    client, http = triton
    tensor = http.InferInput("images", list(IMAGES.shape), "UINT8")
    tensor.set_data_from_numpy(IMAGES)
    assert client.infer("digits", [tensor]).as_numpy("probabilities").argmax(axis=1).tolist() == LABELS


@pytest.mark.parametrize("sent_as_bytes", [True, False])
def test_image_files_are_a_tensor_of_bytes(web: Served, triton, sent_as_bytes: bool) -> None:
    client, http = triton
    if not sent_as_bytes:
        data = [base64_of(png(image[0])) for image in IMAGES]
        tensor = {"name": "images", "shape": [3], "datatype": "BYTES", "data": data}
        reply = web.post("/v2/models/digits/infer", {"inputs": [tensor]})
        found = np.reshape(reply.json["outputs"][0]["data"], (3, 10))
    else:
        files = np.array([png(image[0]) for image in IMAGES], object)
        tensor = http.InferInput("images", [3], "BYTES")
        tensor.set_data_from_numpy(files)
        found = client.infer("digits", [tensor]).as_numpy("probabilities")
    assert found.argmax(axis=1).tolist() == LABELS


def test_tritons_client_finds_configuration_statistics_and_index(triton) -> None:
    client, http = triton
    assert client.get_model_config("digits")["input"] == [
        {"name": "images", "data_type": "TYPE_UINT8", "dims": [1, 28, 28]}
    ]
    before = client.get_inference_statistics("digits")["model_stats"][0]["inference_count"]
    test_tritons_client_as_it_comes(triton)
    after = client.get_inference_statistics("digits")["model_stats"][0]
    assert after["inference_count"] == before + 1
    assert after["inference_stats"]["success"]["ns"] > 0
    assert {"name": "digits", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index()
    with pytest.raises(http.InferenceServerException, match="no model of that name"):
        client.get_model_config("none")


@pytest.mark.parametrize(
    ("length", "rest"),
    [("5", b""), ("99999", b""), ("x", b""), ("-1", b""), ("140", b"\0" * 783), ("140", b"\0" * 785)],
)
def test_binary_tensors_of_another_length_are_refused(web: Served, length: str, rest: bytes) -> None:
    head = (
        b'{"inputs":[{"name":"images","shape":[1,1,28,28],"datatype":"UINT8","parameters":{"binary_data_size":784}}]}'
    )
    head = head.ljust(140)
    reply = web.request("POST", "/v2/models/digits/infer", head + rest, {"Inference-Header-Content-Length": length})
    assert reply.status in (400, 422)
    assert set(reply.json) == {"error"}


def test_members_that_the_protocol_or_a_client_adds_are_ignored(web: Served) -> None:
    tensor = {"name": "images", "shape": [3, 1, 28, 28], "datatype": "UINT8", "data": IMAGES.ravel().tolist()}
    body = {
        "model_name": "digits",
        "new": 1,
        "inputs": [{**tensor, "more": []}],
        "outputs": [{"name": "probabilities", "x": 1}],
    }
    assert web.post("/v2/models/digits/infer", body).status == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/models", "/metrics", "/v2", "/v2/models/digits"])
def test_head_answers_as_get_without_a_body(web: Served, path: str) -> None:
    got, head = web.get(path), web.request("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def test_head_of_nothing_is_404(web: Served) -> None:
    assert web.request("HEAD", "/nothing").status == 404


def test_image_jpg_is_image_jpeg(web: Served) -> None:
    content = io.BytesIO()
    Image.fromarray(IMAGES[0, 0]).resize((280, 280)).save(content, "JPEG")
    reply = web.post("/v1/predict", content.getvalue(), Content_Type="image/jpg")
    assert reply.json["predictions"][0]["class"] == str(LABELS[0])


@pytest.mark.parametrize("binary", [False, True])
def test_kserves_client_infers(web: Served, binary: bool) -> None:
    kserve = pytest.importorskip("kserve")
    tensor = kserve.InferInput("images", list(IMAGES.shape), "UINT8")
    tensor.set_data_from_numpy(IMAGES, binary_data=binary)
    asked = kserve.InferRequest(model_name="digits", infer_inputs=[tensor])

    async def ask() -> np.ndarray:
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", timeout=30))
        answered = await client.infer(f"http://127.0.0.1:{web.port}", asked, model_name="digits")
        return answered.outputs[0].as_numpy()

    assert asyncio.run(ask()).reshape(3, 10).argmax(axis=1).tolist() == LABELS
