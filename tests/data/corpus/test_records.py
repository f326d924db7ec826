import pytest

from gptcli.data.corpus.chunks import DocumentPart
from gptcli.data.corpus.jsonl_reader import record_parts


def test_text_is_learnt_as_it_is():
    assert record_parts({"text": "a\nb", "prompt": "p", "completion": "c"}) == (
        DocumentPart("a\nb"),
    )


def test_completion_is_learnt_and_the_prompt_only_read():
    record = {"prompt": "12+34=", "completion": "46"}
    assert record_parts(record) == (DocumentPart("12+34=", is_target=False), DocumentPart("46"))


def test_only_what_the_assistant_says_is_learnt_with_its_end():
    turns = [("system", "Be kind."), ("user", "Hi\nthere"), ("assistant", "Hello"), ("user", "Bye")]
    parts = record_parts({"messages": [{"role": role, "content": text} for role, text in turns]})
    assert "".join(part.text for part in parts) == (
        "system: Be kind.\nuser: Hi\nthere\nassistant: Hello\nuser: Bye\n"
    )
    assert [part.text for part in parts if part.is_target] == ["Hello\n"]


def test_special_tokens_in_a_record_stay_text():
    assert record_parts({"text": "<|endoftext|>"}) == (DocumentPart("<|endoftext|>"),)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "no list of turns"),
        ("hi", "no list of turns"),
        (["hi"], "message 1 is a string, not an object"),
        ([{"role": "user"}], "message 1: no field 'content' but 'role'"),
        ([{"role": "user", "content": None}], "message 1: field 'content' is null"),
        (
            [{"role": "user", "content": "a"}, {"role": "wizard", "content": "b"}],
            "message 2 has the role 'wizard': there are system, user, assistant",
        ),
        ([{"role": "\x1b]52;", "content": "b"}], r"the role '\\x1b]52;'"),
    ],
)
def test_bad_conversation_is_named(messages, reason):
    with pytest.raises(ValueError, match=reason):
        record_parts({"messages": messages})
