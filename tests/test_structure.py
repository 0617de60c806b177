"""The structure that CONTRIBUTING.md describes: small modules, small folders, imports in one direction."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nnunet_tv"
MODULES = [path for folder in ("nnunet_tv", "trainers", "dataset_conversion") for path in (ROOT / folder).rglob("*.py")]
#: From upstream to downstream; a package does not import from one that comes after it.
FLOW = ("intake", "preparation", "conversion", "inference", "scoring", "reporting", "experiments", "demo", "cli")


def imported_by(path: Path, *, at_import: bool) -> set[str]:
    """Modules of this package that a module imports; only while it is itself imported if `at_import`."""
    found = set()

    def visit(node: ast.AST) -> None:
        if at_import and (isinstance(node, (ast.FunctionDef, ast.Lambda))
                          or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))):
            return
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nnunet_tv"):
            found.update(f"{node.module}.{alias.name}" if module_file(f"{node.module}.{alias.name}") else node.module
                         for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.startswith("nnunet_tv"))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def module_file(name: str) -> Path | None:
    for path in (ROOT / f"{name.replace('.', '/')}.py", ROOT / name.replace(".", "/") / "__init__.py"):
        if path.is_file():
            return path
    return None


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_modules_and_folders_are_small():
    assert not [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > 300]
    for folder in {path.parent for path in MODULES} - {PACKAGE / "losses"}:
        assert len(list(folder.glob("*.py"))) <= 15, folder


def test_imports_follow_the_data():
    for path in PACKAGE.rglob("*.py"):
        package = path.relative_to(PACKAGE).parts[0]
        downstream = FLOW[FLOW.index(package) + 1:] if package in FLOW else FLOW
        imported = {name.split(".")[1] for name in imported_by(path, at_import=False) if "." in name}
        assert not imported & set(downstream), path


def test_no_module_imports_itself_in_a_circle():
    graph = {module_name(path): imported_by(path, at_import=True) - {module_name(path)} for path in MODULES}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_the_map_of_contributing_names_every_package():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in PACKAGE.glob("*/__init__.py"):
        assert f"`nnunet_tv/{path.parent.name}`" in page
