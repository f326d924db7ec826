"""``sample --explain``: the distribution that each token was drawn from, as bars."""

from collections.abc import Iterator

from rich.cells import set_cell_size
from rich.text import Text

from gptcli.commands.view.canvas import clipped
from gptcli.commands.view.legacy import Page
from gptcli.config.sampling import SamplingConfig
from gptcli.generation.alternatives import Alternatives, Candidate, alternatives, model_logprobs
from gptcli.generation.generator import TextGenerator
from gptcli.tokenization.vocabulary import Vocabulary

_LISTED = 5
_EIGHTHS = " ▏▎▍▌▋▊▉"
_WIDEST_BAR, _WIDEST_LABEL = 40, 16
_RANK_WIDTH, _PERCENT_WIDTH = 5, 6
_MARK = "▶"
_REST_NAME = "all others"
_LEAST_SHARE = 0.0005  # less is 0.0%


def explained(
    writer: TextGenerator, config: SamplingConfig, book: Vocabulary, page: Page
) -> Iterator[Text]:
    """The lines of each token of the first sample, as it is drawn."""
    greedy = config.temperature == 0
    what = "the probabilities drawn from"
    if greedy:
        what = "the model's probabilities; temperature 0 takes the likeliest"
    yield from page.words(f"{_MARK} what came, its rank, and {what}", "bright_black")
    for number, step in enumerate(writer.steps(), 1):
        values = model_logprobs(step.logits).exp() if greedy else step.probabilities
        seen = alternatives(values[0], int(step.ids[0]), _LISTED)
        yield from page.heading(f"token {number}")
        yield from _token_lines(seen, book, page)


def _token_lines(seen: Alternatives, book: Vocabulary, page: Page) -> Iterator[Text]:
    shown = [one for one in seen.top if one.p > 0 or one == seen.drawn]
    if seen.drawn not in shown:
        shown.append(seen.drawn)
    for one in shown:
        yield _row(one, one == seen.drawn, book.entry(one.id).label, page)
    rest = 1 - sum(one.p for one in shown)
    if rest >= _LEAST_SHARE:
        yield _line("", _REST_NAME, rest, page, "bright_black")


def _row(one: Candidate, was_drawn: bool, label: str, page: Page) -> Text:
    mark = f"{_MARK if was_drawn else ' '}{one.rank:>{_RANK_WIDTH}}"
    return _line(mark, label, one.p, page, "bold green" if was_drawn else "none")


def _line(mark: str, label: str, share: float, page: Page, style: str) -> Text:
    room = min(_WIDEST_LABEL, max(page.width // 4, len(_REST_NAME)))
    begun = f"{mark:{_RANK_WIDTH + 1}} {set_cell_size(clipped(label, room), room)} "
    left = page.width - _RANK_WIDTH - 1 - room - 3 - _PERCENT_WIDTH
    longest = min(max(left, 0), _WIDEST_BAR)
    bar = _bar(share, longest) if label != _REST_NAME or mark else " " * longest
    return Text(f"{begun}{bar} {share:{_PERCENT_WIDTH}.1%}", page.style(style))


def _bar(share: float, cells: int) -> str:
    """A bar of ``share`` of so many cells, to an eighth of a cell."""
    whole, eighths = divmod(round(share * cells * 8), 8)
    return ("█" * whole + _EIGHTHS[eighths].strip()).ljust(cells)
