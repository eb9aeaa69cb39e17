"""Whatever a file has in it, reading it raises nothing and takes no long time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from handrail.adoption.text import read
from handrail.core.source import parsed, parsed_expression
from hypothesis import given
from hypothesis import strategies as st

SCRIPTS = Path(__file__).parents[1] / "scripts"
NAMES = st.sampled_from(
    ["LLM", "vllm", "llm", "self", "os.environ", "a", "b", "vllm.AsyncLLMEngine", "args", "__name__"]
)
PLAIN = st.sampled_from(["1", "'a'", "None", "'__main__'", "b''", "...", "1e999", "9" * 30, "'LLM | None'", "{}", "[]"])


def _made(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions that are made of others."""
    forms = (
        "({0})({1})",
        "({0})(**{1})",
        "({0})(*{1}, x={2})",
        "({0}).generate({1})",
        "({0}).from_engine_args({1})",
        "({0}).update(a={1}, **{2})",
        "({0}).model",
        "({0})[{1}]",
        "[{0}, {1}]",
        "{{{0}: {1}, **{2}}}",
        "({0} or {1})",
        "({0} * {1})",
        "({0} / {1})",
        "(not {0})",
        "-({0})",
        "({0} if {1} else {2})",
        "f'{{{0}}}'",
        "(lambda a: {0})",
        "[{0} for a in {1}]",
        "(a := {0})",
        "os.environ[{0}]",
        "os.getenv({0}, {1})",
        "int({0})",
        "dict(a={0})",
        "LLM({0}, b={1})",
        "super().__init__({0})",
    )
    return st.builds(
        lambda form, one, two, three: form.format(one, two, three), st.sampled_from(forms), inner, inner, inner
    )


EXPRESSIONS = st.recursive(NAMES | PLAIN, _made, max_leaves=6)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Statements that have others in them."""
    heads = (
        "if __name__ == '__main__':",
        "if a:",
        "for a in b:",
        "def a(b, *c, d: LLM = 1, **e):",
        "async def b(self):",
        "class a(LLM):",
        "class LLM(a, b):",
        "with a as b:",
    )
    return st.builds(
        lambda head, body: "\n".join([head, *(f"    {line}" for line in "\n".join(body).splitlines())]),
        st.sampled_from(heads),
        st.lists(inner, min_size=1, max_size=3),
    )


SIMPLE = st.builds(
    lambda form, one, two: form.format(one, two),
    st.sampled_from(
        [
            "{0}",
            "a = {0}",
            "a, *b = {0}",
            "a.b = {0}",
            "a[{0}] = {1}",
            "self.a: LLM = {0}",
            "a += {0}",
            "del a, b[{0}]",
            "return {0}",
            "yield {0}",
            "global a",
            "import vllm as a",
            "from vllm import *",
            "from vllm import LLM",
            "from . import a",
            "from .a import b",
            "os.environ[{0}] = {1}",
            "os.system({0})",
        ]
    ),
    EXPRESSIONS,
    EXPRESSIONS,
)
STATEMENTS = st.recursive(SIMPLE, _blocks, max_leaves=8)


@given(st.lists(st.lists(STATEMENTS, min_size=1, max_size=8), min_size=1, max_size=3))
def test_any_program_is_read(programs: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("a.py", "model.py", "vllm.py")]
        for file, program in zip(files, programs, strict=False):
            file.write_text("\n".join(program))
        found = read(files, {"a": "1"})
    assert all(":" in one.where for one in found.constructions)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.py").write_bytes(text)
        read([Path(folder) / "model.py"], {})


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "+".join(["'a'"] * 2_000),
        "x = " + "[" * 80 + "]" * 80,
        "x = x" + ".a" * 500 + "\nLLM(x)",
        "\n".join(f"a{number} = [a{number - 1}, a{number - 1}]" for number in range(1, 200)) + "\nvllm.LLM(a199)",
        "\n".join(f"def f{number}(x): f{number + 1}(x); f{number + 2}(x)" for number in range(200)),
        "\n".join(f"class A{number}(A{number + 1}, A{number + 2}): ..." for number in range(200)) + "\nA0().generate()",
        "\n".join(f"if a{number}:\n{' ' * number}" for number in range(5)),
        "async def f(): " + "; ".join(f"llm.a{number} = llm.a{number + 1}.generate()" for number in range(300)),
        "x = 1\n" * 20_000,
        "def f(x: '\\d', y: 'a b', z: '('): ...\nasync def g(): f().generate()",
    ],
    ids=range(10),
)
def test_what_is_nested_or_long_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.py").write_text(f"import vllm\nfrom vllm import LLM\nllm = LLM()\n{text}\n")
    read([tmp_path / "model.py"], {})


def test_every_script_of_the_tests_is_read() -> None:
    for path in SCRIPTS.rglob("*.py"):
        read([path], {})


def test_the_programs_of_these_tests_are_python() -> None:
    """Most of them: what cannot be parsed is passed over, and then nothing is tested."""
    seen: list[bool] = []

    @given(STATEMENTS)
    def note(program: str) -> None:
        seen.append(parsed_expression(f"({program})") is not None or _is_program(program))

    note()
    assert sum(seen) > len(seen) / 2


def _is_program(text: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.py").write_text(text)
        return parsed(Path(folder) / "model.py") is not None
