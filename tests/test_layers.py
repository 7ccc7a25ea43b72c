"""A module imports only from its own layer or from a lower one, inside functions too."""

import ast

from _sources import modules

LAYERS = [  # low to high
    {"errors", "registry", "files", "runtime"},
    {"values"},
    {"data", "augmentation", "models"},
    {"executors"},
    {"training"},
    {"evaluation", "exploration"},
    {"bundle", "report"},
    {"pipeline", "speed"},
    {"progress", "tracking", "reading", "service", "plugins"},
    {"api"},
    {"classifier"},
    {"cli"},
    {"__main__"},
]
FACADE = "__init__"  # tenfold/__init__.py: public names, found when they are asked for
LEVEL = {room: level for level, layer in enumerate(LAYERS) for room in layer}


def imported_rooms(tree: ast.Module) -> set[str]:
    """The rooms (modules and packages directly below ``tenfold``) that a module imports."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    rooms = {name.split(".")[1] for name in names if name.startswith("tenfold.")}
    return rooms - {"__version__"}


def test_imports_point_downwards() -> None:
    upwards = {}
    for path, tree in modules():
        room = path.split("/")[0].removesuffix(".py")
        if room != FACADE:
            above = {other for other in imported_rooms(tree) if LEVEL.get(other, len(LAYERS)) > LEVEL[room]}
            upwards |= {path: above} if above else {}
    assert upwards == {}, "a module imports from a higher layer"


def test_the_facade_imports_nothing_heavy_at_once() -> None:
    (tree,) = [tree for path, tree in modules() if path == f"{FACADE}.py"]
    at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not imported_rooms(ast.Module(at_once, [])) - LAYERS[0]


def test_the_test_sees_imports_inside_functions() -> None:
    tree = ast.parse(
        "def f():\n    from tenfold import report\n    import tenfold.cli.run\n    from tenfold.bundle.export import x"
    )
    assert imported_rooms(tree) == {"report", "cli", "bundle"}
