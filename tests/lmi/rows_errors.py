"""Rows: what the script raises, and scripts that are refused."""

from __future__ import annotations

from tests.lmi.table import Row
from tests.toolkit.table import Answer

_LMI = {"HANDRAIL_INPUTS_DIALECT": "lmi"}
_STATUS = "424 stands for a failed dependency of the request, which a mistake in the script is not."
_AT_START = "It is told at the start, with its line, and not at the first request."
_LINE = "The author's mistake has the author's line."


def refused(text: str) -> Answer:
    return Answer(None, text=text)


RAISED = (
    Row(
        "an input formatter raises",
        "raises",
        Answer(500, text="ask raised ValueError: no question (", headers={}),
        '424, "Custom formatter failed" with the message',
        "500, with the author's line",
        _STATUS,
    ),
    Row(
        "the same with `HANDRAIL_INPUTS_DIALECT=lmi`",
        "raises",
        Answer(424, text="ask raised ValueError: no question ("),
        "424",
        "424, with the author's line",
        _LINE,
        environment=_LMI,
    ),
    Row(
        "an output formatter raises",
        "output_raises",
        Answer(500, text="tell raised ValueError: no answer ("),
        "an error of the connection",
        "500, with the author's line",
        _LINE,
    ),
    Row(
        "the same with `HANDRAIL_INPUTS_DIALECT=lmi`, output",
        "output_raises",
        Answer(424, text="tell raised ValueError: no answer ("),
        "an error of the connection",
        "424, with the author's line",
        _LINE,
        environment=_LMI,
    ),
    Row(
        "`handle` raises",
        "handle_raises",
        Answer(500, text="handle raised ValueError: no luck ("),
        '424, "Custom handler failed" with the message',
        "500, with the author's line",
        _STATUS,
    ),
    Row(
        "`handle` raises, with `HANDRAIL_INPUTS_DIALECT=lmi`",
        "handle_raises",
        Answer(424, text="handle raised ValueError: no luck ("),
        "424",
        "424, with the author's line",
        _LINE,
        environment=_LMI,
    ),
    Row(
        "an HTTPException",
        "raises_an_http_exception",
        Answer(402, text='"message":"pay first"'),
        "424",
        "its status",
        "So a script says whose fault it is.",
    ),
    Row(
        "the same with `HANDRAIL_INPUTS_DIALECT=lmi`, HTTPException",
        "raises_an_http_exception",
        Answer(402, text='"message":"pay first"'),
        "424",
        "its status",
        "So a script says whose fault it is.",
        environment=_LMI,
    ),
    Row(
        "what the engine refuses",
        "renames_the_field",
        Answer(400, text="'inputs' is 5"),
        "424",
        "400",
        "As without a script: docs/compatibility/inputs.md.",
        body={"inputs": 5},
        environment=_LMI,
    ),
)

REFUSED = (
    Row(
        "two input formatters",
        "two_input_formatters",
        refused("@input_formatter marks 2 functions: ask ("),
        "the first by its name",
        "no start, with both lines",
        "Nothing is left out in silence.",
    ),
    Row(
        "`handle` beside a formatter",
        "handle_beside_a_formatter",
        refused("takes whole requests, and @output_formatter marks tell ("),
        "the formatter is not called",
        "no start, with both lines",
        "Nothing is left out in silence.",
    ),
    Row(
        "a parameter too many",
        "too_many_parameters",
        refused("def tell(answer, request): it is given answer; write @output_formatter above `def f(answer)`"),
        "424 at each request",
        "no start",
        _AT_START,
    ),
    Row(
        "a parameter too few",
        "too_few_parameters",
        refused("write @prediction_handler above `def f(data, model)`"),
        "424 at each request",
        "no start",
        _AT_START,
    ),
    Row(
        "`handle` without a parameter",
        "handle_takes_nothing",
        refused("write `async def handle(inputs)`, or `def handle(inputs)`"),
        "424 at each request",
        "no start",
        _AT_START,
    ),
    Row(
        "a keyword that nobody gives",
        "keyword_of_its_own",
        refused("it is given data, and by name tokenizer, adapter_name, content_type; write @input_formatter"),
        "424 at each request",
        "no start",
        _AT_START,
    ),
    Row(
        "an input formatter of `Input`, as for other engines than vLLM",
        "rolling_batch_input",
        refused("Input is what LMI gives over other engines than vLLM"),
        "over vLLM it is given a dict, and fails",
        "no start",
        _AT_START,
    ),
    Row(
        "an output formatter of `TextGenerationOutput`",
        "rolling_batch_output",
        refused("TextGenerationOutput is what LMI gives over other engines than vLLM"),
        "over vLLM it is given the answer, and fails",
        "no start",
        _AT_START,
    ),
    Row(
        "an `init_handler` alone",
        "only_an_init_handler",
        refused("has an @init_handler, and nothing that answers"),
        "not called over vLLM; the engine answers",
        "no start",
        "Nothing is left out in silence.",
    ),
    Row(
        "formatters without an engine",
        "both_formatters",
        refused("without an engine (HANDRAIL_ENGINE=none) there is nothing between them"),
        "there is always an engine",
        "no start",
        _AT_START,
        environment={"HANDRAIL_ENGINE": "none"},
    ),
    Row(
        "an import that fails beside `handle`",
        "import_fails",
        refused("model.py:1 failed to import: ModuleNotFoundError: No module named 'no_such_package'"),
        "a line in the log of level DEBUG, and the engine answers",
        "no start",
        "Nothing is left out in silence.",
    ),
    Row(
        "a module of djl_python that is not there",
        "imports_what_is_not_there",
        refused("Of DJL Serving there are here: djl_python, and of it inputs, outputs,"),
        "it is there",
        "no start, with what there is",
        "Rolling batches, schedulers and the like are of LMI's other engines.",
    ),
    Row(
        "a name of djl_python that is not there",
        "imports_a_name_that_is_not_there",
        refused("Of DJL Serving's djl_python.output_formatter there are here: RequestInput, RequestOutput,"),
        "it is there",
        "no start, with what there is",
        "Rolling batches, schedulers and the like are of LMI's other engines.",
    ),
    Row(
        "`handle` without an import of djl_python",
        "handle_without_the_package",
        refused("where it imports djl_python and has a marked function or `handle`"),
        "served",
        "no start",
        "Other servers have a `handle` too.",
    ),
    Row(
        "djl_python, and nothing that answers",
        "has_the_package_alone",
        refused("model.py:1 has `import djl_python`, as DJL Serving has it, and nothing here calls it"),
        "the engine answers",
        "no start",
        "Nothing is left out in silence.",
    ),
)
