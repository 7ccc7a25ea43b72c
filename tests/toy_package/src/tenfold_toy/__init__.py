"""One of everything that another package can add to tenfold."""

from dataclasses import dataclass

import numpy as np

from tenfold.bundle.targets import Target
from tenfold.data.checks import Check, Finding
from tenfold.data.sources import Source
from tenfold.evaluation.corruptions import Corruption
from tenfold.files import write_text
from tenfold.report.sections import Section
from tenfold.values.dataset import Dataset


def sign_sgd(network, settings):
    """Steps of one size, in the direction of the gradient's sign (Bernstein et al. 2018, arXiv:1802.04434)."""
    import torch

    class SignSgd(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.sign_()
            return super().step(closure)

    return SignSgd(network.parameters(), lr=settings.learning_rate)


@dataclass(frozen=True)
class Dim:
    """Darker images."""

    factor: float = 0.9

    def __call__(self, images, generator):
        return images * self.factor


class ToyDigits(Source):
    """200 noisy images of a bar in one of four places, made on the spot."""

    named = True

    @classmethod
    def recognises(cls, path):
        return False

    @classmethod
    def read(cls, path, role, options):
        rng = np.random.default_rng(["train", "test"].index(role))
        labels = np.arange(200) % 4
        images = rng.integers(0, 60, (200, 1, 12, 12), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[0, :, 2 + 2 * label : 4 + 2 * label] = 255
        return Dataset(images, labels.astype(np.int64), np.arange(200), ("one", "two", "three", "four"))


WEATHER = Check(lambda subject: Finding("weather", "note", 0, len(subject.train), "no image is wet"), order=15)


def _rain(images, severity, generator):
    """Every other column brighter."""
    images = images.copy()
    images[..., ::2] += 0.1 * severity
    return images


RAIN = Corruption(_rain, in_mnist_c=False)


@dataclass(frozen=True)
class FirstTwo:
    """The first two principal components."""

    name: str = "First two"
    components: int = 2

    def check_installed(self):
        """Nothing is needed."""

    def fit(self, points, *, progress=None):
        return _Fitted(np.ascontiguousarray(points[:, :2], dtype=np.float32))

    def note(self, components):
        return "The first two components."


@dataclass(frozen=True)
class _Fitted:
    places: np.ndarray
    components: int = 2

    def place(self, points):
        return np.asarray(points[:, :2], dtype=np.float32)


SECTION = Section(
    "weather",
    "Weather",
    1,
    lambda material: {"images": len(material.made)},
    needs=("made",),
    markup="<p>It rained on {{ weather.images }} images.</p>",
)


class Size(Target):
    """The model's size as a text file."""

    default = "size.txt"

    @classmethod
    def write(cls, request):
        write_text(request.out, f"{len(request.model)}\n", overwrite=request.force)
        return [f"{request.out}  {len(request.model):,} bytes"]
