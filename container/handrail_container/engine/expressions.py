"""What a regular expression costs whoever compiles it, as so many characters."""

from __future__ import annotations

import re

#: More than any bound.
NO_END = 10**12
#: How deep brackets may be in each other; what people write has a dozen.
MOST_DEPTH = 256
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{1,9})?)?\}")
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOP = re.compile(r"(?<!\()[*+?]|\{\d*,\}")
#: What has more than one length or text: where two expressions have to hold at once, each multiplies the states.
_VARIES = re.compile(r"(?<!\()[*+?]|\{\d*,\d*\}|\|")
#: As much as so many characters.
_OF_A_LOOP = 100


def states(expression: str) -> int:
    """By how much it multiplies the states of another that has to hold at once."""
    return 1 + len(_VARIES.findall(expression))


def depth(text: str) -> int:
    """How deep its brackets are in each other."""
    now = deepest = 0
    for sign in text:
        if sign in _OPENING:
            now += 1
            deepest = max(deepest, now)
        elif sign in _CLOSING:
            now = max(0, now - 1)
    return deepest


def cost(expression: str) -> int:
    """Its size, and what repeats without end: several hundred of these, one in another or beside it, take minutes."""
    return expansion(expression) + _OF_A_LOOP * len(_LOOP.findall(expression))


def expansion(expression: str) -> int:
    """How many characters a regular expression has once its repetitions are written out: `(ab{3}){2}` has eight.
    NO_END where its groups are too deep in each other."""
    around: list[int] = []  # of each group that is open, what came before it
    size = last = index = 0
    while index < len(expression):
        sign, end = expression[index], index + 1
        if len(around) > MOST_DEPTH:
            return NO_END
        if sign == "(":
            around.append(size)
            size = last = 0
        elif sign == ")" and around:
            size, last = around.pop() + size, size
        elif sign == "{" and (repeated := _REPEATED.match(expression, index)):
            times = max(int(number) for number in repeated.groups() if number)
            size, last = min(size + last * (times - 1), NO_END), min(last * times, NO_END)
            end = repeated.end()
        else:
            size, last, end = size + 1, 1, _end_of_sign(expression, index)
        index = end
    return size + sum(around)


def _end_of_sign(expression: str, index: int) -> int:
    """Where a character, an escaped one or a set of them ends. A set that does not end goes on to the last one."""
    if expression[index] == "[":
        closed = _SET.match(expression, index)
        return closed.end() if closed else len(expression)
    return index + (2 if expression[index] == "\\" else 1)
