import itertools

import pytest

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.jsonl_reader import JsonlReader
from gptcli.data.corpus.reading import sample_texts
from gptcli.data.corpus.text_reader import TextReader
from gptcli.tokenization.splits import Cuts


@pytest.fixture
def reader_of(make_input):
    def reader(content, name="input.txt", step=64):
        source = make_input(content, name)
        if "jsonl" in name:
            return JsonlReader(source, ReadOptions(), step)
        return TextReader(source, ReadOptions(), Cuts.WORDS, step)

    return reader


def text_of(start: int, count: int = 2000) -> bytes:
    return b" ".join(b"%05d" % number for number in range(start, start + count))


def test_small_corpus_is_its_own_sample(reader_of):
    readers = [reader_of(text_of(0), "a.txt"), reader_of(text_of(2000), "b.txt")]
    sample = sample_texts(readers, limit=10**6)
    assert sample.every == 1
    assert sample.n_bytes == sample.n_total == 2 * len(text_of(0))
    assert "".join(sample.texts()).encode() == text_of(0) + text_of(2000)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst"])
@pytest.mark.parametrize("limit", [100, 1000, 5000])
def test_sample_stays_within_its_limit_and_spreads_over_the_whole(reader_of, name, limit):
    content = text_of(0)
    sample = sample_texts([reader_of(content, name)], limit)
    texts = list(sample.texts())
    size = sum(map(len, texts))
    assert limit / 3 < size <= limit
    assert all(text in content.decode() for text in texts)
    assert sample.every == -(-len(content) // limit)
    assert sample.n_total == (len(content) if name == "a.txt" else None)
    first, last = (content.decode().index(texts[place]) for place in (0, -1))
    assert first == 0
    assert last > len(content) * (1 - 2.5 / len(texts)) - 200


def test_sample_is_the_same_each_time_and_whatever_is_compressed(reader_of):
    plain, packed = reader_of(text_of(0), "a.txt"), reader_of(text_of(0), "a.txt.gz")
    sample = sample_texts([plain], 3000)
    assert list(sample.texts()) == list(sample.texts())
    assert list(sample_texts([packed], 3000).texts()) == list(sample.texts())


def test_small_files_are_thinned_as_one_text(reader_of):
    readers = [reader_of(b"%03d" % number, f"{number}.txt") for number in range(100)]
    sample = sample_texts(readers, limit=75)
    assert sample.every == 4
    assert list(sample.texts()) == [f"{number:03}" for number in range(0, 100, 4)]


def test_records_give_their_texts_and_bad_ones_are_passed_over(reader_of):
    lines = b'{"text": "one"}\nno json\n{"prompt": "2+2=", "completion": "4"}\n'
    assert list(sample_texts([reader_of(lines, "a.jsonl")]).texts()) == ["one", "2+2=4"]


def test_no_stretch_of_a_large_file_is_read_in_vain(reader_of, monkeypatch):
    reader = reader_of(text_of(0, 20_000), "a.txt")
    read = itertools.count()
    real = type(reader.source).open

    def counted(source):
        next(read)
        return real(source)

    monkeypatch.setattr(type(reader.source), "open", counted)
    texts = list(sample_texts([reader], limit=1000).texts())
    assert len(texts) > 10
    assert next(read) < 3 * len(texts) + 3


def test_empty_corpus_gives_no_texts(reader_of, tmp_path):
    sample = sample_texts([reader_of(b"")])
    assert (list(sample.texts()), sample.n_bytes, sample.every) == ([], 0, 1)


def test_arithmetic_is_sampled_too(tmp_path):
    corpus = find_corpus(["addition"], tmp_path)
    sample = sample_texts([JsonlReader(corpus.inputs[0], ReadOptions())], limit=2**21)
    assert all("=" in text for text in sample.texts())
