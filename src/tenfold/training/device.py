"""Which device trains, and why."""

from __future__ import annotations

import os

import torch

from tenfold.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` takes CUDA or MPS where present, else the CPU.

    Raises:
        UsageError: unknown, or not on this machine.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if present[d]))
    if name not in present:
        raise UsageError(f"unknown device {name!r}; expected one of: {', '.join(DEVICES)}")
    if not present[name]:
        raise UsageError(f"no {name} device on this machine; there are: {', '.join(d for d, there in present.items() if there)}")
    return torch.device(name)


def has_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` has instructions for products of bfloat16, so that they are quicker than those of float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):  # it may be limited
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def own_device(device: torch.device, rank: int) -> torch.device:
    """The device of replica ``rank``: GPUs are dealt out, by torchrun's number on this machine if it started us.

    Raises:
        UsageError: there are fewer GPUs than replicas; NCCL takes one each.
    """
    if device.type != "cuda":
        return device
    number, there = int(os.environ.get("LOCAL_RANK", rank)), torch.cuda.device_count()
    if number >= there:
        raise UsageError(
            f"every replica takes a GPU of its own, and this machine has {there}; set train.replicas to {there} or fewer"
        )
    return torch.device("cuda", number)


def prepare(device: torch.device) -> None:
    """Settings of this process that training relies on: one thread, no denormals, tf32 on CUDA."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
