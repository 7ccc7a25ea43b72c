"""The layers of networks, a file each: torch module, token of the notation, cost, and form in ONNX, C and JavaScript.

A file of this folder adds its :class:`Layer` to :data:`LAYERS`; other packages name theirs as entry points of the group
``tenfold.models.layers``. The JavaScript of a layer's operators stands beside it, in a ``.js`` file of the same name,
because the offline page is made without torch. A fitted model's layers have no token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tenfold.registry import Entries

if TYPE_CHECKING:
    import re

    from numpy.typing import ArrayLike, NDArray
    from torch import Size, Tensor, nn


class OnnxGraph(Protocol):
    """The ONNX graph that a layer adds itself to; tensors are known by their names.

    It is :class:`tenfold.bundle.onnx_graph.Graph`, which says more about each of these.
    """

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; returns the name of its output."""

    def outputs(self, operator: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Add an operation with several outputs; returns their names."""

    def constant(self, name: str, value: Tensor | ArrayLike) -> str:
        """Add a float32 constant."""

    def weight(self, value: Tensor | ArrayLike) -> str:
        """Add a layer's weight (outputs, ...), in the graph's number of bits."""

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add an int64 constant."""

    def picked(self, images: str, channels: int, reach: int) -> str:
        """Add ``images`` without ``reach`` pixels on each side."""

    def mean(self, xs: Sequence[str]) -> str:
        """Add the mean of tensors of one shape."""

    def chain(self, network: nn.Module, x: str) -> str:
        """Add the layers of a block, one after the other."""


class CGraph(Protocol):
    """The C program that an ONNX operator adds itself to; a ``node`` is an ``onnx.NodeProto``."""

    def size(self, tensor: str) -> list[int]:
        """A tensor's shape without the batch, or a constant's whole shape."""

    def value(self, tensor: str) -> NDArray[Any]:
        """The numbers of a constant."""

    def source(self, node: Any) -> str:
        """The C name of a node's first input."""

    def result(self, node: Any) -> str:
        """The C name of a node's output."""

    def named(self, tensor: str) -> str:
        """The C name of a tensor."""

    def constant(self, tensor: str, value: NDArray[Any]) -> str:
        """Add an array of numbers; returns its C name."""

    def weight(self, node: Any, place: int) -> str:
        """The C name of a constant input, ``0`` where it is left out."""


@dataclass
class Shape:
    """The shape between two tokens: channels and, until the network is flat, height and width."""

    channels: int
    size: tuple[int, int] | None

    def spatial(self) -> tuple[int, int]:
        """Height and width.

        Raises:
            ValueError: the network is flat already.
        """
        if self.size is None:
            raise ValueError("needs an image, but the net is flat already")
        return self.size

    def flat(self) -> int:
        """The number of inputs of a dense layer.

        Raises:
            ValueError: the network is not flat yet.
        """
        if self.size is not None:
            raise ValueError("needs a flat input; put FLAT, GAP or GMP before it")
        return self.channels


Build: TypeAlias = "Callable[[re.Match[str], Shape, int], list[nn.Module]]"
"""(match of the token, shape before it, classes) -> modules; it changes the shape to the one behind them, and raises
ValueError with a sentence that begins with a verb where the token does not fit.
"""
Emit: TypeAlias = "Callable[[Any, OnnxGraph, str], str]"
"""(module for inference with float64 weights, graph, input) -> the output's name."""
Cost: TypeAlias = "Callable[[Any, Size, Size], int]"
"""(module, shape of its input, shape of its output), both with a batch of 1 -> multiply-adds."""
Arguments: TypeAlias = "Callable[[CGraph, Any, dict[str, Any]], list[str | int]]"
"""(program, node, its attributes) -> the arguments of a call."""


@dataclass(frozen=True)
class CFunction:
    """An ONNX operator in C99.

    Attributes:
        name: of the function, without prefix.
        text: its definition, with ``{p}`` for the prefix.
        arguments: of a call.
    """

    name: str
    text: str
    arguments: Arguments


@dataclass(frozen=True)
class Layer:
    """One kind of layer.

    Attributes:
        modules: torch modules that are this layer; subclasses are, too.
        emit: adds one of them to an ONNX graph.
        operators: the ONNX operators that ``emit`` writes. A bundle may hold those that
            :mod:`tenfold.bundle.inspection` lists.
        token: regular expression of its token in the notation; None if no token makes it.
        form: examples of the token, for messages.
        build: the modules of a token; None without one.
        cost: multiply-adds of products of matrices and convolutions.
        c: C forms by ONNX operator: a function, or an expression in ``x[i]`` that may hold ``{alpha}``.
    """

    modules: tuple[type[nn.Module], ...]
    emit: Emit
    operators: frozenset[str] = frozenset()
    token: str | None = None
    form: str = ""
    build: Build | None = None
    cost: Cost = lambda module, before, after: 0
    c: Mapping[str, CFunction | str] = field(default_factory=dict)


LAYERS: Entries[Layer] = Entries(__name__, "layer")


def layer_of(module: nn.Module) -> Layer | None:
    """The layer that ``module`` is, the nearest of its classes first; None for a module that no layer knows."""
    by_class = {kind: layer for layer in LAYERS.load().values() for kind in layer.modules}
    return next((by_class[kind] for kind in type(module).__mro__ if kind in by_class), None)


def pair(value: int | tuple[int, ...]) -> list[int]:
    """A setting of torch for height and width."""
    return [value, value] if isinstance(value, int) else list(value)


def unsupported(module: nn.Module, setting: str) -> TypeError:
    """The error for a setting that ONNX has no faithful form of."""
    return TypeError(f"cannot export a {type(module).__name__} with {setting}")
