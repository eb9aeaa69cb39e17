"""Seed 001, "Customize Handlers": its Python and environment blocks, word for word, on the echo engine.

Its complete example asks vLLM for SamplingParams and has its test among those that need vLLM.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Launch
from tests.servers import Served

SEED = (Path(__file__).parent / "001_customize_handlers.md").read_text()
#: Where the seed's absolute paths point: rewritten to where a test's model directory is.
MODEL_PATH = "/opt/ml/model"
#: The seed names this file and its functions and does not show them.
HANDLERS = """
async def {ping}(request):
    return {{"status": "{ping}"}}


async def {invocation}(request):
    return {{"echo": (await request.json())["prompt"]}}
"""


def blocks(heading: str) -> list[str]:
    """The Python blocks under a heading, up to the next one."""
    ((_, section),) = [part for part in sections() if part[0].startswith(heading)]
    return re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def sections() -> list[tuple[str, str]]:
    code_or_heading = re.split(r"(?m)^(```python\n(?:.|\n)*?^```$)|^#+ (.*)$", SEED)
    found = [("", "")]
    for text, block, heading in zip(
        code_or_heading[0::3], [*code_or_heading[1::3], None], [*code_or_heading[2::3], None], strict=True
    ):
        found[-1] = (found[-1][0], found[-1][1] + text + (block or ""))
        if heading:
            found.append((heading, ""))
    return found


def environments(block: str) -> list[dict[str, str]]:
    """What the block assigns to `environment`, as it stands."""
    return [ast.literal_eval(node.value) for node in ast.parse(block).body if isinstance(node, ast.Assign)]


def here(environment: dict[str, str], folder: Path) -> dict[str, str]:
    return {name: value.replace(MODEL_PATH, str(folder)) for name, value in environment.items()}


def answers(served: Served) -> tuple[Any, Any]:
    """What /ping and /invocations say."""
    invoked = served.http.post("/invocations", json={"prompt": "hello"})
    assert invoked.status_code == 200
    return served.http.get("/ping").json(), invoked.json()


METHOD_1 = environments(blocks("Method 1")[0])
(METHOD_2, METHOD_2_ENVIRONMENT) = blocks("Method 2")
(METHOD_3, METHOD_3_ENVIRONMENT) = blocks("Method 3")
PATH_FORMATS = re.findall(r"^- `([^`]+:\w+)` - ", SEED.partition("**Path Formats:**")[2], re.MULTILINE)


def test_the_blocks_of_the_seed_are_all_known() -> None:
    """Each has its test here, or asks for AWS or vLLM and has it there."""
    here_run = {"Step 1": 1, "Method 1": 1, "Method 2": 2, "Method 3": 2}
    elsewhere = {"Step 2": 1, "Step 3": 1, "Complete Example": 1}
    assert {heading: len(blocks(heading)) for heading in here_run | elsewhere} == here_run | elsewhere
    assert SEED.count("```python") == sum((here_run | elsewhere).values())
    assert PATH_FORMATS == [
        "model:function_name",
        "/opt/ml/model/handlers.py:ping",
        "handlers.py:function_name",
        "vllm.entrypoints.openai.api_server:health",
    ]


def test_the_quick_start(launch: Launch, tmp_path: Path) -> None:
    """Decorators of AWS's package, `Response` objects."""
    (tmp_path / "model.py").write_text(blocks("Step 1")[0])
    ping, invocation = answers(launch(tmp_path, CUSTOM_SCRIPT_FILENAME="model.py").ready())
    assert ping == {"status": "healthy", "custom": True}
    assert invocation == {"predictions": ["custom response"]}


@pytest.mark.parametrize("environment", METHOD_1, ids=["alias", "absolute path"])
def test_method_1_environment_variables(launch: Launch, tmp_path: Path, environment: dict[str, str]) -> None:
    """Both environments of the block, over a script that has other handlers as well."""
    source = HANDLERS.format(ping="health_check", invocation="inference") + METHOD_3
    (tmp_path / "handlers_env_var.py").write_text(source)
    assert answers(launch(tmp_path, **here(environment, tmp_path)).ready()) == (
        {"status": "health_check"},
        {"echo": "hello"},
    )


def test_method_2_decorators(launch: Launch, tmp_path: Path) -> None:
    """`request` without a type, and a dict for an answer."""
    (tmp_path / "model.py").write_text(METHOD_2)
    (environment,) = environments(METHOD_2_ENVIRONMENT)
    assert answers(launch(tmp_path, **environment).ready()) == ({"status": "ok"}, {"result": "processed"})


def test_method_3_function_discovery(launch: Launch, tmp_path: Path) -> None:
    """By the agreed names alone."""
    (tmp_path / "model.py").write_text(METHOD_3)
    (environment,) = environments(METHOD_3_ENVIRONMENT)
    assert answers(launch(tmp_path, **environment).ready()) == ({"status": "healthy"}, {"result": "processed"})


@pytest.mark.parametrize("reference", PATH_FORMATS)
def test_every_path_format(launch: Launch, tmp_path: Path, reference: str) -> None:
    """Each reaches its function; vLLM's own health, wherever vLLM has it now, is the default ping on any engine."""
    source = HANDLERS.format(ping="ping", invocation="function_name")
    (tmp_path / "handlers.py").write_text(source)
    (tmp_path / "model.py").write_text(source)
    slot = "INVOCATION" if reference.endswith("function_name") else "PING"
    given = here({f"CUSTOM_FASTAPI_{slot}_HANDLER": reference}, tmp_path)
    served = launch(tmp_path, **given).ready()
    expected = {"ping": {"status": "ping"}, "health": {"status": "healthy"}, "function_name": {"echo": "hello"}}
    name = reference.rpartition(":")[2]
    answer = served.http.post("/invocations", json={"prompt": "hello"}) if slot != "PING" else served.http.get("/ping")
    assert answer.json() == expected[name]
    assert f"CUSTOM_FASTAPI_{slot}_HANDLER={given[f'CUSTOM_FASTAPI_{slot}_HANDLER']}" in served.stderr


def test_the_first_match_wins(launch: Launch, tmp_path: Path) -> None:
    """Environment, then decorators, then names: the seed's own methods in one script."""
    (tmp_path / "model.py").write_text(METHOD_2 + METHOD_3 + HANDLERS.format(ping="unused", invocation="inference"))
    served = launch(tmp_path, CUSTOM_FASTAPI_INVOCATION_HANDLER="model:inference").ready()
    assert answers(served) == ({"status": "ok"}, {"echo": "hello"})
