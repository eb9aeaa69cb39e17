"""Which application is found, which of its routes answers /invocations, and what `check` says of it."""

from __future__ import annotations

import json
import py_compile
import shutil
from pathlib import Path
from typing import Any

import pytest
from handrail.core.slots import Slot
from handrail_container.cli.check import Report, check_program
from handrail_container.process.exits import ExitCode

from tests.servers import SCRIPTS

APPS = SCRIPTS / "apps"


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def check(script: str, name: str = "model.py", **variables: str) -> Report:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(APPS / script, tmp_path / name)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        return check_program(model_path=tmp_path, engine="echo")

    return check


def invocation(report: Report) -> str:
    return report.program.resolutions[Slot.INVOCATION].winner.found


def test_the_app_its_routes_and_who_answers_are_told(checked: Any, tmp_path: Path) -> None:
    report = checked("whole_app.py")
    text = " ".join(report.to_text().split())
    for said in (
        f"app: FastAPI {tmp_path}/model.py:",
        "/invocations: POST /invocations",
        f"GET /shop/{{item}}: item {tmp_path}/model.py:",
        f"WebSocket /ws/{{name}}: socket {tmp_path}/model.py:",
        f"GET /inner/known: known {tmp_path}/model.py:",
        "mount /static: StaticFiles",
        "documentation: /openapi.json, /docs",
    ):
        assert said in text
    told = json.loads(report.to_json())["app"]
    assert (told["name"], told["invocation"]) == ("app", "/invocations")
    mount = {"path": "/static", "methods": [], "websocket": False, "name": "StaticFiles", "where": ""}
    assert mount in told["routes"]
    assert report.exit_code is ExitCode.CLEAN


def test_one_without_documentation_has_no_line_of_it(checked: Any) -> None:
    assert "documentation:" not in checked("pings.py").to_text()


def test_what_it_hides_is_a_warning(checked: Any, tmp_path: Path) -> None:
    """Of vLLM's and of Handrail's; /metrics is the other way round."""
    warnings = checked("two_posts.py").warnings
    where = f"{tmp_path}/model.py:"
    for begin, end in (
        (f"GET /health: health ({where}", "hides vLLM's"),
        ("GET /v1/models: a route of app", "hides vLLM's"),
        ("POST /tokenize: ", "hides vLLM's"),
        ("GET /adapters: ", "hides Handrail's"),
        ("GET /metrics: Handrail's answers, and hides that of app", "default registry"),
    ):
        assert [one for one in warnings if one.startswith(begin) and one.endswith(end)], begin
    assert not [one for one in warnings if one.startswith("POST /v1")]


def test_a_template_is_no_route_of_a_slot(checked: Any) -> None:
    """`/{name}` takes /ping as any other name."""
    report = checked("two_posts.py")
    assert report.program.resolutions[Slot.PING].handler is None


def test_none_of_several_routes_is_taken_by_chance(checked: Any, tmp_path: Path) -> None:
    report = checked("two_posts.py")
    (warning,) = [one for one in report.warnings if "HANDRAIL_APP_INVOCATION" in one]
    assert f"no route of app ({tmp_path}/model.py:4) is plainly the one" in warning
    assert "Its POST routes: /first, /second/{name}, /tokenize" in warning
    assert "/invocations: none of its routes" in report.to_text()
    assert invocation(report) == "nothing else asks for it"
    assert [one for one in checked("pings.py").warnings if "Its POST routes: /{which}/predict" in one]


def test_the_operator_names_one(checked: Any, tmp_path: Path) -> None:
    report = checked("two_posts.py", HANDRAIL_APP_INVOCATION="/second/of-a-template")
    assert (report.faults, invocation(report)) == ((), f"app at {tmp_path}/model.py:4")
    wrong = checked("two_posts.py", HANDRAIL_APP_INVOCATION="/frist")
    assert wrong.exit_code is ExitCode.SETTINGS
    said = (
        f"HANDRAIL_APP_INVOCATION is '/frist', and app ({tmp_path}/model.py:4) has no POST route there, but: /first, "
    )
    assert str(wrong.faults[0]).startswith(said)


def test_the_setting_needs_an_app(checked: Any) -> None:
    shown = checked("named_elsewhere/model.py", HANDRAIL_APP_INVOCATION="/a")
    assert "HANDRAIL_APP_INVOCATION is '/a', and there is no application" in str(shown.faults[0])
    assert shown.exit_code is ExitCode.SETTINGS


@pytest.mark.parametrize(
    ("name", "value", "script"),
    [
        ("main.py", "main:app", "main.py"),
        ("main.py", "main.py:app", "main.py"),
        ("model.py", "model:app", "model.py"),
        ("model.py", "model:generate.__globals__", None),
        ("mine/serving.py", "mine.serving:app", "mine/serving.py"),
    ],
)
def test_custom_app_names_it(checked: Any, tmp_path: Path, name: str, value: str, script: str | None) -> None:
    """Its file is the script, where there is no other."""
    report = checked("one_post.py", name, CUSTOM_APP=value)
    if script is None:
        assert "CUSTOM_APP is" in str(report.faults[0])
        return
    assert report.faults == ()
    assert report.program.script == tmp_path / script
    assert invocation(report) == f"app at {tmp_path}/{name}:6"


def test_custom_app_may_name_one_beside_the_script(checked: Any, tmp_path: Path) -> None:
    """A file, with its own lines; an installed module; both go before the script's own `app`."""
    unknown = {"HANDRAIL_APP_INVOCATION": "/first"}
    shutil.copy(APPS / "beside_handlers.py", tmp_path / "model.py")
    report = checked("two_posts.py", "other.py", CUSTOM_APP="other.py:api", HANDRAIL_APP_INVOCATION="/first")
    assert f"api: FastAPI {tmp_path}/other.py:3" in " ".join(report.to_text().split())
    py_compile.compile(str(APPS / "one_post.py"), str(tmp_path / "no_source.pyc"))
    report = checked("two_posts.py", "other.py", CUSTOM_APP="no_source:app", HANDRAIL_APP_INVOCATION="/generate")
    assert f"app: FastAPI {tmp_path}/no_source.pyc" in " ".join(report.to_text().split())
    report = checked("two_posts.py", "other.py", CUSTOM_APP="tests.scripts.apps.one_post:app", **unknown)
    assert [one for one in report.faults if "HANDRAIL_APP_INVOCATION is '/first'" in str(one)]


@pytest.mark.parametrize(
    ("value", "said", "code"),
    [
        ("model", "CUSTOM_APP is 'model': it has no colon. Write model:app, ", ExitCode.SETTINGS),
        ("model:my app", "'my app' is no name of an app", ExitCode.SETTINGS),
        ("model:api", "has no 'api'", ExitCode.SCRIPT),
        ("nowhere.py:app", "there is no file", ExitCode.SCRIPT),
        ("model:app", "which is a GZipMiddleware: name a FastAPI or Starlette", ExitCode.SCRIPT),
        ("model:create_app", "`app = create_app()`", ExitCode.SCRIPT),
        ("other.py:app", "other.py:6 starts a server of its own when it is imported", ExitCode.SCRIPT),
    ],
)
def test_what_custom_app_may_not_name(checked: Any, tmp_path: Path, value: str, said: str, code: ExitCode) -> None:
    shutil.copy(APPS / "serves_itself.py", tmp_path / "other.py")
    report = checked("wrapped.py", CUSTOM_APP=value)
    assert [one for one in (*report.problems, *map(str, report.faults)) if said in one]
    assert report.exit_code is code


def test_one_that_a_middleware_wraps_is_not_passed_over(checked: Any) -> None:
    report = checked("wrapped.py")
    assert report.exit_code is ExitCode.SCRIPT
    assert "set CUSTOM_APP=file.py:name" in str(report.faults[0])


def test_one_that_serves_itself_is_refused(checked: Any, tmp_path: Path) -> None:
    report = checked("serves_itself.py")
    assert f"{tmp_path}/model.py:6 starts a server of its own" in str(report.faults[0])
    assert 'write it under `if __name__ == "__main__":`' in str(report.faults[0])


def test_its_name_is_where_the_script_gives_it(checked: Any, tmp_path: Path) -> None:
    shutil.copy(APPS / "one_post.py", tmp_path / "one_post.py")
    assert invocation(checked("imported.py")) == f"app at {tmp_path}/model.py:1"
    (tmp_path / "model.py").write_text("import one_post\n\nglobals()['app'] = one_post.app\n")
    report = check_program(model_path=tmp_path, engine="echo")
    assert invocation(report) == f"app at {tmp_path}/model.py"


def test_it_goes_before_a_class_model_that_it_may_call(checked: Any, tmp_path: Path) -> None:
    report = checked("beside_a_model.py")
    assert report.faults == ()
    assert invocation(report) == f"app at {tmp_path}/model.py:9"
    assert [one for one in report.warnings if "hides class Model at" in one]


@pytest.mark.filterwarnings("ignore:The .root_path. parameter is deprecated")  # of FastAPI 0.165, and still meant
def test_a_handler_that_hides_its_route_is_told(checked: Any) -> None:
    report = checked("beside_handlers.py")
    assert [one for one in report.warnings if "hides of_the_app, app at" in one]


def test_beside_it_a_script_of_another_server_is_a_warning(checked: Any, tmp_path: Path) -> None:
    shutil.copy(SCRIPTS / "foreign" / "litserve_api.py", tmp_path / "server.py")
    report = checked("one_post.py")
    assert report.exit_code is ExitCode.CLEAN
    assert [one for one in report.warnings if f"{tmp_path}/server.py:4 has `class Api(ls.LitAPI)`" in one]
