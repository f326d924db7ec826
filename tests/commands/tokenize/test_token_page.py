import re
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gptcli.commands.tokenize.chosen_tokenizer import ChosenTokenizer
from gptcli.commands.tokenize.text_source import ArgumentText
from gptcli.commands.tokenize.token_page import token_page
from gptcli.commands.tokenize.token_stream import EncodedText
from gptcli.tokenization.trainer import character_tokenizer

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'`{{ 7 * 7 }}"
    "\x1b[31m\x9b\u202e\u2066\0\ufeff</span></main></html>"
)


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text of the tokens."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.labels: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "span":
            self.labels.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "span":
            self.labels[-1] += data


def page_of(text: str, name: str = "TEXT", **options) -> str:
    chosen = ChosenTokenizer(character_tokenizer(text), "the <b>text</b>")
    stream = EncodedText(ArgumentText(text, name=name), chosen)
    return token_page(stream, **options)


EXPECTED_TAGS = {name for name, _ in Page(page_of("a")).tags} | {"p", "br"}


@given(st.text(min_size=1))
def test_no_text_adds_markup_or_anything_invisible(text):
    html = page_of(text, name=text)
    page = Page(html)
    assert {name for name, _ in page.tags} <= EXPECTED_TAGS
    assert len(page.labels) == len(text)
    assert not set(html) & set("\x00\x1b\x7f\x9b\u200b\u202e\u2066\ufeff")


def test_hostile_text_is_shown_and_does_nothing():
    page = Page(page_of(HOSTILE, name=HOSTILE))
    assert "".join(page.labels).startswith("</script><script>alert(1)</script><img·src=x·onerror")
    assert "\\x1b[31m\\x9b\\u202e\\u2066\\x00\\ufeff</span></main></html>" in "".join(page.labels)
    attributes = {name for tag, attrs in page.tags for name in attrs}
    assert not any(name.startswith("on") for name in attrs_of(page))
    assert attributes == attrs_of(Page(page_of("a")))


def attrs_of(page: Page) -> set[str]:
    return {name for _, attrs in page.tags for name in attrs}


def test_the_page_needs_nothing_but_itself():
    html = page_of("abc\n")
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|//|@import|url\(|<script|<link|<iframe", html)


def test_pointing_at_a_token_tells_id_bytes_and_piece():
    hints = [attrs["title"] for tag, attrs in Page(page_of("é a\n")).tags if tag == "span"]
    assert hints == [
        "id 3\nbytes c3 a9\npiece é",
        "id 1\nbytes 20\npiece ·",
        "id 2\nbytes 61\npiece a",
        "id 0\nbytes 0a\npiece ⏎",
    ]


def test_newlines_break_the_line():
    page = Page(page_of("a\nb\n"))
    tags = [tag for tag, _ in page.tags if tag in ("span", "br")]
    assert tags == ["span", "span", "br", "span", "span", "br"]


def test_a_long_text_is_cut_and_the_page_says_so():
    html = page_of("ab" * 50, most_tokens=30)
    assert len(Page(html).labels) == 30
    assert "The first 30 of 100 tokens are shown" in html
    assert "100 characters, 100 bytes, 100 tokens" in html
    assert "The first" not in page_of("ab" * 15, most_tokens=30)


def test_a_page_goes_to_a_file_or_a_pipe(cli, monkeypatch):
    assert cli("tokenize", "abc", "--format", "html", "--out", "page.html").code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert Page(page).labels == ["a", "b", "c"]
    assert cli("tokenize", "abc", "--format", "html").stdout == page
    assert cli("tokenize", "abc", "--format", "html", "--out", "page.html").code == 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    refused = cli("tokenize", "abc", "--format", "html")
    assert (refused.code, refused.stdout) == (2, "")
    assert "--out page.html" in refused.stderr
