"""The example `templates`: which template a request may choose, on the echo engine; what it does is in tests/vllm."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Launch
from tests.examples import EXAMPLES
from tests.servers import Served

TEMPLATES = EXAMPLES / "templates"
MESSAGES = [{"role": "user", "content": "one two"}]
NAMES = "json, pirate, plain"


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Any:
    served = Served(TEMPLATES, tmp_path_factory.mktemp("templates") / "log", HANDRAIL_ENGINE="echo")
    yield served.ready()
    served.stop()


@pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions"])
@pytest.mark.parametrize("chosen", [{}, {"template": None}, *({"template": name} for name in NAMES.split(", "))])
def test_each_template_and_none_is_taken(templates: Served, path: str, chosen: dict[str, str | None]) -> None:
    answer = templates.http.post(path, json={"messages": MESSAGES, **chosen})
    assert answer.json()["choices"][0]["message"]["content"] == "one two"


@pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"template": "none"}, f"template is 'none'; there are: {NAMES}"),
        ({"template": "../templates/plain"}, f"template is '../templates/plain'; there are: {NAMES}"),
        ({"template": ["plain"]}, f"template is ['plain']; there are: {NAMES}"),
        ({"chat_template": "{{ 1 }}"}, f"chat_template is not taken; choose a template by its name: {NAMES}"),
    ],
)
def test_no_other_template_is_taken(templates: Served, path: str, body: dict[str, Any], said: str) -> None:
    answer = templates.http.post(path, json={"messages": MESSAGES, **body})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, said)


def test_a_body_that_is_no_object_is_400(templates: Served) -> None:
    assert templates.http.post("/invocations", json=[1]).status_code == 400


def test_without_templates_it_does_not_start(launch: Launch, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder, ignore=shutil.ignore_patterns("*.jinja"))
    served = launch(folder)
    assert served.exit_code() == 3
    assert f"put NAME.jinja into {folder / 'model' / 'templates'}" in served.stderr
