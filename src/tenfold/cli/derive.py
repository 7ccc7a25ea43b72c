"""Commands from public functions: what a command takes is in the function's signature, its help in the docstring.

A parameter that can be given by position is an argument, a keyword is an option, ``replace`` is ``--force``, and
``options`` stands for all of :func:`~tenfold.cli.options.read_options`. What a command does beside the function -
printing, for one - is its face: a function that gets the call, and further options of its own.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal

import typer

import tenfold
from tenfold.api.shared import Option
from tenfold.cli import console
from tenfold.cli.options import cluster, parse_shape, read_options
from tenfold.errors import UsageError, printable


@dataclass(frozen=True)
class Command:
    """A command: the public function behind it, and its face.

    Attributes:
        name: on the command line; of a sub-command both words, such as "data check".
        verb: the function's name in tenfold, or the function; None for a face that calls none.
        face: prints what the function returns.
        panel: the heading in ``tenfold --help``.
        without: parameters that are no options of this command.
        defaults: where the command's default is not the function's.
    """

    name: str
    verb: str | Callable[..., Any] | None
    face: Callable[..., None]
    panel: str
    without: Set[str]
    defaults: Mapping[str, Any]

    @property
    def function(self) -> Callable[..., Any] | None:
        """The public function, imported."""
        return getattr(tenfold, self.verb) if isinstance(self.verb, str) else self.verb


COMMANDS: dict[str, Command] = {}


def command(
    name: str, verb: str | Callable[..., Any] | None, panel: str, *, without: Set[str] = frozenset(), **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that makes a function the face of a command; see :class:`Command`."""

    def register(face: Callable[..., None]) -> Callable[..., None]:
        COMMANDS[name] = Command(name, verb, face, panel, without, defaults)
        return face

    return register


class Call:
    """A call of the public function with what was typed; a face may look at its arguments, change and make it."""

    def __init__(self, function: Callable[..., Any] | None, arguments: dict[str, Any]) -> None:
        self._function = function
        self._arguments = arguments

    def __getitem__(self, name: str) -> Any:
        return self._arguments[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._arguments[name] = value

    def items(self) -> Iterator[tuple[str, Any]]:
        """What was typed, or is the default."""
        yield from self._arguments.items()

    def __call__(self) -> Any:
        """Make the call; fetching is shown."""
        assert self._function is not None
        known = inspect.signature(self._function).parameters
        given = {n: v for n, v in self._arguments.items() if v is not None or known[n].default is None}
        if "progress" in known and "progress" not in given:
            given["progress"] = not console.settings.quiet
        with console.fetching_shown():
            positional = [given.pop(n) for n, p in known.items() if p.kind is p.POSITIONAL_ONLY and n in given]
            return self._function(*positional, **given)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, as the command line takes it."""

    name: str
    kind: Any
    option: Option
    help: str
    default: Any
    is_argument: bool
    convert: Callable[[Any], Any] = lambda value: value

    def typed(self) -> inspect.Parameter:
        """For typer."""
        limits: dict[str, Any] = {"min": self.option.low, "max": self.option.high}
        default = self.default
        if self.is_argument:
            info = typer.Argument(help=self.help, metavar=self.option.metavar, show_default=default not in (None, ""))
        elif self.kind is bool:
            flag = self.option.name or "--" + self.name.replace("_", "-")
            info = typer.Option(f"{flag}/--no-{flag[2:]}" if default is True else flag, help=self.help)
        else:
            flag = self.option.name or "--" + self.name.replace("_", "-")
            info = typer.Option(flag, help=self.help, metavar=self.option.metavar, **limits)
        kind = self.kind | None if default is None and self.kind is not bool else self.kind
        return inspect.Parameter(
            self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
        )


def named(made: Command) -> Callable[[], None]:
    """The command with its summary and without options, for lists of commands."""

    def run() -> None:
        raise AssertionError("only listed")

    run.__doc__ = summary(made.function or made.face)
    return run


def as_typer(made: Command) -> Callable[..., None]:
    """The function that typer turns into the command."""
    function = made.function
    verb = [] if function is None else list(parameters(function, made.without, made.defaults))
    names = {p.name for p in verb}
    hints = {} if function is None else inspect.signature(function).parameters
    reads = "options" in hints and "options" not in made.without
    reading = list(parameters(read_options, made.without)) if reads else []
    spread = list(parameters(cluster)) if "executor" in names else []
    own = list(parameters(made.face, {"call"}))
    required = [p for p in (*verb, *own) if p.default is inspect.Parameter.empty]
    everything = [*required, *(p for p in (*verb, *own, *spread, *reading) if p not in required)]

    def run(**typed: Any) -> None:
        taken = {p.name: p.convert(typed[p.name]) for p in everything}
        arguments = {name: taken[name] for name in names}
        if "replace" in hints and "replace" in arguments:
            arguments["replace"] = bool(arguments["replace"])
        page = next((p.default for p in verb if p.name == "out" and str(p.default).endswith(".html")), None)
        if page is not None and arguments["out"] == page and not arguments.get("replace"):
            arguments["out"] = console.free_name(page)  # a page that was made before is nobody's obstacle
        if reads:
            arguments["options"] = read_options(**{p.name: taken[p.name] for p in reading})
        if spread:
            cluster(**{p.name: taken[p.name] for p in spread})
        made.face(Call(function, arguments), **{p.name: taken[p.name] for p in own})

    run.__signature__ = inspect.Signature([p.typed() for p in everything])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.typed().annotation for p in everything}
    run.__doc__ = summary(function or made.face)
    return run


def parameters(
    function: Callable[..., Any], without: Set[str] = frozenset(), defaults: Mapping[str, Any] = {}
) -> Iterator[Parameter]:
    """What the command line offers of a function's parameters: all but callables and values that it cannot write."""
    told = arguments_of(function)
    module = vars(inspect.getmodule(function))
    hints = typing.get_type_hints(function, localns=_Names(vars(tenfold.api.shared) | module), include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if name in without or name in ("progress", "options"):
            continue
        members, option = _members(hints[name])
        kind, metavar = _kind(members)
        if kind is None:
            continue
        default = defaults.get(name, parameter.default)
        convert: Callable[[Any], Any] = _same
        if kind is tuple:
            kind, convert = str, lambda value: None if value is None else parse_shape(value)
            metavar = "SHAPE"
            default = "x".join(map(str, default[1:] if default[0] == 1 else default))
        elif typing.get_origin(kind) is list:
            convert = lambda value: list(value or ())  # noqa: E731
            default = default if default is parameter.empty else list(default or ()) or None
        if name == "replace":
            option, default = Option("--force"), False
        by_place = parameter.kind is not parameter.KEYWORD_ONLY and option.name is None
        if metavar and "|" in metavar and kind in (str, list[str]):
            convert = _one_of(option.name or "--" + name.replace("_", "-"), metavar.split("|"))
        if option.many:
            kind, convert = list[str], _as_one
        option = Option(option.name, option.metavar or metavar, option.low, option.high)
        yield Parameter(name, kind, option, told.get(name, ""), default, by_place, convert)


def _same(value: Any) -> Any:
    return value


def _as_one(sources: Sequence[str] | None) -> str | None:
    from tenfold.data.joined import joined_name  # which takes as long as all the rest of --help

    return joined_name(sources) if sources else None


class _Anything(type):
    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _Elsewhere(metaclass=_Anything):
    """Stands for a type that is not imported: no command line can write such a value."""

    def __class_getitem__(cls, item: object) -> type:
        return cls


class _Names(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        builtins: Any = __builtins__
        known = builtins if isinstance(builtins, dict) else vars(builtins)
        return known.get(name, _Elsewhere)


def _members(annotation: Any) -> tuple[list[Any], Option]:
    """The types that a union consists of, and what the outermost note adds."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        members, inner = _members(annotation.__origin__)
        noted = [note for note in annotation.__metadata__ if isinstance(note, Option)]
        return members, noted[-1] if noted else inner
    if origin in (typing.Union, UnionType):
        pairs = [_members(part) for part in typing.get_args(annotation)]
        option = next((option for _, option in pairs if option != Option()), Option())
        return [member for members, _ in pairs for member in members], option
    return [annotation], Option()


def _kind(members: Sequence[Any]) -> tuple[Any, str | None]:
    """What typer should make of what is typed, and what stands for it in help; None if it cannot be typed."""
    known = [member for member in members if member not in (NoneType, _Elsewhere)]
    if bool in known:
        return bool, None
    for member in known:
        origin = typing.get_origin(member)
        if origin is Sequence:
            (inner,) = typing.get_args(member)
            inside, _ = _members(inner)
            return list[str], "|".join(_choices(inside)) or None
        if origin is tuple:
            return tuple, None
        if origin is Callable:
            return None, None
    if choices := _choices(known):
        return str, "|".join(choices)
    plain = next((one for one in (int, float, str) if one in known), None)
    return (str if plain is None else plain), "PATH" if any(str(one).endswith("Path'>") for one in known) else None


def _choices(members: Sequence[Any]) -> tuple[str, ...]:
    """The texts of which one is expected; none if any will do."""
    return next((typing.get_args(one) for one in members if typing.get_origin(one) is Literal), ())


def _one_of(flag: str, choices: Sequence[str]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        for text in [value] if isinstance(value, str) else value or ():
            if text not in choices:
                expected = f"{', '.join(choices[:-1])} or {choices[-1]}"
                raise UsageError(f"{flag}: found {printable(text)!r}, expected {expected}")
        return value

    return check


def summary(function: Callable[..., Any]) -> str:
    """The docstring up to its first section."""
    text = inspect.cleandoc(function.__doc__ or "")
    return _plain(re.split(r"\n(?:Args|Returns|Raises|Example|Attributes):", text)[0].strip())


def arguments_of(function: Callable[..., Any]) -> dict[str, str]:
    """Name -> help, from the docstring's list of arguments."""
    text = inspect.cleandoc(function.__doc__ or "")
    section = re.search(r"^Args:\n((?:[ ].*\n?|\n)*)", text, re.MULTILINE)
    found = re.findall(r"^    (\w+): (.*(?:\n {8,}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: _sentence(_plain(" ".join(told.split()))) for name, told in found}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ":")) else ".")


def _plain(text: str) -> str:
    return re.sub(r"``|:\w+:`~?([\w.]+)`", lambda match: match[1] or "", text)
