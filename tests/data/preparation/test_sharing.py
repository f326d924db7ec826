"""Plan, shards in any order with reruns and kills, merge: the bytes of one process."""

import json
import random
import shutil
from pathlib import Path

import pytest

from gptcli.config.data import PrepareConfig
from gptcli.data.corpus.jsonl_reader import JsonlReader
from gptcli.data.corpus.text_reader import TextReader
from gptcli.data.preparation.prepare import Preparation
from gptcli.data.preparation.sharing import (
    WorkShare,
    encode_share,
    merge,
    parse_share,
    plan_directory,
    plan_preparation,
)
from gptcli.errors import DataError, UsageError
from gptcli.tokenization.kinds import TokenizerSpec


@pytest.fixture
def corpus(write, records, monkeypatch):
    for reader in (TextReader, JsonlReader):  # tasks as small as a chunk
        monkeypatch.setattr(reader.ranges, "__defaults__", (2**20,))
    prose = "".join(f"the {n} cats ate {n * n} rats.\n" for n in range(90_000))
    pairs = [{"prompt": f"{n}+1=", "completion": str(n + 1)} for n in range(3000)]
    more = write("d.json", json.dumps(pairs[::9], indent=2))
    return [write("a.txt", prose), records("b.jsonl", pairs), write("c.txt", "the end\n"), more]


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": True, "seed": 3}, {"val_fraction": 0.3}], ids=str
)
def test_merged_files_are_those_of_one_process(build, corpus, tmp_path, files_of, options):
    spec = TokenizerSpec("bpe", 300)
    alone = build("alone", corpus, tokenizer=spec, **options)
    request = Preparation(corpus, spec, config=PrepareConfig(**options))
    together = tmp_path / "together"
    plan = plan_preparation(request, together)
    shares = [WorkShare(index, 3) for index in range(3)]
    random.Random(0).shuffle(shares)
    assert sum(encode_share(together, share) for share in shares) == len(plan.tasks)
    assert encode_share(together, shares[0]) == 0
    merged = merge(together)
    assert files_of(merged.directory) == files_of(alone.directory)
    assert merged.identity == alone.identity
    assert merged.source == alone.source
    assert not plan_directory(together).exists()


def test_merge_waits_for_every_part(corpus, tmp_path):
    directory = tmp_path / "x"
    plan_preparation(Preparation(corpus), directory)
    encode_share(directory, WorkShare(1, 2))
    with pytest.raises(UsageError, match=r"are missing \(the first is 0\).*--shard"):
        merge(directory)
    assert not directory.exists()


def test_part_that_was_interrupted_is_made_again(corpus, tmp_path):
    directory = tmp_path / "x"
    plan = plan_preparation(Preparation(corpus), directory)
    half = plan_directory(directory) / "parts" / ".tmp-000000-0123abcd"
    half.mkdir()
    (half / "train.tokens").write_bytes(b"half")
    assert encode_share(directory, WorkShare(0, 1)) == len(plan.tasks)
    merge(directory)


def test_part_of_another_plan_is_not_taken(corpus, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    plan_preparation(Preparation(corpus), first)
    plan_preparation(Preparation(corpus, config=PrepareConfig(val_fraction=0.5)), second)
    encode_share(first, WorkShare(0, 1))
    parts = plan_directory(second) / "parts"
    shutil.rmtree(parts)
    shutil.copytree(plan_directory(first) / "parts", parts)
    with pytest.raises(UsageError, match="are missing"):
        merge(second)


@pytest.mark.parametrize("name", ["train.tokens", "train.starts", "part.json"])
@pytest.mark.parametrize("left", ["all but a byte", "nothing", "another byte", "no file"])
def test_damaged_part_is_noticed(corpus, tmp_path, name, left):
    directory = tmp_path / "x"
    plan_preparation(Preparation(corpus), directory)
    encode_share(directory, WorkShare(0, 1))
    file = plan_directory(directory) / "parts" / "000000" / name
    if left == "no file":
        file.unlink()
    elif left == "another byte":
        content = bytearray(file.read_bytes())
        content[0] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes(file.read_bytes().strip()[: -1 if left == "all but a byte" else 0])
    is_unmade = (name, left) == ("part.json", "no file")
    expected = (UsageError, "are missing") if is_unmade else (DataError, r"000000\S* is damaged")
    with pytest.raises(expected[0], match=expected[1]):
        merge(directory)


def test_plan_without_its_tokenizer_is_damaged(corpus, tmp_path):
    plan_preparation(Preparation(corpus), tmp_path / "x")
    (plan_directory(tmp_path / "x") / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"damaged.*--overwrite"):
        encode_share(tmp_path / "x", WorkShare(0, 1))


def test_input_that_changed_since_the_plan_is_refused(corpus, tmp_path):
    directory = tmp_path / "x"
    plan_preparation(Preparation(corpus), directory)
    with Path(corpus[0]).open("a") as file:
        file.write("more")
    with pytest.raises(DataError, match="changed"):
        encode_share(directory, WorkShare(0, 1))


def test_built_in_source_is_kept_in_the_plan(tmp_path):
    directory = tmp_path / "sums"
    plan_preparation(Preparation(["addition"]), directory)
    encode_share(directory, WorkShare(0, 1))
    assert merge(directory).record.is_masked


@pytest.mark.parametrize("text", ["", "1", "4/4", "-1/4", "1/0", "a/b", "1/4/2", "0.5/2"])
def test_share_that_is_none_is_a_usage_error(text):
    with pytest.raises(UsageError, match="--shard"):
        parse_share(text)


def test_a_process_of_torchrun_has_its_share(monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")  # torchrun's processes are within the task
    world = {"RANK": "2", "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, value in world.items():
        monkeypatch.setenv(name, value)
    assert parse_share("auto") == WorkShare(2, 3)
    monkeypatch.delenv("RANK")
    with pytest.raises(UsageError, match="RANK is not set"):
        parse_share("auto")


def test_slurm_array_is_understood(monkeypatch):
    assert parse_share("3/16") == WorkShare(3, 16)
    with pytest.raises(UsageError, match="SLURM"):
        parse_share("auto")
    for name, value in {"ID": 14, "MIN": 10, "MAX": 20, "STEP": 2}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    assert parse_share("auto") == WorkShare(2, 6)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "9")
    with pytest.raises(UsageError, match="outside"):
        parse_share("auto")
