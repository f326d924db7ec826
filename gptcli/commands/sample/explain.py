"""``sample --explain``: the distribution that each token was drawn from, as bars."""

from collections.abc import Iterator

from rich.cells import set_cell_size
from rich.text import Text

from gptcli.commands.view.bars import bar
from gptcli.commands.view.canvas import Canvas, clipped
from gptcli.commands.view.drawing import SECONDARY, heading, style, words
from gptcli.config.sampling import SamplingConfig
from gptcli.generation.alternatives import Alternatives, Candidate, alternatives, model_logprobs
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import Prompt
from gptcli.tokenization.vocabulary import Vocabulary

_LISTED = 5
_WIDEST_BAR, _WIDEST_LABEL = 40, 16
_RANK_WIDTH, _PERCENT_WIDTH = 5, 6
_MARK = "▶"
_REST_NAME = "all others"
_LEAST_SHARE = 0.0005  # less is 0.0%


def explained(
    loaded: LoadedModel,
    generator: TextGenerator,
    config: SamplingConfig,
    start: Prompt,
    canvas: Canvas,
) -> Iterator[Text | str]:
    """The lines for each token of the first sample while it is generated, then the text."""
    vocabulary = Vocabulary(loaded.tokenizer)
    greedy = config.temperature == 0
    what = "the probability that it was drawn with"
    if greedy:
        what = "the model's probability; temperature 0 takes the most likely token"
    yield from words(canvas, f"{_MARK} the drawn token, its rank, and {what}", SECONDARY)
    for number, step in enumerate(generator.steps(), 1):
        values = model_logprobs(step.logits).exp() if greedy else step.probabilities
        seen = alternatives(values[0], int(step.ids[0]), _LISTED)
        yield from heading(canvas, f"token {number}")
        yield from _token_lines(seen, vocabulary, canvas)
    yield ""
    yield canvas.literal(start.text + generator.samples[0].text)


def _token_lines(seen: Alternatives, vocabulary: Vocabulary, canvas: Canvas) -> Iterator[Text]:
    shown = [one for one in seen.top if one.p > 0 or one == seen.drawn]
    if seen.drawn not in shown:
        shown.append(seen.drawn)
    for one in shown:
        yield _row(one, one == seen.drawn, vocabulary.entry(one.id).label, canvas)
    rest = 1 - sum(one.p for one in shown)
    if rest >= _LEAST_SHARE:
        yield _line("", _REST_NAME, rest, canvas, SECONDARY)


def _row(one: Candidate, was_drawn: bool, label: str, canvas: Canvas) -> Text:
    mark = f"{_MARK if was_drawn else ' '}{one.rank:>{_RANK_WIDTH}}"
    return _line(mark, label, one.p, canvas, "bold green" if was_drawn else "none")


def _line(mark: str, label: str, share: float, canvas: Canvas, definition: str) -> Text:
    room = min(_WIDEST_LABEL, max(canvas.width // 4, len(_REST_NAME)))
    begun = f"{mark:{_RANK_WIDTH + 1}} {set_cell_size(clipped(label, room), room)} "
    left = canvas.width - _RANK_WIDTH - 1 - room - 3 - _PERCENT_WIDTH
    longest = min(max(left, 0), _WIDEST_BAR)
    drawn = bar(share, longest) if label != _REST_NAME or mark else ""
    shown = f"{begun}{drawn:{longest}} {share:{_PERCENT_WIDTH}.1%}"
    return Text(shown, style(canvas, definition))
