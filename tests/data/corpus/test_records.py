from dataclasses import replace

import pytest

from gptcli.data.chat.chat_template import DocumentPart
from gptcli.data.corpus.records import record_parts


def test_text_is_learnt_as_it_is():
    assert record_parts({"text": "a\nb", "prompt": "p", "completion": "c"}) == (
        DocumentPart("a\nb"),
    )


def test_completion_is_learnt_and_the_prompt_only_read():
    record = {"prompt": "12+34=", "completion": "46"}
    assert record_parts(record) == (DocumentPart("12+34=", target=0), DocumentPart("46"))


def test_only_what_the_assistant_says_is_learnt_with_its_end():
    turns = [("system", "Be kind."), ("user", "Hi\nthere"), ("assistant", "Hello"), ("user", "Bye")]
    parts = record_parts({"messages": [{"role": role, "content": text} for role, text in turns]})
    assert "".join(part.text for part in parts) == (
        "system: Be kind.\nuser: Hi\nthere\nassistant: Hello\nuser: Bye\n"
    )
    assert [part.text for part in parts if part.target] == ["Hello\n"]


def test_special_tokens_in_a_record_stay_text():
    assert record_parts({"text": "<|endoftext|>"}) == (DocumentPart("<|endoftext|>"),)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "not a list of turns"),
        ("hi", "not a list of turns"),
        (["hi"], "message 1 is a string, not an object"),
        ([{"role": "user"}], "message 1: no field 'content' but 'role'"),
        ([{"role": "user", "content": None}], "message 1: field 'content' is null"),
        (
            [{"role": "user", "content": "a"}, {"role": "wizard", "content": "b"}],
            "message 2: the role is 'wizard', there are system, developer, user, human, assistant",
        ),
        ([{"role": "\x1b]52;", "content": "b"}], r"the role is '\\x1b]52;'"),
    ],
)
def test_bad_conversation_is_named(messages, reason):
    with pytest.raises(ValueError, match=reason):
        record_parts({"messages": messages})


QUESTION, ANSWER = "user: What is rain?\nassistant: ", "Water.\n"
ASKED, SAID = (
    {"role": "user", "content": "What is rain?"},
    {"role": "assistant", "content": "Water."},
)


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [ASKED, SAID]},
        {"messages": [ASKED, {**SAID, "weight": 1, "tool_calls": None}]},
        {
            "messages": [
                {**one, "content": [{"type": "text", "text": one["content"]}]}
                for one in (ASKED, SAID)
            ]
        },
        {"prompt": "What is rain?", "prompt_id": "x", "messages": [ASKED, SAID]},
        {
            "conversations": [
                {"from": "human", "value": "What is rain?"},
                {"from": "gpt", "value": "Water."},
            ]
        },
        {"conversations": [ASKED, SAID]},
        {"instruction": "What is rain?", "input": "", "output": "Water."},
        {"instruction": "What is rain?", "output": "Water."},
        {"instruction": "What is rain?", "context": None, "response": "Water.", "category": "qa"},
        {"prompt": [ASKED], "completion": [SAID]},
    ],
)
def test_the_same_conversation_is_read_from_every_known_kind(record):
    parts = record_parts(record)
    assert "".join(part.text for part in parts) == QUESTION + ANSWER
    assert [part.text for part in parts if part.target] == [ANSWER]


def test_instruction_goes_on_in_its_input():
    record = {"instruction": "Add.", "input": "1 and 2", "output": "3"}
    assert record_parts(record)[0].text == "user: Add.\n\n1 and 2\n"
    dolly = {"instruction": "Add.", "context": "1 and 2", "response": "3"}
    assert record_parts(dolly) == record_parts(record)


def test_developer_speaks_as_the_system():
    said = [{"role": "developer", "content": "Be brief."}, ASKED, SAID]
    assert record_parts({"messages": said})[0].text == "system: Be brief.\n"


@pytest.mark.parametrize("name", ["weight", "train", "training", "loss"])
def test_a_turn_that_its_key_marks_is_only_read(name):
    turns = [ASKED, {**SAID, name: False}, ASKED, {**SAID, name: True}]
    assert record_parts({"messages": turns}) == record_parts(
        {"messages": [ASKED, {**SAID, "weight": 0}, ASKED, SAID]}
    )


@pytest.mark.parametrize("name", ["weight", "train", "training", "loss"])
@pytest.mark.parametrize(
    "record",
    [
        {"messages": [ASKED, SAID]},
        {"prompt": "a", "completion": "b"},
        {"instruction": "What is rain?", "output": "Water."},
    ],
)
def test_a_record_that_its_key_marks_is_only_read(record, name):
    parts = record_parts(record)
    read = [replace(part, target=0) for part in parts]
    assert [*record_parts({**record, name: False})] == read != [*parts]
    assert record_parts({**record, name: 1, "weight": 2.5}) == parts  # is no mark
    assert record_parts({"text": "a", name: False}) == record_parts({"text": "a"})


def test_turns_of_a_prompt_and_those_of_weight_0_are_only_read():
    record = {"prompt": [ASKED, SAID, ASKED], "completion": [SAID]}
    assert [part.target for part in record_parts(record)].count(1) == 1
    turns = [ASKED, {**SAID, "weight": 0}, ASKED, SAID]
    parts = record_parts({"messages": turns})
    assert [part.text for part in parts if part.target] == [ANSWER]
    assert "".join(part.text for part in parts) == 2 * (QUESTION + ANSWER)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"messages": [{**SAID, "weight": 0.5}]}, r"message 1: its weight is 0\.5: write 0"),
        ({"messages": [{"role": "tool", "content": "7"}]}, "message 1: the role is 'tool'"),
        (
            {"messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": [{}]}]},
            "message 2: it has 'tool_calls', and only text is read",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "message 1: a part of its content is 'image_url'",
        ),
        ({"prompt": [ASKED], "completion": "Water."}, "field 'prompt' is a list"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "rename chosen to completion"),
        ({"prompt": "a", "response": "b"}, "rename response to completion"),
        ({"id": 1, "data": ["a", "b"]}, 'as {"messages": '),
        (
            {"message_id": "0", "parent_id": None, "text": "a", "role": "prompter"},
            "one message of a conversation.*--field text",
        ),
        ({"question": "a", "answer": "b"}, "rename those of a question and its answer to prompt"),
    ],
)
def test_what_is_not_read_is_refused_with_a_way_out(record, reason):
    with pytest.raises(ValueError, match=reason):
        record_parts(record)


def test_the_advised_ways_out_work():
    pair = {"prompt": "a", "completion": "b", "rejected": "c"}  # chosen was renamed
    assert [part.text for part in record_parts(pair)] == ["a", "b"]
    message = {"message_id": "0", "parent_id": None, "text": "a", "role": "prompter"}
    assert record_parts(message, "text") == (DocumentPart("a"),)
