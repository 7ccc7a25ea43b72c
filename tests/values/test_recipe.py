"""A recipe says what is meant, or what is wrong with it."""

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.errors import UsageError
from tenfold.values.recipe import Recipe, find_recipe, load_recipe, parse_recipe

SMALL = 'name = "small"\n[model]\nlayers = "8C3 RELU SOFTMAX10"\n'


def test_a_recipe_needs_only_a_model(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[model]\nlayers = "SOFTMAX10"\n')
    recipe = load_recipe(tmp_path / "mine.toml")
    assert recipe.name == "mine"
    assert recipe.model[0].kind == "network"
    assert recipe.model[0].settings == {"layers": "SOFTMAX10"}
    assert recipe.ensemble.members == 1


def test_members_take_turns_with_several_models() -> None:
    recipe = parse_recipe('[[model]]\nlayers = "A"\n[[model]]\nlayers = "B"\n')
    assert [recipe.model_of(i).settings["layers"] for i in range(3)] == ["A", "B", "A"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL + "[train]\nepoch = 3\n", r"unknown key 'train\.epoch'; did you mean 'epochs'\? Allowed here: epochs, "),
        (SMALL + "[train]\nzzz = 3\n", r"unknown key 'train\.zzz'\. Allowed here: epochs, "),
        (
            SMALL + "[train.early_stopping]\npatienc = 3\n",
            r"'train\.early_stopping\.patienc'; did you mean 'patience'\?",
        ),
        ("sed = 1\n" + SMALL, r"unknown key 'sed'; did you mean 'seed'\?"),
        (SMALL + '[train]\nepochs = "three"\n', r"train\.epochs = 'three': .*integer"),
        (SMALL + "[train]\nepochs = 0\n", r"train\.epochs = 0: .*greater than or equal to 1"),
        (SMALL + "[train]\nlearning_rate = nan\n", r"train\.learning_rate = nan: .*finite"),
        (SMALL + '[train]\noptimizer = "adm"\n', r"train\.optimizer = 'adm': .*'adamw'"),
        (SMALL + "[data]\nvalidation = 1.0\n", r"data\.validation = 1\.0: .*less than 1"),
        (SMALL + "[[augment]]\nrotation = 10\n", r"the key 'augment\.0\.kind' is missing"),
        ('name = "a"\n', r"the key 'model' is missing"),
        ('name = "../evil"\n[model]\n', r"name = '\.\./evil'"),
        ("name = [", r"not valid TOML"),
        (SMALL + "a." * 2_000 + "b = 1\n", r"model\.0.*nested too deep"),
        ("a = " + "[" * 100_000, r"not valid TOML: nested too deep"),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_names_the_key(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_recipe(text, where="mine.toml")
    assert caught.value.exit_code == 2
    assert all(line.startswith("mine.toml") for line in caught.value.lines())


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_recipe(SMALL + '[train]\nepochs = 0\nbatch = 3\n[ensemble]\nvote = "x"\n')
    assert len(caught.value.lines()) == 3


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_recipe_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "r.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read the recipe .*r\.toml"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("train.epochs=3", 3),
        (" train.epochs = 3 ", 3),
        ("train.schedule=cosine", "cosine"),
        ('train.schedule="cosine"', "cosine"),
        ("train.learning_rate=1e-3", 1e-3),
        ("train.early_stopping.patience=7", 7),
        ("data.test=kaggle/test.csv", "kaggle/test.csv"),
        ("ensemble.members=4", 4),
    ],
)
def test_overrides(override: str, value: object) -> None:
    found: object = parse_recipe(SMALL, [override])
    for part in override.partition("=")[0].strip().split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "expected key=value"),
        ("=3", "expected key=value"),
        ("train.epoch=3", "did you mean 'epochs'"),
        ("name.x=3", "'name' is not a table"),
        ("train..epochs=3", "expected key=value"),
    ],
)
def test_overrides_that_cannot_be_meant(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_recipe(SMALL, [override])


@given(
    claim=st.text(st.characters(exclude_categories=["Cs"])),
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    value=st.recursive(
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
            st.text("aé\x7f\n'\"\\"),
        ),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a.é ", min_size=1), inner, max_size=3),
        max_leaves=5,
    ),
    rate=st.floats(1e-300, 1e300),
)
def test_toml_there_and_back_is_the_same_recipe(claim: str, key: str, value: object, rate: float) -> None:
    settings = {"layers": "SOFTMAX10", key: value} | {"kind": "network"}
    recipe = Recipe.model_validate(
        {"name": "a", "claim": claim, "model": settings, "augment": [{key: value} | {"kind": "affine"}]}
        | {"train": {"learning_rate": rate, "early_stopping": {}}, "expected": {"accuracy": 0.99, "ü": "x"}}
    )
    again = parse_recipe(recipe.to_toml())
    assert again.model_dump(mode="json") == recipe.model_dump(mode="json")
    assert again.key() == recipe.key()


def test_a_setting_that_is_not_a_number_is_refused_where_it_stands() -> None:
    with pytest.raises(UsageError, match=r"model\.0.*every number must be finite"):
        parse_recipe(SMALL + f"rate = {math.nan}\n")


def test_the_key_depends_on_what_decides_the_result_and_on_nothing_else() -> None:
    recipe = parse_recipe(SMALL)
    renamed = parse_recipe(SMALL.replace("small", "other") + "[expected]\naccuracy = 0.9\n", ['claim="it works"'])
    assert recipe.key() == renamed.key()
    assert len(recipe.key()) == 16
    changed = [
        parse_recipe(SMALL, [o]).key() for o in ("seed=1", "train.epochs=3", "ensemble.members=2", "model.layers=x")
    ]
    assert len({recipe.key(), *changed}) == 5


def test_the_key_of_a_stored_recipe_stays_the_same_over_releases() -> None:
    """Defaults are part of the key: a changed default is another experiment, and must be a conscious step."""
    stored = tomllib.loads(parse_recipe(SMALL).to_toml())
    assert stored["train"]["epochs"] == 10
    assert parse_recipe(SMALL).key() == Recipe.model_validate(stored).key()


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_recipe(SMALL).seed = 3  # type: ignore[misc]


TUNE = """
[tune]
trials = 7
[tune.ranges]
"train.learning_rate" = { low = 0.001, high = 0.1, log = true }
"model.layers" = ["FLAT SOFTMAX", "FLAT 32 SOFTMAX"]
"""


def test_what_might_be_tuned_changes_no_key() -> None:
    plain = parse_recipe('name = "x"\n[model]\nlayers = "FLAT SOFTMAX"\n')
    tuned = parse_recipe('name = "x"\n[model]\nlayers = "FLAT SOFTMAX"\n' + TUNE)
    assert plain.key() == tuned.key()
    assert parse_recipe(tuned.to_toml()) == tuned


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tune.ranges={'seed'={low=3, high=1}}", "expected low < high"),
        ("tune.ranges={'seed'={low=0, high=1, log=true}}", "a logarithmic range starts above 0"),
        ("tune.ranges={'seed'=[1]}", "at least 2 items"),
        ("tune.ranges={}", "at least 1 item"),
        ("tune.scored=9", "no more than there are"),
    ],
)
def test_ranges_that_cannot_be_meant_are_refused(change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_recipe('name = "x"\n[model]\nlayers = "FLAT SOFTMAX"\n' + TUNE, [change])


def test_overrides_reach_into_lists_of_tables() -> None:
    recipe = parse_recipe('name = "x"\nmodel = [{ layers = "A" }, { layers = "B" }]\naugment = [{ kind = "affine" }]\n')
    changed = recipe.overridden(["model.1.layers=C", "augment.rotation=3", "augment.0.shift=1"])
    assert [model.settings["layers"] for model in changed.model] == ["A", "C"]
    assert changed.augment[0].settings == {"rotation": 3, "shift": 1}
    for override in ("model.layers=C", "model.2.layers=C", "augment.0=1"):
        with pytest.raises(UsageError, match=r"say which by its number: 0 to 1|expected a key of the table"):
            recipe.overridden([override])


def _recipes(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def test_a_recipe_that_extends_another_has_its_tables_merged(tmp_path: Path) -> None:
    base = 'name = "base"\nclaim = "c"\nseed = 3\n[model]\nlayers = "8C3 SOFTMAX"\ninit = "he-normal"\n'
    base += '[train]\nepochs = 7\n[train.early_stopping]\npatience = 2\n[[augment]]\nkind = "affine"\nrotation = 5\n'
    base += "[expected]\ntest_accuracy = 0.9\n"
    own = 'extends = "base.toml"\n[model]\nlayers = "16C3 SOFTMAX"\n[train]\nbatch_size = 9\n'
    folder = _recipes(tmp_path, base=base, mine=own)
    mine = load_recipe(folder / "mine.toml", ["seed=4"])
    assert (mine.name, mine.claim, mine.expected, mine.seed) == ("mine", "", {}, 4)
    assert mine.model[0].settings == {"layers": "16C3 SOFTMAX", "init": "he-normal"}
    assert (mine.train.epochs, mine.train.batch_size, mine.train.early_stopping.patience) == (7, 9, 2)  # type: ignore[union-attr]
    assert mine.augment[0].settings == {"rotation": 5}
    spelt_out = parse_recipe(mine.to_toml())
    assert spelt_out == mine and spelt_out.key() == mine.key()


def test_false_leaves_a_table_out_and_another_kind_replaces_one(tmp_path: Path) -> None:
    base = SMALL + '[train.early_stopping]\npatience = 2\n[[augment]]\nkind = "affine"\n'
    own = 'extends = "base.toml"\naugment = []\n[train]\nearly_stopping = false\n[model]\nkind = "svm"\nC = 1\n'
    mine = load_recipe(_recipes(tmp_path, base=base, mine=own) / "mine.toml")
    assert mine.train.early_stopping is None and mine.augment == () and mine.model[0].settings == {"C": 1}


def test_a_recipe_extends_one_of_tenfolds_by_name(tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text('extends = "quick"\nseed = 99\n')  # not itself
    mine = load_recipe(tmp_path / "quick.toml")
    assert mine.seed == 99 and mine.model == load_recipe(find_recipe("quick")).model


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"mine": 'extends = "mine.toml"\n'}, r"circle: mine"),
        ({"mine": 'extends = "b.toml"\n', "b": 'extends = "mine.toml"\n'}, r"circle: mine -> b"),
        ({"mine": 'extends = "nosuch.toml"\n'}, r"mine\.toml: extends = 'nosuch\.toml': cannot read the recipe"),
        ({"mine": 'extends = "quik"\n'}, r"did you mean 'quick'"),
        ({"mine": 'extends = ["best"]\n'}, r"expected one recipe"),
        ({"mine": 'extends = "b.toml"\n', "b": "= 1\n"}, r"b\.toml is not valid TOML"),
        ({"mine": 'extends = "b.toml"\n', "b": "#" * (1 << 20) + "\n"}, r"more than 1,048,576 bytes"),
        (
            {"mine": 'extends = "n1.toml"\n', **{f"n{i}": f'extends = "n{i + 1}.toml"\n' for i in range(1, 20)}},
            r"more than 8",
        ),
        ({"mine": 'extends = "/dev/zero.toml"\n'}, r"cannot read the recipe"),
        ({"mine": 'extends = "quick"\nepochs = 3\n'}, r"unknown key 'epochs'; did you mean 'train\.epochs'"),
        ({"mine": "seed = " + "9" * 5000 + "\n"}, r"not valid TOML"),
    ],
)
def test_what_cannot_be_extended_is_an_error(tmp_path: Path, texts: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_recipe(_recipes(tmp_path, **texts) / "mine.toml")
