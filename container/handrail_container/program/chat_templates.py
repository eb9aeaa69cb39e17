"""Whether Jinja can read a chat template."""

from __future__ import annotations

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser


def syntax_error(text: str, what: str) -> str | None:
    """What is wrong with the template `text`, which a message names as `what`; None if nothing is."""
    try:
        Environment(extensions=["jinja2.ext.loopcontrols", _Generation], autoescape=True).parse(text)
    except TemplateSyntaxError as wrong:
        return f"{what} that Jinja cannot read: line {wrong.lineno}: {wrong.message}"
    return None


class _Generation(Extension):
    """The tag that transformers adds around the model's own text."""

    tags = {"generation"}  # noqa: RUF012  declared as in Jinja's Extension

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)
