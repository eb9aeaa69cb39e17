"""Rows: the prediction handler, and what makes its model."""

from __future__ import annotations

from tests.lmi.table import JSON, Row
from tests.toolkit.table import Answer

PREDICTION = (
    Row(
        "`init_handler`, `prediction_handler` and both formatters",
        "predicts",
        Answer(json={"prediction": ["one", "ml"]}, content_type=JSON),
        "in its handlers of other engines: init once, then input, prediction, output",
        body={"inputs": "one"},
    ),
    Row(
        "no `init_handler`: the model is the engine",
        "predicts_with_the_engine",
        Answer(json={"said": "one two three"}),
        "the model is what its handler of that engine has loaded",
        "the engine in its blocking form",
        "There is an engine here.",
    ),
    Row(
        "`async def` of both",
        "predicts_async",
        Answer(body=b"loaded one two three"),
        "never awaited",
        "awaited",
        "A function that awaits is what an author of today writes.",
    ),
    Row(
        "it returns nothing, prediction",
        "predicts_nothing",
        Answer(body=b"null", content_type=JSON),
        "its documents do not say",
        "JSON's null, and a warning in the log",
        "What is marked answers.",
    ),
    Row(
        "it yields",
        "predicts_in_pieces",
        Answer(body=b'{"word":"one"}\n{"word":"two"}\n', content_type="application/jsonlines"),
        "its documents do not say",
        "a stream of JSON lines",
        "LMI's own streams are JSON lines.",
        body={"inputs": "one two"},
    ),
    Row(
        "an `init_handler` that nobody's model takes",
        "init_handler_for_nobody",
        Answer(json={"generated_text": "one two three"}),
        "not called over vLLM",
        "called, with a warning at the start",
        "It may have effects; that its model is unused is told.",
    ),
    Row(
        "an `init_handler` that raises",
        "init_fails",
        Answer(None, text="model.py:6 load failed: FileNotFoundError: no weights"),
        "the start fails",
    ),
)
