"""Rows: which functions there are, what they take, and where the script is."""

from __future__ import annotations

from tests.toolkit.table import Answer, Row, refused, sends

_WHO = sends("application/json", X_Who="ann")
_AT_START = "It is told at the start, with its line, and not at the first request."

FUNCTIONS = (
    Row("`model_fn` and `predict_fn`", "doubles", Answer(json=[2, 4], content_type="application/json")),
    Row("`input_fn`, `predict_fn` and `output_fn`", "three_steps", Answer(json={"said": "hello x"}), b'{"name": "x"}'),
    Row(
        "`transform_fn` alone",
        "transforms",
        Answer(json=["WORD", "application/json", "text/x"], content_type="text/x"),
        b'"word"',
        sends("application/json", Accept="text/x"),
    ),
    Row(
        "`context` as one more parameter of each",
        "all_take_context",
        Answer(
            json=[["batch_size", "gpu_id", "model_dir", "server_name", "server_version"], True, "dict", "ann", "ann"]
        ),
        headers=_WHO,
    ),
    Row("`context` of `transform_fn`", "transforms_with_context", Answer(body=b"ann"), headers=_WHO),
    Row("`context=None`", "context_with_default", Answer(json=[True, True])),
    Row(
        "`*, context`",
        "context_by_keyword",
        Answer(json="ann"),
        headers=_WHO,
        fails="It passes the context by position.",
    ),
    Row(
        "one more parameter with a default and another name",
        "parameter_of_its_own",
        Answer(json="0.5"),
        fails="It gives it the context.",
    ),
    Row("a parameter too few", "too_few_parameters", refused("write `def predict_fn(data, model)`"), reason=_AT_START),
    Row(
        "a parameter too many", "too_many_parameters", refused("write `def predict_fn(data, model)`"), reason=_AT_START
    ),
    Row("a keyword that nobody gives", "keyword_of_its_own", refused("it is given data, model"), reason=_AT_START),
    Row(
        "a decorator without `functools.wraps`",
        "unwrapped_decorator",
        Answer(json=3),
        fails="It counts `*args` as one parameter.",
    ),
    Row("`transform_fn` beside `predict_fn` is refused", "both_forms", refused("transform_fn")),
    Row(
        "no `model_fn`: the model is the engine",
        "asks_the_engine",
        Answer(json={"generated_text": "hello there"}),
        b'{"messages": [{"role": "user", "content": "hello there"}]}',
        reason="There is an engine here, and the toolkit has none.",
    ),
    Row("neither `predict_fn` nor `transform_fn`", "only_input_fn", refused("nothing that answers"), reason=_AT_START),
    Row("`predict_fn` that cannot be called", "not_a_function", refused("which cannot be called"), reason=""),
    Row("`async def`", "async_steps", Answer(json="loaded"), fails="It is never awaited."),
    Row(
        "`pre_model_fn`, `model_fn`, `model_warmup_fn` in this order, once",
        "loads_in_order",
        Answer(json=["pre", "model", "warmup of m"]),
    ),
    Row("a `model_fn` that raises ends the start", "load_fails", refused("no weights")),
)

FILES = (
    Row(
        "`SAGEMAKER_PROGRAM=serve.py`",
        "doubles",
        Answer(json=[2, 4]),
        environment={"SAGEMAKER_PROGRAM": "serve.py"},
        place="code/serve.py",
    ),
    Row(
        "`SAGEMAKER_PROGRAM=serve`, a module's name",
        "doubles",
        Answer(json=[2, 4]),
        environment={"SAGEMAKER_PROGRAM": "serve"},
        place="code/serve.py",
    ),
    Row("`inference.py` in the model directory itself", "doubles", Answer(json=[2, 4]), place="inference.py"),
    Row("a module beside it is imported", "imports_helper", Answer(json="helped"), beside={"code/helper.py": "helper"}),
    Row(
        "`code/model.py` beside it, with the model's class",
        "imports_model",
        Answer(json="forward"),
        beside={"code/model.py": "net"},
    ),
    Row("an import that fails ends the start", "import_fails", refused("no_such_package")),
)
