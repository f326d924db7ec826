"""``gptcli sample``: text from a model."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gptcli.commands.options import Checkpoint, Device, Json, Out, Overwrite
from gptcli.commands.terminal import check_out, deliver, harmless, note
from gptcli.config.sampling import SamplingConfig
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.inference.loading import LoadedModel

_DEFAULTS = SamplingConfig()


def sample(
    checkpoint: Checkpoint = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", help="Text to go on from. Default: a line break."),
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", "-n", help="Tokens to write after the prompt.")
    ] = _DEFAULTS.max_new_tokens,
    temperature: Annotated[
        float, typer.Option("--temperature", "-t", help="0 always takes the likeliest token.")
    ] = _DEFAULTS.temperature,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", help="Draw from the k likeliest tokens.", show_default=False),
    ] = _DEFAULTS.top_k,
    num_samples: Annotated[
        int, typer.Option("--num-samples", help="Texts to write, each with its own stream.")
    ] = _DEFAULTS.num_samples,
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed writes the same text.")
    ] = _DEFAULTS.seed,
    device: Device = "auto",
    json_output: Json = False,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Write text with a trained model.

    A single text streams to stdout as it is written. Past the context the model sees a
    window: when it is full, its last half is kept.
    """
    from gptcli.commands.choices import chosen_model, opened_model
    from gptcli.commands.progress import progress
    from gptcli.inference.writing import Writer
    from gptcli.runtime.device import memory_errors

    config = SamplingConfig(max_new_tokens, temperature, top_k, num_samples, seed)
    check_out(out, overwrite)
    directory = chosen_model(checkpoint)
    loaded = opened_model(directory, device)
    ids, shown = _prompt_ids(loaded, prompt)
    _announce_window(loaded, len(ids), max_new_tokens)
    writer = Writer(loaded, ids, config)
    with memory_errors("try a smaller --num-samples"):
        if num_samples == 1 and out is None and not json_output:
            _stream(shown, writer.pieces())
            return
        with progress("writing", max_new_tokens, "tokens") as advance:
            texts = [shown + text for text in writer.texts(lambda: advance(1))]
    deliver(_as_json(prompt, texts) if json_output else _as_text(texts), out, overwrite)


def _prompt_ids(loaded: "LoadedModel", prompt: str | None) -> tuple[list[int], str]:
    """Ids to start from, and the text of them that belongs to the output."""
    from gptcli.data.tokenization.character_table import UnseenCharacterError

    if prompt:
        try:
            return loaded.tokenizer.encode(prompt).tolist(), prompt
        except UnseenCharacterError as error:
            raise UsageError(
                f"--prompt: {error}: leave it out, or train on text that has it"
            ) from error
    try:
        start = loaded.tokenizer.encode("\n").tolist()
    except UnseenCharacterError:
        start = [0]
    if prompt is not None:
        note("the prompt is empty: starting after a line break")
    return start, ""


def _announce_window(loaded: "LoadedModel", n_prompt: int, n_new: int) -> None:
    block_size = loaded.model.config.block_size
    if n_prompt + n_new > block_size:
        note(f"longer than the context of {block_size:,} tokens: the model sees a moving window")


def _stream(prompt: str, pieces: Iterator[str]) -> None:
    clean = harmless if sys.stdout.isatty() else str
    sys.stdout.write(clean(prompt))
    for piece in pieces:
        sys.stdout.write(clean(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()


def _as_text(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else "\n---------------\n".join(texts)


def _as_json(prompt: str | None, texts: list[str]) -> str:
    import json

    samples = [{"text": text} for text in texts]
    document = {"schema": "gptcli.samples/1", "prompt": prompt or "", "samples": samples}
    return json.dumps(document, indent=2, ensure_ascii=False)
