"""An option is one parameter of a public function and a line of its docstring: help, Python and docs follow."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest

import tenfold
from _command_line import tenfold as run
from tenfold.api.shared import Option, Source
from tenfold.cli.derive import COMMANDS, Call, command

ROOT = Path(__file__).parents[2]


def greet(
    name: Source,
    *,
    times: Annotated[int, Option(low=1)] = 1,
    words: Annotated[tuple[str, ...] | None, Option()] = None,
    replace: bool = True,
    loud: bool = False,
) -> str:
    """Greet somebody.

    A second paragraph.

    Args:
        name: who is greeted, see :func:`tenfold.run`.
        times: how often; ``1`` is polite.
        words: not for the command line.
        replace: greet again.
        loud: with an exclamation
            mark.

    Returns:
        The greeting.
    """
    return " ".join([f"hello {name}{'!' * loud}"] * times) + f" {replace}"


@pytest.fixture(autouse=True)
def greeting() -> Iterator[None]:
    @command("greet", greet, "Runs and this machine", without={"words"})
    def face(call: Call, *, twice: bool = False) -> None:
        """Print it.

        Args:
            twice: say it two times.
        """
        if twice:
            call["times"] = 2
        print(call())

    yield
    del COMMANDS["greet"]


def test_a_parameter_is_an_option_with_the_help_of_the_docstring() -> None:
    text = " ".join(run("greet", "--help").out.replace("\u2502", " ").split())
    assert "Greet somebody. A second paragraph. " in text
    for expected in (
        "SOURCE",
        "Who is greeted, see tenfold.run.",
        "How often; 1 is polite.",
        "--force",
        "Greet again.",
    ):
        assert expected in text
    assert "With an exclamation mark." in text
    assert "Say it two times." in text
    assert "--words" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "hello you False"),
        (["--loud", "--times", "2"], "hello you! hello you! False"),
        (["--twice", "--force"], "hello you hello you True"),
    ],
)
def test_what_is_typed_reaches_the_function(words: list[str], said: str) -> None:
    assert run("greet", "you", *words) == (0, f"{said}\n", "")
    assert run("greet", "you", "--times", "0").code == 2


def test_docs_have_it_too() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["commands_page"]()
    assert "## tenfold greet" in page
    assert "--loud" in page


@pytest.mark.parametrize("name", sorted({c.verb for c in COMMANDS.values() if isinstance(c.verb, str)}))
def test_every_function_behind_a_command_is_public_and_explains_every_parameter(name: str) -> None:
    from inspect import signature

    from tenfold.cli.derive import arguments_of

    assert name in tenfold.__all__
    function = getattr(tenfold, name)
    assert set(signature(function).parameters) == set(arguments_of(function))


def test_the_group_recipes_alone_lists_them() -> None:
    alone, listed = run("recipes"), run("recipes", "list")
    assert (alone.code, alone.out) == (0, listed.out)


SHARING = """
from __future__ import annotations
from typing import Unpack
from tenfold.api.shared import Compute, sharing

@sharing(Compute)
def toy(name: str, *, loud: bool = False, **given: Unpack[Compute]) -> dict:
    \"\"\"Say what was given.

    Args:
        name: of nobody.
        loud: or not.
        device: where the toy plays.

    Returns:
        it.
    \"\"\"
    return dict(given, name=name, loud=loud)
"""


def test_an_option_that_all_trainings_share_is_said_in_one_place(tmp_path: Path) -> None:
    path = tmp_path / "toys.py"
    path.write_text(SHARING)
    toy = runpy.run_path(str(path))["toy"]
    assert list(inspect.signature(toy).parameters) == [
        *("name", "loud", "options", "executor", "workers", "device", "progress")
    ]
    assert "where members run: processes, ray" in toy.__doc__, "from the shared keywords"
    assert "where the toy plays" in toy.__doc__ and "auto, cpu, cuda or mps" not in toy.__doc__, "its own word stays"
    assert toy("x", workers=3) == {"name": "x", "loud": False, "workers": 3}
    with pytest.raises(TypeError, match=r"toy\(\) got an unexpected keyword argument 'worker'"):
        toy("x", worker=3)


@pytest.mark.parametrize("verb", ["run", "train", "cross_validate", "tune"])
def test_every_training_takes_what_all_share(verb: str) -> None:
    taken = inspect.signature(getattr(tenfold, verb)).parameters
    for name in ("overrides", "out", "options", "executor", "workers", "device", "track", "progress"):
        assert taken[name].kind is taken[name].KEYWORD_ONLY
        assert re.search(rf"^        {name}: .", getattr(tenfold, verb).__doc__, re.MULTILINE)
        if name not in ("options", "progress"):
            assert (
                "--" + {"overrides": "set"}.get(name, name)
                in run({"cross_validate": "cv"}.get(verb, verb), "--help").out
            )
