"""Estimates what it costs to compile a regular expression, in characters."""

from __future__ import annotations

import re

#: A cost above any bound.
NO_END = 10**12
#: The deepest nesting of brackets. Expressions that people write have a dozen levels.
MOST_DEPTH = 256
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{1,9})?)?\}")
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOP = re.compile(r"(?<!\()[*+?]|\{\d*,\}")
#: Operators with which an expression matches several texts. Of two expressions that have to match the same value, each
#: such operator multiplies the states.
_VARIES = re.compile(r"(?<!\()[*+?]|\{\d*,\d*\}|\|")
#: The cost of a repetition without end, in characters.
_OF_A_LOOP = 100


def states(expression: str) -> int:
    """The factor by which an expression multiplies the states of another one that has to match the same value."""
    return 1 + len(_VARIES.findall(expression))


def depth(text: str) -> int:
    """The number of levels of nested brackets in `text`."""
    now = deepest = 0
    for sign in text:
        if sign in _OPENING:
            now += 1
            deepest = max(deepest, now)
        elif sign in _CLOSING:
            now = max(0, now - 1)
    return deepest


def cost(expression: str) -> int:
    """The cost of an expression in characters: its expanded length, plus a fixed cost for each repetition without end.

    Several hundred of those, nested or in a row, take minutes to compile.
    """
    return expansion(expression) + _OF_A_LOOP * len(_LOOP.findall(expression))


def expansion(expression: str) -> int:
    """The length of an expression with its counted repetitions written out: `(ab{3}){2}` has 8 characters.

    NO_END if its groups are nested too deeply.
    """
    around: list[int] = []  # for each open group, the size of what stands before it
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
    """The index after the character, escaped character or set at `index`. A set without an end ends with the text."""
    if expression[index] == "[":
        closed = _SET.match(expression, index)
        return closed.end() if closed else len(expression)
    return index + (2 if expression[index] == "\\" else 1)
