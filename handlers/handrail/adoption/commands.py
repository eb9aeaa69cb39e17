"""What a script does to its surroundings: variables that it sets, and servers of vLLM's that it starts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from handrail.adoption.scopes import Scope, SourceFile
from handrail.adoption.values import UnreadError, Values

_ENVIRONMENT = "os.environ"
_SETTERS = (f"{_ENVIRONMENT}.setdefault", "os.putenv")
_STARTERS = re.compile(
    r"subprocess\.(run|Popen|call|check_call|check_output|getoutput|getstatusoutput)|os\.(system|popen|exec\w+|spawn\w+)"
    r"|asyncio(\.subprocess)?\.create_subprocess_(exec|shell)"
)
_SERVER = re.compile(r"\bvllm\s+serve\b|\bvllm\.entrypoints\.")
_MOST_WORDS = 256
_MOST_NODES = 2_000


def variables(files: list[SourceFile], values: Values) -> frozenset[str]:
    """The names that are set in `os.environ`."""
    return frozenset(name for file in files for name in _set_in(file, values) if isinstance(name, str))


def _set_in(file: SourceFile, values: Values) -> Iterator[object]:
    for item, scope in file.items:
        if values.dotted(item.value, scope) == _ENVIRONMENT:
            yield _read(item.slice, scope, values)
    for scope in file.scopes:
        for call in scope.calls:
            dotted = values.dotted(call.func, scope)
            if dotted in _SETTERS and call.args:
                yield _read(call.args[0], scope, values)
            elif dotted == f"{_ENVIRONMENT}.update":
                yield from (word.arg for word in call.keywords)
                given = [key for one in call.args if isinstance(one, ast.Dict) for key in one.keys]
                yield from (_read(key, scope, values) for key in given)


def _read(node: ast.expr | None, scope: Scope, values: Values) -> object:
    try:
        return values.of(node, scope)
    except UnreadError:
        return None


def commands(files: list[SourceFile], values: Values) -> Iterator[str]:
    """The places where a server of vLLM's is started as a process."""
    for scope in (scope for file in files for scope in file.scopes):
        for call in scope.calls:
            starts = _STARTERS.fullmatch(values.dotted(call.func, scope))
            if starts and _SERVER.search(" ".join(_words(call, scope))):
                yield f"{scope.file.path}:{call.lineno}"


def _words(call: ast.Call, scope: Scope) -> list[str]:
    """The text in a call's arguments, also by the names of variables."""
    words: list[str] = []
    left: list[tuple[ast.AST, Scope]] = [(argument, scope) for argument in reversed(call.args)]
    for _ in range(_MOST_NODES):
        if not left or len(words) >= _MOST_WORDS:
            break
        node, scope = left.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.append(node.value)
        owner = scope.owner(node.id) if isinstance(node, ast.Name) else None
        values = owner.assigned.get(node.id, []) if owner is not None and isinstance(node, ast.Name) else []
        left += [(one.value, one.scope) for one in values if one.value is not None]
        left += [(child, scope) for child in reversed(list(ast.iter_child_nodes(node)))]
    return words
