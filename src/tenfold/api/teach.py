"""Teach: a trained model learns a few images more, and says what it gains and what it loses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tenfold.api.shared import Count, Folder, Model, Option, Source, insist_on_free, opened, place_of, read_source
from tenfold.data import ReadOptions
from tenfold.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tenfold.bundle.predict import Bundle
    from tenfold.values.accuracy import Accuracy
    from tenfold.values.dataset import Dataset

DEFAULT = ReadOptions()
COPIES = 4
"""Changed copies of each image that are learnt from, too."""


@dataclass(frozen=True)
class Change:
    """The same images before and after.

    Attributes:
        before, after: how many were right.
        gained, lost: images that are right now only, and those that were right before only.
        p: probability of such a difference by chance (McNemar, mid-p).
    """

    before: Accuracy
    after: Accuracy
    gained: int
    lost: int
    p: float

    @classmethod
    def of(cls, labels: NDArray[np.int64], before: NDArray[np.int64], after: NDArray[np.int64]) -> Change:
        """What (N,) answers before and after make of ``labels``."""
        from tenfold.evaluation.significance import mcnemar_mid_p
        from tenfold.values.accuracy import Accuracy

        was, now = before == labels, after == labels
        gained, lost = int((now & ~was).sum()), int((was & ~now).sum())
        right = Accuracy.of(int(was.sum()), len(labels)), Accuracy.of(int(now.sum()), len(labels))
        return cls(*right, gained, lost, mcnemar_mid_p(gained, lost))


@dataclass(frozen=True)
class Taught:
    """A taught model.

    Attributes:
        path: its bundle.
        class_names: (K + J) of the model, and those that are new.
        images: how many it was taught.
        new: of these, each judged by a model that had not learnt from it.
        old: of old images that it did not learn from; None if none are at hand.
        replayed: old images that were answered along.
    """

    path: Path
    class_names: tuple[str, ...]
    images: int
    new: Change
    old: Change | None
    replayed: int


def teach(
    model: Model,
    train: Source,
    *,
    out: Folder = "taught",
    old: Source | None = None,
    labels: Annotated[str | Path | None, Option(metavar="FILE.csv")] = None,
    replace: bool = True,
    threads: Count | None = None,
    options: ReadOptions = DEFAULT,
) -> Taught:
    """Teach a trained model a few images more: a new hand, another way to write a digit, another class.

    Its network stays as it is; a correction of its answer is learnt from the new images, changed copies of them, and
    old images where they are at hand, so that nothing is forgotten.

    Args:
        model: a run, a bundle, builtin, or the name of a released one.
        train: labelled images of the model's size: a folder of folders, as `serve --keep` keeps them, a table; classes
            that the model does not know are added.
        out: folder for the new bundle.
        old: images of what the model knows; half are learnt along, half judge what is lost. Default: what the run
            learnt from and held out, or MNIST for a model of MNIST, where that is at hand.
        labels: what a person decided on the page of `data ask`; other images are left out.
        replace: replace the bundle if it exists.
        threads: threads to compute with; default: one a core.
        options: how to read ``train``.

    Returns:
        The new bundle, with what is gained on the new images and lost on the old.

    Raises:
        DataError: the images cannot be read, have no labels, or another size.
        UsageError: something is in the way.
        IntegrityError: no such bundle, or one that cannot be taught.

    Example:
        >>> import tenfold
        >>> taught = tenfold.teach("builtin", "train.csv", out="mine", old="train.csv")
        >>> taught.path.name, len(taught.class_names)
        ('mine', 10)
    """
    import numpy as np

    from tenfold.bundle.manifest import model_bytes
    from tenfold.bundle.predict import Bundle
    from tenfold.bundle.teaching import Teachable, joined, learn, out_of_fold

    insist_on_free(replace, out)
    if isinstance(model, Bundle):
        raise UsageError("teaching needs a bundle's folder; pass its path instead of the opened bundle")
    bundle = opened(model, threads)
    data = _few(train, bundle, options, labels)
    shown = [data.class_names[number] for number in np.unique(data.truth)]
    names = bundle.class_names + tuple(name for name in shown if name not in bundle.class_names)
    wanted = np.array([names.index(data.class_names[number]) for number in data.truth], np.int64)
    taught = Teachable(model_bytes(place_of(model)), threads or 1)
    widths = taught.widths(data.images[:1])
    replay, judge = _old_images(model, bundle, old)
    known = None if replay is None else taught.features(replay.images)
    known_labels = None if replay is None else replay.labels
    own = taught.features(data.images)
    copies = taught.features(_copies(data.images))
    every = np.tile(wanted, COPIES + 1)
    correction = learn(joined(own, copies), every, known, known_labels, len(names))
    unseen = out_of_fold(own, copies, wanted, known, known_labels, len(names))
    new = Change.of(wanted, own.log_probabilities.argmax(axis=1), unseen)
    lost = None
    if judge is not None and judge.labels is not None:
        before = taught.features(judge.images)
        after = correction.probabilities(before).argmax(axis=1)
        lost = Change.of(judge.labels, before.log_probabilities.argmax(axis=1), after)
    _write(Path(out), bundle, taught.corrected(correction, widths), names, data, lost, model)
    return Taught(Path(out), names, len(data), new, lost, 0 if replay is None else len(replay))


def _few(train: Source, bundle: Bundle, options: ReadOptions, labels: str | Path | None) -> Dataset:
    """The labelled images of the model's size, those of one class alone too."""
    import numpy as np

    from tenfold.evaluation.label_issues import KEEP, RELABEL, read_decisions, relabelled

    options = changed(options, shape=bundle.image_shape, allow_empty_classes=True)
    alone = _only_folder(train)
    data = read_source(train if alone is None else alone, "test", options)
    if alone is not None:
        data = changed(data, labels=np.zeros(len(data), np.int64), class_names=(alone.name,))
    if labels is not None:
        decided = read_decisions(Path(labels))
        if data.labels is None:  # the page showed what the model takes them for
            read = bundle.predict_proba(data.images).argmax(axis=1).astype(np.int64)
            data = changed(data, labels=read, class_names=bundle.class_names)
        place = {str(value): row for row, value in enumerate(data.ids.tolist())}
        sure = [one for one in decided if one.decision in (KEEP, RELABEL)]
        data = relabelled(data, decided, Path(labels))
        data = data.take([place[one.id] for one in sure if one.id in place])
    where = str(train) if isinstance(train, str | Path) else "the data in memory"
    if data.labels is None or not len(data):
        found = "no images" if not len(data) else "images without labels"
        hint = "let a person decide on the page of: tenfold data ask MODEL SOURCE"
        raise DataError(Problem(where, found, "labelled images to teach", hint=hint))
    if data.image_shape != bundle.image_shape:
        raise DataError(Problem(where, f"images of {data.image_shape}", f"{bundle.image_shape}, as the model takes"))
    return data


def _only_folder(train: Source) -> Path | None:
    """The folder inside ``train`` if it is the only thing there: images of one class."""
    if not isinstance(train, str | Path) or not Path(train).is_dir():
        return None
    inside = [entry for entry in Path(train).iterdir() if not entry.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else None


def _copies(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(COPIES * N, C, H, W): turned, scaled, sheared and moved a little, each differently."""
    import numpy as np
    import torch

    from tenfold.augmentation.affine import Affine

    change, draw = Affine(rotation=10, zoom=0.1, shear=5, shift=2), torch.Generator().manual_seed(0)
    batch = torch.from_numpy(np.tile(images, (COPIES, 1, 1, 1))).float() / 255
    made: NDArray[np.uint8] = (change(batch, draw) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return made


def _old_images(model: Model, bundle: Bundle, old: Source | None) -> tuple[Dataset | None, Dataset | None]:
    """Labelled images of what the model knows: those to learn along, and those that judge what is lost."""
    import numpy as np

    from tenfold.api.evaluate import run_behind, training_images
    from tenfold.api.shared import images_of
    from tenfold.bundle.teaching import MOST_OLD
    from tenfold.data.joined import is_here
    from tenfold.data.load import named_sources
    from tenfold.errors import TenfoldError

    options = ReadOptions(shape=bundle.image_shape, class_names=bundle.class_names)
    replay: Dataset | None
    judge: Dataset | None = None
    if old is not None:
        given = read_source(old, "train", options)
        bundle.check(given)
        mixed = np.random.default_rng(0).permutation(len(given))
        replay, judge = given.take(mixed[: len(given) // 2]), given.take(mixed[len(given) // 2 :])
    else:
        run = run_behind(model)  # type: ignore[arg-type]
        source = bundle.manifest.trained_on
        if run is None and source in named_sources() and is_here(source):
            replay, judge = read_source(source, "train", options), read_source(source, "test", options)
        else:
            replay = training_images(run, bundle, None)
            for part in ("test", "validation") if run is not None else ():
                try:
                    judge = images_of(run, part)  # type: ignore[arg-type]
                except TenfoldError:
                    continue  # none, or gone: nothing is said of it
                if judge.labels is not None:
                    break
    if replay is not None and len(replay) > MOST_OLD:
        replay = replay.take(np.sort(np.random.default_rng(0).permutation(len(replay))[:MOST_OLD]))
    return replay, judge


def _write(
    out: Path, bundle: Bundle, model: bytes, names: tuple[str, ...], data: Dataset, old: Change | None, base: Any
) -> None:
    """The new bundle; its manifest comes last."""
    from tenfold.bundle.export import model_card
    from tenfold.bundle.manifest import CARD, MANIFEST, MODEL, Estimate, ModelFile, golden_image
    from tenfold.bundle.predict import Bundle
    from tenfold.files import make_directory, write_bytes, write_json, write_text

    metrics = {}
    if old is not None:
        after = old.after
        metrics = {"test accuracy": Estimate(value=after.accuracy, low=after.low, high=after.high, images=after.n)}
    fingerprint = hashlib.sha256(f"{bundle.manifest.data_fingerprint} {data.fingerprint()}".encode()).hexdigest()
    manifest = bundle.manifest.model_copy(
        update={
            "model": ModelFile(sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)),
            "class_names": names,
            "metrics": metrics,
            "data_fingerprint": fingerprint,
            "calibration": None,
            "first_look": None,
            "golden": None,
        }
    )
    answer = Bundle(manifest, model).predict_proba(golden_image(bundle.image_shape)[None])[0]
    manifest = manifest.model_copy(update={"golden": tuple(round(min(float(p), 1.0), 6) for p in answer)})
    make_directory(out)
    write_bytes(out / MODEL, model)
    write_text(out / CARD, model_card(manifest))
    write_json(out / MANIFEST, manifest.as_json())


def ask(
    model: Model,
    data: Source,
    *,
    out: Annotated[str | Path | None, Option(metavar="FILE.html")] = None,
    most: Annotated[int, Option(metavar="N", low=1)] = 50,
    replace: bool = True,
    threads: Count | None = None,
    options: ReadOptions = DEFAULT,
) -> list[Any]:
    """Pick the images that are most worth labelling, on a page where a person says what they show.

    They are uncertain - the best two classes are close - and differ from each other, so that fifty looks teach more
    than fifty images drawn by chance. What is decided goes on with `tenfold teach MODEL SOURCE --labels labels.csv`.

    Args:
        model: a run, a bundle, builtin, or the name of a released one.
        data: images, with labels or without: a path, or a data set's name.
        out: the page to write.
        most: images on the page.
        replace: replace the page if it exists.
        threads: threads to compute with; default: one a core.
        options: how to read ``data``.

    Returns:
        The ids of the images, the least certain first.

    Raises:
        DataError: the images cannot be read.
        UsageError: a file is in the way.
        IntegrityError: no such bundle, or images of another size.

    Example:
        >>> import tenfold
        >>> len(tenfold.ask("builtin", "test.csv", out="ask.html", most=5))
        5
    """
    import numpy as np

    from tenfold.bundle.manifest import model_bytes
    from tenfold.bundle.pieces import read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.bundle.teaching import Teachable, worth_asking
    from tenfold.evaluation.label_issues import Suspects
    from tenfold.report.question_pages import write_label_page

    insist_on_free(replace, out)
    if isinstance(model, Bundle):
        raise UsageError("asking needs a bundle's folder; pass its path instead of the opened bundle")
    bundle = opened(model, threads)
    pool = read_input(data, bundle, options)
    bundle.check(pool)
    features = Teachable(model_bytes(place_of(model)), threads or 1).features(pool.images)
    rows = worth_asking(features, most)
    probabilities = np.exp(features.log_probabilities[rows]).astype(np.float32)
    guesses = features.log_probabilities.argmax(axis=1).astype(np.int64)
    shown = pool if pool.labels is not None else changed(pool, labels=guesses, class_names=bundle.class_names)
    if out is not None:
        picked = Suspects(shown, rows, guesses[rows], probabilities, len(pool))
        write_label_page(picked, Path(out), str(data) if isinstance(data, str | Path) else None, most)
    return list(pool.ids[rows].tolist())
