"""The rules of the house that no linter knows, read off the sources."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "gptcli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
VIEW = PACKAGE / "commands" / "view"
COMMANDS = ("prepare", "train", "eval", "sample", "inspect_attention", "tokenize", "count_params")
# What decides how a result looks; a terminal is asked in commands/view/ alone.
OF_THE_VIEW = ("get_terminal_size", "NO_COLOR", "COLORTERM", "isatty(", "rich.console", "print(")


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in SOURCES:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_every_command_is_a_package_with_a_door_and_a_run() -> None:
    for command in COMMANDS:
        assert (PACKAGE / "commands" / command / "command.py").is_file()
        assert (PACKAGE / "commands" / command / "run.py").is_file()


@pytest.mark.parametrize("word", OF_THE_VIEW)
def test_how_results_look_is_decided_in_the_view_alone(word: str) -> None:
    pattern = re.compile(rf"(?<![\w.]){re.escape(word)}" if word == "print(" else re.escape(word))
    assert [
        place(path)
        for path in SOURCES
        if VIEW not in path.parents and pattern.search(path.read_text(encoding="utf-8"))
    ] == []


def test_only_the_view_writes_results_as_json() -> None:
    commands = [path for path in SOURCES if PACKAGE / "commands" in path.parents]
    assert [
        place(path)
        for path in commands
        if VIEW not in path.parents and "json.dump" in path.read_text(encoding="utf-8")
    ] == []


def test_a_public_class_name_means_one_thing() -> None:
    found = defaultdict(list)
    for path, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(place(path))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_a_file_name_means_one_thing() -> None:
    shared = {"command.py", "run.py", "__init__.py"}  # every command has these
    names = Counter(path.name for path in SOURCES if path.name not in shared)
    assert [name for name, count in names.items() if count > 1] == []


def test_a_schema_name_stands_once_in_the_sources() -> None:
    found = Counter(
        name
        for path in SOURCES
        for name in re.findall(r'"(gptcli\.[a-z-]+/\d+)"', path.read_text(encoding="utf-8"))
    )
    assert found, "schemas were looked for and none was found"
    assert [name for name, count in found.items() if count > 1] == []


def test_an_import_in_a_function_says_why() -> None:
    """ruff's PLC0415 finds them; each exception has a reason behind its mark."""
    bare = re.compile(r"PLC0415\s*$")
    assert [
        f"{place(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ] == []


def test_a_command_imports_nothing_behind_its_flags_but_its_run() -> None:
    for path, tree in trees():
        if path.name == "command.py":
            inner = [
                node.module
                for function in ast.walk(tree)
                if isinstance(function, ast.FunctionDef)
                for node in ast.walk(function)
                if isinstance(node, ast.ImportFrom)
            ]
            assert inner == [f"gptcli.commands.{path.parent.name}.run"], place(path)


def test_no_imports_go_round_in_a_circle() -> None:
    """Doors left out: command.py imports its run when it is called, and run knows the request."""
    graph = grimp.build_graph("gptcli", cache_dir=None)
    for command in COMMANDS:
        package = f"gptcli.commands.{command}"
        graph.remove_import(importer=f"{package}.command", imported=f"{package}.run")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    known: set[str] = set()
    while ready := {module for module in imports.keys() - known if imports[module] <= known}:
        known |= ready
    assert imports.keys() - known == set(), "these import each other, or what does"


def test_packages_hold_nothing_in_their_init() -> None:
    filled = [path for path in SOURCES if path.name == "__init__.py" and path.stat().st_size]
    assert [place(path) for path in filled] == ["__init__.py"]
