"""H01-H06 and H10-H16 of the reliability list: hostile and odd bodies. Each test is named after its case."""

import io
import json
import socket
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from _service import Reply, Served, base64_of, big_digits, form, png, status_of

IMAGE = big_digits().images[1300, 0]
LABEL = str(big_digits().labels[1300])
MIB = 1 << 20


def error_of(reply: Reply) -> dict[str, str]:
    """The error in the one form that errors have, which gives nothing away."""
    found = reply.json
    assert list(found) == ["error"]
    assert set(found["error"]) == {"code", "message", "field"}
    assert reply.headers["content-type"] == "application/json"
    for secret in ("Traceback", "/site-packages", ".py", "pydantic", "onnx", "PIL"):
        assert secret not in found["error"]["message"]
    return found["error"]


def test_a_digit_is_read_from_every_kind_of_body(web: Served) -> None:
    body, kind = form(("image", png(IMAGE)))
    replies = [
        web.post("/v1/predict", {"image": {"pixels": IMAGE.tolist()}}),
        web.post("/v1/predict", {"image": {"base64": base64_of(png(IMAGE))}}),
        web.post("/v1/predict", png(IMAGE), Content_Type="image/png"),
        web.post("/v1/predict", body, Content_Type=kind),
    ]
    for reply in replies:
        (found,) = reply.json["predictions"]
        assert (reply.status, found["class"], found["blank"]) == (200, LABEL, False)
        assert abs(sum(found["probabilities"].values()) - 1) < 1e-5
        assert found["confidence"] == max(found["probabilities"].values())


def test_batches_keep_their_order(web: Served) -> None:
    rows = range(1300, 1340)
    images = big_digits().images[list(rows), 0]
    whole = web.post("/v1/predict", {"images": [{"pixels": image.tolist()} for image in images]}).json["predictions"]
    singly = [
        web.post("/v1/predict", {"image": {"pixels": image.tolist()}}).json["predictions"][0] for image in images[:8]
    ]
    assert len(whole) == len(rows)
    assert [one["class"] for one in singly] == [one["class"] for one in whole[:8]]
    for one, other in zip(singly, whole, strict=False):  # V05: the same within rounding
        assert all(abs(one["probabilities"][k] - other["probabilities"][k]) <= 1e-6 for k in "0123456789")
    body, kind = form(*(("images", png(image)) for image in images[:5]))
    assert len(web.post("/v1/predict", body, Content_Type=kind).json["predictions"]) == 5


def test_h01_a_length_over_the_limit_is_refused_before_anything_is_sent(web: Served) -> None:
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 999999999\r\n\r\n"
    )
    began = time.monotonic()
    assert status_of(web.raw(head)) == 413
    assert time.monotonic() - began < 5


def test_h02_a_body_without_length_is_cut_at_the_limit(web: Served) -> None:
    before = web.rss()
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    piece = b"10000\r\n" + bytes(65536) + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(head)
        try:
            while sent < 200 * MIB:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        answer = connection.recv(65536)
    assert status_of(answer) == 413
    assert sent < 64 * MIB  # the limit, what was on its way, and what is drained so that the answer arrives
    assert web.rss() - before < 16 * MIB


def test_h03_a_million_chunks_of_a_byte(web: Served) -> None:
    before = web.rss()
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    began = time.monotonic()
    assert status_of(web.raw(head + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n")) in (400, 413)
    assert time.monotonic() - began < 15
    assert web.rss() - before < 32 * MIB


def test_h04_compressed_bodies_are_not_taken(web: Served) -> None:
    bomb = zlib.compress(bytes(10 * MIB))
    reply = web.post("/v1/predict", bomb, Content_Encoding="gzip")
    assert reply.status == 415
    assert error_of(reply)["field"] == "Content-Encoding"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: -5",
        b"Content-Length: +5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Transfer-Encoding: gzip, identity\r\nContent-Length: 5",
        b"Content-Length: 0x5",
        b"Content-Length: 99999999999999999999999999",
    ],
    ids=lambda headers: headers.decode().replace("\r\n", " + "),
)
def test_h05_lengths_that_could_smuggle_a_request(web: Served, headers: bytes) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = web.raw(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + smuggled)
    assert status_of(answer) in (400, 413)
    assert answer.count(b"HTTP/1.1 ") == 1  # and the connection is closed


@pytest.mark.parametrize(
    ("head", "statuses"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000, {400, 431}),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 10_000, {400, 431}),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost", {400, 414, 431}),
    ],
    ids=["a header of 200 kB", "10,000 headers", "an address of 100 kB"],
)
def test_h06_heads_that_are_too_large(web: Served, head: bytes, statuses: set[int]) -> None:
    assert status_of(web.raw(head + b"\r\n\r\n")) in statuses
    assert web.get("/healthz").status == 200


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/vnd.bentoml+pickle",
        "application/x-python-serialize",
        "application/jsonp",
        "image/svg+xml",
        "a" * 500,
    ],
)
def test_h10_other_content_types(web: Served, kind: str) -> None:
    reply = web.post("/v1/predict", b"\x80\x04cposix\nsystem\n", Content_Type=kind)
    assert reply.status == 415
    assert error_of(reply)["field"] == "Content-Type"
    assert web.request("POST", "/v1/predict", png(IMAGE)).status == 415  # none at all


FORM, FORM_TYPE = form(("image", png(IMAGE)))
TWO = form(("image", png(IMAGE)), ("image", png(IMAGE)))[0]


@pytest.mark.parametrize(
    ("body", "kind", "statuses"),
    [
        (FORM, "multipart/form-data", {400}),
        (b"junk", FORM_TYPE, {400}),
        (b"", FORM_TYPE, {400}),
        (FORM[: len(FORM) // 2], FORM_TYPE, {400}),
        (FORM[:-4], FORM_TYPE, {400}),
        (form(*[("images", b"x")] * 1001)[0], FORM_TYPE, {413}),
        (form(("text", b"x" * MIB))[0], FORM_TYPE, {400, 422}),
        (b"--edge--\r\n", FORM_TYPE, {400}),
        (TWO, FORM_TYPE, {400}),
        (FORM, f"multipart/form-data; boundary={'b' * 5000}", {400}),
        (FORM.replace(b"edge", b"other"), FORM_TYPE, {400}),
        (b"--edge\r\n" + b"X: a\r\n" * 5000 + b"\r\nx\r\n--edge--\r\n", FORM_TYPE, {400}),
        (b"--edge\r\nX: " + b"a" * 100_000 + b"\r\n\r\nx\r\n--edge--\r\n", FORM_TYPE, {400}),
    ],
    ids=[
        *(
            "no boundary",
            "junk",
            "empty",
            "cut in the middle",
            "cut at the end",
            "1001 parts",
            "1 MB of text",
            "no part",
        ),
        *("two files", "a boundary of 5,000", "another boundary", "5,000 headers in a part", "a long header in a part"),
    ],
)
def test_h11_forms(web: Served, body: bytes, kind: str, statuses: set[int]) -> None:
    reply = web.post("/v1/predict", body, Content_Type=kind)
    assert reply.status in statuses
    error_of(reply)


def pixels(change: object = ..., row: int = 3, column: int = 5) -> list[list[object]]:
    made: list[list[object]] = IMAGE.tolist()
    if change is not ...:
        made[row][column] = change
    return made


@pytest.mark.parametrize(
    ("body", "statuses", "field"),
    [
        (b'{"image": {"pixels": [[\xff\xfe]]}}', {400}, ""),
        (b'{"image": {"pixels": [[NaN]]}}', {400}, ""),
        (b'{"image": {"pixels": [[Infinity]]}}', {400}, ""),
        (b'{"image": {"pixels": [[1e400]]}}', {422}, "image.pixels.0.0"),
        (b"[" * 100_000, {400}, ""),
        (b'{"image": ' + b"[" * 900 + b"]" * 900 + b"}", {422}, "image"),
        (b'{"image": {"pixels": [[0]]}, "image": {"pixels": [[0]]}}', {400}, ""),
        (b"", {400}, ""),
        (b"null", {422}, ""),
        (b"[]", {422}, ""),
        (b"{}", {422}, "image"),
        (b'{"image": null}', {422}, "image"),
        (b'{"images": {}}', {422}, "images"),
        (b'{"image": {"pixels": [[0]], "more": 1}}', {422}, "image.more"),
        (json.dumps({"image": {"pixels": pixels()[:27]}}).encode(), {422}, "image.pixels"),
        (json.dumps({"image": {"pixels": [row[:27] for row in pixels()]}}).encode(), {422}, "image.pixels"),
        (json.dumps({"image": {"pixels": [*pixels()[:27], [0]]}}).encode(), {422}, "image.pixels.27"),
        *(
            (json.dumps({"image": {"pixels": pixels(v)}}).encode(), {422}, "image.pixels.3.5")
            for v in (-1, 256, "7", True, None, 0.5, [0])
        ),
        (json.dumps({"image": {"pixels": pixels(10**400)}}).encode(), {422}, "image.pixels.3.5"),
        (b'{"image": {"pixels": [[' + b"9" * 5000 + b"]]}}", {400}, ""),
        (b'{"image": {"pixels": [[' + b"0," * 5_000_000 + b"0]]}}", {413, 422}, None),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, bytes) else "",
)
def test_h12_json(web: Served, body: bytes, statuses: set[int], field: str | None) -> None:
    reply = web.post("/v1/predict", body)
    assert reply.status in statuses, reply
    found = error_of(reply)
    assert field is None or found["field"] == field


def test_h12_the_bad_image_of_a_batch_is_named(web: Served) -> None:
    good, bad = {"pixels": pixels()}, {"pixels": pixels(300)}
    assert error_of(web.post("/v1/predict", {"images": [good, bad]}))["field"] == "images.1.pixels.3.5"


@pytest.mark.parametrize(
    "text",
    [
        "*" * 8,
        base64_of(png(IMAGE))[:-1],
        "data:image/png;base64," + base64_of(png(IMAGE)),
        " " + base64_of(png(IMAGE)),
        "ä",
        "",
        "QQ",
    ],
)
def test_h13_base64(web: Served, text: str) -> None:
    reply = web.post("/v1/predict", {"image": {"base64": text}})
    assert reply.status in (400, 422)
    assert error_of(reply)["field"] == "image.base64"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bare_png(width: int, height: int, *middle: bytes, data: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(middle) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def encoded(kind: str, image: Image.Image, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


WHOLE = png(IMAGE)
GREY = Image.fromarray(IMAGE)
UNDECODABLE = {
    "0 bytes": b"",
    "truncated PNG": WHOLE[: len(WHOLE) // 2],
    "truncated JPEG": encoded("JPEG", GREY.resize((200, 200)))[:2000],
    "wrong checksum": WHOLE[:-14] + bytes([WHOLE[-14] ^ 1]) + WHOLE[-13:],
    "no IEND": WHOLE[:-12],
    "junk behind": WHOLE + b"<script>",
    "text": b"hello",
    "zTXt bomb": bare_png(28, 28, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 * MIB))), data=bytes(29 * 28)),
    "too little data": bare_png(28, 28, data=b"\0"),
}
LARGE = {
    "81 megapixels": bare_png(9000, 9000, data=bytes(9001 * 100)),
    "13,000 x 13,000": bare_png(13_000, 13_000),
    "20,000 x 20,000": bare_png(20_000, 20_000),
    "5,000 x 1": bare_png(5000, 1, data=bytes(5001)),
}
OTHER = {
    "TIFF": encoded("TIFF", GREY),
    "ICO": encoded("ICO", GREY),
    "EPS": encoded("EPS", GREY),
    "PDF": b"%PDF-1.7\n",
    "PSD": b"8BPS\0\1" + bytes(64),
}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        *[pytest.param(content, 422, id=name) for name, content in UNDECODABLE.items()],
        *[pytest.param(content, 413, id=name) for name, content in LARGE.items()],
        *[pytest.param(content, 415, id=name) for name, content in OTHER.items()],
    ],
)
def test_h14_images_that_are_refused(web: Served, content: bytes, status: int) -> None:
    before = web.rss()
    reply = web.post("/v1/predict", content, Content_Type="image/png")
    assert reply.status == status, reply
    error_of(reply)
    assert web.rss() - before < 40 * MIB


def test_h14_a_batch_of_bombs(web: Served) -> None:
    bomb = bare_png(4000, 4000, data=bytes(4001 * 4000))
    body, kind = form(*[("images", bomb)] * 20)
    began = time.monotonic()
    assert web.post("/v1/predict", body, Content_Type=kind).status == 413
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK"])
def test_h14_every_mode_is_read(web: Served, mode: str) -> None:
    page = np.full((80, 80), 255, np.uint8)
    page[26:54, 26:54] = 255 - IMAGE
    image = Image.fromarray(page)
    if mode == "I;16":
        image = Image.fromarray(page.astype(np.uint16) * 257)
    elif mode == "LA":
        image.putalpha(255)
    else:
        image = image.convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    reply = web.post("/v1/predict", encoded(kind, image), Content_Type=f"image/{kind.lower()}")
    assert reply.json["predictions"][0]["class"] == LABEL


@pytest.mark.parametrize("orientation", range(1, 9))
def test_h14_exif_rotation_is_applied(web: Served, orientation: int) -> None:
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes it: Image.Transpose
    upright = Image.fromarray(255 - IMAGE).resize((112, 112))
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    reply = web.post("/v1/predict", encoded("JPEG", stored, exif=exif, quality=95), Content_Type="image/jpeg")
    assert reply.json["predictions"][0]["class"] == LABEL


def test_h14_odd_sizes(web: Served) -> None:
    for height, width in ((1, 1), (1, 4000), (4000, 1), (28, 29), (3, 3)):
        reply = web.post("/v1/predict", png(np.zeros((height, width), np.uint8)), Content_Type="image/png")
        assert reply.status == 200
        assert reply.json["predictions"][0]["blank"]


def test_h14_of_an_animation_the_first_frame_is_read(web: Served) -> None:
    frames = [GREY, *[Image.fromarray(np.full((28, 28), i % 256, np.uint8)) for i in range(300)]]
    content = encoded("GIF", frames[0], save_all=True, append_images=frames[1:])
    began = time.monotonic()
    assert web.post("/v1/predict", content, Content_Type="image/gif").json["predictions"][0]["class"] == LABEL
    assert time.monotonic() - began < 5


def test_h15_a_blank_drawing_is_no_digit(web: Served) -> None:
    for level in (0, 255):
        sheet = png(np.full((280, 280), level, np.uint8))
        (found,) = web.post("/v1/predict?show=saliency", sheet, Content_Type="image/png").json["predictions"]
        assert (found["blank"], found["class"], found["confidence"], found["probabilities"]) == (True, None, 0, {})
    (found,) = web.post("/v1/predict", {"image": {"pixels": np.zeros((28, 28), int).tolist()}}).json["predictions"]
    assert found["blank"]


def test_h16_batches(web: Served) -> None:
    one = {"pixels": IMAGE.tolist()}
    assert web.post("/v1/predict", {"images": []}).status == 422
    assert web.post("/v1/predict", {"images": [one] * 257}).status == 413
    assert web.post("/v1/predict", {"images": [{"base64": "AAAA"}] * 257}).status == 413
    assert len(web.post("/v1/predict", {"images": [one] * 256}).json["predictions"]) == 256
    mixed = web.post(
        "/v1/predict", {"images": [one, {"base64": base64_of(WHOLE[:50])}, one]}
    )  # documented: all are refused
    assert (mixed.status, error_of(mixed)["field"]) == (422, "images.1.base64")


BAD_FORM = """
from tenfold.service.observability import Fault
from tenfold.service.observability import Log
from tenfold.service.observability import Metrics
from tenfold.service.bodies import parts_of
from tenfold.service.server import _redirect_logging
_redirect_logging(Log(None, Metrics()))
try:
    parts_of("multipart/form-data; boundary=xyz", b"--xyw and more", 4)
except Fault:
    print("refused")
"""


def test_what_a_library_thinks_of_a_bad_form_stays_out_of_standard_error() -> None:
    """Python writes warnings that nobody handles to standard error: a full pipe would stop the server."""
    done = subprocess.run([sys.executable, "-c", BAD_FORM], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("refused\n", "")
