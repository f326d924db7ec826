"""Calculations written out as on paper, digit by digit, for whole numbers from 0 on.

A step is an equation that needs the digits of one column alone, or a number that is read again:

    47+85   7+5=12,4+8+1=13                 columns from the right, each with what is carried
    85-47   15-7=8,7-4=3                    a column borrows from the one on its left
    12-85   5-2=3,8-1=7                     the smaller from the larger, the sign comes at the end
    47*85   7*5=35,4*5+3=23,235,            47 times 5
            7*8=56,4*8+5=37,3760,           47 times 80
            5+0=5,3+6=9,2+7=9,0+3=3         the sum of both
    989/43  98,2*43=86,8-6=2,9-8=1,         the front of 989 holds 43 twice, 12 are left,
            129,3*43=129                    with the next digit they are 129: nothing is left
"""

from collections.abc import Iterator


def worked_steps(left: int, operator: str, right: int) -> str:
    """The steps between a problem and its result, divided by commas.

    A division has no remainder.
    """
    return ",".join(_STEPS[operator](left, right))


def _sum(left: int, right: int) -> Iterator[str]:
    carry = 0
    for a, b in _columns(left, right):
        total = a + b + carry
        yield f"{a}+{b}{_plus(carry)}={total}"
        carry = total // 10


def _difference(left: int, right: int) -> Iterator[str]:
    borrowed = 0
    for a, b in _columns(max(left, right), min(left, right)):
        above = a - borrowed
        borrowed = int(above < b)
        above += 10 * borrowed
        yield f"{above}-{b}={above - b}"


def _product(left: int, right: int) -> Iterator[str]:
    total = 0
    for place, digit in enumerate(_digits(right)):
        carry = 0
        for a in _digits(left):
            product = a * digit + carry
            yield f"{a}*{digit}{_plus(carry)}={product}"
            carry = product // 10
        row = left * digit * 10**place
        if right < 10:
            return
        yield str(row)
        if place:
            yield from _sum(total, row)
        total += row
        if 0 < place < len(str(right)) - 1:  # the last sum is the result
            yield str(total)


def _quotient(left: int, right: int) -> Iterator[str]:
    rest, has_begun = 0, False
    for place, digit in reversed([*enumerate(_digits(left))]):
        rest = 10 * rest + digit
        times = rest // right
        has_begun = has_begun or times > 0 or place == 0
        if has_begun:
            yield str(rest)
            yield f"{times}*{right}={times * right}"
            if place:
                yield from _difference(rest, times * right)
            rest -= times * right


def _digits(number: int) -> list[int]:
    """The digits from the right."""
    return [int(digit) for digit in reversed(str(number))]


def _columns(left: int, right: int) -> Iterator[tuple[int, int]]:
    """The digits of two numbers below one another, from the right; zeros fill the shorter one."""
    width = max(len(str(left)), len(str(right)))
    above, below = (str(number).zfill(width) for number in (left, right))
    return zip(map(int, reversed(above)), map(int, reversed(below)), strict=True)


def _plus(carry: int) -> str:
    return f"+{carry}" if carry else ""


_STEPS = {"+": _sum, "-": _difference, "*": _product, "/": _quotient}
