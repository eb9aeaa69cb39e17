"""That the table of vLLM's names has each that is used: a walk over the syntax of what touches vLLM's objects."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from handrail_container.engine.vllm import answers, facade, members, named_files, names, streams

FOLDER = Path(names.__file__).parent
LISTED = {name.path.rpartition(".")[2] for name in (*names.NAMES.values(), *members.MEMBERS)}
#: What holds an object of vLLM's where it is a variable or an attribute of ours, in any module of the folder.
HOLDERS = {
    *("client", "_client", "engine", "core", "config", "parallel", "engine_args", "args", "_args"),
    *("models", "_models", "lora", "lora_request", "serving", "renderer", "params", "states", "answer", "told"),
}
#: Python's and Starlette's own, of what vLLM gives: a mapping, a list, a process, an answer of an engine's route.
NOT_VLLMS = {
    *("items", "values", "get", "setdefault", "exitcode", "encode", "cancel", "dictConfig", "rpartition"),
    *("model_validate_json", "model_fields_set", "media_type", "body"),
}


def uses(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each attribute of a holder, and of what it leads to, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_of_a_holder(node.value):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            place, name = node.args[0], node.args[1]
            if _is_of_a_holder(place, itself=True) and isinstance(name, ast.Constant):
                yield str(name.value), node.lineno


def _is_of_a_holder(node: ast.expr, *, itself: bool = False) -> bool:
    """Whether it is one, or an attribute, an item or a result of one; of `vllm("…")` too."""
    if isinstance(node, ast.Name):
        return node.id in HOLDERS
    if isinstance(node, ast.Attribute):
        return node.attr in HOLDERS or _is_of_a_holder(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "vllm":
        return True
    if isinstance(node, ast.Call | ast.Await | ast.Subscript):
        inner = node.func if isinstance(node, ast.Call) else node.value
        return isinstance(inner, ast.Attribute) and _is_of_a_holder(inner)
    return False


def unlisted(file: Path) -> list[str]:
    known = LISTED | NOT_VLLMS | HOLDERS
    return [f"{file.name}:{line}: {name}" for name, line in uses(ast.parse(file.read_text())) if name not in known]


def test_every_name_of_vllms_that_is_used_is_in_the_table() -> None:
    assert [found for file in sorted(FOLDER.glob("*.py")) for found in unlisted(file)] == []


def test_one_that_is_not_in_the_table_is_found(tmp_path: Path) -> None:
    """Also behind a call, an item, a name in quotes, and where it is replaced."""
    (tmp_path / "x.py").write_text(
        "self._client.a()\nclient.vllm_config.b\nawait client.generate().c\nvllm('X').d\nclient.resources[0].e\n"
        "getattr(client, 'f', None)\nclient.engine_core.g = 1\nours.h\n"
    )
    assert sorted(line.rpartition(" ")[2] for line in unlisted(tmp_path / "x.py")) == [*"abcdefg"]


def test_flags_whose_names_are_worked_out_are_in_the_table_too() -> None:
    assert set(named_files.NAMED) <= LISTED
    operations = facade.OPERATIONS.values()
    assert {one.serving for one in operations} | {one.method for one in operations} <= LISTED
    assert {name for pair in streams.GENERATORS.items() for name in pair} <= LISTED
    assert answers.BUILDERS.keys() | {method for method, _ in answers.BUILDERS.values()} <= LISTED
