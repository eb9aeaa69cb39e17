"""What a script's text says of what its coroutines may share. What it leaves open counts as shared."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.adoption.sharing import MOST_FILES, sharing, sharing_of

_HANDLER = "async def handle(request):\n    "


def of(folder: Path, text: str) -> tuple[str, str]:
    """What is shared for its tasks, and at all; without the path."""
    path = folder / "model.py"
    path.write_text(text)
    found = sharing([path])
    return found.tasks.replace(f"{path}", "model.py"), found.state.replace(f"{path}", "model.py")


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio\nimport json\nfrom vllm import LLM\nllm = LLM()\nasync def f(r):\n    await asyncio.sleep(1)",
        "llm = None\n@app.on_event('startup')\nasync def begin():\n    global llm\n    llm = LLM()",
        "models = {}\nasync def life(app):\n    models['a'] = 1\n    yield\napp = FastAPI(lifespan=life)",
        "class A:\n    async def load(self):\n        self.llm = LLM()\n    def predict(self, x):\n        return 1",
        _HANDLER + "body = await request.json()\n    body['n'] = 1\n    body.pop('a')\n    return body",
        _HANDLER + "texts = []\n    for text in request.texts():\n        texts.append(text)\n    del texts[0]",
        _HANDLER + "with open('a') as file:\n        file.send(1)\n    print(first := list())\n    first.append(2)",
        _HANDLER + "rows: list = []\n    rows += [1]\n    rows[0] = rows2 = {}\n    rows2.update(a=1)",
        _HANDLER + "a, b = dict(), Thing()\n    a['x'] = 1\n    b.y = 2",
        "LIMIT = 3\nSTOPS = ['a']\n" + _HANDLER + "return llm.generate(stop=STOPS[0], n=LIMIT, **{})",
        "from .other import helper\nfrom model import x\nimport model",
        "from asyncio import sleep, gather",
    ],
)
def test_nothing_is_shared(tmp_path: Path, text: str) -> None:
    assert of(tmp_path, text) == ("", "")


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("import asyncio\nlock = asyncio.Lock()", "asyncio.Lock (model.py:2)"),
        ("import asyncio as aio", "what it imports (model.py:1)"),
        ("import asyncio.queues", "what it imports (model.py:1)"),
        ("from asyncio import sleep, create_task", "what it imports (model.py:1)"),
        ("\nimport httpx", "what it imports (model.py:2)"),
        ("def (", "what cannot be read (model.py)"),
    ],
)
def test_what_belongs_to_a_loop_is_shared(tmp_path: Path, text: str, shared: str) -> None:
    assert of(tmp_path, text) == (shared, shared)


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("import threading", "what it imports (model.py:1)"),
        (_HANDLER + "exec('x = 1')", "exec (model.py:2)"),
        ("engine = vllm.AsyncLLMEngine.from_engine_args(a)", "vllm.AsyncLLMEngine (model.py:1)"),
        (_HANDLER + "global count\n    count = 1", "count (model.py:2)"),
        (_HANDLER + "stats['n'] += 1", "stats (model.py:2)"),
        (_HANDLER + "request.app.state.n = 1", "request.app.state.n (model.py:2)"),
        (_HANDLER + "history.append(request)", "history (model.py:2)"),
        (_HANDLER + "a = CACHE\n    a['x'] = 1", "a (model.py:3)"),
        ("CACHE = make()\n" + _HANDLER + "a = CACHE.get('x')\n    a['y'] = 1", "a (model.py:4)"),
        (_HANDLER + "a = await shared()\n    a.x = 1", "a (model.py:3)"),
        (_HANDLER + "a: dict\n    a['x'] = 1", "a (model.py:3)"),
        (_HANDLER + "for one in ROWS:\n        one.n = 1", "one (model.py:3)"),
        ("CACHE = {}\n" + _HANDLER + "fill(CACHE)", "CACHE (model.py:3)"),
        ("from collections import deque\nROWS = deque()\n" + _HANDLER + "fill(to=ROWS)", "ROWS (model.py:4)"),
        ("ids = count()\n" + _HANDLER + "return next(ids)", "ids (model.py:3)"),
        ("class Model:\n    def predict(self, x):\n        self.n = 1", "self (model.py:3)"),
        ("def handle(*args, **words):\n    args[0].x, OTHER.y = 1, 2", "OTHER (model.py:2)"),
    ],
)
def test_what_a_function_changes_is_shared(tmp_path: Path, text: str, shared: str) -> None:
    assert of(tmp_path, text) == ("", shared)


def test_a_folder(tmp_path: Path) -> None:
    """Its files together; installed packages are not the script's, and of too many none is read."""
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "a.py").write_text("import httpx")
    (tmp_path / "model.py").write_text("import helper")
    (tmp_path / "helper.py").write_text("")
    assert sharing_of(tmp_path) == ("", "")
    for number in range(MOST_FILES):
        (tmp_path / f"m{number}.py").write_text("")
    assert sharing_of(tmp_path).state == f"what {MOST_FILES + 2} files have ({tmp_path})"
