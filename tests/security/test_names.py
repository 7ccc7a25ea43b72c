"""No text of a model file or of data acts: what cannot be a name is refused, and every writer escapes what it is given.

Whoever writes texts of a manifest somewhere belongs into ``WRITERS``, so that it meets all of ``HOSTILE``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from markdown_it import MarkdownIt
from torch import nn

from _command_line import tenfold
from _networks import shaken
from tenfold.bundle.manifest import Estimate, FirstLook, Manifest, ModelFile, read_manifest
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import Bundle
from tenfold.bundle.targets import TARGETS, Request
from tenfold.data import ReadOptions
from tenfold.data.load import load
from tenfold.errors import DataError, IntegrityError, UsageError
from tenfold.service.demo import demo_page
from tenfold.service.examples import Examples
from tenfold.values import names
from tenfold.values.dataset import Dataset

CANARY = "the_canary_ran"
HOSTILE = {
    "ends a C comment": f'*/\n__attribute__((constructor)) static void f(void){{fopen("{CANARY}","w");}}\n/*',
    "ends a C comment in a line": f'*/ __attribute__((constructor)) static void f(void){{fopen("{CANARY}","w");}} /*',
    "ends a C string": f'"}}; static int x = sizeof("{CANARY}" \\',
    "trigraphs": "??/\n??)",
    "conversions": "%s%n%s%n",
    "leads out": "../../x",
    "leads out in the middle": "a/../../../x",
    "leads out of Windows": "..\\..\\x",
    "absolute": "/tmp/x",
    "absolute on Windows": "C:\\x",
    "parent": "..",
    "here": ".",
    "nothing": "",
    "blanks": "  ",
    "blanks around": " x ",
    "markup": "</script></style><img src=x onerror=alert(1)>",
    "markup in Markdown": "x` <img src=x> ![y](http://evil.example) [z](javascript:1) **b** `",
    "an address": "http://evil.example www.evil.example me@evil.example",
    "a heading": "x\n# y\n\n- z\n\n---\n",
    "a list": "- x",
    "a numbered list": "1. x",
    "a formula in Markdown": "$x$ ~~y~~ ==z==",
    "computes": '=HYPERLINK("http://evil.example")',
    "computes after blanks": "\t=1+1",
    "computes in another row": "x\r=1+1",
    "computes in wide letters": "＝1+1",
    "ends the front matter": "x\n---\nlicense: evil",
    "another key of YAML": 'x", evil: "y',
    "a tag of YAML": "!!python/object/apply:os.system [id]",
    "ANSI": "\x1b[2J\x1b]0;x\x07",
    "one-byte ANSI": "\x9b2J",
    "turns the direction": "a\u202eb\u2066c",
    "other line ends": "a\u2028b\u2029c\x85d\x0be",
    "NUL": "a\0b",
    "half a letter": "a\ud800b",
    "invisible": "\u200b\u200d",
    "long": "x" * 1_000,
}
ACTS_NOWHERE = [
    "7",
    "a",
    "A",
    "T-shirt/top",
    "Ä",
    "学習",
    "𠮷",
    "క్ష",
    "می\u200cخواهم",
    "\\alpha",
    "/",
    "+",
    "-",
    "=",
    "it's",
    "100%",
]
"""Classes as people call them."""
CLASSES = 3
TAME = {"tenfold": "0.1.0", "recipe": "small", "recipe_key": "0123456789abcdef", "trained_on": "train.csv"}
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@cache
def model(classes: int = CLASSES) -> bytes:
    return export_onnx([shaken(nn.Sequential(nn.Flatten(), nn.Linear(784, classes)))], (1, 28, 28), classes, "mean")


@cache
def tame(classes: int = CLASSES) -> Manifest:
    file = ModelFile(sha256=hashlib.sha256(model(classes)).hexdigest(), bytes=len(model(classes)))
    known: dict[str, Any] = {
        "vote": "mean",
        "members": 1,
        "parameters": 1000,
        "pixel_mean": 30.0,
        "data_fingerprint": "0" * 64,
    }
    figures = {"test accuracy": Estimate(value=0.9, low=0.8, high=1, images=10)}
    return Manifest(
        model=file,
        image_shape=(1, 28, 28),
        class_names=tuple(map(str, range(classes))),
        metrics=figures,
        **TAME,
        **known,
    )


def given(text: str) -> Manifest:
    """A manifest that nobody checked, with ``text`` wherever there is text."""
    classes = (text, f"{text}2", f"3{text}")
    figures = {text: tame().metrics["test accuracy"]}
    return tame().model_copy(update={"class_names": classes, "metrics": figures, **dict.fromkeys(TAME, text)})


def exported(manifest: Manifest, to: str, out: Path) -> Path:
    bundle = Bundle(tame(), model(), 1)
    bundle.manifest = manifest
    TARGETS.get(to).write(Request(bundle, model(), out))
    return out


class Tags(HTMLParser):
    """The elements of a page, with the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def encodable(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


def one_line(text: str) -> None:
    assert all(c.isprintable() for c in text.replace("\n", "")), "control characters"
    assert encodable(text)


def meets_c(manifest: Manifest, folder: Path) -> None:
    header = exported(manifest, "c", folder / "model.h").read_text()
    assert header.startswith("/*")
    assert len(header.splitlines()) == len(exported(tame(), "c", folder / "tame.h").read_text().splitlines())
    if shutil.which("gcc") is None:
        return
    show = "for (int k = 0; k < TENFOLD_CLASSES; k++) fwrite(tenfold_class_names[k], 1, sizes[k], stdout);"
    sizes = ", ".join(str(len(name.encode("utf-8", "surrogatepass"))) for name in manifest.class_names)
    main = f'#include <stdio.h>\n#include "model.h"\nint main(void) {{ int sizes[] = {{{sizes}}}; {show}'
    (folder / "main.c").write_text(main + " (void)tenfold_predict; return 0; }")
    command = ["gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O0", "main.c", "-o", "program", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = subprocess.run(["./program"], cwd=folder, capture_output=True, check=True).stdout
    assert printed == "".join(manifest.class_names).encode("utf-8", "surrogatepass")
    assert not (folder / CANARY).exists()


def looks_tame(text: str, other: str) -> None:
    """Markdown whose structure is that of ``other``, and in which no renderer finds a link of its own."""
    render = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render
    assert Tags(render(text)).found == Tags(render(other)).found
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    assert not re.search(r"://|www\.|@|\$", prose)
    one_line(text)


def meets_hub(manifest: Manifest, folder: Path) -> None:
    parts = []
    for number, each in enumerate((manifest, tame())):
        out = exported(each, "hub", folder / f"hub{number}")
        lines = (out / "README.md").read_text("utf-8").split("\n")
        end = lines.index("---", 1)
        parts.append((yaml.safe_load("\n".join(lines[1:end])), "\n".join(lines[end + 1 :])))
    (front, text), (tame_front, tame_text) = parts
    looks_tame(text, tame_text)
    assert front.keys() == tame_front.keys()
    assert front["model-index"][0]["name"] == manifest.recipe
    assert front["license"] == "mit"
    config = json.loads((folder / "hub0" / "config.json").read_text("utf-8"))
    assert tuple(config["id2label"].values()) == manifest.class_names
    assert json.loads((folder / "hub0" / "manifest.json").read_text("utf-8"))["tenfold"] == manifest.tenfold


def meets_mlflow(manifest: Manifest, folder: Path) -> None:
    out = exported(manifest, "mlflow", folder / "m")
    about = yaml.safe_load((out / "MLmodel").read_text("utf-8"))["metadata"]
    assert (tuple(about["class_names"]), about["recipe_key"]) == (manifest.class_names, manifest.recipe_key)
    assert json.loads((out / "manifest.json").read_text("utf-8"))["recipe"] == manifest.recipe
    card = (exported(tame(), "mlflow", folder / "tame") / "card.md").read_text("utf-8")
    looks_tame((out / "card.md").read_text("utf-8"), card)


def meets_onnx(manifest: Manifest, folder: Path) -> None:
    properties = {
        each.key: each.value for each in onnx.load(exported(manifest, "onnx", folder / "x.onnx")).metadata_props
    }
    assert tuple(json.loads(properties["class_names"])) == manifest.class_names
    for text in properties.values():
        one_line(text)


def meets_the_page(manifest: Manifest, folder: Path) -> None:
    pages = []
    for name, each in (("bundle", manifest), ("tame", tame())):
        (folder / name).mkdir()
        (folder / name / "model.onnx").write_bytes(model())
        (folder / name / "manifest.json").write_text("{}")
        with pytest.MonkeyPatch.context() as patch:
            for module in ("manifest", "predict"):
                patch.setattr(f"tenfold.bundle.{module}.read_manifest", lambda _, each=each: each)
            patch.setattr("tenfold.service.demo.read_manifest", lambda _, each=each: each)
            pages.append(demo_page(folder / name))
    assert Tags(pages[0]).found == Tags(pages[1]).found
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', pages[0])
    assert data is not None
    assert tuple(json.loads(data[1])["manifest"]["class_names"]) == manifest.class_names


def meets_kept_examples(manifest: Manifest, folder: Path) -> None:
    place = folder / "here" / "kept"
    examples = Examples(place, manifest.class_names, 100)
    image = np.zeros((28, 28), np.uint8)
    for number, name in enumerate(manifest.class_names):
        image[5, 5 + number] = 255
        assert examples.keep(image, name) == 1
        assert examples.keep(image, name) == 1
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert len(written) == len({path.parent for path in written}) == CLASSES
    assert {path.parent.parent for path in written} == {place}
    assert all(not path.parent.name.startswith(".") and path.parent.name.isprintable() for path in written)
    again = Examples(place, manifest.class_names, 3)
    with pytest.raises(Exception, match="3 examples are kept"):
        again.keep(np.ones((28, 28), np.uint8), manifest.class_names[0])


WRITERS: dict[str, Callable[[Manifest, Path], None]] = {
    "C header": meets_c,
    "hub": meets_hub,
    "MLflow and card": meets_mlflow,
    "ONNX": meets_onnx,
    "page": meets_the_page,
    "kept examples": meets_kept_examples,
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@hostile
def test_m15_no_text_of_a_manifest_acts_in_what_is_written(
    text: str, writer: Callable[[Manifest, Path], None], tmp_path: Path
) -> None:
    writer(given(text), tmp_path)


@pytest.mark.parametrize("kind", ["as text", "as files"])
def test_m15_no_class_name_acts_in_what_commands_print_and_write(kind: str, tmp_path: Path) -> None:
    """What predict, evaluate and submit print and write, as tables, JSON and pages."""
    classes = tuple(text for text in HOSTILE.values() if kind == "as text" or encodable(text))
    count = len(classes)
    manifest = tame(count).model_copy(update={"class_names": classes})
    images = np.random.default_rng(0).integers(0, 256, (2 * count, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "test.npz", x_test=images)
    np.savez(tmp_path / "labelled.npz", x_test=images, y_test=np.arange(2 * count) % count)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model.onnx").write_bytes(model(count))
    (bundle / "manifest.json").write_text("{}")
    test, labelled = tmp_path / "test.npz", tmp_path / "labelled.npz"

    def run(patched: Manifest, *arguments: str | Path) -> str:
        with pytest.MonkeyPatch.context() as patch:
            for module in ("manifest", "predict"):
                patch.setattr(f"tenfold.bundle.{module}.read_manifest", lambda _: patched)
            patch.setattr(ReadOptions, "__post_init__", lambda _: None)
            done = tenfold(*arguments)
        one_line(done.out.replace("\t", "") + done.err)
        assert "Traceback" not in done.err
        assert done.code in (0, 3), done.err
        return done.out

    if kind == "as text":
        lines = run(manifest, "predict", bundle, test, "--probabilities").rstrip("\n").split("\n")
        assert [line.count("\t") for line in lines] == [2 + count] * (1 + 2 * count)
        rows = json.loads(run(manifest, "predict", bundle, test, "--json"))
        assert {row["class"] for row in rows} <= set(classes)
        return
    run(manifest, "predict", bundle, test, "--probabilities", "--out", tmp_path / "p.csv")
    run(manifest, "submit", bundle, "--test", test, "--out", tmp_path / "s.csv")
    run(manifest, "evaluate", bundle, labelled, "--out", tmp_path / "e.html", "--csv", tmp_path / "e.csv")
    run(tame(count), "evaluate", bundle, labelled, "--out", tmp_path / "tame.html")
    for table in tmp_path.glob("*.csv"):
        cells = list(csv.reader(io.StringIO(table.read_bytes().decode(), newline=""), strict=True))
        assert len(cells) == 1 + 2 * count
        assert len({len(row) for row in cells}) == 1
        for cell in (cell for row in cells for cell in row):
            assert cell.lstrip()[:1] not in tuple("=+-@＝＋－＠"), cell
    assert {path.name for path in tmp_path.glob("*.csv")} >= {"p.csv", "e.csv"}
    kinds = [{tag for tag, _ in Tags((tmp_path / page).read_text("utf-8")).found} for page in ("e.html", "tame.html")]
    assert kinds[0] == kinds[1]


REFUSED_IN_CLASSES = [
    name
    for name, text in HOSTILE.items()
    if not text.isprintable() or text.strip() != text or not text or len(text) > 255
] + [
    "leads out",
    "leads out in the middle",
    "leads out of Windows",
    "absolute",
    "absolute on Windows",
    "parent",
    "here",
]


def whole(**changes: object) -> dict[str, object]:
    return {**tame().model_dump(mode="json"), **changes}


def refusal(path: Path, content: dict[str, object]) -> str:
    path.write_text(json.dumps(content))
    with pytest.raises(IntegrityError) as caught:
        read_manifest(path)
    said = str(caught.value)
    one_line(said)
    assert "\n" not in said
    assert len(said) < 1500
    return said


@hostile
def test_m15_a_manifest_with_such_a_text_is_not_opened(text: str, tmp_path: Path) -> None:
    place = tmp_path / "m.json"
    for field in ("tenfold", "recipe", "recipe_key", "vote", "preprocessing", "data_fingerprint"):
        assert f" {field}: " in refusal(place, whole(**{field: text}))
    refusal(place, whole(metrics={text: tame().metrics["test accuracy"].model_dump()}))
    refusal(place, whole(first_look={"tensor": text, "sure": 0.5, "images": 3}))
    refusal(place, whole(model={"sha256": text, "bytes": 3}))
    refusal(place, whole(**{text: 1}))


@pytest.mark.parametrize("name", sorted(set(REFUSED_IN_CLASSES)))
def test_m15_names_that_cannot_be_meant_are_refused_wherever_they_come_from(name: str, tmp_path: Path) -> None:
    text = HOSTILE[name]
    assert " class_names: " in refusal(tmp_path / "m.json", whole(class_names=["a", text, "c"]))
    assert " trained_on: " in refusal(tmp_path / "m.json", whole(trained_on=text))
    with pytest.raises(UsageError, match="class names: class 1: found"):
        ReadOptions(class_names=("a", text))
    assert names.check_file_name(names.as_file_name(text))


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["7", "7", "8"], "class 1: found '7' twice"),
        (["7"] * 10, "class 3: found '7' twice, expected each name once; and 6 more"),
        (["\u00e4", "a\u0308", "b"], "class 1: found 'a\u0308' twice"),
        (["7", "7\u200d", "b"], "class 1: found '7\\\\u200d' twice"),
        (["7", "8 ", "b"], "class 1: found '8 ', expected a name without spaces around it"),
        ([str(k) for k in range(65_537)], "at most 65536 items"),
    ],
)
def test_m15_names_are_equal_if_they_look_equal(classes: list[str], words: str, tmp_path: Path) -> None:
    assert words in refusal(tmp_path / "m.json", whole(class_names=classes))


def test_m15_a_recorded_answer_of_another_length_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model())
    (tmp_path / "manifest.json").write_text(json.dumps(whole(golden=[0.5])))
    done = tenfold("verify", tmp_path)
    assert done.code == 6
    assert "records an answer of 1 probabilities, the model gives 3" in done.err + done.out


def test_m15_counts_are_bounded(tmp_path: Path) -> None:
    figures = {f"m{k}": tame().metrics["test accuracy"].model_dump() for k in range(65)}
    assert "metrics: " in refusal(tmp_path / "m.json", whole(metrics=figures))
    refusal(tmp_path / "m.json", whole(golden=[0.5] * 65_537))
    for field in ("members", "parameters", "left_out"):
        assert f"{field}: " in refusal(tmp_path / "m.json", whole(**{field: 10**60}))


def test_classes_may_be_called_what_people_call_them(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(whole(class_names=ACTS_NOWHERE)))
    assert read_manifest(tmp_path / "m.json").class_names == tuple(ACTS_NOWHERE)
    assert ReadOptions(class_names=tuple(ACTS_NOWHERE)).class_names == tuple(ACTS_NOWHERE)


def test_every_name_has_a_folder_of_its_own_that_is_read_as_that_name() -> None:
    tricky = ["%2F", "%2f", "%252F", "a%", "%%2F", "%:", "%~", "con", "COM1.txt", "console", ".x", "x.", "a:b", "%"]
    readable = [
        *ACTS_NOWHERE,
        *tricky,
        *(text for text in HOSTILE.values() if text and encodable(text) and len(text) < 250),
    ]
    folders = [names.folder_of_class(name) for name in readable]
    assert len(set(folders)) == len(set(readable))
    assert [names.class_of_folder(folder) for folder in folders] == readable
    assert {"7", "Ä", "学習", "it's", "100%", "console"} <= set(folders)
    long = ["学" * 255, "学" * 254 + "/", "x" * 10_000]
    cut = [names.folder_of_class(name) for name in long]
    assert len(set(cut)) == 3
    assert all(len(folder.encode()) <= 255 for folder in cut)
    assert all(names.folder_of_class(folder) != folder for folder in cut), (
        "a class called like a cut folder has another one"
    )
    for folder in ("caf%E9", "a%20b", "%41", "100%25", "%2E%2E%2fx"):
        assert names.class_of_folder(folder) == folder


def test_kept_examples_train_under_the_names_of_the_model(tmp_path: Path) -> None:
    classes = ("T-shirt/top", "\\alpha", "7")
    examples = Examples(tmp_path / "kept", classes, 10)
    for number, name in enumerate(classes):
        examples.keep(np.full((28, 28), 50 * number + 1, np.uint8), name)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"T-shirt%2Ftop", "%5Calpha", "7"}
    data = load(tmp_path / "kept", cache=False)
    assert set(data.class_names) == set(classes)
    assert load(tmp_path / "kept", "test", ReadOptions(class_names=classes), cache=False).class_names == classes


@pytest.mark.parametrize("folder", ["x%2F..%2Fy", "\x1b[2J", "a\nb", "%2E%2E"])
def test_f18_folders_that_no_class_can_be_named_after_are_refused(folder: str, tmp_path: Path) -> None:
    from PIL import Image

    for name in ("ok", folder):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.fromarray(np.eye(5, dtype=np.uint8)).save(tmp_path / "data" / name / "0.png")
    with pytest.raises(DataError, match=r"class \d: found .*expected a name.*rename them") as caught:
        load(tmp_path / "data", cache=False)
    one_line(str(caught.value))


def test_m15_no_training_begins_with_such_classes() -> None:
    from tenfold.training.ensemble import check_recipe
    from tenfold.values.recipe import Recipe

    data = Dataset(np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 1, 0, 1]), np.arange(4), ("7", "../x"))
    with pytest.raises(UsageError, match=r"class 1: found '\.\./x', expected a name that is no path"):
        check_recipe(Recipe(name="x", model=[{"layers": "FLAT SOFTMAX"}]), data)


def installed() -> Iterator[Path]:
    root = Path(__file__).parents[2]
    yield root / "src" / "tenfold" / "bundle" / "builtin" / "manifest.json"
    yield from (root / "tests" / "golden").rglob("bundle/manifest.json")


@pytest.mark.parametrize("path", list(installed()), ids=lambda path: path.parts[-4])
def test_bundles_made_so_far_are_opened(path: Path) -> None:
    assert read_manifest(path).tenfold
    assert FirstLook(tensor="member00.35.exp", sure=0.5, images=1)
