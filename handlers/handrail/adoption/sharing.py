"""What a script's coroutines may share, read from its text: without anything shared, they may run at the same time.

The text decides, and what it leaves open counts as shared. Nothing is shared if the files import known libraries only,
use of asyncio only what concerns one coroutine, and if no function changes anything that outlives its call. A function
that runs once, before the first request, may: it makes what the others use.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from handrail.core.source import parsed

#: Files of a script that are read.
MOST_FILES = 64


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Libraries whose objects do not belong to a loop, and may be used in several threads.
_LIBRARIES = _words(
    "fastapi starlette pydantic uvicorn vllm handrail torch transformers numpy PIL huggingface_hub sagemaker boto3"
)
#: Modules of Python's that are for sharing, or hide what is done.
_FOR_SHARING = _words(
    "_thread concurrent contextvars ctypes gc importlib inspect multiprocessing queue sched selectors shelve signal "
    "socket sqlite3 threading weakref"
)
#: Names of asyncio that make nothing that another coroutine may wait for.
_OF_ONE_COROUTINE = _words(
    "sleep gather wait_for timeout timeout_at to_thread iscoroutine iscoroutinefunction CancelledError TimeoutError run"
)
_HIDDEN = _words("exec eval globals vars setattr delattr __import__ compile")
#: Methods that change the object.
_CHANGES = _words(
    "append appendleft extend extendleft insert remove pop popleft popitem clear add discard update setdefault sort "
    "reverse put put_nowait get_nowait send acquire release set"
)
#: Functions that run before the first request: by name, and by what decorates them.
_FIRST = _words("__init__ __post_init__ load setup initialize init model_fn setup_environment")
_DECORATES_FIRST = re.compile(r"(^|\.)(on_event|on_startup|on_shutdown|startup|shutdown)\b")
#: What makes a container, at the level of a module.
_CONTAINERS = _words("dict list set defaultdict deque Counter OrderedDict")
_LITERALS = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
_OF_ASYNC_ENGINE = re.compile(r"AsyncLLM")

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Sharing(NamedTuple):
    """The first `file:line` of what may be shared, with a word of what it is: `tasks` of what belongs to an event loop,
    `state` of anything. "" is nothing."""

    tasks: str
    state: str


def sharing_of(folder: Path) -> Sharing:
    """What the Python files below a folder share."""
    files = sorted(path for path in folder.rglob("*.py") if "site-packages" not in path.parts)
    if len(files) > MOST_FILES:
        return Sharing("", f"what {len(files)} files have ({folder})")
    return sharing(files)


def sharing(paths: Sequence[Path]) -> Sharing:
    """What the files of a script share. A file that cannot be read may share anything."""
    siblings = frozenset(name for path in paths for name in (path.stem, path.parent.name))
    found = [one for path in paths for one in _of_file(path, siblings)]
    tasks = next((one.place for one in found if one.is_task), "")
    return Sharing(tasks, tasks or next((one.place for one in found), ""))


class _Shared(NamedTuple):
    place: str
    is_task: bool = False


def _of_file(path: Path, siblings: frozenset[str]) -> Iterator[_Shared]:
    tree = parsed(path)
    if tree is None:
        yield _Shared(f"what cannot be read ({path})", is_task=True)
        return
    for node in ast.walk(tree):
        place = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (_Shared(f"what it imports ({place})", is_task) for is_task in _imported(node, siblings))
        elif isinstance(node, ast.Attribute) and _is_tasks(node):
            yield _Shared(f"{ast.unparse(node)} ({place})", is_task=True)
        elif isinstance(node, ast.Name | ast.Attribute) and _is_open(node):
            yield _Shared(f"{ast.unparse(node)} ({place})")
    yield from (_Shared(f"{what} ({path}:{line})") for what, line in _changes(tree))


def _imported(node: ast.Import | ast.ImportFrom, siblings: frozenset[str]) -> Iterator[bool]:
    """For each import of something that may be shared, whether it may belong to a loop."""
    if isinstance(node, ast.ImportFrom) and node.module == "asyncio":
        yield from (True for alias in node.names if alias.name not in _OF_ONE_COROUTINE)
        return
    if isinstance(node, ast.ImportFrom) and node.level:
        return
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    renamed = [] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names if alias.asname]
    for module in modules:
        top = module.split(".")[0]
        if module.startswith("asyncio.") or (top == "asyncio" and module in renamed):
            yield True
        elif top in _FOR_SHARING:
            yield False
        elif top not in siblings | _LIBRARIES and top not in sys.stdlib_module_names:
            yield True


def _is_open(node: ast.Name | ast.Attribute) -> bool:
    """Whether a name leaves open what is done."""
    name = node.id if isinstance(node, ast.Name) else node.attr
    return _OF_ASYNC_ENGINE.match(name) is not None or (isinstance(node, ast.Name) and name in _HIDDEN)


def _is_tasks(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "asyncio" and node.attr not in _OF_ONE_COROUTINE


def _changes(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What functions change of what outlives them."""
    variables = {name: node.value for node in tree.body if isinstance(node, ast.Assign) for name in _names(node)}
    containers = frozenset(name for name, value in variables.items() if _is_container(value))
    for function in _later(tree, _FIRST | _lifespans(tree)):
        local = _made_here(function, frozenset(variables))
        nodes = list(ast.walk(function))
        yield from ((node.names[0], node.lineno) for node in nodes if isinstance(node, ast.Global | ast.Nonlocal))
        changed = (each for node in nodes for each in (*_changed(node), *_handed_on(node, containers)))
        outer = (each for each in changed if not (isinstance(each, ast.Name) and each.id in local))
        yield from ((ast.unparse(each), each.lineno) for each in outer)


def _names(node: ast.Assign) -> list[str]:
    found = (name for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
    return [name.id for name in found if isinstance(name.ctx, ast.Store)]


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in _CONTAINERS
    return isinstance(value, _LITERALS)


def _handed_on(node: ast.AST, containers: frozenset[str]) -> list[ast.expr]:
    """The containers that a function hands on, to be changed perhaps; and what `next` is called with."""
    if not isinstance(node, ast.Call):
        return []
    if isinstance(node.func, ast.Name) and node.func.id == "next":
        return node.args[:1]
    given = [*node.args, *(word.value for word in node.keywords)]
    return [one for one in given if isinstance(one, ast.Name) and one.id in containers]


def _lifespans(tree: ast.Module) -> frozenset[str]:
    """The functions that are given to an application as its `lifespan`."""
    words = (node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "lifespan")
    return frozenset(ast.unparse(word.value) for word in words)


def _later(node: ast.AST, first: frozenset[str]) -> Iterator[_Function]:
    """The outer functions that run for requests, not `first` of all."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _Function):
            yield from _later(child, first)
        elif child.name not in first and not any(
            _DECORATES_FIRST.search(ast.unparse(one)) for one in child.decorator_list
        ):
            yield child


def _made_here(function: _Function, variables: frozenset[str]) -> frozenset[str]:
    """The names that hold only what this call of the function made or was given, but for its own instance."""
    given = [argument.arg for node in ast.walk(function) for argument in _arguments(node)]
    made: set[str] = {*given} - {"self", "cls"}
    other: set[str] = set()
    for node in ast.walk(function):
        for name, is_new in _bound(node, variables):
            (made if is_new else other).add(name)
    return frozenset(made - other)


def _arguments(node: ast.AST) -> list[ast.arg]:
    if not isinstance(node, ast.arguments):
        return []
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *filter(None, (node.vararg, node.kwarg))]


def _bound(node: ast.AST, variables: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """The names that a node binds, and whether to something new."""
    if isinstance(node, ast.Assign):
        yield from ((name, _is_new(node.value, variables)) for name in _names(node))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
        yield node.target.id, node.value is not None and _is_new(node.value, variables)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        names = (name.id for name in ast.walk(node.target) if isinstance(name, ast.Name))
        yield from ((name, _is_new(node.iter, variables)) for name in names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, True  # of `with`; those above are judged there, too


def _is_new(value: ast.expr, variables: frozenset[str]) -> bool:
    """Whether a value is made here: what a name or an attribute holds is not. A function may give anything that the
    module has, a class makes something new."""
    if isinstance(value, ast.Await):
        return _is_new(value.value, variables)
    if isinstance(value, ast.Call):
        called, root = ast.unparse(value.func), _innermost(value.func)
        is_of_module = isinstance(root, ast.Name) and root.id in variables | {"self", "cls"}
        return not is_of_module and ("." in called or called[:1].isupper() or called in _CONTAINERS)
    return not isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.IfExp | ast.BoolOp)


def _changed(node: ast.AST) -> Iterator[ast.expr]:
    """The innermost value of each thing that a node changes, such as `stats` in `stats["n"] += 1`."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
        targets = [node.func]
    for target in targets:
        for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
            if isinstance(part, ast.Attribute | ast.Subscript):
                yield _innermost(part)


def _innermost(node: ast.expr) -> ast.expr:
    """`a` of `a.b["c"].d`; the whole where it leads to an application: `request.app.state` is no request's own."""
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        if isinstance(inner, ast.Attribute) and inner.attr == "app":
            return node
        inner = inner.value
    return inner
