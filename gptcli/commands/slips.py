"""Flags and commands by the names that other tools give them: each error says ours.

A mistyped flag gets the nearest one, and every line ends with the help to read.
"""

import difflib
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import typer
from typer._click.exceptions import NoSuchOption

from gptcli.errors import UsageError

_STEPS = "--max-iters, which counts steps"
_FIRST = "CHECKPOINT, a word without a flag"
_MODEL = ("--init-from", _FIRST, "--preset")
_FILE = ("--file", "--prompt-file", "SOURCE")

# Ours by the name of others, without dashes; the first that the command has is meant.
_FLAGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("learning-rate", "max-lr"), ("--lr",)),
        **dict.fromkeys(("min-learning-rate",), ("--min-lr",)),
        **dict.fromkeys(("num-epochs", "num-train-epochs"), (_STEPS,)),
        **dict.fromkeys(("steps", "max-steps", "iters", "num-iterations"), (_STEPS,)),
        **dict.fromkeys(("warmup", "warmup-steps"), ("--warmup-iters",)),
        **dict.fromkeys(("eval-every", "eval-steps"), ("--eval-interval",)),
        **dict.fromkeys(("eval-iters",), ("--eval-batches",)),
        **dict.fromkeys(("batch", "bs", "micro-batch-size"), ("--batch-size",)),
        **dict.fromkeys(
            ("gradient-accumulation-steps", "gradient-accumulation", "accumulate"),
            ("--grad-accum",),
        ),
        **dict.fromkeys(("wd",), ("--weight-decay",)),
        **dict.fromkeys(("max-grad-norm", "gradient-clip"), ("--grad-clip",)),
        **dict.fromkeys(("layers", "n-layers", "num-layers", "depth"), ("--n-layer",)),
        **dict.fromkeys(("heads", "n-heads", "num-heads"), ("--n-head",)),
        **dict.fromkeys(("dim", "d-model", "hidden-size", "n-embed", "width"), ("--n-embd",)),
        **dict.fromkeys(
            ("context", "context-length", "ctx-size", "n-ctx", "seq-len", "max-seq-len"),
            ("--block-size", "--stride"),
        ),
        **dict.fromkeys(("temp",), ("--temperature",)),
        **dict.fromkeys(("greedy",), ("--temperature 0",)),
        **dict.fromkeys(("max-tokens", "n-predict", "length", "max-length"), ("--max-new-tokens",)),
        **dict.fromkeys(("samples", "n-samples", "num-return-sequences"), ("--num-samples",)),
        **dict.fromkeys(("repeat-penalty",), ("--repetition-penalty",)),
        **dict.fromkeys(("text", "start"), ("--prompt", "TEXT")),
        **dict.fromkeys(("prompt",), ("--text", "TEXT")),
        **dict.fromkeys(("file", "input", "input-file", "prompt-file", "text-file"), _FILE),
        **dict.fromkeys(("model", "checkpoint", "ckpt", "run", "pretrained"), _MODEL),
        **dict.fromkeys(("resume-from", "resume-from-checkpoint", "continue"), ("--resume",)),
        **dict.fromkeys(("dataset", "data-dir", "train-data"), ("--data", "SOURCE")),
        **dict.fromkeys(("output", "output-dir", "out-dir", "save"), ("--out",)),
        **dict.fromkeys(("force",), ("--overwrite",)),
        **dict.fromkeys(("dtype", "fp16", "bf16"), ("--precision",)),
        **dict.fromkeys(("gpu", "cuda"), ("--device cuda",)),
        **dict.fromkeys(("encoding",), ("--tokenizer",)),
        **dict.fromkeys(("val-split", "test-split", "val-ratio"), ("--val-fraction",)),
        **dict.fromkeys(("num-workers", "num-proc", "jobs"), ("--workers",)),
        **dict.fromkeys(("version",), ("--version, before any command",)),
    }
)

_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("generate", "complete", "run"), "sample"),
        "chat": "sample --interactive",
        **dict.fromkeys(("inspect", "attention", "visualize"), "inspect-attention"),
        **dict.fromkeys(("params", "count", "summary"), "count-params"),
        **dict.fromkeys(("evaluate", "test", "benchmark", "perplexity"), "eval"),
        **dict.fromkeys(("pretrain", "fit"), "train"),
        **dict.fromkeys(("finetune", "fine-tune", "sft"), "train --init-from CHECKPOINT"),
        "resume": "train --resume RUN",
        **dict.fromkeys(("preprocess", "download", "dataset"), "prepare"),
        **dict.fromkeys(("encode", "tokenizer"), "tokenize"),
        "decode": "tokenize --decode",
        "verify": "eval --verify",
        "help": "--help",
        "version": "--version",
    }
)


def check_command(name: str, known: Iterable[str]) -> None:
    """Raise UsageError unless ``name`` is a command, or a flag."""
    names = list(known)
    if not name or name.startswith("-") or name in names:
        return
    spelt = name.lower().replace("_", "-")
    near = difflib.get_close_matches(spelt, names, n=1)
    if own := spelt if spelt in names else _COMMANDS.get(spelt):
        way = f"try gptcli {own}"
    elif near:
        way = f"did you mean gptcli {near[0]}?"
    else:
        way = f"the commands are {', '.join(names)}"
    raise UsageError(_ending(f"{name!r:.40} is no command: {way}", "gptcli"))


def explained(error: typer.TyperException, words: Sequence[str] | None = None) -> str:
    """The line for a mistake in the flags; ``words`` are those that were typed."""
    message = error.format_message()
    context: typer.Context | None = getattr(error, "ctx", None)
    if not message:
        return message
    if context is None:  # a flag without its value
        first = next(iter(sys.argv[1:] if words is None else words), "-")
        command = "gptcli" if first.startswith("-") else f"gptcli {first}"
        return _ending(message, command)
    if isinstance(error, NoSuchOption):
        message = _unknown(error.option_name, context, sys.argv[1:] if words is None else words)
    elif found := re.fullmatch(r"Got unexpected extra argument\(?s?\)? \((.*)\)", message, re.S):
        message = f"{found[1]!r:.40} is more than {context.info_name} takes: quote a text or name"
        if "--prompt" in _own_names(context):
            message += ', as in gptcli sample --prompt "To be"'
    return _ending(message, context.command_path)


# The flag that takes a text, for commands that have none as an argument.
_TEXT_FLAG = {"sample": "--prompt", "eval": "--text", "inspect-attention": "--text"}


def _ending(message: str, command: str) -> str:
    """The message, and where to read more."""
    return f"{message.rstrip('.')}{'' if message.endswith('?') else ';'} see {command} --help"


def _unknown(given: str, context: typer.Context, words: Sequence[str]) -> str:
    """What is wrong with a flag that the command does not have, and which one is meant."""
    own = _own_names(context)
    given = _typed(given, words)
    if context.parent is None:
        return f"{given} is no flag of gptcli itself: flags stand behind the command"
    spelt = given.lower().replace("_", "-")
    meant = [one for one in _FLAGS.get(spelt.lstrip("-"), ()) if one.split()[0].strip(",") in own]
    near = difflib.get_close_matches(spelt, own, n=1)
    if spelt in own or meant:
        message = f"here, {given} is called {spelt if spelt in own else meant[0]}"
    elif near and given.startswith("--"):
        message = f"{given} is no flag of {context.info_name}: did you mean {near[0]}?"
    else:
        message = f"{given} is no flag of {context.info_name}"
    if "TEXT" in own:
        text = shlex.quote(given)
        message += f" (a text that begins with - stands behind --: gptcli tokenize -- {text})"
    elif not given.startswith("--") and (taker := _TEXT_FLAG.get(context.info_name or "")):
        written = shlex.quote(f"{taker}={given}")
        message += f" (a text that begins with - is joined to its flag: {written})"
    return message


def _own_names(context: typer.Context) -> list[str]:
    """The flags of a command, and what its arguments are called."""
    parameters = context.command.params
    flags = [name for one in parameters for name in (*one.opts, *one.secondary_opts)]
    arguments = [one.metavar or "" for one in parameters if one.param_type_name == "argument"]
    return [*flags, *(name.strip("[].") for name in arguments)]


def _typed(given: str, words: Sequence[str]) -> str:
    """The word as it was typed: of ``-hello``, ``given`` is the letter that is no flag."""
    if given.startswith("--"):
        return given
    letter = given.lstrip("-")
    groups = [word for word in words if word[:1] == "-" and word[:2] != "--" and letter in word]
    return groups[0] if groups else given
