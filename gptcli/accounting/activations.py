"""The memory of activations: what a training step keeps between forward and backward pass.

There are two answers. The textbook's is a formula for GPT-2 in 16 bit with dropout. The exact
one follows the model's code tensor by tensor, as torch 2.13 runs it on a CPU: what each
operation keeps for its gradient, and what exists beside it during its backward pass. Compiled
blocks keep less: what follows from other tensors in few operations is computed again.

N tokens = batch x context T, C = n_embd, H = n_head, K = n_kv_head, D = head size,
I = inner size, V = vocabulary.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from gptcli.accounting.parameters import exact_count
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig
from gptcli.families.shapes import parameters

_FULL = 4  # bytes in float32, in which stream, norms and losses are kept throughout
_FUSED_IN_HALF = 64  # head size from which the attention kernel takes bfloat16
# Tokens of fast/block_attention.py, in bfloat16 and, of small heads, in float32.
_LONGEST_IN_BLOCKS, _LONGEST_IN_FLOAT32, _QUERIES = 512, 96, 128
# Logits from which fast/head_loss.py takes the loss in parts; bytes of a part, logits in caches.
_LEAST_IN_PARTS, _BYTES_OF_PART, _LOGITS_IN_CACHE = 4_000_000, 48_000_000, 1_000_000


@dataclass(frozen=True)
class Textbook:
    """Korthikanti et al. 2022 (arXiv:2205.05198), for s tokens, b rows, a heads, h wide.

    ``explicit``: s b h (34 + 5 a s / h) bytes a layer, the attention pattern kept. ``fused``
    leaves the pattern out, ``recomputed`` keeps the blocks' inputs alone: 2 s b h.
    ``logits`` come on top of each, 4 s b v bytes.
    """

    explicit: int
    fused: int
    recomputed: int
    logits: int


@dataclass(frozen=True)
class Part:
    """Bytes that a part of the model keeps, and further ones during its backward pass.

    ``gradient`` are the bytes of the gradients that it leaves behind.
    """

    saved: int
    backward: int
    gradient: int


def textbook_activations(config: ModelConfig, work: Workload) -> Textbook:
    """The textbook's bytes; they are right for GPT-2 and approximate for other families."""
    stream = work.tokens * config.n_embd * config.n_layer
    pattern = work.batch * work.context**2 * config.n_head * config.n_layer
    return Textbook(
        explicit=34 * stream + 5 * pattern,
        fused=34 * stream,
        recomputed=2 * stream,
        logits=_FULL * work.tokens * config.vocab_size,
    )


def activation_peak(config: ModelConfig, work: Workload) -> int:
    """The peak of activations in bytes, without weights, gradients and optimizer state."""
    return max(held for held, _ in _moments(config, work))


def activation_and_gradient_peak(config: ModelConfig, work: Workload) -> int:
    """The peak of activations and gradients together: the latter grow as the former are freed."""
    return max(held + gradients for held, gradients in _moments(config, work))


def kept_by_blocks(config: ModelConfig, work: Workload) -> int:
    """Bytes that embeddings and blocks keep until their gradients are computed."""
    *before, _ = _parts(config, work)
    return sum(part.saved for part in before)


def kept_by_loss(config: ModelConfig, work: Workload) -> int:
    """Bytes of the last norm, the logits and the loss, and of what their gradients take."""
    head = _head(config, work)
    return head.saved + head.backward


def _moments(config: ModelConfig, work: Workload) -> Iterator[tuple[int, int]]:
    """Bytes of activations and of gradients during each part's backward pass, the last first."""
    parts = list(_parts(config, work))
    held, gradients = sum(part.saved for part in parts), 0
    for part in reversed(parts):
        yield held + part.backward, gradients
        held -= part.saved
        gradients += part.gradient
    yield 0, _FULL * exact_count(config)


def _parts(config: ModelConfig, work: Workload) -> Iterator[Part]:
    block = [_attention(config, work)]
    if config.inner_size:
        block.append(_mlp(config, work))
    yield _embedding(config, work)
    yield from block * config.n_layer
    yield _head(config, work)


def _embedding(config: ModelConfig, work: Workload) -> Part:
    """The embeddings, which keep nothing; a gradient is as large as its whole table."""
    table = _FULL * _weights(config, "token_embedding")
    positions = _FULL * _weights(config, "position_embedding")
    stream = _FULL * work.tokens * config.n_embd
    saved = 0
    if config.embedding_norm:
        saved = _kept_by_norm(config, work, config.n_embd)
    tied = table if config.tied else 0  # the head's gradient is added to this one
    return Part(saved, stream + table + positions + tied, table + positions)


def _attention(config: ModelConfig, work: Workload) -> Part:
    N, C, D = work.tokens, config.n_embd, config.head_size
    queries, keys = N * config.n_head * D, N * config.key_value_heads * D
    size = _attention_bytes(config, work)
    weights = _weights(config, "blocks.*.attention.query_key_value")
    written = _projection(config, work, config.n_head * D, "blocks.*.attention.output")
    saved = (
        _kept_by_block(config, work, _FULL)
        + _kept_by_queries(config, work, queries, keys)
        + _kept_by_pattern(config, work, queries)
        + _weights_copied(work, weights)
        + written.saved
    )
    gradients = size * (2 * queries + 2 * keys)
    if _keeps_pattern(config, work):
        gradients += 2 * size * _places(config, work)
    backward = _FULL * N * C + max(gradients, written.backward)
    return Part(saved, backward, _FULL * weights + written.gradient)


def _kept_by_queries(config: ModelConfig, work: Workload, queries: int, keys: int) -> int:
    """Queries, keys and values for the kernel, and what their norms keep."""
    half, size = _half(work), _attention_bytes(config, work)
    if work.compiled and config.dropout:
        return 3 * half * queries
    normed = _kept_by_query_norms(config, work, queries, keys)
    if _keeps_pattern(config, work):
        # Norms of views keep the whole matrix that they are views of.
        has_views = _has_query_norms(config) and half == _FULL
        whole = half * (queries + 2 * keys) * has_views
        return 3 * size * queries + normed + whole
    if size > half:
        return size * (queries + 2 * keys) + normed
    turned = half * (queries + keys) if _has_new_queries(config) else 0
    return half * (queries + 2 * keys) + turned + normed


def _kept_by_query_norms(config: ModelConfig, work: Workload, queries: int, keys: int) -> int:
    half = _half(work)
    if not _has_query_norms(config):
        return 0
    if work.compiled:
        return half * (queries + 2 * keys) * (_attention_bytes(config, work) > half)
    copies = (half < _FULL) + (config.norm == "rms")
    return copies * _FULL * (queries + keys)


def _kept_by_pattern(config: ModelConfig, work: Workload, queries: int) -> int:
    """The mixed values, as the kernel has them and as the next matrix wants them.

    Without a fused kernel the pattern instead of the first; with dropout it is kept before and
    after, with a mask of bytes.
    """
    half, size = _half(work), _attention_bytes(config, work)
    if _keeps_pattern(config, work):
        per_place = half
        if config.dropout:  # compiled, one pattern in float32 and the mask
            per_place = 1 + (_FULL if work.compiled else 2 * half)
        return half * queries + per_place * _places(config, work)
    is_copied = _has_new_queries(config) or size > half
    row_sums = _FULL * work.tokens * config.n_head
    return size * queries + row_sums + half * queries * is_copied


def _has_new_queries(config: ModelConfig) -> bool:
    """Whether queries and keys are more than views of what the matrix gave."""
    return config.positions == "rotary" or _has_query_norms(config)


def _has_query_norms(config: ModelConfig) -> bool:
    return config.qk_norm and config.norm != "none"


def _mlp(config: ModelConfig, work: Workload) -> Part:
    N, C, inner = work.tokens, config.n_embd, config.inner_size
    half = _half(work)
    weights = _weights(config, "blocks.*.mlp.up", "blocks.*.mlp.gate")
    written = _projection(config, work, inner, "blocks.*.mlp.down")
    # ReLU's gradient follows from its output, that of other functions from their input.
    kept = {"relu": 1}.get(config.activation, 2) + (1 if work.compiled else 2) * config.gated
    saved = (
        _kept_by_block(config, work, half)
        + kept * half * N * inner
        + _weights_copied(work, weights)
        + written.saved
    )
    backward = _FULL * N * C + max(written.backward, config.gated * 2 * half * N * inner)
    return Part(saved, backward, _FULL * weights + written.gradient)


def _head(config: ModelConfig, work: Workload) -> Part:
    """The final norm, the head and the loss: softmax and its two gradients in float32.

    Where the loss is taken in parts, the gradients of stream and head are all that is kept.
    """
    N, C, V = work.tokens, config.n_embd, config.n_outputs
    half, weights = _half(work), _weights(config, "score" if config.score else "lm_head")
    saved, copied = _kept_by_reading(config, work), _weights_copied(work, weights)
    is_capped = config.logit_cap is not None
    gradient = 0 if config.tied else _FULL * weights
    if _is_in_parts(config, work):
        gradients = half * N * C + _FULL * weights
        in_cache = (2 + is_capped) * _FULL * min(N * V, max(V, _LOGITS_IN_CACHE))
        part = min(half * N * V, max(half * V, _BYTES_OF_PART))
        products = part * (half == _FULL) + half * weights  # oneDNN turns the part
        return Part(saved + gradients, copied + in_cache + part + products, gradient)
    loss = 3 * _FULL * N * V
    product = _linear_backward(work, C, V) if config.lm_head else 0
    return Part(saved + copied, is_capped * half * N * V + max(loss, product), gradient)


def _is_in_parts(config: ModelConfig, work: Workload) -> bool:
    """Whether the logits are never all there."""
    has_head = config.lm_head and not config.lm_head_bias and not config.score
    is_large = work.tokens * config.vocab_size >= _LEAST_IN_PARTS
    return work.on_cpu and not work.whole_logits and has_head and is_large


def _projection(config: ModelConfig, work: Workload, width: int, module: str) -> Part:
    """The matrix, if any, that writes to the stream, and the mask of the dropout behind it."""
    C = config.n_embd
    mask = work.tokens * C if config.dropout else 0
    if not config.projections:
        return Part(mask, 0, 0)
    weights = _weights(config, module)
    saved = mask + _weights_copied(work, weights)
    return Part(saved, _linear_backward(work, width, C), _FULL * weights)


def _linear_backward(work: Workload, width: int, out: int) -> int:
    """Gradients of input, output and matrix, and one of them transposed."""
    half = _half(work)
    return half * work.tokens * (width + out) + (half + _FULL * (half < _FULL)) * width * out


def _kept_by_block(config: ModelConfig, work: Workload, n_bytes: int) -> int:
    """Bytes that the reading half of a part of a block keeps; compiled, ``n_bytes`` a number.

    A compiled block keeps the stream that it gets in float32, and of the one between attention
    and MLP what attention has added. A gated MLP that is not compiled has its input cast twice.
    """
    numbers = work.tokens * config.n_embd
    if work.compiled:
        return (_half(work) + n_bytes) * numbers
    is_cast_twice = config.gated and n_bytes < _FULL
    return _kept_by_reading(config, work) + _half(work) * numbers * is_cast_twice


def _kept_by_reading(config: ModelConfig, work: Workload) -> int:
    """Bytes that a norm and the matrix behind it keep of the stream."""
    operand = _half(work) * work.tokens * config.n_embd
    if config.norm == "none":
        return operand
    return operand + _kept_by_norm(config, work, config.n_embd)


def _kept_by_norm(config: ModelConfig, work: Workload, size: int) -> int:
    copies = 2 if config.norm == "rms" else 1  # its input, and RMSNorm's result before the gain
    return copies * _FULL * work.tokens * size if config.norm != "none" else 0


def _weights(config: ModelConfig, *modules: str) -> int:
    """Numbers in the weights of these modules of one layer; the model may lack them."""
    sizes = _untied_sizes(config)
    return sum(sizes.get(f"{module}.weight", 0) for module in modules)


@lru_cache(maxsize=1)  # searching what fits tries many workloads of one model
def _untied_sizes(config: ModelConfig) -> Mapping[str, int]:
    untied = replace(config, tied=False)
    return {one.name: math.prod(one.shape) for one in parameters(untied)}


def _weights_copied(work: Workload, weights: int) -> int:
    """Autocast's copies of matrices, which live until their gradients are known."""
    return 2 * weights if _half(work) < _FULL else 0


def _keeps_pattern(config: ModelConfig, work: Workload) -> bool:
    """Whether attention is no fused kernel: with dropout, and on a CPU if the text is short."""
    is_small = config.head_size < _FUSED_IN_HALF
    longest = _LONGEST_IN_FLOAT32 if is_small else 0
    if _half(work) < _FULL:
        longest = _LONGEST_IN_BLOCKS
    return config.dropout > 0 or (work.on_cpu and work.context <= longest)


def _places(config: ModelConfig, work: Workload) -> int:
    """Numbers in the attention patterns of one layer: of each block those before its end."""
    T = work.context
    size = T if config.dropout and work.compiled else _QUERIES
    ends = range(size, T, size)
    square = sum(size * end for end in ends) + (T - len(ends) * size) * T
    return work.batch * config.n_head * square


def _attention_bytes(config: ModelConfig, work: Workload) -> int:
    """Bytes of a number in attention: small heads and compiled patterns are in float32."""
    if _keeps_pattern(config, work):
        is_wide = config.dropout > 0 and work.compiled
    else:
        is_wide = config.head_size < _FUSED_IN_HALF
    return _FULL if is_wide else _half(work)


def _half(work: Workload) -> int:
    """Bytes of a number that matrix products read and write."""
    return 2 if work.precision == "bfloat16" else _FULL
