"""The chapters of examples/lecture print the lecture's numbers, and compute what they say."""

import importlib
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.accounting.parameters import exact_count
from gptcli.families.registry import find_preset

LECTURE = Path(__file__).parents[1] / "examples" / "lecture"
Chapter = Callable[..., Any]


@pytest.fixture
def chapter(monkeypatch) -> Chapter:
    """``chapter("bigram")``: the module of a chapter."""
    monkeypatch.syspath_prepend(str(LECTURE))
    return importlib.import_module


@pytest.fixture
def printed(chapter, capsys) -> Callable[..., str]:
    """``printed("bigram", "input.txt")``: what the script prints, with single spaces."""

    def run(name: str, *argv: str) -> str:
        main = chapter(name).main
        main([*argv]) if main.__code__.co_argcount else main()
        return re.sub(" +", " ", capsys.readouterr().out)

    return run


@pytest.fixture
def corpus(shared: Path) -> str:
    return str(shared / "data" / "tinyshakespeare.txt")


@pytest.fixture
def made_text(tmp_path: Path) -> str:
    """Words drawn at random: after a letter there is little to know."""
    drawn = random.Random(1)
    words = " ".join(drawn.choice(["hi", "there", "her", "tie", "rite"]) for _ in range(3000))
    (tmp_path / "made.txt").write_text(words)
    return str(tmp_path / "made.txt")


def with_future_hidden(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)


def test_the_data_are_read_as_in_the_lecture(printed, corpus: str, shared: Path) -> None:
    out = printed("reading_the_data", corpus, "--gpt2", str(shared / "data" / "gpt2"))
    for expected in (
        "1,115,394 characters, 65 of them distinct",
        "characters, 65 entries: [46, 47, 47, 1, 58, 46, 43, 56, 43], back: 'hii there'",
        "GPT-2's BPE, 50,257 entries: [71, 4178, 612], back: 'hii there'",
        "1,003,854 characters train, 111,540 validate",
        "[18, 47, 56, 57, 58, 1, 15, 47, 58]",
        "when input is [18] the target: 47",
        "when input is [18, 47, 56, 57, 58, 1, 15, 47] the target: 58",
        "[[24, 43, 58, 5, 57, 1, 46, 43], [44, 53, 56, 1, 58, 46, 39, 58], "
        "[52, 58, 1, 58, 46, 39, 58, 1], [25, 17, 27, 10, 0, 21, 1, 54]]",
        "[[43, 58, 5, 57, 1, 46, 43, 39], [53, 56, 1, 58, 46, 39, 58, 1], "
        "[58, 1, 58, 46, 39, 58, 1, 46], [17, 27, 10, 0, 21, 1, 54, 39]]",
    ):
        assert expected in out
    assert out.count("when input is") == 8 + 32
    pieces = re.search(r"SentencePiece, (\d+) entries: .*, (\[.*\]), back: 'hii there'", out)
    assert pieces and len(pieces[2].split(",")) < 9, "shorter than in characters"


def test_any_text_can_be_read_and_a_wrong_one_gets_a_sentence(
    printed, tmp_path: Path, made_text: str
) -> None:
    missing = tmp_path / "missing"
    out = printed("reading_the_data", made_text, "--gpt2", str(missing))
    assert "characters, 6 entries: [" in out and "train" in out
    assert f"cannot read GPT-2's vocabulary in {missing}" in out
    for name in ("reading_the_data", "bigram", "blocks", "scaled_up"):
        with pytest.raises(SystemExit, match=r"cannot read .*missing"):
            printed(name, str(missing))
    (tmp_path / "short.txt").write_text("hii there")
    with pytest.raises(SystemExit, match="9 characters"):
        printed("bigram", str(tmp_path / "short.txt"))
    for wrong in (("bigram", made_text, "--steps", "-1"), ("word_order", "--picture", "a.xyz")):
        with pytest.raises(SystemExit, match="2"):
            printed(*wrong)


def test_the_bigram_begins_as_in_the_lecture_and_learns(printed, corpus: str) -> None:
    out = printed("bigram", corpus, "--steps", "400")
    assert "logits: (4, 8, 65)" in out
    assert "loss of the untrained table on this batch: 4.8786" in out
    parts = re.findall(r": ([+-]?\d\.\d{4})", out)[1:4]  # behind the loss itself
    assert sum(map(float, parts)) == pytest.approx(4.8786, abs=2e-4), "the parts explain it"
    assert "SKIcLT;AcELMoTbvZv C?nq-QE33:CJqkOKH-q;:la!oiywkHjgChzbQ?u!3bLIgwevmyFJGUGp" in out
    assert float(re.findall(r"val loss (\d\.\d+)", out)[-1]) < 2.75


def test_the_bigram_reaches_the_entropy_of_a_text_in_which_nothing_else_is_known(
    printed, chapter, tmp_path: Path
) -> None:
    """After a comes b or c at even odds, after them a: ln 2 for every other character."""
    drawn = random.Random(1)
    (tmp_path / "abc.txt").write_text("".join("a" + drawn.choice("bc") for _ in range(4000)))
    out = printed("bigram", str(tmp_path / "abc.txt"), "--steps", "400")
    found = float(re.findall(r"val loss (\d\.\d+)", out)[-1])
    assert found == pytest.approx(0.3466, abs=0.05)


def test_the_past_is_averaged_four_ways(printed, chapter) -> None:
    out = printed("averaging_the_past")
    for expected in (
        "\n 14.0000 16.0000\n 14.0000 16.0000\n 14.0000 16.0000\n",
        "\n 2.0000 7.0000\n 8.0000 11.0000\n 14.0000 16.0000\n",
        "\n 2.0000 7.0000\n 4.0000 5.5000\n 4.6667 5.3333\n",
        "\n 0.1808 -0.0700\n -0.3596 -0.9152\n",
        "\n 0.1808 -0.0700 0.1808 -0.0700 0.1808 -0.0700\n -0.0894 -0.4926 -0.0894 -0.4926 ",
        "\n 0.0000 -inf -inf -inf -inf -inf -inf -inf\n 0.0000 0.0000 -inf",
        "\n 1.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000 0.0000\n 0.1574 0.8426 0.0000",
        "\n 0.2088 0.1646 0.6266 0.0000",
        "(4, 8, 32)",
        "(4, 8, 16)",
    ):
        assert expected in out
    assert "False" not in out
    ways = chapter("averaging_the_past")
    x = torch.randn(2, 9, 6)
    expected = x.cumsum(dim=1) / torch.arange(1, 10)[:, None]
    for version in (ways.version_1, ways.version_2, ways.version_3):
        torch.testing.assert_close(version(x), expected)
    head = ways.Version4(6, 4)
    fused = with_future_hidden(head.query(x), head.key(x), head.value(x), scale=1.0)
    torch.testing.assert_close(head(x), fused)


def test_every_note_on_attention_is_shown(printed, chapter) -> None:
    out = printed("notes_on_attention")
    for expected in (
        "b <-- a 0.1574", "b <-- b 0.8426", "d <-- a 0.5792",
        "the permuted outputs: True", "to the inputs: False",
        " 0.0000 0.0000 0.0000\n\nnote 4",
        "weights (4, 8, 5), out (4, 8, 16)",
        "variance of k 1.0449, of q 1.0700",
        "variance of q @ k 17.4690, times 1/sqrt(16) 1.0918",
        "\n 0.1925 0.1426 0.2351 0.1426 0.2872\n 0.0326 0.0030 0.1615 0.0030 0.8000\n",
        "journey <-- journey 0.2379", "\n 0.4419 0.6515 0.5683\n",
    ):  # fmt: skip
        assert expected in out
    many = re.search(r"of 128,000 scores: ([\d.]+) and ([\d.]+)", out)
    assert many and float(many[1]) == pytest.approx(16, rel=0.03)
    assert float(many[2]) == pytest.approx(1, rel=0.03)
    attend = chapter("notes_on_attention").attend
    q, k, v = torch.randn(3, 2, 5, 4)
    torch.testing.assert_close(attend(q, k, v, causal=True), with_future_hidden(q, k, v))
    torch.testing.assert_close(
        attend(q, k, v, causal=False), F.scaled_dot_product_attention(q, k, v)
    )


def _stacked(heads: nn.Module) -> dict[str, Tensor]:
    """The weights of separate heads under the names of torch's own multi-head attention."""
    rows = [getattr(h, kind).weight for kind in ("query", "key", "value") for h in heads.heads]
    in_proj = torch.cat(rows)
    return {
        "in_proj_weight": in_proj,
        "in_proj_bias": torch.zeros(len(in_proj)),
        "out_proj.weight": heads.proj.weight,
        "out_proj.bias": heads.proj.bias,
    }


def _torchs_layer(block: nn.Module, size: Any) -> nn.Module:
    """The layer of torch.nn with the weights of a block."""
    is_cross = block.cross is not None
    kind = nn.TransformerDecoderLayer if is_cross else nn.TransformerEncoderLayer
    layer = kind(
        size.C, size.n_head, 4 * size.C, dropout=0.0, batch_first=True,
        norm_first=size.norm == "pre",
    )  # fmt: skip
    parts = {"self_attn": _stacked(block.attention)}
    if is_cross:
        parts["multihead_attn"] = _stacked(block.cross)
    weights = {f"{part}.{name}": value for part in parts for name, value in parts[part].items()}
    for ours, theirs in ((0, "linear1"), (2, "linear2")):
        for name, value in block.feed_forward[ours].named_parameters():
            weights[f"{theirs}.{name}"] = value
    order = (0, 2, 1) if is_cross else (0, 1)  # torch counts norms in the order of their use
    for number, ours in enumerate(order, 1):
        for name, value in block.norms[ours].named_parameters():
            weights[f"norm{number}.{name}"] = value
    layer.load_state_dict(weights)
    return layer


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("causal", [True, False])
def test_a_block_is_that_of_torch(chapter, norm: str, causal: bool) -> None:
    parts = chapter("transformer")
    size = parts.Size(V=9, C=12, n_head=3, norm=norm, causal=causal)
    x, source = torch.randn(2, 7, size.C), torch.randn(2, 5, size.C)
    future = torch.ones(7, 7).triu(1).bool() if causal else None
    block = parts.Block(size)
    torch.testing.assert_close(block(x), _torchs_layer(block, size)(x, src_mask=future))
    block = parts.Block(size, reads_source=True)
    expected = _torchs_layer(block, size)(x, source, tgt_mask=future)
    torch.testing.assert_close(block(x, source), expected)


def test_without_residuals_and_norms_a_block_is_its_two_parts(chapter) -> None:
    parts = chapter("transformer")
    block = parts.Block(parts.Size(V=9, residual=False, norm="none"))
    x = torch.randn(2, 7, 32)
    torch.testing.assert_close(block(x), block.feed_forward(block.attention(x)))


def test_the_shapes_of_a_block_and_its_small_first_updates_are_printed(printed) -> None:
    out = printed("transformer")
    for shape in ("positions: (4, 8, 32)", "of 4: (4, 8, 8)", "concatenated: (4, 8, 32)",
                  "layer: (4, 8, 128)", "block: (4, 8, 32)"):  # fmt: skip
        assert shape in out
    shares = [float(share) for share in re.findall(r"adds ([\d.]+)%", out)]
    assert len(shares) == 6 and all(5 < share < 30 for share in shares)


def test_norms_make_rows_or_columns_even(printed, chapter) -> None:
    out = printed("norms_and_dropout")
    assert "layer norm, along the rows 0.1469 0.8803 -0.0000 1.0000" in out
    assert re.search(r"batch norm, along the columns -?0.0000 1.0000 ", out)
    assert "False" not in out and "20.0% are 0, the others 1.25, mean 1.00" in out
    kept = dict(re.findall(r"\n(\w+)-norm, .*\) (0\.\d\d) ", out))
    assert float(kept["pre"]) > 2 * float(kept["post"]) > 0
    normalised = chapter("norms_and_dropout").normalised
    x = torch.randn(32, 100)
    for dim, theirs in ((0, nn.BatchNorm1d(100)(x)), (1, F.layer_norm(x, (100,)))):
        n = x.shape[dim]  # the variance of torch's layers divides by n, the lecture's by n - 1
        expected = theirs * ((n - 1) / n) ** 0.5
        torch.testing.assert_close(normalised(x, dim), expected, rtol=1e-4, atol=1e-5)


def test_three_blocks_learn_with_residuals_and_hardly_without(printed, made_text: str) -> None:
    out = printed("blocks", made_text, "--steps", "40")
    table = out.partition("validation loss")[2]
    names = ("no residuals, no norms", "residuals", "residuals and pre-norm",
             "residuals and post-norm", "pre-norm and dropout 0.2")  # fmt: skip
    losses = [float(re.search(rf"\n{re.escape(name)} (\d\.\d+)", table)[1]) for name in names]
    assert losses[0] - max(losses[1:]) > 0.2
    assert "residuals and pre-norm" in table and " 2.06\n" in table and " 2.08\n" in table


def test_the_lectures_model_has_its_parameters(printed, corpus: str) -> None:
    out = printed("scaled_up", corpus, "--steps", "2", "--batch-size", "1")
    assert "all 10,788,929" in out
    assert exact_count(find_preset("lecture").model) == 10_788_929
    assert re.search(r"s a step of 1 texts, [\d.]+ hours for 5,000", out)


def test_heads_in_one_operation_are_the_separate_heads(printed, chapter) -> None:
    out = printed("heads_as_batch")
    assert float(re.search(r"operation: (\S+)", out)[1]) < 1e-6
    parts, batched = chapter("transformer"), chapter("heads_as_batch")
    size = parts.Size(V=9, C=12, n_head=3)
    separate = parts.MultiHead(size, causal=True)
    x = torch.randn(2, 7, 12)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.load_state_dict(_stacked(separate))
    future = torch.ones(7, 7).triu(1).bool()
    expected, _ = theirs(x, x, x, attn_mask=future)
    torch.testing.assert_close(batched.BatchedHeads.of(separate, size)(x), expected)


def test_a_review_is_labelled_by_most_of_its_clauses(chapter) -> None:
    review = chapter("classify").review
    drawn = random.Random(5)
    for _ in range(200):
        words, label = review(drawn)
        clauses = " ".join(words[1:]).split(" , ")
        praise = sum(
            (clause.split()[4] in ("good", "great", "lovely")) is ("not" not in clause.split())
            for clause in clauses
        )
        assert len(words) == 18 and len(clauses) == 3 and label == (praise > 1)


def test_an_encoder_classifies_what_counting_and_a_mask_cannot(printed) -> None:
    out = printed("classify", "--steps", "100")
    counted, decoder, encoder = (float(share) for share in re.findall(r"([\d.]+)% right", out))
    assert decoder < 56, "its first position sees nothing"
    assert encoder > counted + 15


def test_the_made_grammar_turns_adjectives_round(chapter) -> None:
    grammar = chapter("word_order")
    pair = (
        ["this", "small", "red", "boat", "sees", "the", "old", "dog", "."],
        [0, 3, 2, 1, 4, 5, 7, 6, 8],
    )
    assert " ".join(grammar.translation(pair)) == "este barco rojo pequeño ve el perro viejo ."
    drawn = random.Random(2)
    for _ in range(200):
        words, origins = grammar.sentence(drawn)
        assert sorted(origins) == list(range(len(words))) and len(words) <= grammar.LENGTH


def test_cross_attention_follows_the_other_word_order(printed, tmp_path: Path) -> None:
    picture = tmp_path / "attention.svg"
    out = printed("word_order", "--steps", "150", "--picture", str(picture))
    assert float(re.search(r"([\d.]+)% of 500 held-out", out)[1]) > 95
    assert int(re.search(r"translates in (\d+)%", out)[1]) > 70
    assert "<svg" in picture.read_text(encoding="utf-8")
