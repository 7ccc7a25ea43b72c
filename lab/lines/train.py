"""Trains the line network on the files of ``lab.lines.pool``, on one thread; resumes where it stopped.

python -m lab.lines.train POOL HELD-OUT CHECKPOINT.pt --minutes 60
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lab.lines.pool import read
from lab.lines.written import Example
from tenfold.reading.line_network import CLASSES

COLUMNS = 6_000
"""Of all lines of a batch together."""
STEP = 2
"""Columns of a line for one answer."""


class Residual(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, channels: int, kernel: tuple[int, int], dilation: int = 1) -> None:
        super().__init__()
        padding = (kernel[0] // 2, dilation * (kernel[1] // 2))
        self.body = nn.Sequential(
            *_conv(channels, channels, kernel, 1, padding, (1, dilation)),
            nn.ReLU(),
            *_conv(channels, channels, kernel, 1, padding, (1, dilation)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


def _conv(
    before: int,
    after: int,
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
) -> list[nn.Module]:
    return [nn.Conv2d(before, after, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(after)]


class LineNetwork(nn.Module):
    """(B, 1, 48, W) in 0..1 -> log-probabilities (B, W / 2, classes); W is a multiple of 4."""

    def __init__(self, channels: tuple[int, int, int] = (48, 80, 128)) -> None:
        super().__init__()
        a, b, c = channels
        self.layers = nn.Sequential(
            *_conv(1, 16, 5, 2, 2), nn.ReLU(),
            *_conv(16, a, 3, 2, 1), nn.ReLU(),
            Residual(a, (3, 3)),
            *_conv(a, b, 3, (2, 1), 1), nn.ReLU(),
            Residual(b, (3, 3)),
            *_conv(b, c, (6, 3), 1, (0, 1)), nn.ReLU(),
            Residual(c, (1, 3)),
            Residual(c, (1, 3), 2),
            nn.Conv2d(c, 2 * len(CLASSES), 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        scores = self.layers(x)[:, :, 0]  # (B, 2 classes, W / 4)
        batch, _, columns = scores.shape
        return functional.log_softmax(scores.permute(0, 2, 1).reshape(batch, 2 * columns, len(CLASSES)), dim=2)


def batches(lines: list[Example], rng: np.random.Generator) -> Iterator[list[Example]]:
    """Lines of about one width together."""
    order = np.argsort([line.image.shape[1] * np.exp(rng.normal(0, 0.08)) for line in lines])
    found, mine, widest = [], list[Example](), 0
    for i in order.tolist():
        wide = max(widest, lines[i].image.shape[1])
        if mine and wide * (len(mine) + 1) > COLUMNS:
            found.append(mine)
            mine, wide = [], lines[i].image.shape[1]
        mine.append(lines[i])
        widest = wide
    found.append(mine)
    for k in rng.permutation(len(found)).tolist():
        yield found[k]


def tensors(lines: list[Example], rng: np.random.Generator | None) -> tuple[Tensor, Tensor, list[int]]:
    """(B, 1, 48, W) in 0..1, a class for each answer (B, W / 2) or -1 beside a middle, and how many answers each line has."""
    stretch = float(np.exp(rng.uniform(-0.16, 0.16))) if rng else 1.0
    longest = max(round(line.image.shape[1] * stretch) for line in lines)
    width = -(-longest // 4) * 4
    pixels = np.zeros((len(lines), 1, 48, max(width, 16)), np.float32)
    middles = np.zeros((len(lines), pixels.shape[3] // STEP), np.int64)
    counts = []
    for row, line in enumerate(lines):
        image = torch.from_numpy(line.image.astype(np.float32) / 255)[None, None]
        if stretch != 1:
            image = functional.interpolate(image, size=(48, max(4, round(image.shape[3] * stretch))), mode="bilinear")
        if rng:
            image = _varied(image, rng)
        pixels[row, 0, :, : image.shape[3]] = image[0, 0].numpy()
        places = np.array([int(c * stretch / STEP) for c in line.columns]).clip(0, middles.shape[1] - 1)
        for beside in (-1, 1):
            middles[row, (places + beside).clip(0, middles.shape[1] - 1)] = -1
        middles[row, places] = line.classes
        counts.append(min(pixels.shape[3] // STEP, image.shape[3] // STEP + 2))
    return torch.from_numpy(pixels), torch.from_numpy(middles), counts


def _varied(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Moved up or down, fainter or stronger, taller or lower, noisier."""
    if rng.random() < 0.5:
        tall = int(rng.integers(42, 55))
        image = functional.interpolate(image, size=(tall, image.shape[3]), mode="bilinear")
        spare = 48 - tall
        above = spare // 2 + int(rng.integers(-2, 3))
        image = functional.pad(image, (0, 0, above, spare - above))
    image = (image * float(np.exp(rng.normal(0, 0.12)))).clamp(0, 1)
    if rng.random() < 0.3:
        image = image ** float(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.3:
        image = image + torch.from_numpy(rng.normal(0, rng.uniform(0, 0.06), tuple(image.shape)).astype(np.float32))
    return image.clamp(0, 1)


def loss_of(network: nn.Module, lines: list[Example], rng: np.random.Generator | None, aligned: float) -> Tensor:
    pixels, middles, counts = tensors(lines, rng)
    answers = network(pixels)
    targets = torch.tensor([k for line in lines for k in line.classes])
    lengths = [len(line.classes) for line in lines]
    ctc = functional.ctc_loss(
        answers.transpose(0, 1), targets, counts, lengths, reduction="sum", zero_infinity=True
    ) / sum(lengths)
    if not aligned:
        return ctc
    weights = torch.ones(len(CLASSES))
    weights[0] = 0.3
    framewise = functional.nll_loss(answers.reshape(-1, len(CLASSES)), middles.reshape(-1), weights, ignore_index=-1)
    return ctc + aligned * 4 * framewise


def greedy(answers: NDArray[np.float32]) -> list[int]:
    """The classes of (T, classes), the best of each answer, repeats and nothing left out."""
    best = answers.argmax(axis=1)
    return [int(k) for k, before in zip(best, [0, *best[:-1]], strict=True) if k and k != before]


@torch.no_grad()
def held_out(network: nn.Module, lines: list[Example]) -> tuple[float, float]:
    """The shares of lines that are read whole, and of those whose digits are."""
    network.eval()
    whole = digits = 0
    for mine in batches(lines, np.random.default_rng(0)):
        pixels, _, _ = tensors(mine, None)
        for line, answer in zip(mine, network(pixels).numpy(), strict=True):
            found = greedy(answer)
            whole += found == line.classes
            digits += [k for k in found if k <= 10] == [k for k in line.classes if k <= 10]
    network.train()
    return whole / len(lines), digits / len(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path)
    parser.add_argument("held", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=2e-3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, average = LineNetwork(), LineNetwork()
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), arguments.rate, weight_decay=0.02)
    done = steps = chunks = 0.0
    if arguments.checkpoint.exists():
        kept = torch.load(arguments.checkpoint, weights_only=True)
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        done, steps, chunks = kept["done"], kept["steps"], kept["chunks"]
    held = [line for path in sorted(arguments.held.glob("*.npz")) for line in read(path)][:1000]
    budget, last, saved = arguments.minutes * 60, time.monotonic(), done
    while done < budget:
        paths = sorted(arguments.pool.glob("*.npz"))
        rng = np.random.default_rng([1, int(chunks)])
        chosen = [paths[k] for k in _next(len(paths), int(chunks), rng)]
        chunks += len(chosen)
        total = count = 0.0
        for mine in batches([line for path in chosen for line in read(path)], rng):
            now = time.monotonic()
            done, last = done + now - last, now
            share = min(done / budget, 1.0)
            rate = float(arguments.rate * min(1.0, steps / 150) * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-6)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = loss_of(network, mine, rng, 1.0 if steps < 400 else 0.1 if share < 0.8 else 0.03)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            keep = min(0.998, 1 - 10 / (steps + 20))
            with torch.no_grad():
                for a, b in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                    a.lerp_(b, 1 - keep) if a.is_floating_point() else a.copy_(b)
            total, count, steps = total + float(loss.detach()), count + 1, steps + 1
            if share >= 1:
                break
        said = f"{done / 60:.1f} min, {int(steps)} steps, {int(chunks)} chunks, loss {total / count:.4f}"
        if done - saved > 240 or done >= budget:
            saved = done
            said += " whole {:.4f} digits {:.4f}".format(*held_out(average, held))
            last = time.monotonic()
        temporary = arguments.checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "done": done,
                "steps": steps,
                "chunks": chunks,
            },
            temporary,
        )
        temporary.replace(arguments.checkpoint)
        print(said, flush=True)


def _next(count: int, seen: int, rng: np.random.Generator, size: int = 3) -> list[int]:
    """Chunks nobody has seen yet first; then any."""
    fresh = list(range(seen, min(seen + size, count)))
    return fresh if fresh else rng.choice(count, min(size, count), replace=False).tolist()


if __name__ == "__main__":
    main()
