from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from handrail_container.cli.check import Report, check_program
from handrail_container.process import extras

from tests.servers import SCRIPTS, run, run_without_vllm

ROOT = Path(__file__).parents[2]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`check` of one of `tests/scripts` on the echo engine."""

    def checked(script: str | None = None, engine: str = "echo", model_path: Path = SCRIPTS, **given: str) -> Report:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        if script is not None:
            monkeypatch.setenv("CUSTOM_SCRIPT_FILENAME", script)
        return check_program(model_path=model_path, engine=engine)

    return checked


def test_the_table_shows_every_rung_and_who_answers(check: Any) -> None:
    """What was found on each, the winner marked, and its signature as adapted."""
    report = check("every_rung.py", CUSTOM_FASTAPI_INVOCATION_HANDLER="model:referenced")
    text = report.to_text()
    ping, _, invocations = text.partition("\n/ping\n")[2].partition("\n/invocations\n")
    assert "▶ 5 default" in ping
    assert "answers: the default handler" in ping
    for line in (
        "▶ 1 environment    CUSTOM_FASTAPI_INVOCATION_HANDLER=model:referenced",
        "  2 decorator      decorated with @custom_invocation_handler",
        "  3 function name  named custom_sagemaker_invocation_handler",
        "  4 whole model    -",
        "  5 default        nothing else asks for it",
        "answers: def referenced()",
    ):
        assert line in invocations
    assert f"{SCRIPTS / 'every_rung.py'}" in text
    assert report.exit_code == 0


def test_what_a_higher_rung_hides_is_a_warning(check: Any) -> None:
    """It says which, and by what."""
    text = check("every_rung.py").to_text()
    assert "warning: /invocations: decorated with @custom_invocation_handler hides" in text


def test_without_a_script_the_defaults_answer(check: Any, tmp_path: Path) -> None:
    """No script is no fault."""
    report = check(model_path=tmp_path)
    assert "script           none" in report.to_text()
    assert json.loads(report.to_json())["script"] is None
    assert report.exit_code == 0


def test_a_refused_script_is_3_and_nobody_answers(check: Any) -> None:
    """The fault as serving would report it."""
    report = check("two_ping_decorators.py")
    assert report.exit_code == 3
    assert "answers: nobody, see below" in report.to_text()
    assert "handrail: /ping has 2 handlers" in report.to_text()


def test_wrong_settings_are_2_and_the_script_is_checked_all_the_same(check: Any) -> None:
    """Both are reported."""
    report = check("two_ping_decorators.py", HANDRAIL_DRAIN_S="-1")
    assert report.exit_code == 2
    assert "HANDRAIL_DRAIN_S is '-1'" in report.to_text()
    assert "/ping has 2 handlers" in report.to_text()


def test_no_model_is_2_and_the_script_is_checked_all_the_same(check: Any) -> None:
    """Where the engine needs one."""
    report = check("two_ping_decorators.py", engine="vllm")
    assert report.exit_code == 2
    assert "No model" in report.to_text()
    assert "/ping has 2 handlers" in report.to_text()


def test_the_flags_of_vllm_need_vllm(weights: Path) -> None:
    """They are checked by its own parser; where none is set, nothing of vLLM is needed."""
    assert run_without_vllm("check", weights).returncode == 0
    checked = run_without_vllm("check", weights, SM_VLLM_SEED="1")
    assert checked.returncode == 2
    assert f"is not installed: {extras.install_vllm()}, or set HANDRAIL_ENGINE" in checked.stdout


def test_json_has_what_the_table_has(check: Any) -> None:
    """For machines: stable keys, and the exit status."""
    data = json.loads(check("engine_parameter.py").to_json())
    slot = data["slots"]["invocation"]
    assert (data["engine"], data["exit_code"], data["problems"], data["warnings"]) == ("echo", 0, [], [])
    assert data["script"] == str(SCRIPTS / "engine_parameter.py")
    assert slot["path"] == "/invocations"
    assert slot["winner"] == "function name"
    assert [(rung["rung"], bool(rung["found"])) for rung in slot["rungs"]] == [
        (1, False),
        (2, False),
        (3, True),
        (4, False),
        (5, True),
    ]
    assert slot["handler"]["name"] == "custom_sagemaker_invocation_handler"
    assert slot["handler"]["where"].endswith("engine_parameter.py:4")
    assert slot["handler"]["signature"].startswith("async def custom_sagemaker_invocation_handler(request, engine")
    assert slot["handler"]["arguments"] == {"request": "request", "engine": "engine", "spare": "engine"}
    assert slot["fault"] is None
    assert data["slots"]["ping"]["handler"] is None


def test_json_has_the_fault_with_its_kind_and_traceback(check: Any) -> None:
    """And the problems as the operator reads them."""
    data = json.loads(check("raises_on_import.py", CUSTOM_FASTAPI_PING_HANDLER="model:alive").to_json())
    fault = data["slots"]["ping"]["fault"]
    assert data["exit_code"] == 3
    assert fault["kind"] == "ImportFailed"
    assert fault["message"] in data["problems"]
    assert "RuntimeError: no weights here" in fault["traceback"]


def test_the_command_prints_the_report_and_exits_as_serving_would() -> None:
    """0, 2 and 3; `--json` is all JSON."""
    good = run("check", SCRIPTS, "--engine", "echo", "--json", CUSTOM_SCRIPT_FILENAME="named_handlers.py")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["exit_code"] == 0
    bad = run("check", SCRIPTS, "--engine", "echo", CUSTOM_SCRIPT_FILENAME="syntax_error.py")
    assert bad.returncode == 3
    assert "SyntaxError" in bad.stdout
    missing = run("check", SCRIPTS, "--engine", "echo", CUSTOM_SCRIPT_FILENAME="no_such_file.py")
    assert missing.returncode == 2
    assert "no_such_file.py" in missing.stdout


def keys_documented(title: str) -> list[str]:
    """The keys that a table of docs/reference/check-json.md lists, by the heading above it."""
    text = (ROOT / "docs" / "reference" / "check-json.md").read_text()
    section = re.split(r"(?m)^#+ ", text.partition(f"# {title}\n")[2])[0]
    return re.findall(r"(?m)^\| `(\w+)` \|", section)


def test_json_has_the_documented_keys_and_no_other(check: Any, tmp_path: Path) -> None:
    """In the documented order, of every kind of object."""
    (tmp_path / "model.py").write_text((SCRIPTS / "with_everything.py").read_text())
    (tmp_path / "requirements.txt").write_text("no-such-distribution\n")
    data = json.loads(check(model_path=tmp_path).to_json())
    assert list(data) == keys_documented("What `handrail check` says")
    for slot in data["slots"].values():
        assert list(slot) == keys_documented("A slot")
        assert list(slot["handler"]) == keys_documented("A handler")
        assert [list(rung) for rung in slot["rungs"]] == [["rung", "name", "found"]] * 5
    for wrapper in data["around"]:
        assert list(wrapper) == keys_documented("A wrapper")
    for row in data["settings"]:
        assert list(row) == keys_documented("A setting")
    assert list(data["requirements"]) == keys_documented("Requirements")
    assert [wrapper["place"] for wrapper in data["around"]] == ["throttle", "output_formatter"]
    assert {moment: len(hooks) for moment, hooks in data["hooks"].items()} == {"on_startup": 1, "on_shutdown": 1}
    assert data["requirements"]["unmet"] == ["no-such-distribution"]
    assert list(data["session_handlers"]) == ["create_session"]
    assert list(data["session_handlers"]["create_session"]) == keys_documented("A handler")


def test_a_scripts_own_handlers_of_adapters_are_shown(check: Any) -> None:
    report = check("own_adapters.py")
    rows = " ".join(report.to_text().partition("\nadapters\n")[2].split())
    where = f"{SCRIPTS / 'own_adapters.py'}:"
    assert rows.startswith(f"POST /adapters: async def load(given, raw_request) {where}")
    assert f"DELETE /adapters/{{adapter_name}}: def unload(raw_request) {where}" in rows
    data = json.loads(report.to_json())["adapters"]
    assert {slot: one["name"] for slot, one in data.items()} == {"load": "load", "unload": "unload"}


def test_the_text_has_what_stands_around_and_the_hooks(check: Any) -> None:
    """Each with its line; a row is folded where there is a space, in a path too."""
    text = check("with_everything.py").to_text()
    sections = text.partition("\naround the handlers\n")[2].partition("\nhooks\n")
    around, hooks = " ".join(sections[0].split()), " ".join(sections[2].split())
    assert 'throttle: Throttle, decorated with @custom_middleware("throttle")' in around
    assert f"{SCRIPTS / 'with_everything.py'}:7" in around
    assert "a_formatter_with_a_name" in around
    assert f"on_startup: {SCRIPTS / 'with_everything.py'}:20" in hooks
    assert f"on_shutdown: {SCRIPTS / 'with_everything.py'}:24" in hooks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "requirements     none"),
        ("pytest\n", "requirements.txt: all there"),
        ("no-such-distribution>=2\n", "pip will install requirements.txt:1: no-such-distribution>=2"),
        ("fastapi<0.1\n", "requirements.txt: refused, see below"),
        ("x @ https://user:hunter2@host/x.whl\n", "pip will install requirements.txt:1: x @ https://***@host/x.whl"),
    ],
)
def test_the_text_has_the_requirements(check: Any, tmp_path: Path, text: str | None, said: str) -> None:
    """What would be installed, or why not; a password in an address is masked, in JSON too."""
    if text is not None:
        (tmp_path / "requirements.txt").write_text(text)
    report = check(model_path=tmp_path)
    assert said in report.to_text()
    assert "hunter2" not in report.to_text() + report.to_json()
    assert report.exit_code == (3 if "refused" in said else 0)


def test_settings_have_their_source(check: Any) -> None:
    """The environment, the command line or the default; what is not set is empty."""
    report = check("no_handlers.py", HANDRAIL_DRAIN_S="3", SM_VLLM_MAX_NUM_BATCHED_TOKENS="64", engine="none")
    text = report.to_text(has_all=True)
    assert "(default)" not in report.to_text()
    for line in (
        "HANDRAIL_DRAIN_S=3.0 (environment)",
        "HANDRAIL_ENGINE=none (command line)",
        "SAGEMAKER_BIND_TO_PORT=8080 (default)",
        "HF_MODEL_ID= (default)",
        "SM_VLLM_MAX_NUM_BATCHED_TOKENS=64 (environment)",
    ):
        assert f"\n  {line}\n" in f"{text}\n"


SECRETS = {
    "HF_TOKEN": "hf_hunter2",
    "HUGGING_FACE_HUB_TOKEN": "hub_hunter2",
    "SM_VLLM_API_KEY": "key_hunter2",
    "STANDARD_PIP_ARGS": "--index-url https://me:pip_hunter2@host/simple cake",
}


def test_secrets_are_masked_everywhere(check: Any) -> None:
    """In the text and in the JSON; what is no secret of them is shown."""
    report = check("no_handlers.py", engine="none", **SECRETS)
    both = report.to_text(has_all=True) + report.to_json()
    assert "hunter2" not in both
    for name in SECRETS:
        assert f"{name}=" in both
    assert "SM_VLLM_API_KEY=***" in both
    assert "https://***@host/simple cake" in both


def test_a_file_that_an_installed_module_hides_is_a_warning(check: Any, tmp_path: Path) -> None:
    """With what `import` gives instead."""
    (tmp_path / "model.py").write_text("import httpx, mine, sys\ndef custom_sagemaker_ping_handler(): ...\n")
    (tmp_path / "httpx.py").touch()
    (tmp_path / "sys.py").touch()
    (tmp_path / "mine.py").touch()
    warnings = check(model_path=tmp_path).warnings
    assert len(warnings) == 2
    assert warnings[0].startswith(f"{tmp_path / 'httpx.py'} is hidden: `import httpx` gives ")
    assert (
        warnings[1] == f"{tmp_path / 'sys.py'} is hidden: `import sys` gives a module of Python's own; rename the file"
    )


def test_the_supervisor_s_settings_have_no_effect(check: Any) -> None:
    """They are accepted, and `check` says so."""
    report = check("named_handlers.py", PROCESS_MAX_START_RETRIES="3", SUPERVISOR_PROGRAM__x="y")
    assert report.exit_code == 0
    assert [warning.split()[0] for warning in report.warnings] == ["PROCESS_MAX_START_RETRIES", "SUPERVISOR_PROGRAM__x"]
    assert "no effect" in report.warnings[0]


def test_the_text_fits_a_terminal(check: Any) -> None:
    """80 columns, but for a path or a word of an author's that is longer by itself."""
    report = check("with_everything.py", CUSTOM_FASTAPI_PING_HANDLER="model:end", PROCESS_AUTO_RECOVERY="1", **SECRETS)
    for line in report.to_text().splitlines():
        assert len(line) <= 80 or len(max(line.split(), key=len)) > 40, line
