"""Imports of names where older versions of vLLM had them, with the installed one; no engine is started."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from handrail_container.engine.vllm.adoption.imports import AfterImport
from handrail_container.engine.vllm.adoption.old_modules import OldModules
from handrail_container.program.adoption.old_names import MODULES, Module, Unavailable

pytestmark = [
    pytest.mark.vllm,
    # torch's and transformers' own, while vLLM imports them
    pytest.mark.filterwarnings("ignore"),
]
SCRIPT = Path(__file__).parents[2] / "scripts" / "adoption" / "old_imports.py"
#: Where the names of the script are in the installed version; the others are in modules that are still there.
NOW = {
    "load_chat_template": "vllm.renderers.chat_utils",
    "serve_http": "vllm.entrypoints.launchers.launcher",
    "RequestLogger": "vllm.entrypoints.serve.utils.request_logger",
    "make_arg_parser": "vllm.entrypoints.launchers.cli_args",
    "ErrorResponse": "vllm.entrypoints.serve.engine.protocol",
    "ModelCard": "vllm.entrypoints.serve.engine.protocol",
    "UsageInfo": "vllm.entrypoints.serve.engine.protocol",
    "ChatCompletionRequest": "vllm.entrypoints.openai.chat_completion.protocol",
    "ChatCompletionResponse": "vllm.entrypoints.openai.chat_completion.protocol",
    "CompletionRequest": "vllm.entrypoints.openai.completion.protocol",
    "DeltaMessage": "vllm.entrypoints.generate.base.protocol",
    "ToolCall": "vllm.entrypoints.generate.base.protocol",
    "EmbeddingRequest": "vllm.entrypoints.pooling.embed.protocol",
    "OpenAIServingChat": "vllm.entrypoints.openai.chat_completion.serving",
    "OpenAIServingCompletion": "vllm.entrypoints.openai.completion.serving",
    "OpenAIServingModels": "vllm.entrypoints.openai.models.serving",
    "BaseModelPath": "vllm.entrypoints.openai.models.protocol",
    "LoRAModulePath": "vllm.entrypoints.openai.models.protocol",
    "get_tokenizer": "vllm.tokenizers",
    "Counter": "vllm.utils.counter",
    "FlexibleArgumentParser": "vllm.utils.argparse_utils",
    "merge_async_iterators": "vllm.utils.async_utils",
}
RENAMED = {
    "OpenAIServingEmbedding": ("vllm.entrypoints.pooling.embed.serving", "ServingEmbedding"),
    "OpenAIServing": ("vllm.entrypoints.serve.engine.serving", "BaseServing"),
    "OpenAIServingRender": ("vllm.renderers.online_renderer", "OnlineRenderer"),
    "AnyTokenizer": ("vllm.tokenizers", "TokenizerLike"),
    "ErrorOfEngine": ("vllm.entrypoints.serve.engine.protocol", "ErrorResponse"),
}


@pytest.fixture
def installed() -> Iterator[None]:
    old = OldModules()
    after = AfterImport(old.prepared)
    after.install()
    old.install()
    try:
        yield
    finally:
        after.uninstall()
        old.undo()


def run(text: str, path: str = "model.py") -> Any:
    module = ModuleType("model")
    exec(compile(text, path, "exec"), vars(module))
    return module


@pytest.mark.usefixtures("installed")
def test_every_name_is_the_one_of_its_new_home() -> None:
    script = run(SCRIPT.read_text(), str(SCRIPT))
    for name, home in NOW.items():
        assert getattr(script, name) is getattr(importlib.import_module(home), name), name
    for old, (home, name) in RENAMED.items():
        assert getattr(script, old) is getattr(importlib.import_module(home), name), old


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", [name for name, found in MODULES.items() if isinstance(found, Module)])
def test_every_module_has_names(name: str) -> None:
    module = importlib.import_module(name)
    listed = [one for one in dir(module) if not one.startswith("_")]
    assert listed
    assert all(getattr(module, one) is not None for one in listed[:3])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", [name for name, found in MODULES.items() if isinstance(found, Unavailable)])
def test_a_module_without_an_heir_is_refused_where_it_is_imported(name: str) -> None:
    found = MODULES[name]
    assert isinstance(found, Unavailable)
    with pytest.raises(ImportError) as refused:
        run(f"\nimport {name}.more")
    assert str(refused.value) == f"model.py:2 {name}: {found.instead}"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "from vllm.entrypoints.openai.api_server import app",
            "model.py:1 vllm.entrypoints.openai.api_server.app was part of an older vLLM: /v1/chat/completions and "
            "/v1/completions are served without it",
        ),
        (
            "from vllm.entrypoints.openai.serving_engine import PromptAdapterPath",
            "vLLM has no prompt adapters any more",
        ),
        ("from vllm.utils import get_random_uuid", "cannot import name 'get_random_uuid' from 'vllm.utils'"),
        ("from vllm.entrypoints.logger import nothing", "cannot import name 'nothing' from 'vllm.entrypoints.logger'"),
        ("import vllm.never_was", "No module named 'vllm.never_was'"),
    ],
)
def test_a_name_without_an_heir_is_refused(text: str, said: str) -> None:
    with pytest.raises(ImportError) as refused:
        run(text)
    assert said in str(refused.value)


@pytest.mark.usefixtures("installed")
def test_all_names_can_be_imported() -> None:
    script = run("from vllm.entrypoints.openai.serving_models import *")
    assert script.OpenAIServingModels
    assert script.LoRAModulePath


@pytest.mark.usefixtures("installed")
def test_what_vllm_has_is_left_alone() -> None:
    module = importlib.import_module("vllm.lora.request")
    assert Path(str(module.__file__)).name == "request.py"
    assert run("from vllm.utils import random_uuid").random_uuid is importlib.import_module("vllm.utils").random_uuid


def test_afterwards_they_are_gone() -> None:
    old = OldModules()
    old.install()
    importlib.import_module("vllm.entrypoints.serve.render.serving")
    old.undo()
    assert "vllm.entrypoints.serve.render.serving" not in sys.modules


def test_without_them_the_imports_fail() -> None:
    with pytest.raises(ImportError):
        run(SCRIPT.read_text())
    with pytest.raises(ImportError):
        run("from vllm.utils import Counter")
