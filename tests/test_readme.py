"""The README and the guides say what the commands do now."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "gptcli").rglob("README.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    ROOT / "tests" / "benchmarks" / "README.md",
]


def load_writer():
    spec = importlib.util.spec_from_file_location("readme_help", ROOT / "tests" / "readme_help.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(pages) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


def test_every_command_has_a_guide_with_its_help() -> None:
    guides = load_writer().GUIDES
    texts = "".join(guide.read_text(encoding="utf-8") for guide in guides)
    assert sorted(re.findall("<!-- help: (.*) -->", texts)) == sorted(
        ["prepare", "train", "eval", "sample", "inspect-attention", "tokenize", "count-params"]
    )


@pytest.mark.parametrize("guide", load_writer().GUIDES, ids=names(load_writer().GUIDES))
def test_the_help_in_a_guide_is_fresh(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    assert load_writer().with_fresh_help(text) == text, "run `make readme`"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_local_link_and_picture_exists(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_read_in_five_minutes() -> None:
    assert (ROOT / "README.md").stat().st_size <= 12 * 1024
