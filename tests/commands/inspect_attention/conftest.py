"""Models that differ in their heads, what they read, and a browser for the page about it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.commands.inspect_attention.page import PageRequest, attention_page
from gptcli.config.model import ModelConfig
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import Recording, record
from gptcli.inspection.excerpt import Excerpt, TextPart
from gptcli.inspection.heads import Head
from gptcli.inspection.report import AttentionReport, by_interest, report_attention
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
OFFLINE = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
ALPHABET = "abcdefgh \n"
HOSTILE = "[/x]\x1b]52;</script>\u202e\x00"
WIDE = "日本👩e\u0301"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory, below the one that the command runs in: three layers of three heads."""
    tokenizer = character_tokenizer("abcdefgh \n" + HOSTILE + WIDE)
    config = ModelConfig(3, 3, 24, block_size=16, vocab_size=tokenizer.vocab_size)
    directory = tmp_path / "model"
    directory.mkdir()
    write_description(directory, config, tokenizer)
    save_weights(directory / "model.safetensors", new_model(config, seed=3).state_dict(), config)
    return directory


@dataclass(frozen=True)
class Inspected:
    """A model that has read a text, and what a page is made of."""

    loaded: LoadedModel
    recording: Recording
    report: AttentionReport
    part: TextPart

    def page(self, heads: list[Head] | None = None, limit: float = 20, **changes: Any) -> str:
        """The page, with the vectors of these heads, of which the first is opened."""
        ranking = heads or [one.head for one in by_interest(self.report.heads)]
        report = replace(self.report, **changes)
        asked = PageRequest(
            report, self.loaded, self.recording, self.part.shown, "entropy", ranking,
            heads is not None, int(limit * 10**6),
        )  # fmt: skip
        return attention_page(asked)


@pytest.fixture(scope="module")
def inspected() -> Callable[..., Inspected]:
    """``inspected(n_layer=2, ...)``: a model of this size, with uneven heads, and a text."""

    def make(n_tokens: int = 24, first: int = 0, **sizes: Any) -> Inspected:
        defaults = {"n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_embd": 32, "positions": "rotary"}
        tokenizer = character_tokenizer(ALPHABET)
        config = ModelConfig(
            block_size=n_tokens, vocab_size=tokenizer.vocab_size, **{**defaults, **sizes}
        )
        model = new_model(config, seed=4)
        weights = {
            name: 8 * one if "query_key" in name else one
            for name, one in model.state_dict().items()
        }
        model.load_state_dict(weights)
        loaded = LoadedModel(Path("model"), model.eval(), tokenizer, "cpu")
        recording = record(model, [(7 * i * i + i // 3) % 10 for i in range(n_tokens)])
        part = TextPart(0, n_tokens, Excerpt(first, n_tokens))
        return Inspected(loaded, recording, report_attention(loaded, recording, part), part)

    return make


@dataclass
class Opened:
    """A page in a browser tab, and what it asked for and complained about."""

    tab: Any
    requests: list[str]
    complaints: list[str]

    def hash(self) -> dict[str, str]:
        """The view that the address keeps."""
        self.settle()
        return self.tab.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")

    def text(self, selector: str) -> str:
        """The text of an element."""
        self.settle()
        return self.tab.text_content(selector)

    def settle(self) -> None:
        """Wait until what was changed is drawn."""
        self.tab.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=list(OFFLINE))
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """``opened(html, fragment="#head=L0.H0", scheme="dark")``: a page opened from disk."""
    tabs = []

    def open_page(
        html: str, fragment: str = "", width: int = 1280, scheme: str = "light"
    ) -> Opened:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tabs.append(tab)
        page = Opened(tab, [], [])
        tab.on("request", lambda request: page.requests.append(request.url))
        tab.on("console", lambda message: page.complaints.append(message.text))
        tab.on("pageerror", lambda error: page.complaints.append(str(error)))
        tab.goto(f"{path.as_uri()}{fragment}")
        page.settle()
        return page

    yield open_page
    for tab in tabs:
        tab.close()
