"""The manifest of a bundle, key by key: what it may say, and in which words it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tenfold import __version__
from tenfold.bundle.manifest import Manifest, read_manifest
from tenfold.errors import IntegrityError

WHOLE = {
    "format_version": 1,
    "tenfold": "0.1.0",
    "model": {"sha256": "a" * 64, "bytes": 10},
    "image_shape": [1, 8, 8],
    "class_names": ["0", "1"],
    "pixel_mean": 33.0,
    "vote": "mean",
    "members": 1,
    "parameters": 7,
    "metrics": {},
    "recipe": "small",
    "recipe_key": "k",
    "trained_on": "train.csv",
    "data_fingerprint": "b" * 64,
}


def refusal(path: Path, content: dict[str, object]) -> str:
    path.write_text(json.dumps(content))
    with pytest.raises(IntegrityError) as caught:
        read_manifest(path)
    assert caught.value.exit_code == 6
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def test_a_whole_manifest_is_read_with_what_older_ones_lack(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(WHOLE))
    read = read_manifest(path)
    assert (read.image_shape, read.class_names, read.left_out, read.leaked) == ((1, 8, 8), ("0", "1"), 0, False)
    assert (read.calibration, read.golden, read.reject_threshold) == (None, None, None)
    with pytest.raises(ValidationError):
        read.leaked = True  # type: ignore[misc]


HERE = f"expected 1 (this is tenfold {__version__})"
NEWER = "wrote it and reads it, so install that one or a later one"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (2, f": found format_version 2, {HERE}; tenfold 0.1.0 {NEWER}"),
        (0, f": found format_version 0, {HERE}"),
        (-1, f": found format_version -1, {HERE}"),
        (True, f": found format_version True, {HERE}"),
        (None, f": found format_version None, {HERE}"),
        ("1", f": found format_version '1', {HERE}"),
        ("1" * 50, f": found format_version '{'1' * 39}, {HERE}"),
        (1.5, f": found format_version 1.5, {HERE}"),
        ("\x1b[2J", f": found format_version '\\x1b[2J', {HERE}"),
    ],
)
def test_m07_another_version_is_refused_with_the_release_that_reads_it(
    version: object, words: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path / "m.json", WHOLE | {"format_version": version}) == words


def test_m07_a_newer_version_that_does_not_say_who_wrote_it(tmp_path: Path) -> None:
    nameless = {key: value for key, value in WHOLE.items() if key != "tenfold"} | {"format_version": 2}
    said = f": found format_version 2, {HERE}; tenfold %s {NEWER}"
    assert refusal(tmp_path / "m.json", nameless) == said % "a newer release"
    assert refusal(tmp_path / "m.json", nameless | {"tenfold": "\x1b" + "9" * 50}) == said % ("\\x1b" + "9" * 36)
    assert refusal(tmp_path / "m.json", {}) == f": found format_version None, {HERE}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"odd": 1}, "odd: Extra inputs are not permitted"),
        ({"members": 0}, "members: Input should be greater than or equal to 1"),
        ({"image_shape": [1, 8, 5000]}, "image_shape.2: Input should be less than or equal to 4096"),
        ({"class_names": ["0"]}, "class_names: Tuple should have at least 2 items after validation, not 1"),
        (
            {"model": {"sha256": "A" * 64, "bytes": 0}},
            "model.sha256: String should match pattern '^[0-9a-f]{64}$'; model.bytes: ",
        ),
        ({"preprocessing": "none"}, "preprocessing: Input should be 'uint8 0..255"),
        ({"odd\x1b": 1}, "odd\\x1b: "),
        ({"reject_threshold": 1.5}, "reject_threshold: "),
        ({"calibration": {"temperature": 0, "images": 3}}, "calibration.temperature: "),
        (
            {"metrics": {"test accuracy": {"value": 2, "low": 0, "high": 1, "images": 3}}},
            "metrics.test accuracy.value: ",
        ),
    ],
)
def test_a_wrong_key_is_named_with_what_is_wrong(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / "m.json", WHOLE | changes).startswith(f" is not a bundle's manifest - {words}")


def test_of_many_wrong_keys_five_are_named(tmp_path: Path) -> None:
    said = refusal(tmp_path / "m.json", WHOLE | {f"odd{n}": n for n in range(9)})
    assert said == " is not a bundle's manifest - " + "; ".join(
        f"odd{n}: Extra inputs are not permitted" for n in range(5)
    )


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    for bad in (float("nan"), float("inf"), 256, -1):
        assert "pixel_mean" in refusal(tmp_path / "m.json", WHOLE | {"pixel_mean": bad})


def test_every_key_that_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    written = Manifest.model_validate(
        WHOLE | {"golden": [0.25, 0.75], "reject_threshold": 0.5, "leaked": True, "left_out": 2}
    )
    path.write_text(written.model_dump_json())
    assert read_manifest(path) == written
