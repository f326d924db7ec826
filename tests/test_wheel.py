"""The built wheel, installed into a fresh environment, is the whole product."""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_SHIPPED = {"__pycache__"}
GUIDE = "README.md"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--sdist", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def test_what_the_readme_links_to_is_in_the_sdist(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    readme = (ROOT / GUIDE).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", readme) if "://" not in link]
    assert len(links) > 10
    assert {link.rstrip("/") for link in links if not link.endswith("/")} <= names
    assert {"Makefile", "constraints.txt"} <= names


def test_the_wheel_holds_every_file_of_the_package_but_its_guides(wheel: Path) -> None:
    package = ROOT / "gptcli"
    files = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.name != GUIDE and not NOT_SHIPPED & set(path.parts)
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert files <= names
    assert not [name for name in names if name.startswith("gptcli/") and name.endswith(GUIDE)]


def test_a_fresh_environment_runs_the_whole_path(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    folder = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [str(folder / "python"), "-m", "pip", "install", "--quiet"]
    pinned = [*pip, "-c", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run(pinned, check=True, capture_output=True)
    text = "To be, or not to be, that is the question:\n" * 60
    (tmp_path / "input.txt").write_text(text)
    for argv in (
        ["prepare", "input.txt"],
        ["train", "--n-layer", "1", "--n-head", "1", "--block-size", "16", "--max-iters", "3"],
        ["eval"],
        ["sample", "--prompt", "To be", "--max-new-tokens", "5"],
        ["inspect-attention", "--text", "To be"],
        ["tokenize", "to be"],
        ["count-params", "--preset", "gpt3"],
    ):
        done = subprocess.run(
            [str(folder / "gptcli"), *argv], cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout
