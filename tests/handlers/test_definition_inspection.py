"""What can be told of a snippet without running it."""

from __future__ import annotations

import pytest
from handrail.core.errors import DefinitionRefused
from handrail.styles.definition.inspection import inspect_snippet


def arguments(source: str) -> dict[str, str]:
    found = inspect_snippet(source, "/ml/run.py")
    return {argument.parameter.name: argument.source.name.lower() for argument in found.arguments}


@pytest.mark.parametrize(
    ("parameters", "taken"),
    [
        ("body, environment", {"body": "input", "environment": "environment"}),
        ("b: str, e: dict, /", {"b": "input", "e": "environment"}),
        ("body, environment={}", {"body": "input", "environment": "environment"}),
        ("body, environment, other=1, *, more=2, **rest", {"body": "input", "environment": "environment"}),
        ("body, environment, sample=None", {"body": "input", "environment": "environment", "sample": "sample"}),
        ("body, environment, *, engine", {"body": "input", "environment": "environment", "engine": "engine"}),
        (
            "body, environment, engine, sample",
            {"body": "input", "environment": "environment"} | {"engine": "engine"} | {"sample": "sample"},
        ),
        ("*both", {}),
        ("body, *rest", {"body": "input"}),
        ("body, environment, engine=None, /", {"body": "input", "environment": "environment"}),
    ],
)
def test_what_it_may_take(parameters: str, taken: dict[str, str]) -> None:
    assert arguments(f"def run_inference({parameters}): return ''") == taken
    assert arguments(f"async def run_inference({parameters}): return ''") == taken


def test_where_it_is_and_how_its_author_wrote_it() -> None:
    """Line numbers are those of the file the snippet is in."""
    source = "import json\n\nasync def run_inference(body: str, environment: dict) -> str:\n    return body\n"
    found = inspect_snippet(source, "/ml/model.yaml", first_line=7)
    assert found.where == "/ml/model.yaml:9"
    assert found.text == "async def run_inference(body: str, environment: dict) -> str"


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("try:\n    import x\nexcept ImportError:\n    pass\nif True:\n    def run_inference(a, b): return a", 6),
        ("def run_inference(): pass\ndef run_inference(a, b): return a", 2),
        ("from sibling import run_inference", 1),
        ("from sibling import run as run_inference", 1),
        ("def run(a, b): return a\nrun_inference = run", 2),
        ("run_inference: object = print", 1),
        ("def run_inference(a, b):\n    def inner():\n        yield 1\n    return a", 1),
        ("@staticmethod\ndef run_inference(a, b): return a", 2),
    ],
)
def test_it_is_found_at_the_top_level(source: str, where: int) -> None:
    assert inspect_snippet(source, "/ml/run.py").where == f"/ml/run.py:{where}"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "/ml/run.py:3 the snippet has no run_inference: write `def run_inference("),
        (
            "import json\n\ndef run_inferense(a, b): pass",
            "/ml/run.py:5 the snippet has no run_inference, but run_inferense: did you mean run_inference?",
        ),
        ("def other(a, b): pass\nimport json", "it has other."),
        ("class A:\n    def run_inference(self, a, b): pass", "it has no functions."),
        ("x = 1\ndef (", "/ml/run.py:4 the snippet is no Python: invalid syntax."),
        ("return 1", "/ml/run.py:3 the snippet is no Python: 'return' outside function."),
        ("a = '\ud800'", "/ml/run.py:3 the snippet is no Python: 'utf-8' codec can't encode"),
        ("a = '\0'", "/ml/run.py:3 the snippet is no Python: "),
        ("a" + "." * 1 + "b" + "(" * 300 + ")" * 300, "/ml/run.py:3 the snippet is no Python: "),
        ("class run_inference: pass", "/ml/run.py:3 run_inference is a class, not a function"),
        (
            "def run_inference(body): pass",
            "/ml/run.py:3 def run_inference(body): it takes the body and the environment",
        ),
        ("def run_inference(body, environment, x, y): pass", "'x' and 'y' cannot be given. After the body"),
        ("def run_inference(body, environment, *, key): pass", "'key' cannot be given"),
        ("def run_inference(body, environment, engine, /): pass", "'engine' cannot be given"),
        (
            "def run_inference(body, environment):\n    yield body",
            "it yields, and there are no streams; return one str.",
        ),
    ],
)
def test_what_cannot_be_called_is_refused(source: str, said: str) -> None:
    with pytest.raises(DefinitionRefused) as refused:
        inspect_snippet(source, "/ml/run.py", first_line=3)
    assert said in str(refused.value)
