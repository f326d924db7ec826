import pytest

from gptcli.data.chat.chat_template import DocumentPart, Message
from gptcli.data.chat.contents import Chat, PlainText, RankedAnswers, RankedTexts
from gptcli.data.corpus.records import record_content


def texts(*pieces):
    """A text of pieces, those in brackets only read."""
    return PlainText(
        tuple(DocumentPart(one.strip("[]"), int(not one.startswith("["))) for one in pieces)
    )


def test_text_is_learnt_as_it_is():
    assert record_content({"text": "a\nb", "prompt": "p", "completion": "c"}) == texts("a\nb")


def test_completion_is_learnt_and_the_prompt_only_read():
    record = {"prompt": "12+34=", "completion": "46"}
    assert record_content(record) == texts("[12+34=]", "46")


def test_special_tokens_in_a_record_stay_text():
    assert record_content({"text": "<|endoftext|>"}) == texts("<|endoftext|>")


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
        ([{"role": "user", "content": "a"}], "no turn of the assistant"),
    ],
)
def test_bad_conversation_is_named(messages, reason):
    with pytest.raises(ValueError, match=reason):
        record_content({"messages": messages})


QUESTION, ANSWER = Message("user", "What is rain?"), Message("assistant", "Water.")
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
    ],
)
def test_the_same_conversation_is_read_from_every_known_kind(record):
    assert record_content(record) == Chat((QUESTION, ANSWER))


def test_instruction_goes_on_in_its_input():
    record = {"instruction": "Add.", "input": "1 and 2", "output": "3"}
    chat = record_content(record)
    assert isinstance(chat, Chat)
    assert chat.messages[0] == Message("user", "Add.\n\n1 and 2")
    dolly = {"instruction": "Add.", "context": "1 and 2", "response": "3"}
    assert record_content(dolly) == chat


def test_developer_speaks_as_the_system():
    said = [{"role": "developer", "content": "Be brief."}, ASKED, SAID]
    chat = record_content({"messages": said})
    assert isinstance(chat, Chat)
    assert chat.messages[0] == Message("system", "Be brief.")


def learnt(record):
    """Which turns, or pieces of a text, are learnt."""
    content = record_content(record)
    if isinstance(content, Chat):
        return [one.is_learnt for one in content.messages if one.role == "assistant"]
    assert isinstance(content, PlainText)
    return [one.target == 1 for one in content.pieces]


@pytest.mark.parametrize("name", ["weight", "train", "training", "loss"])
def test_a_turn_that_its_key_marks_is_only_read(name):
    off = 0 if name == "weight" else False
    turns = [ASKED, {**SAID, name: off}, ASKED, {**SAID, name: True}]
    assert learnt({"messages": turns}) == [False, True]


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
    assert any(learnt(record))
    assert not any(learnt({**record, name: False}))
    unmarked = record_content({**record, name: 1, "weight": 2.5})
    assert unmarked == record_content(record)
    assert record_content({"text": "a", name: False}) == record_content({"text": "a"})


def test_of_a_prompt_of_turns_only_the_completion_is_learnt():
    assert learnt({"prompt": [ASKED, SAID, ASKED], "completion": [SAID]}) == [False, True]


WORSE = {"role": "assistant", "content": "Fire."}
PAIR = RankedAnswers((Message("user", "What is rain?", False),), ANSWER, Message(**WORSE))


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": [ASKED], "chosen": [SAID], "rejected": [WORSE]},  # TRL
        {"chosen": [ASKED, SAID], "rejected": [ASKED, WORSE]},  # TRL, the prompt within
        {"prompt": [ASKED], "chosen": [ASKED, SAID], "rejected": [ASKED, WORSE]},
        {  # UltraFeedback
            "prompt": "What is rain?",
            "prompt_id": "x",
            "messages": [ASKED, SAID],
            "chosen": [ASKED, SAID],
            "rejected": [ASKED, WORSE],
            "score_chosen": 8.5,
        },
        {"instruction": "What is rain?", "input": "", "chosen": "Water.", "rejected": "Fire."},
    ],
)
def test_the_same_pair_is_read_from_every_known_kind(record):
    assert record_content(record) == PAIR


@pytest.mark.parametrize(
    ("record", "pair"),
    [
        ({"prompt": "q ", "chosen": "a", "rejected": "b"}, RankedTexts("q ", "a", "b")),
        (
            {"chosen": "The sky is blue.", "rejected": "The sky is black."},
            RankedTexts("The sky is", " blue.", " black."),
        ),
        ({"chosen": "a", "rejected": "b"}, RankedTexts("", "a", "b")),
    ],
)
def test_a_pair_of_texts_is_read_as_it_is(record, pair):
    assert record_content(record) == pair


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "are the same"),
        ({"prompt": "q", "chosen": "a", "rejected": ""}, "rejected answer is empty"),
        ({"prompt": "q", "chosen": "a", "rejected": None}, "field 'chosen' is not a list"),
        ({"prompt": [ASKED], "chosen": [SAID], "rejected": [SAID]}, "are the same"),
        (
            {"chosen": [ASKED, SAID], "rejected": [{**ASKED, "content": "Why?"}, WORSE]},
            "its chosen answer is 2 messages: the prompts must be the same",
        ),
        (
            {"chosen": [ASKED, SAID, ASKED], "rejected": [ASKED, SAID, {**ASKED, "content": "b"}]},
            "an answer is one message of the assistant",
        ),
        ({"prompt": [ASKED], "chosen": [{**SAID, "content": ""}], "rejected": [SAID]}, "is empty"),
        ({"prompt": 7, "chosen": "a", "rejected": "b"}, "field 'prompt' is a number"),
    ],
)
def test_a_pair_without_a_better_answer_is_refused(record, reason):
    with pytest.raises(ValueError, match=reason):
        record_content(record)


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
        record_content(record)


def test_the_advised_way_out_works():
    message = {"message_id": "0", "parent_id": None, "text": "a", "role": "prompter"}
    assert record_content(message, "text") == texts("a")


def test_a_question_has_the_same_key_in_a_chat_and_in_a_pair():
    chat = record_content({"messages": [ASKED, SAID]})
    longer = record_content({"messages": [ASKED, SAID, ASKED, SAID]})
    assert chat.key == PAIR.key != longer.key
