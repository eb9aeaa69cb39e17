"""Checks a snippet without running it: it must compile and have a `run_inference` that can be called."""

from __future__ import annotations

import ast
import difflib
import inspect
import warnings
from collections.abc import Iterator

from handrail.core.errors import DefinitionRefused
from handrail.core.signature import Argument, ArgumentSource, Signature

NAME = "run_inference"
#: Parameters it may take by name, besides the body and the environment.
EXTRAS = {"sample": ArgumentSource.SAMPLE, "engine": ArgumentSource.ENGINE}
ACCEPTED = "write `def run_inference(body: str, environment: dict) -> str:`"

_DEFS = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = _DEFS | ast.ClassDef | ast.Lambda


def inspect_snippet(source: str, file: str, first_line: int = 1) -> Signature:
    """The signature of its `run_inference`. Raises DefinitionRefused with `file:line`."""
    tree = _parsed(source, file, first_line - 1)
    bound = {name: node for node in _top_level(tree) for name in _names(node)}  # the last binding of a name counts
    found = bound.get(NAME)
    if found is None:
        raise DefinitionRefused(_missing(bound, file, first_line))
    where = f"{file}:{found.lineno + first_line - 1}"
    if isinstance(found, ast.ClassDef):
        raise DefinitionRefused(f"{where} {NAME} is a class, not a function: {ACCEPTED}.")
    if not isinstance(found, _DEFS):
        return Signature(NAME, where, ast.unparse(found), ())
    prefix = "async def" if isinstance(found, ast.AsyncFunctionDef) else "def"
    text = f"{prefix} {NAME}({ast.unparse(found.args)})" + (
        f" -> {ast.unparse(found.returns)}" if found.returns else ""
    )
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(found)):
        raise DefinitionRefused(f"{where} {text}: it yields, and there are no streams; return one str.")
    return Signature(NAME, where, text, tuple(_arguments(found.args, f"{where} {text}")))


def _parsed(source: str, file: str, before: int) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # Python warns when the snippet runs
            compile(source, file, "exec", dont_inherit=True)  # finds more than parsing, such as `return` outside
            return ast.parse(source, file)
    except SyntaxError as error:
        line = (error.lineno or 1) + before
        raise DefinitionRefused(f"{file}:{line} the snippet is no Python: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise DefinitionRefused(
            f"{file}:{before + 1} the snippet is no Python: {error or 'it nests too deep'}."
        ) from None


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of the module's own scope, also inside `if` and `try`."""
    for node in _own(tree):
        if isinstance(node, ast.stmt):
            yield node


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below `node` in the same scope, in order."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _own(child)


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, _DEFS | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _missing(bound: dict[str, ast.stmt], file: str, first_line: int) -> str:
    functions = {name: node for name, node in bound.items() if isinstance(node, _DEFS)}
    said = f"the snippet has no {NAME}"
    close = difflib.get_close_matches(NAME, functions, n=1)
    if close:
        line = functions[close[0]].lineno + first_line - 1
        return f"{file}:{line} {said}, but {close[0]}: did you mean {NAME}?"
    return f"{file}:{first_line} {said}: {ACCEPTED}; it has {', '.join(functions) or 'no functions'}."


def _arguments(given: ast.arguments, what: str) -> Iterator[Argument]:
    """The arguments to pass. Raises DefinitionRefused if a required parameter cannot be given."""
    positional = [*given.posonlyargs, *given.args]
    names = [argument.arg for argument in positional]
    if len(names) < 2 and given.vararg is None:
        raise DefinitionRefused(f"{what}: it takes the body and the environment; {ACCEPTED}.")
    required = names[2 : len(names) - len(given.defaults)]
    required += [a.arg for a, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    wanted = [name for name in required if name not in EXTRAS]
    by_position_only = [argument.arg for argument in given.posonlyargs[2:] if argument.arg in required]
    if wanted or by_position_only:
        names_of = " and ".join(map(repr, wanted or by_position_only))
        raise DefinitionRefused(
            f"{what}: {names_of} cannot be given. After the body and the environment it may take, by name, "
            f"{' and '.join(EXTRAS)}; give anything else a default."
        )
    yield from (
        _argument(name, source)
        for name, source in zip(names, (ArgumentSource.INPUT, ArgumentSource.ENVIRONMENT), strict=False)
    )
    by_name = [*names[max(2, len(given.posonlyargs)) :], *(argument.arg for argument in given.kwonlyargs)]
    yield from (_argument(name, EXTRAS[name]) for name in by_name if name in EXTRAS)


def _argument(name: str, source: ArgumentSource) -> Argument:
    return Argument(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD), source)
