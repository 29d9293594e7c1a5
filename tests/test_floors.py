"""The floors of docs/architecture.md, held to what the sources import: imports go down, and nowhere in a circle."""

import ast
import graphlib
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src" / "lowerbound"
# The table of docs/architecture.md, from the ground up; on one floor a room may import those before it in its row.
FLOORS = (
    ("errors", "storage", "data", "config", "devices"),
    ("networks", "bijections", "densities", "priors", "posteriors", "likelihoods", "masks"),
    ("sampling", "models", "objectives"),
    ("recipes", "assembly"),
    ("training", "evaluation", "verification", "runs", "summaries", "diagnosis"),
    ("report", "estimator", "reproduction", "sweep", "cli"),
)
ORDER = [room for floor in FLOORS for room in floor]


def imports_of(sources: Path) -> dict[str, set[str]]:
    """The modules that each module imports, by their dotted names below the package; what only type checkers see is left out."""
    files = {file: ".".join(file.relative_to(sources).with_suffix("").parts) for file in sources.rglob("*.py")}
    names = {name.removesuffix(".__init__"): name for name in files.values()}
    found: dict[str, set[str]] = {}
    for file, module in files.items():
        parents = ("", *file.relative_to(sources).parts[:-1])
        found[module] = set()
        for node in _statements(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or (not node.level and not (node.module or "").startswith("lowerbound")):
                continue
            base = parents[1 : len(parents) - node.level + 1] if node.level else ()
            start = ".".join((*base, *(node.module or "").removeprefix("lowerbound").strip(".").split("."))).strip(".")
            for alias in node.names:
                target = names.get(f"{start}.{alias.name}".strip("."), names.get(start))
                if target not in (module, None):
                    found[module].add(target)
    return found


def _statements(tree: ast.AST) -> list[ast.AST]:
    inside = [
        node for node in ast.iter_child_nodes(tree) if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    return [*inside, *(below for node in inside for below in _statements(node))]


def climbs(found: dict[str, set[str]]) -> list[str]:
    """Imports of a room that stands above, or later on the same floor."""
    rooms = [(module, target) for module, targets in found.items() for target in targets]
    return [
        f"{module} imports {target}"
        for module, target in sorted(rooms)
        if (mine := module.split(".")[0]) in ORDER and (other := target.split(".")[0]) in ORDER
        if ORDER.index(other) > ORDER.index(mine)
    ]


def test_every_room_has_its_place_in_the_table_and_on_the_page() -> None:
    rooms = {path.stem for path in SOURCES.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - set(ORDER) == {"__init__", "__main__"}
    assert set(ORDER) <= rooms
    page = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
    table = page[page.index("| floor |") : page.index("## The contract")]
    assert [room for room in ORDER if f"`{room}/`" not in table and f"`{room}.py`" not in table] == []


def test_imports_go_down() -> None:
    assert climbs(imports_of(SOURCES)) == []


def test_no_modules_import_each_other() -> None:
    found = {module: {target for target in targets if target != "__init__"} for module, targets in imports_of(SOURCES).items()}
    assert set(graphlib.TopologicalSorter(found).static_order()) >= set(found)


def test_an_import_that_climbs_and_a_circle_are_seen(tmp_path: Path) -> None:
    for name, text in {
        "data/spec.py": "from ..models.base import x",
        "models/base.py": "def f():\n    from lowerbound.data import spec",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = imports_of(tmp_path)
    assert climbs(found) == ["data.spec imports models.base"]
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(found).prepare()
