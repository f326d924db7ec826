"""The page does what it says, in a headless Chromium."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from gptcli.inspection.capture import attention_modules
from gptcli.inspection.heads import Head
from gptcli.inspection.report import Guess, Prediction, Token

HOSTILE = "</script><img src=x onerror=\"document.title='hit'\">\u2028\u202e\x1b[31m"
CONTRAST = """
() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const ink = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    found.push([element.tagName + '#' + element.id, parse(ink).slice(0, 3), behind(element)]);
  }
  return found.concat(['ink', 'quiet', 'accent'].map((name) =>
    ['canvas ' + name, parse(palette[name]), behind(document.body)]));
}
"""


def luminance(colour) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
              for c in (channel / 255 for channel in colour)]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink, ground) -> float:
    light, dark = sorted(map(luminance, (ink, ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture(scope="module")
def small(inspected):
    """A page of two layers of four heads with two key heads; L1.H2 alone has its vectors."""
    one = inspected()
    return one, one.page([Head(1, 2)])


@torch.inference_mode()
def exact(one, head: Head, stage: str) -> np.ndarray:
    """A stage in float64, from the model's own queries, keys and values."""
    attention = attention_modules(one.loaded.model)[head.layer]
    seen = one.recording.layers[head.layer]
    parts = attention.project(seen.received[None], seen.signal)
    query, key, value = (
        part[0, head.index * part.shape[1] // attention.n_head].double().numpy() for part in parts
    )
    raw = query @ key.T
    scaled = raw / math.sqrt(query.shape[1])
    if stage in ("raw", "scaled"):
        return {"raw": raw, "scaled": scaled}[stage]
    scaled[np.triu_indices(len(raw), 1)] = -np.inf
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    weights = powers / powers.sum(axis=1, keepdims=True)
    size = query.shape[1]
    matrix = attention.output.weight.detach().double().numpy()
    own = matrix[:, head.index * size : (head.index + 1) * size]
    lengths = np.linalg.norm(value @ own.T, axis=1)
    return {"masked": scaled, "softmax": weights, "value": weights * lengths}[stage]


def rows(page, head: Head, stage: str, n_tokens: int = 24) -> np.ndarray:
    """A stage as the page has it; what is masked is filled with what the stage has there."""
    found = page.tab.evaluate(
        f"tokens.map((_, at) => Array.from(computedRow(heads.find(({{name}}) => name === '{head}'),"
        f" '{stage}', at)))"
    )
    masked = -np.inf if stage == "masked" else 0.0
    return np.array([row + [masked] * (n_tokens - len(row)) for row in found])


def test_the_page_opens_from_disk_and_asks_for_nothing(opened, small):
    page = opened(small[1])
    assert page.complaints == []
    assert [url.rpartition("/")[2] for url in page.requests] == ["page.html"]
    assert page.tab.locator("#grid [role=gridcell]").count() == 8
    assert page.text("#name").startswith("Head L1.H2")
    picture = Image.open(io.BytesIO(page.tab.locator("#heatmap").screenshot())).convert("RGB")
    assert len(picture.getcolors(2**16)) > 30


def test_a_script_that_is_not_the_pages_own_does_not_run(opened, small):
    page = opened(small[1].replace("</body>", "<script>document.title = 'hit'</script></body>"))
    assert page.tab.title() != "hit"
    assert any("Content Security Policy" in complaint for complaint in page.complaints)


def test_hostile_tokens_stay_text(opened, small):
    one, _ = small
    guess = Guess(0, HOSTILE, 0.5)
    predicts = Prediction(guess, guess)
    tokens = tuple(Token(token.i, 0, HOSTILE, predicts) for token in one.report.tokens)
    page = opened(one.page([Head(1, 2)], tokens=tokens, directory=one.report.directory / HOSTILE))
    page.tab.click("#all-predictions summary")
    page.settle()
    assert page.tab.locator("img").count() == 0 and page.tab.title() != "hit"
    assert page.complaints == [] and len(page.requests) == 1
    assert '</script><img·src=x·onerror="' in page.text("#predictions td")
    assert "\u202e" not in page.tab.content() and "\x1b" not in page.tab.content()


@pytest.mark.parametrize("stage", ["raw", "scaled", "masked", "softmax", "value"])
def test_every_stage_of_a_head_with_vectors_is_exact(opened, small, stage):
    one, html = small
    page = opened(html)
    expected = exact(one, Head(1, 2), stage)
    assert np.allclose(rows(page, Head(1, 2), stage), expected, rtol=1e-4, atol=1e-5)
    page.tab.evaluate(f"change({{stage: '{stage}', query: 9, key: 4}})")
    value = expected[9, 4]
    shown = page.text(f"#steps label:has([value={stage}]) output").removeprefix("length ")
    number = float(shown.replace("\N{MINUS SIGN}", "-").removesuffix("%")) / (
        100 if "%" in shown else 1
    )
    assert number == pytest.approx(value, rel=0.006, abs=0.0006)


def test_other_heads_have_weights_within_a_255th_and_no_other_stage(opened, small):
    one, html = small
    page = opened(html, "#head=L0.H3&stage=raw")
    found = rows(page, Head(0, 3), "softmax")
    assert np.abs(found - exact(one, Head(0, 3), "softmax")).max() <= 1 / 255
    assert page.tab.locator("#steps input:enabled").count() == 1
    assert "--heads L0.H3 puts them in" in page.text("#no-vectors")


def test_a_page_of_queries_and_keys_computes_every_head(opened, inspected):
    one = inspected(n_tokens=48, n_head=4, n_kv_head=2, n_embd=16)
    page = opened(one.page([Head(0, 0)]))
    assert page.tab.evaluate("patterns.form") == "vectors"
    for head in (Head(0, 3), Head(1, 1)):
        found = rows(page, head, "softmax", 48)
        assert np.abs(found - exact(one, head, "softmax")).max() < 0.01
    page.tab.evaluate("change({head: heads[7], stage: 'raw'})")
    assert page.tab.locator("#steps input:enabled").count() == 4
    page.settle()
    assert page.complaints == []


def test_a_pooled_page_shows_blocks_of_tokens(opened, inspected):
    one = inspected(n_tokens=90, n_embd=128)
    page = opened(one.page(limit=0.09), "#head=L0.H3&query=40&key=12")
    pool, size = page.tab.evaluate("[heads[3].pool, heads[3].size]")
    assert pool > 1 and size == math.ceil(90 / pool)
    weights = exact(one, Head(0, 3), "softmax")
    starts = range(0, 90, pool)
    sums = np.add.reduceat(weights, starts, axis=1)
    means = np.add.reduceat(sums, starts) / np.diff([*starts, 90])[:, None]
    found = page.tab.evaluate("Array.from(computedRow(heads[3], 'softmax', 20))")
    assert np.abs(np.array(found) - means[20][:21]).max() <= 1 / 255
    assert page.tab.locator("#bars .labels span").count() == size
    first, last = 40 // pool * pool, 40 // pool * pool + pool - 1
    assert f"tokens {first} to {last} " in page.text("#readout")
    assert page.complaints == []


def test_a_window_shows_its_part_of_the_weights_under_the_numbers_of_the_text(opened, inspected):
    one = inspected(first=9)
    page = opened(one.page([Head(1, 2)]), "#query=6&key=2")
    for head, error in ((Head(1, 2), 1e-5), (Head(0, 3), 1 / 255)):
        expected = exact(one, head, "softmax")[9:, 9:]
        assert np.abs(rows(page, head, "softmax", 15) - expected).max() <= error
    assert "token 15 " in page.text("#readout") and "token 11 " in page.text("#readout")


def test_pointer_previews_click_locks_and_escape_unlocks(opened, small):
    page = opened(small[1])
    tiles, canvas = page.tab.locator("#grid [role=gridcell]"), page.tab.locator("#heatmap")
    tiles.nth(1).hover()
    assert page.text("#name").startswith("Head L0.H1") and page.hash()["lock"] == ""
    tiles.nth(1).click()
    tiles.nth(6).hover()
    assert page.hash()["head"] == "L0.H1" and page.hash()["lock"] == "head"
    cell = page.tab.evaluate("[MARGIN.left + 2.5 * plot.cell, MARGIN.top + 10.5 * plot.cell]")
    canvas.hover(position={"x": cell[0], "y": cell[1]})
    assert page.text("#readout").startswith("In L0.H1 token 10 ")
    canvas.click(position={"x": cell[0], "y": cell[1]})
    canvas.hover(position={"x": cell[0], "y": cell[1] + 60})
    assert (page.hash()["query"], page.hash()["key"]) == ("10", "2")
    assert page.hash()["lock"] == "headpair"
    page.tab.keyboard.press("Escape")
    assert page.hash()["lock"] == ""
    tiles.nth(6).hover()
    assert page.hash()["head"] == "L1.H2"


def test_arrow_keys_move_in_the_grid_and_in_the_heatmap(opened, small):
    page = opened(small[1], "#head=L0.H1&query=10&key=2")
    press = page.tab.keyboard.press
    page.tab.locator("#grid [tabindex='0']").focus()
    press("ArrowDown")
    press("ArrowRight")
    press("Enter")
    assert page.hash()["head"] == "L1.H2" and page.hash()["lock"] == "head"
    page.tab.evaluate("change({query: 10, key: 2})")
    page.tab.locator("#heatmap").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft"):
        press(key)
    assert (page.hash()["query"], page.hash()["key"]) == ("11", "3")
    press("+")
    assert page.hash()["count"] == "12"
    press("0")
    press("Enter")
    assert page.hash()["count"] == "0" and page.hash()["lock"] == "headpair"


def test_the_tab_key_reaches_everything(opened, small):
    page = opened(small[1])
    reached = []
    for _ in range(40):
        page.tab.keyboard.press("Tab")
        reached.append(
            page.tab.evaluate(
                "(({id, name, tagName, dataset}) => id || name || (dataset.place && 'tile')"
                " || (dataset.query && 'link') || tagName)(document.activeElement)"
            )
        )
        if reached[-1] == "SUMMARY":
            break
    order = list(dict.fromkeys(reached))
    assert order == [
        "metric", "theme", "tile", "farther", "closer", "heatmap", "stage", "lines", "link",
        "SUMMARY",
    ]  # fmt: skip


def test_the_hash_restores_the_view(opened, small):
    kept = {
        "head": "L1.H2", "query": "9", "key": "4", "stage": "scaled", "metric": "self",
        "count": "12", "theme": "dark", "lock": "headpair",
    }  # fmt: skip
    page = opened(small[1], "#" + "&".join(f"{name}={value}" for name, value in kept.items()))
    assert page.hash() == kept
    assert page.tab.input_value("#metric") == "self"
    assert page.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    assert "token 9 " in page.text("#readout") and "token 4 " in page.text("#readout")
    page.tab.evaluate(
        "new Promise((done) => { addEventListener('hashchange', () => done());"
        " location.hash = '#head=L0.H0&query=3&key=1'; })"
    )
    assert page.text("#name").startswith("Head L0.H0")
    odd = opened(small[1], "#head=L9.H9&query=1e9&key=-4&stage=x&metric=y&count=z&theme=pink")
    assert odd.hash() == {**odd.hash(), "head": "L1.H2", "query": "1", "key": "0"}
    assert odd.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(opened, small, scheme):
    page = opened(small[1], "#head=L1.H2&query=9&key=4&lock=headpair", scheme=scheme)
    page.tab.click("#all-predictions summary")
    page.settle()
    found = page.tab.evaluate(CONTRAST)
    assert len(found) > 100
    assert {name: contrast(ink, ground) for name, ink, ground in found
            if contrast(ink, ground) < 4.5} == {}  # fmt: skip


def test_a_narrow_window_needs_no_scrolling_sideways(opened, small):
    page = opened(small[1], width=400)
    assert page.tab.evaluate("document.documentElement.scrollWidth") == 400


def test_what_a_row_predicts_is_told(opened, small):
    one, html = small
    page = opened(html, "#query=9&key=4")
    predicts = one.report.tokens[9].predicts
    for guess in (predicts.top, predicts.actual):
        assert f"p={guess.p:.2f}" in page.text("#prediction")


def test_masked_cells_are_hatched_and_not_coloured_as_zero(opened, small):
    page = opened(small[1], "#stage=softmax")
    pixels = "Array.from(backdrop.getContext('2d').getImageData(%s, %s, 12, 12).data)"
    at = page.tab.evaluate("[MARGIN.left, MARGIN.top, plot.cell].map(Math.round)")
    seen = page.tab.evaluate(pixels % (at[0] + 3, at[1] + 22 * at[2]))
    masked = page.tab.evaluate(pixels % (at[0] + 22 * at[2], at[1] + 3))
    assert min(seen[3::4]) == 255
    assert min(masked[3::4]) == 0 < max(masked[3::4])
