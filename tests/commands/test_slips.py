"""What other tools call by another name is an error that says our name, and where to read more."""

import pytest

from gptcli.cli import _COMMANDS, build_app
from gptcli.commands import slips


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("train --learning-rate 3", "--learning-rate is called --lr"),
        ("train --num-epochs 3", "called --max-iters, which counts steps"),
        ("train --steps 3", "called --max-iters"),
        ("train --context 8", "called --block-size"),
        ("train --n_layer 2", "called --n-layer"),
        ("sample --temp 1", "called --temperature"),
        ("sample --max_new_tokens 4", "called --max-new-tokens"),
        ("sample --text hi", "called --prompt"),
        ("sample --top-q 1", "did you mean --top-p?"),
        ("sample one two", 'quote a text or name, as in gptcli sample --prompt "To be"'),
        ("eval --checkpoint runs/x", "called CHECKPOINT"),
        ("count-params --batch 3", "called --batch-size"),
        ("count-params --checkpoint runs/x", "called CHECKPOINT"),
        ("prepare --input x", "called SOURCE"),
        ("tokenize -hello", "gptcli tokenize -- -hello"),
        ("tokenize --hello", "gptcli tokenize -- --hello"),
        ("sample -hello", "joined to its flag: --prompt=-hello"),
        ("eval -hi", "joined to its flag: --text=-hi"),
        ("train --zzz", "--zzz is no flag of train"),
        ("train --lr abc", "'abc'"),
        ("train --lr", "requires an argument"),
        ("count-params --diff gpt2", "requires 2 arguments"),
    ],
)
def test_a_flag_of_another_tool_names_ours(cli, argv: str, words: str) -> None:
    done = cli(*argv.split())
    assert (done.code, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.endswith(f"see gptcli {argv.split()[0]} --help\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("generate", "try gptcli sample;"),
        ("chat", "try gptcli sample --interactive;"),
        ("inspect", "try gptcli inspect-attention;"),
        ("inspect_attention", "try gptcli inspect-attention;"),
        ("help", "try gptcli --help;"),
        ("trian", "did you mean gptcli train?"),
        ("zzz", "the commands are tokenize, prepare"),
    ],
)
def test_a_command_of_another_tool_names_ours(cli, word: str, words: str) -> None:
    done = cli(word)
    assert done.code == 2
    assert words in done.stderr
    assert done.stderr.endswith("see gptcli --help\n")


def test_every_name_in_the_tables_is_one_of_ours() -> None:
    from typer.main import get_command

    commands = get_command(build_app()).commands
    own = {name for command in commands.values() for one in command.params for name in one.opts}
    own |= {
        (one.metavar or "").strip("[].") for command in commands.values() for one in command.params
    }
    for other, names in slips._FLAGS.items():
        assert f"--{other}" not in own or other in _MEANT_ELSEWHERE
        assert all(name.split()[0].strip(",") in own | {"--version"} for name in names)
    for other, name in slips._COMMANDS.items():
        assert other not in _COMMANDS
        assert name.startswith("--") or name.split()[0] in _COMMANDS


# Flags of one command that another command calls differently.
_MEANT_ELSEWHERE = {
    "context", "dtype", "file", "heads", "prompt", "prompt-file", "samples", "steps", "text",
}  # fmt: skip
