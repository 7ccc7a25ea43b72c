"""G01: no input can run code, and only ``atomic.py`` creates files. Read off the syntax trees."""

import ast

import pytest

from _sources import modules

UNPICKLER = "data/sources/mnist.py"  # the index's copy of MNIST is a pickle: hash first, then three names of numpy
WRITER = "files.py"
RAY = {"executors", "plugins"}

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "torch.jit.load",
    "os.system",
    "os.popen",
}
FORBIDDEN_METHODS = {"extractall", "extract"}
FORBIDDEN_KEYWORDS = {"allow_pickle", "shell", "trust_remote_code"}

WRITING_METHODS = {
    "write_text",
    "write_bytes",
    "touch",
    "to_csv",
    "write_csv",
    "write_parquet",
    "tofile",
    "savefig",
    "symlink_to",
}
WRITING_CALLS = {
    *(
        "np.save",
        "np.savez",
        "np.savez_compressed",
        "np.savetxt",
        "numpy.save",
        "numpy.savez",
        "torch.save",
        "onnx.save",
    ),
    *(
        "save_file",
        "safetensors.torch.save_file",
        "safetensors.numpy.save_file",
        "onnx.save_model",
        "torch.onnx.export",
    ),
    *("os.mkdir", "os.makedirs", "os.rename", "os.replace", "os.link", "os.symlink"),
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move"),
}


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a name or an attribute; calls and the like become ``?``."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def ways_to_run_code(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [str(node.module)] if str(node.module).split(".")[0] in FORBIDDEN_MODULES else []
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in FORBIDDEN_CALLS or name.split(".")[-1] in FORBIDDEN_METHODS:
                found.append(name)
            for keyword in node.keywords:
                harmless = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in FORBIDDEN_KEYWORDS and not harmless:
                    found.append(f"{name}({keyword.arg}=...)")
    return found


def ways_to_write_files(tree: ast.Module) -> list[str]:
    in_memory = names_in_memory(tree)

    def creates(call: ast.Call) -> bool:
        name = dotted(call.func)
        last = name.split(".")[-1]
        if name == "os.open":
            return "O_CREAT" in ast.dump(call)
        if last in ("open", "NamedTemporaryFile"):
            return bool(_mode(call, name) & set("wax+"))
        if call.args and dotted(call.args[0]) in in_memory:
            return False
        return (
            name in WRITING_CALLS
            or last == "mkdir"
            or ("." in name and last in WRITING_METHODS and name != f"files.{last}")
        )

    return [dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and creates(node)]


def names_in_memory(tree: ast.Module) -> set[str]:
    """Variables that are buffers: what goes there goes to no file."""
    made = (n for n in ast.walk(tree) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call))
    return {
        dotted(n.targets[0])
        for n in made
        if dotted(n.value.func) in ("io.BytesIO", "BytesIO", "io.StringIO", "StringIO")
    }


def _mode(call: ast.Call, name: str) -> set[str]:
    """The letters of the mode that an ``open`` is called with."""
    keyword = [k.value for k in call.keywords if k.arg == "mode"]
    place = 1 if name in ("open", "io.open", "gzip.open", "bz2.open", "lzma.open") else 0
    values = keyword or call.args[place : place + 1]
    return {
        c
        for v in values
        if isinstance(v, ast.Constant) and isinstance(v.value, str) and len(v.value) <= 3
        for c in v.value
    }


def test_g01_no_input_can_run_code() -> None:
    found = {path: set(ways_to_run_code(tree)) for path, tree in modules()}
    # a subclass that admits named globals only; never pickle.load or pickle.loads
    assert found.pop(UNPICKLER) == {"pickle"}
    unpickling = dict(modules())[UNPICKLER]
    names = {dotted(node) for node in ast.walk(unpickling) if isinstance(node, ast.Attribute)}
    assert {name for name in names if name.startswith("pickle.")} <= {"pickle.Unpickler", "pickle.UnpicklingError"}
    assert {path: ways for path, ways in found.items() if ways} == {}


def test_only_atomic_creates_files() -> None:
    found = {path: ways for path, tree in modules() if path != WRITER and (ways := ways_to_write_files(tree))}
    assert found == {}


def test_only_executors_know_ray() -> None:
    def imports(tree: ast.Module) -> list[str]:
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        return names + [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    knowing = {path for path, tree in modules() if any(name.split(".")[0] == "ray" for name in imports(tree))}
    assert {path for path in knowing if path.split("/")[0] not in RAY} == set()
    assert knowing  # the test sees those that do


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from joblib import load", "import yaml.loader", "eval('1')", "exec(x)", "torch.load(p)"),
        *(
            "np.load(p, allow_pickle=True)",
            "np.load(p, allow_pickle=flag)",
            "subprocess.run('x', shell=True)",
            "z.extractall()",
        ),
    ],
)
def test_the_guard_against_code_sees(code: str) -> None:
    assert ways_to_run_code(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        *(
            "open(p, 'w')",
            "open(p, mode='ab')",
            "path.open('x')",
            "path.open('r+b')",
            "gzip.open(p, 'wb')",
            "path.write_text(t)",
        ),
        *(
            "np.save(path, x)",
            "torch.save(m, p)",
            "frame.write_csv(p)",
            "os.mkdir(p)",
            "path.mkdir()",
            "os.replace(a, b)",
            "os.open(p, os.O_WRONLY | os.O_CREAT)",
        ),
    ],
)
def test_the_guard_against_writing_sees(code: str) -> None:
    assert ways_to_write_files(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "open(p)",
        "path.open('rb')",
        "os.open(p, os.O_RDONLY)",
        "b = io.BytesIO()\nnp.savez(b, x=x)",
        "write_text(p, t)",
        "zipfile.open(p)",
    ],
)
def test_the_guard_against_writing_lets_reading_and_memory_pass(code: str) -> None:
    assert ways_to_write_files(ast.parse(code)) == []
