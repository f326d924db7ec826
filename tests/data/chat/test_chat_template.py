"""Chat templates against transformers' own rendering."""

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from gptcli.data.chat.chat_template import (
    BUILT_IN_TEMPLATE,
    BUILT_IN_TOKENS,
    ChatTemplate,
    Message,
)
from gptcli.errors import CheckpointError, DataError
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.trainer import train_tokenizer

CHATML = (
    "{%- for message in messages %}\n"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
LLAMA3 = (
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] | trim }}<|eot_id|>{% endgeneration %}"
    "{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")
LLAMA3_TOKENS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
TEMPLATES = {
    "built-in": (BUILT_IN_TEMPLATE, BUILT_IN_TOKENS, "<|end|>"),
    "chatml": (CHATML, CHATML_TOKENS, "<|im_end|>"),
    "llama3": (LLAMA3, LLAMA3_TOKENS, "<|eot_id|>"),
}
TEXTS = st.text(
    st.characters(exclude_characters="\ufdd0\ufdd1\ufdd2", exclude_categories=["Cs"]), max_size=12
)
BYTES = train_tokenizer(TokenizerSpec("byte"), ["a"])


ENDLESS = "{%% for i in range(99999) %%}{%% for j in range(99999) %%}%s{%% endfor %%}{%% endfor %%}"
DOUBLED = (
    "{%% set n = namespace(x='ab') %%}{%% for i in range(60) %%}{%% set x = n.x %%}"
    "{%% set n.x = %s %%}{%% endfor %%}"
)


def chat(*contents, system=None):
    """A conversation of the user and the assistant, in turn."""
    roles = ("user", "assistant")
    turns = [Message(roles[number % 2], one) for number, one in enumerate(contents)]
    return turns if system is None else [Message("system", system), *turns]


def theirs(template, names):
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(BYTES.extended(names).to_json())
    )
    made.chat_template = template
    return made


def as_json(messages):
    return [{"role": one.role, "content": one.content} for one in messages]


def marked(parts):
    """What counts in the loss, special tokens included."""
    return "".join(part.text for part in parts if part.target)


@pytest.mark.parametrize("name", TEMPLATES)
@settings(deadline=None, max_examples=40)
@given(
    contents=st.lists(TEXTS, min_size=1, max_size=5),
    system=st.none() | TEXTS,
    prompt=st.booleans(),
)
def test_text_is_that_of_transformers(name, contents, system, prompt):
    text, names, _ = TEMPLATES[name]
    messages = chat(*contents, system=system)
    parts = ChatTemplate(text, names).render(messages, add_generation_prompt=prompt)
    expected = theirs(text, names).apply_chat_template(
        as_json(messages), tokenize=False, add_generation_prompt=prompt
    )
    assert "".join(part.text for part in parts) == expected
    assert {part.text for part in parts if part.special} <= {*names}


@pytest.mark.parametrize("name", TEMPLATES)
def test_answers_are_learnt_with_their_end_and_nothing_else(name):
    text, names, end = TEMPLATES[name]
    template = ChatTemplate(text, names)
    parts = template.render(chat("hi", "yes", "why?", "so", system="be kind"))
    assert template.end_token == end
    assert marked(parts) == f"yes{end}so{end}"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(TEXTS, st.booleans()), min_size=1, max_size=4), st.booleans())
def test_without_generation_blocks_the_same_is_learnt_as_with_them(answers, prompt):
    answer = "{{ '<|im_start|>' + m.role + '\n' }}%s{{ m.content }}<|im_end|>%s{{ '\n' }}"
    loop = (
        "{%% for m in messages %%}{%% if m.role == 'assistant' %%}%s{%% else %%}%s{%% endif %%}"
        "{%% endfor %%}{%% if add_generation_prompt %%}{{ '<|im_start|>assistant\n' }}{%% endif %%}"
    )
    blocks = loop % (
        answer % ("{% generation %}", "{% endgeneration %}"),
        answer % ("", ""),
    )
    messages = [
        message
        for text, is_learnt in answers
        for message in (Message("user", "a"), Message("assistant", text, is_learnt))
    ]
    found, expected = (
        ChatTemplate(text, CHATML_TOKENS).render(messages, add_generation_prompt=prompt)
        for text in (CHATML, blocks)
    )
    assert found == expected


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_turn_that_is_not_learnt_is_only_read(name):
    text, names, end = TEMPLATES[name]
    first, second, third, last = chat("hi", "yes", "why?", "so")
    parts = ChatTemplate(text, names).render(
        [first, Message("assistant", second.content, is_learnt=False), third, last]
    )
    assert marked(parts) == f"so{end}"


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("spelled", ["{0}", "a{0}b{0}", "{0}{0}", "x{1}"])
def test_a_content_never_becomes_a_special_token(name, spelled):
    text, names, end = TEMPLATES[name]
    content = spelled.format(end, names[0])
    template = ChatTemplate(text, names)
    plain = template.render(chat("a", "b"))
    parts = template.render(chat(content, content))
    assert [one.text for one in parts if one.special] == [one.text for one in plain if one.special]
    assert marked(parts) == content + end


def test_the_end_of_a_content_and_the_template_make_no_special_token():
    template = ChatTemplate(
        "{% for m in messages %}{{ m.content }}end|><|end|>{% endfor %}", ("<|end|>",)
    )
    parts = template.render(chat("a<|"))
    assert [part.text for part in parts if part.special] == ["<|end|>"]
    assert parts[0].text == "a<|end|>"


def test_text_of_two_kinds_side_by_side_is_joined():
    template = ChatTemplate(
        "{% for m in messages %}{% if m.role == 'user' %}[{{ m.content }}] {% else %}"
        "{{ m.content }}</s>{% endif %}{% endfor %}",
        ("</s>",),
    )
    parts = template.render(chat("a", "b"))
    assert [(one.text, one.target, one.joined) for one in parts] == [
        ("[a] ", 0, False),
        ("b", 1, True),
        ("</s>", 1, False),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\n{% for %}", "does not parse, line 2"),
        ("{{ messages.append(1) }}", "none may do"),
        ("{{ ''.__class__.__mro__ }}", "none may do"),
        ("{{ 'a' * 10**9 }}", "exponent|more than 16 MiB"),
        ("{{ 'a' * 99999999 }}", "more than 16 MiB"),
        ("{% for i in range(99999) %}" + "x" * 999 + "{% endfor %}", "more than 16 MiB"),
        ("\ufdd0", r"U\+FDD0"),
        (ENDLESS % "", "does not end"),
        (ENDLESS.replace("j in range(99999)", "j in range(99999) if j < 0") % "", "does not end"),
        (ENDLESS % "{% if %}", "does not parse, line 1"),
        (DOUBLED % "x ~ x", "does not end"),
        (DOUBLED % "x + x", "does not end"),
        ("{% macro f(n) %}{{ f(n-1) ~ f(n-1) if n }}{% endmacro %}{{ f(60) }}", "does not end"),
        ("{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('ab') }}", "does not end"),
        (DOUBLED.replace("'ab'", "9") % "x * x", "multiplies numbers"),
        ("{% for m in messages %}" * 25 + "{% endfor %}" * 25, "does not parse: too many"),
        ("{% if 1 %}" * 200 + "{% endif %}" * 200, "does not parse: too many"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "too deeply nested"),
        ("{% break %}", "does not parse: 'break' outside"),
        ("{% generation %}{% generation %}a{% endgeneration %}{% endgeneration %}", "within one"),
        ("{{ [1, 2] | random }}", "No filter named 'random'"),
    ],
)
def test_a_stranger_is_kept_in_the_sandbox(text, reason):
    with pytest.raises(CheckpointError, match=reason):
        ChatTemplate(text, BUILT_IN_TOKENS).render(chat("a"))


def test_the_day_is_unknown_to_a_template():
    with pytest.raises(DataError, match="strftime_now"):
        ChatTemplate("{{ strftime_now('%d') }}", ()).render(chat("a"))


def test_what_a_template_refuses_is_said_in_its_own_words():
    text = "{{ raise_exception('no system here') }}"
    with pytest.raises(DataError, match="refuses it: no system here"):
        ChatTemplate(text, ()).render(chat("a"))


@pytest.mark.parametrize("mark", ["\ufdd0", "\ufdd1", "\ufdd2"])
def test_a_content_with_a_mark_is_refused(mark):
    with pytest.raises(DataError, match=rf"message 2.*U\+{ord(mark):04X}"):
        ChatTemplate(BUILT_IN_TEMPLATE, BUILT_IN_TOKENS).render(chat("a", f"b{mark}"))


def test_a_template_that_rewrites_what_was_said_needs_generation_blocks():
    text = "{% for m in messages %}{{ m.content if loop.last else 'x' }}<|end|>{% endfor %}"
    with pytest.raises(CheckpointError, match=r"message 2.*generation"):
        ChatTemplate(text, ("<|end|>",)).render(chat("a", "b", "c"))


@pytest.mark.parametrize(
    "text", ["{% for m in messages %}{{ m.content }}{% endfor %}", "<|end|>", "{{ none_such() }}"]
)
def test_a_template_without_an_end_of_answers_is_refused(text):
    with pytest.raises(CheckpointError):
        _ = ChatTemplate(text, ("<|end|>",)).end_token


def test_json_of_a_template_is_not_escaped_for_html():
    text = "{{ messages[0].content | tojson }}<|end|>"
    parts = ChatTemplate(text, ("<|end|>",)).render(chat("<é>"))
    assert parts[0].text == '"<é>"'


def test_a_tokenizers_template_knows_its_special_tokens():
    tokenizer = BYTES.extended(BUILT_IN_TOKENS)
    assert ChatTemplate.of(tokenizer) is None
    tokenizer.chat_template = BUILT_IN_TEMPLATE
    found = ChatTemplate.of(tokenizer)
    assert found is not None
    assert set(BUILT_IN_TOKENS) <= set(found.special_tokens)
