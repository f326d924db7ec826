"""Generation: the cache changes nothing, the window depends on the position alone.

Samples of a loaded model: none depends on another, whatever the family and the precision.
"""

import contextlib
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.families.registry import FAMILIES, TRAINABLE
from gptcli.generation.decoder import Decoder, window_start
from gptcli.generation.distribution import draw, next_token_probabilities
from gptcli.generation.generate import GrowingRows, TextGenerator, generate
from gptcli.generation.loaded_model import LoadedModel
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.runtime.seeds import derive_seed
from gptcli.tokenization.trainer import character_tokenizer

CONFIG = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=9, vocab_size=23)
LETTERS = "abcdefghij"


@pytest.fixture(scope="module")
def model() -> GPT:
    model = new_model(CONFIG, 1).eval()
    with torch.no_grad():  # larger weights, so that the context matters
        for parameter in model.parameters():
            parameter.mul_(8)
    return model


def written(model: GPT, prompt: list[int], config: SamplingConfig, cache: bool) -> list[list[int]]:
    decoder = Decoder(model, config.num_samples, "cpu", cache)
    steps = [step.ids.tolist() for step in generate(decoder, [prompt] * config.num_samples, config)]
    return [list(row) for row in zip(*steps, strict=True)]


@pytest.mark.parametrize("n_prompt", [1, 5, 8, 9, 10, 30])
def test_cached_and_uncached_write_the_same(model: GPT, n_prompt: int) -> None:
    config = SamplingConfig(max_new_tokens=40, num_samples=2)
    prompt = [index % CONFIG.vocab_size for index in range(n_prompt)]
    assert written(model, prompt, config, True) == written(model, prompt, config, False)


def test_greedy_text_equals_a_plain_loop(model: GPT) -> None:
    ids = [1, 2, 3]
    for _ in range(20):
        start = window_start(len(ids), CONFIG.block_size)
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids[start:]]))[0, -1].argmax()))
    config = SamplingConfig(max_new_tokens=20, temperature=0)
    assert written(model, [1, 2, 3], config, True) == [ids[3:]]


def alone(model: GPT, prompt: list[int], seed: int, config: SamplingConfig) -> list[int]:
    """A text by itself, without a cache, from a generator that is asked once for each token."""
    ids, stream = list(prompt), torch.Generator().manual_seed(seed)
    for _ in range(config.max_new_tokens):
        start = window_start(len(ids), CONFIG.block_size)
        with torch.no_grad():
            logits = model(torch.tensor([ids[start:]]))[:, -1]
        probabilities = next_token_probabilities(logits, torch.tensor([ids]), config)
        place = torch.rand(1, 1, dtype=torch.float64, generator=stream)
        ids.append(int(draw(probabilities, place)))
    return ids[len(prompt) :]


def test_samples_are_drawn_from_the_streams_of_the_seed(model: GPT) -> None:
    config = SamplingConfig(max_new_tokens=40, num_samples=3, top_k=20, repetition_penalty=1.1)
    seeds = [derive_seed(config.seed, "sample", index) for index in range(3)]
    expected = [alone(model, [4, 1], seed, config) for seed in seeds]
    assert written(model, [4, 1], config, True) == expected


@settings(max_examples=40, deadline=None)
@given(
    prompts=st.lists(st.lists(st.integers(0, 22), min_size=1, max_size=14), min_size=1, max_size=6),
    temperature=st.sampled_from([0.0, 1.0]),
    max_new_tokens=st.integers(0, 12),
)
def test_rows_of_different_lengths_write_what_each_writes_alone(
    model: GPT, prompts: list[list[int]], temperature: float, max_new_tokens: int
) -> None:
    config = SamplingConfig(max_new_tokens=max_new_tokens, temperature=temperature)
    seeds = [derive_seed(7, row) for row in range(len(prompts))]
    decoder = Decoder(model, len(prompts), "cpu", compiled=False)
    answers: list[list[int]] = [[] for _ in prompts]
    for step in generate(decoder, prompts, config, seeds=seeds):
        for row, (number, column) in enumerate(zip(step.ids, step.columns, strict=True)):
            if 0 <= column < max_new_tokens:
                answers[row].append(int(number))
            elif column < 0:
                assert int(number) == prompts[row][int(column)]
    assert answers == [
        alone(model, prompt, seed, config) for prompt, seed in zip(prompts, seeds, strict=True)
    ]


def test_rows_that_are_kept_go_on_as_if_the_others_were_there(model: GPT) -> None:
    config, prompts = SamplingConfig(max_new_tokens=12), [[1], [2, 3, 4], [5, 6], [7]]
    whole = GrowingRows(Decoder(model, 4, "cpu", compiled=False), prompts, config)
    fewer = GrowingRows(Decoder(model, 4, "cpu", compiled=False), prompts, config)
    rows = torch.arange(4)
    for place in range(whole.n_steps):
        if place in (1, 6):  # within a prompt, and behind it
            kept = torch.tensor([0, 1, 3] if place == 1 else [2, 1])
            fewer.keep(kept)
            rows = rows[kept]
        all_ids, some = whole.step(), fewer.step()
        assert all_ids.ids[rows].tolist() == some.ids.tolist()
        assert all_ids.columns[rows].tolist() == some.columns.tolist()


def test_sample_i_is_the_same_whatever_the_number_of_samples(model: GPT) -> None:
    few = written(model, [1], SamplingConfig(max_new_tokens=15, num_samples=2), True)
    many = written(model, [1], SamplingConfig(max_new_tokens=15, num_samples=5), True)
    assert many[:2] == few
    assert many[0] != many[1]


@pytest.mark.parametrize("n_prompt", [4, 12])  # within the context, and beyond
@pytest.mark.parametrize("kept", [2, 6, 11, 12, 14])
@pytest.mark.parametrize("n_new", [2, 40])
def test_a_decoder_that_goes_on_from_a_shared_beginning_writes_the_same(
    model: GPT, n_prompt: int, kept: int, n_new: int
) -> None:
    config, prompt = SamplingConfig(max_new_tokens=n_new), list(range(n_prompt))
    decoder = Decoder(model, 1, "cpu")
    first = prompt + [int(step.ids) for step in generate(decoder, [prompt], config)]
    following = [*first[:kept], 9, 8]
    again = [step.ids.tolist() for step in generate(decoder, [following], config)]
    assert [list(row) for row in zip(*again, strict=True)] == written(
        model, following, config, False
    )


def test_only_what_is_new_is_read_and_what_all_rows_share_once(model: GPT, monkeypatch) -> None:
    shapes, hidden = [], model.hidden
    monkeypatch.setattr(
        model, "hidden", lambda ids, cache: shapes.append(tuple(ids.shape)) or hidden(ids, cache)
    )
    decoder, config = Decoder(model, 3, "cpu"), SamplingConfig(max_new_tokens=2, num_samples=3)
    list(generate(decoder, [[1, 2, 3]] * 3, config))
    assert shapes == [(1, 3), (3, 1)]
    list(generate(decoder, [[1, 2, 3]] * 3, config))
    assert shapes[2:] == [(3, 1), (3, 1)]
    list(generate(decoder, [[1, 2, 3, 4, 5]] * 3, config))
    assert shapes[4] == (3, 2)


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=25), min_size=2, max_size=4),
    layer=st.integers(0, 1),
    calls=st.integers(0, 4),
)
@torch.inference_mode()
def test_a_reading_that_was_cut_short_is_not_gone_on_from(
    model: GPT, texts: list[list[int]], layer: int, calls: int
) -> None:
    decoder = Decoder(model, 1, "cpu")
    attention = model.blocks[layer].attention
    *earlier, last = (torch.tensor([text]) for text in texts)
    count = itertools.count()

    def interrupt(*_: object) -> None:  # as Ctrl-C would, between two layers
        if next(count) >= calls:
            raise KeyboardInterrupt

    with contextlib.ExitStack() as stack:
        stack.callback(attention.register_forward_hook(interrupt).remove)
        for ids in earlier:
            with contextlib.suppress(KeyboardInterrupt):
                decoder.go_back_to(ids)
                decoder.next_logits(ids)
    decoder.go_back_to(last)
    expected = Decoder(model, 1, "cpu", use_cache=False).next_logits(last)
    torch.testing.assert_close(decoder.next_logits(last), expected, rtol=1e-4, atol=1e-4)


def test_another_seed_writes_another_text(model: GPT) -> None:
    one = written(model, [1], SamplingConfig(max_new_tokens=15, seed=1), True)
    other = written(model, [1], SamplingConfig(max_new_tokens=15, seed=2), True)
    assert one != other


@pytest.mark.parametrize("block_size", [1, 2, 3, 8, 9, 256])
def test_the_window_fits_and_keeps_half(block_size: int) -> None:
    before = 0
    for n_tokens in range(1, 5 * block_size + 3):
        start = window_start(n_tokens, block_size)
        assert start >= before
        assert 1 <= n_tokens - start <= block_size
        if start > before:
            assert n_tokens - start == block_size // 2 + 1
        before = start
    assert window_start(block_size, block_size) == 0


def loaded_model(family: str = "gpt2", vocab_size: int = 10, **fields: object) -> LoadedModel:
    config = ModelConfig(
        n_layer=2,
        n_head=2,
        n_embd=16,
        block_size=12,
        vocab_size=vocab_size,
        **FAMILIES[family].switches,
    )
    model = new_model(config, 1).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # larger weights, so that the context matters; none is zero
        for parameter in model.parameters():
            if parameter.dim() > 1 and not parameter.any():
                parameter.normal_(0.0, 0.1, generator=generator)
            elif parameter.dim() > 1 and not model.config.embedding_norm:
                parameter.mul_(8)
    loaded = LoadedModel(Path("model"), model, character_tokenizer(LETTERS), "cpu")
    return replace(loaded, **fields)


def finished(loaded: LoadedModel, **options: object) -> TextGenerator:
    generator = TextGenerator(loaded, [0, 1], SamplingConfig(max_new_tokens=40, **options))
    assert sum(1 for _ in generator.steps()) <= 40
    return generator


def test_a_sample_is_the_same_beside_others_that_end_sooner() -> None:
    loaded = loaded_model(end_ids=frozenset({3}))
    many = finished(loaded, num_samples=12, stop=("a", "b"), temperature=2.0)
    few = finished(loaded, num_samples=2, stop=("a", "b"), temperature=2.0)
    assert [one.ids for one in few.samples] == [one.ids for one in many.samples[:2]]
    assert len({one.finish for one in many.samples}) > 1
    assert many.n_tokens == sum(len(one.ids) for one in many.samples)


def test_the_work_ends_with_the_last_sample() -> None:
    loaded = loaded_model(end_ids=frozenset(range(10)))
    generator = TextGenerator(loaded, [0], SamplingConfig(num_samples=3))
    assert sum(1 for _ in generator.steps()) == 1
    assert {one.finish for one in generator.samples} == {"end_of_text"}


def test_every_token_has_its_logprobs_and_none_else() -> None:
    generator = finished(loaded_model(end_ids=frozenset({3})), num_samples=4, logprobs=2)
    for sample, seen in zip(generator.samples, generator.logprobs, strict=True):
        assert [one.drawn.id for one in seen] == sample.ids


def test_the_pieces_are_the_text() -> None:
    loaded = loaded_model()
    config = SamplingConfig(max_new_tokens=40)
    assert (
        "".join(TextGenerator(loaded, [0, 1], config).pieces()) == finished(loaded).samples[0].text
    )


def test_ids_that_the_tokenizer_lacks_are_never_drawn() -> None:
    generator = finished(loaded_model(vocab_size=200), num_samples=5, logprobs=10)
    assert all(number < 10 for sample in generator.samples for number in sample.ids)
    for seen in generator.logprobs[0]:
        assert sum(2.718281828459045**one.p for one in seen.top) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("family", TRAINABLE)
def test_bfloat16_rounds_and_no_more(family: str) -> None:
    options = {"max_new_tokens": 1, "logprobs": 10}
    values = []
    for precision in ("float32", "bfloat16"):
        loaded = loaded_model(family).computing_in(precision)
        generator = TextGenerator(loaded, [0, 1, 2, 3], SamplingConfig(**options))
        (step,) = generator.steps()
        assert step.probabilities.dtype == torch.float32
        values.append(step.logits.float())
    assert not torch.equal(*values)
    spread = float(values[0].std())
    torch.testing.assert_close(values[1], values[0], atol=0.1 * spread, rtol=0.1)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 50.0])
def test_ids_that_no_token_has_are_never_drawn(model: GPT, temperature: float) -> None:
    config = SamplingConfig(max_new_tokens=60, num_samples=3, temperature=temperature)
    steps = generate(Decoder(model, 3, "cpu"), [[1, 2]] * 3, config, 20, [0, 4, 5, 19])
    drawn = {number for step in steps for number in step.ids.tolist()}
    assert drawn <= set(range(20)) - {0, 4, 5, 19}


@pytest.mark.parametrize(("longest", "room"), [(5, 5), (9, 9), (40, 9)])
def test_the_cache_has_room_for_the_longest_text_and_no_more(model, longest, room) -> None:
    config, prompt = SamplingConfig(max_new_tokens=longest - 2, num_samples=2), [1, 2]
    decoder = Decoder(model, 2, "cpu", longest=longest)
    steps = [step.ids.tolist() for step in generate(decoder, [prompt] * 2, config)]
    assert [list(row) for row in zip(*steps, strict=True)] == written(model, prompt, config, True)
    assert decoder._cache.tensors[0][0].shape[2] == room
