"""The README says what the commands do now."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def load_writer():
    spec = importlib.util.spec_from_file_location("readme_help", ROOT / "tests" / "readme_help.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_help_in_the_readme_is_fresh() -> None:
    writer = load_writer()
    text = writer.README.read_text(encoding="utf-8")
    assert text.count("<!-- help: ") >= 7
    assert writer.with_fresh_help(text) == text, "run `make readme`"


def test_every_local_link_and_picture_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links
    assert all((ROOT / link).exists() for link in links)
