"""Rows: the formatters around whole answers."""

from __future__ import annotations

from tests.lmi.table import JSON, Row, chat
from tests.toolkit.table import Answer

INPUT = (
    Row(
        "an input formatter changes the request",
        "renames_the_field",
        Answer(json={"generated_text": "one two"}),
        "the dict that it returns is the request",
        body={"question": "one two three"},
    ),
    Row(
        "`async def`",
        "makes_a_chat",
        Answer(text='"object":"chat.completion"'),
        "a coroutine is taken for the request: 424",
        "awaited",
        "A function that awaits is what an author of today writes.",
    ),
    Row(
        "it makes a completion of `inputs`",
        "makes_a_prompt",
        Answer(text='"object":"text_completion"'),
        "answered as OpenAI's completions",
    ),
    Row(
        "`tokenizer`",
        "counts_tokens",
        Answer(json={"counted": [3, 3]}),
        "the model's tokenizer",
        "the same over vLLM; over another engine an object with `encode`",
    ),
    Row(
        "`**kwargs`",
        "knows_the_keywords",
        Answer(json={"generated_text": "adapter_name content_type tokenizer"}),
        "`tokenizer` and `adapter_name`",
        "these and `content_type`",
        "Whoever decodes in the formatter needs it.",
    ),
    Row(
        "no `**kwargs`",
        "knows_the_content_type",
        Answer(json={"generated_text": JSON}),
        "424: `adapter_name` is given, and not taken",
        "it is given what it names",
        "LMI's own example has no `**kwargs`.",
    ),
    Row(
        "it returns nothing",
        "answers_nothing_to_ask",
        Answer(
            500, text="ask raised WrongReturn: it returned nothing: return the dict that it was given, or another ("
        ),
        "424 of a NoneType",
        "500 with its line",
        "A forgotten `return` is told as one.",
    ),
    Row(
        "it returns what is no JSON",
        "answers_no_json_to_ask",
        Answer(500, text="it returned what is no JSON ("),
        "424 of pydantic",
        "500 with its line",
        "The function is at fault, and not the request.",
    ),
    Row(
        "a function of a sibling, imported",
        "formatter_of_a_sibling",
        Answer(json={"generated_text": "one two"}),
        "found by its mark",
        beside={"sibling.py": "renames_the_field"},
    ),
    Row("one function under two names", "two_names_for_one", Answer(json={"generated_text": "once"}), "it is one"),
)

OUTPUT = (
    Row(
        "an output formatter adds a field",
        "adds_a_field",
        Answer(json={"generated_text": "one two three", "custom": True}, content_type=JSON),
        "as its documents have it: a dict with `generated_text`; newer versions give vLLM's object",
        "the dict, which reads by attributes too",
        "Both forms are in use.",
    ),
    Row(
        "`async def`, output",
        "adds_a_field_async",
        Answer(text='"custom":true'),
        "never awaited",
        "awaited",
        "A function that awaits is what an author of today writes.",
    ),
    Row(
        "attributes of the answer to `inputs`",
        "reads_attributes",
        Answer(json={"said": "one two three", "model": "lmi", "index": 0, "reason": None}),
        "`.choices[0].text`, `.model` of vLLM's object",
    ),
    Row(
        "the reason, where `details` are asked for",
        "reads_attributes",
        Answer(json={"said": "one", "model": "lmi", "index": 0, "reason": "eos_token"}),
        "vLLM's",
        "TGI's words, as in `details`",
        "The answer has one form.",
        body={"inputs": "one", "parameters": {"details": True}},
    ),
    Row(
        "attributes of a chat",
        "reads_attributes",
        Answer(text='"said":"one two"'),
        "`.choices[0].message.content`",
        body=chat(),
    ),
    Row(
        "attributes that are set", "sets_attributes", Answer(json={"generated_text": "ONE TWO THREE"}), "they are sent"
    ),
    Row(
        "attributes of a chat that are set",
        "sets_attributes",
        Answer(text='"content":"ONE TWO"'),
        "they are sent",
        body=chat(),
    ),
    Row(
        "`model_dump()`",
        "dumps_the_answer",
        Answer(json={"dumped": {"generated_text": "a"}, "as_json": '{"generated_text":"a"}'}),
        "vLLM's fields",
        "the fields of the answer",
        "The answer has one form.",
        body={"inputs": "a"},
    ),
    Row(
        "an attribute that is not there",
        "asks_for_what_is_not_there",
        Answer(500, text="tell raised AttributeError: the answer has no 'usages': it has generated_text ("),
        "424",
        "500 with its line and what there is",
        "The author's mistake has the author's line.",
    ),
    Row(
        "several texts",
        "names_the_texts",
        Answer(json=["A", "B"], content_type=JSON),
        "one call, with an answer of several choices",
        "one call, with a list of answers",
        "The answer to a list is a list.",
        body={"inputs": ["a", "b"]},
    ),
    Row("it returns text", "tells_text", Answer(body=b'{"said": 1}', content_type=JSON), "sent as it is, as JSON"),
    Row(
        "it returns an `Output`",
        "tells_an_output",
        Answer(202, json={"said": "one two three"}, headers={"x-said": "yes"}),
        "424",
        "sent with its code and properties",
        "It says what is meant.",
    ),
    Row("it returns bytes", "tells_bytes", Answer(body=b"raw"), "424", "sent as they are", "It says what is meant."),
    Row("it returns a pydantic model", "tells_a_model", Answer(json={"text": "one two three"}), "its JSON"),
    Row(
        "it returns nothing, output",
        "tells_nothing",
        Answer(500, text="it returned nothing: return what is to be sent ("),
        "424 of a NoneType",
        "500 with its line",
        "A forgotten `return` is told as one.",
    ),
    Row(
        "an error of the engine",
        "tells_text",
        Answer(400, text="'inputs' is \\\"\\\""),
        "formatted as an answer",
        "passes as it is",
        "A formatter of answers would fail on it, and hide it.",
        body={"inputs": ""},
    ),
    Row(
        "both formatters",
        "both_formatters",
        Answer(json={"answer": "Q: why"}),
        "one before the engine, the other after it",
        body={"question": "why"},
    ),
)
