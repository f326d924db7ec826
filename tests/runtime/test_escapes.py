import subprocess
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gptcli.runtime.escapes import named, typed, visible


@given(st.text(st.characters()))
def test_nothing_invisible_is_left(text):
    shown = visible(text)
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp")
    assert not [c for c in shown if unicodedata.category(c) in hidden]


def test_white_space_has_signs():
    assert visible("a b\n\tc\r") == "a·b⏎⇥c\\r"


def test_escape_sequences_and_reordering_are_spelled_out():
    assert visible("\x1b]52\x9b\u202e\U000e0001") == "\\x1b]52\\x9b\\u202e\\U000e0001"


def test_letters_of_all_scripts_and_markup_stay():
    assert visible("Aé漢😀[/x]</script>") == "Aé漢😀[/x]</script>"


def test_mark_without_a_letter_gets_a_carrier():
    assert visible("\u0301a") == "◌\u0301a"


def test_character_in_a_message_has_its_code_point():
    assert named("é") == "'é' (U+00E9)"
    assert named("\x1b") == "'\\x1b' (U+001B)"
    assert named("\u202e") == "'\\u202e' (U+202E)"


def test_a_path_that_is_typed_is_read_by_a_shell_as_it_is() -> None:
    names = ("plain", "a b", "it's", "-n", "two\nlines", "\u202eé", "\\x41'\t", "$HOME `ls` *")
    command = f"printf '%s\\0' {' '.join(map(typed, names))}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    expected = ("./-n" if name == "-n" else name for name in names)
    assert done.stdout.decode().split("\0")[:-1] == list(expected)
    assert all(typed(name).isprintable() for name in names)
