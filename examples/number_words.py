"""Numbers in French and English words, by rule: a language pair with known translations."""

_FRENCH = (
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix",
    "onze", "douze", "treize", "quatorze", "quinze", "seize",
)  # fmt: skip
_FRENCH_TENS = ("", "dix", "vingt", "trente", "quarante", "cinquante", "soixante")
_ENGLISH = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_ENGLISH_TENS = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip


def french(number: int) -> list[str]:
    """1 to 99,999 in words: 71 is sixty and eleven, 80 four twenties, 99 four twenty ten nine."""
    thousands, rest = divmod(number, 1000)
    words = [] if thousands < 2 else _french_below_100(thousands, ends=False)
    words += ["mille"] if thousands else []
    hundreds, rest = divmod(rest, 100)
    words += [_FRENCH[hundreds]] if hundreds > 1 else []
    words += [("cents" if hundreds > 1 and not rest else "cent")] if hundreds else []
    return words + (_french_below_100(rest, ends=True) if rest else [])


def _french_below_100(number: int, ends: bool) -> list[str]:
    if number <= 16:
        return [_FRENCH[number]]
    if number == 80:
        return ["quatre", "vingts" if ends else "vingt"]
    if number > 80:
        return ["quatre", "vingt", *_french_below_100(number - 80, ends)]
    tens = min(number // 10, 6)  # seventies count on from sixty
    rest = number - 10 * tens
    joint = ["et"] if rest in (1, 11) else []
    return [_FRENCH_TENS[tens], *joint, *(_french_below_100(rest, ends) if rest else [])]


def english(number: int) -> list[str]:
    """1 to 99,999 in words."""
    thousands, rest = divmod(number, 1000)
    words = [*_english_below_100(thousands), "thousand"] if thousands else []
    hundreds, rest = divmod(rest, 100)
    words += [_ENGLISH[hundreds], "hundred"] if hundreds else []
    return words + (_english_below_100(rest) if rest else [])


def _english_below_100(number: int) -> list[str]:
    if number < 20:
        return [_ENGLISH[number]]
    tens, rest = divmod(number, 10)
    return [_ENGLISH_TENS[tens], *([_ENGLISH[rest]] if rest else [])]
