"""`handrail` as an operator runs it: signals, exit statuses, and what is said on standard error."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from handrail_container.cli import main
from handrail_container.cli.hints import print_hints
from handrail_container.process import extras
from handrail_container.program.load import load_program
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, environment, free_port, run, run_without_vllm


def refused(script: str | None = None, *arguments: str, **given: str) -> tuple[int, str]:
    """Exit status and standard error of a server that does not start."""
    given = {"HANDRAIL_ENGINE": "echo", "SAGEMAKER_BIND_TO_PORT": str(free_port()), **given}
    if script is not None:
        given["CUSTOM_SCRIPT_FILENAME"] = script
    ended = run("serve", SCRIPTS, "--host", "127.0.0.1", *arguments, **given)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def test_the_listener_is_up_before_the_script_is_imported(launch: Launch, tmp_path: Path) -> None:
    """A slow import does not silence /ping: 503s that name the step, then 200."""
    release = tmp_path / "release"
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="slow_import.py", RELEASE=str(release))
    first = served.first_answer()
    assert (first.status_code, first.json()["error"]["type"]) == (503, "loading")
    assert time.monotonic() - served.began < 20  # a second on an idle machine
    for path in ("/invocations", "/v1/chat/completions"):
        answer = served.http.post(path, json={})
        assert (answer.status_code, answer.json()["error"]["message"]) == (503, "the script is loading")
        assert int(answer.headers["retry-after"]) > 0
    assert served.http.head("/ping").status_code == 503
    assert served.http.get("/").json()["state"] == "loading"
    assert served.http.get("/metrics").status_code == 200
    release.touch()
    assert served.ready().http.post("/invocations").json() == "imported at last"


def test_ping_says_that_the_engine_is_starting(launch: Launch, tmp_path: Path) -> None:
    """HANDRAIL_ECHO_LOAD_S; SIGTERM meanwhile is a clean stop that does not wait for it."""
    served = launch(tmp_path, HANDRAIL_ECHO_LOAD_S="600")
    served.first_answer()
    while served.http.get("/ping").json()["error"]["message"] != "the echo engine is starting":
        pass
    served.signal(signal.SIGTERM)
    assert served.exit_code() == 0


def test_a_signal_while_the_script_is_imported_is_a_clean_stop(launch: Launch, tmp_path: Path) -> None:
    """The import is not waited for."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="slow_import.py", RELEASE=str(tmp_path / "never"))
    served.first_answer()
    served.signal(signal.SIGTERM)
    assert served.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_clean_stop(launch: Launch, tmp_path: Path, number: signal.Signals) -> None:
    """0, and nothing is said about it."""
    served = launch(tmp_path).ready()
    served.signal(number)
    assert served.exit_code() == 0
    assert "Traceback" not in served.stderr
    assert "ERROR" not in served.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_there_is_a_loop_is_a_clean_stop(number: signal.Signals, tmp_path: Path) -> None:
    """Sent by the process itself, between its first line and its listener."""
    program = (
        "import os, signal\n"
        "from handrail_container import cli\n"
        "from handrail_container.settings import environment\n"
        f"environment.read = lambda **given: os.kill(os.getpid(), {int(number)})\n"
        "cli.main(['serve'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=environment({}), capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def holding(launch: Launch, release: Path, pool: ThreadPoolExecutor) -> tuple[Served, Future[httpx.Response]]:
    """A server with a request in flight, and its answer once it comes."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="holds_requests.py").ready()
    answer = pool.submit(httpx.post, f"{served.url}/invocations", json={"until": str(release)}, timeout=60)
    served.says("holding a request")
    return served, answer


def test_what_is_in_flight_finishes_and_what_is_new_is_sent_away(launch: Launch, tmp_path: Path) -> None:
    """503, Retry-After and Connection: close while it drains; then 0."""
    release = tmp_path / "release"
    with ThreadPoolExecutor(1) as pool:
        served, held = holding(launch, release, pool)
        served.signal(signal.SIGTERM)
        while (answer := served.http.get("/ping")).status_code == 200:
            pass
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "draining")
        new = served.http.post("/invocations", json={"until": str(release)})
        assert (new.status_code, new.headers["connection"]) == (503, "close")
        assert int(new.headers["retry-after"]) > 0
        release.touch()
        assert held.result().json() == {"held": True}
        assert served.exit_code() == 0


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(signal.SIGTERM, signal.SIGTERM, 143), (signal.SIGINT, signal.SIGINT, 130)],
)
def test_a_second_signal_stops_at_once(
    launch: Launch, tmp_path: Path, first: signal.Signals, second: signal.Signals, code: int
) -> None:
    """128 and its number, whatever is in flight."""
    with ThreadPoolExecutor(1) as pool:
        served, held = holding(launch, tmp_path / "never", pool)
        served.signal(first)
        while served.http.get("/ping").status_code == 200:
            pass
        served.signal(second)
        assert served.exit_code() == code
        with pytest.raises(httpx.RemoteProtocolError):
            held.result()


def test_every_wrong_setting_is_said_at_once() -> None:
    """2, a line each."""
    code, said = refused(HANDRAIL_DRAIN_S="-1", HANDRAIL_ENGIN="echo", CUSTOM_FASTAPI_PING_HANDLER="health_check")
    assert code == 2
    assert [line.split()[1] for line in said.splitlines()] == [
        "HANDRAIL_ENGIN",
        "CUSTOM_FASTAPI_PING_HANDLER",
        "HANDRAIL_DRAIN_S",
    ]


def test_wrong_settings_and_a_wrong_script_are_both_said() -> None:
    """2: not one per start."""
    code, said = refused("two_ping_decorators.py", HANDRAIL_DRAIN_S="-1")
    assert code == 2
    assert "HANDRAIL_DRAIN_S is '-1'" in said
    assert "/ping has 2 handlers" in said


@pytest.mark.parametrize("value", ["health_check", "a:b:c"])
def test_a_malformed_reference_is_2(value: str) -> None:
    """It is quoted, with the accepted forms."""
    code, said = refused(CUSTOM_FASTAPI_PING_HANDLER=value)
    assert code == 2
    assert f"CUSTOM_FASTAPI_PING_HANDLER is {value!r}" in said
    assert "model:function, /absolute/path.py:function" in said


def test_a_script_that_is_not_there_is_2() -> None:
    """CUSTOM_SCRIPT_FILENAME names no file."""
    code, said = refused("no_such_file.py")
    assert code == 2
    assert "CUSTOM_SCRIPT_FILENAME is 'no_such_file.py'" in said


def test_a_port_that_is_taken_is_2_and_the_script_is_checked_all_the_same() -> None:
    """Both ways to choose another are named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused("two_ping_decorators.py", "--port", str(port))
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "/ping has 2 handlers" in said


def test_no_model_is_2() -> None:
    """The ways to name one, and the engines that need none."""
    code, said = refused(HANDRAIL_ENGINE="vllm")
    assert code == 2
    assert "SM_VLLM_MODEL" in said
    assert "HANDRAIL_ENGINE=echo" in said


def test_a_directory_that_is_not_there_is_2(tmp_path: Path) -> None:
    """A mistyped DIR is not an empty one."""
    for command in ("serve", "check"):
        ended = run(command, tmp_path / "typo", HANDRAIL_ENGINE="echo")
        assert ended.returncode == 2
        assert "typo" in ended.stderr


@pytest.mark.parametrize(
    ("script", "where", "says"),
    [
        ("syntax_error.py", "syntax_error.py:1", "SyntaxError: expected ':'"),
        ("missing_import.py", "missing_import.py:1", "No module named 'a_package_nobody_has_installed'"),
        ("raises_on_import.py", "raises_on_import.py:2", "RuntimeError: no weights here"),
        ("exits_on_import.py", "exits_on_import.py:3", "must not exit when imported"),
    ],
)
def test_a_script_that_does_not_load_is_3_with_the_user_s_frames_only(script: str, where: str, says: str) -> None:
    """The last line has `file:line` and the cause; no frame of ours is above it."""
    code, said = refused(script)
    assert code == 3
    assert said.splitlines()[-1].startswith(f"handrail: {SCRIPTS / where} failed to import: ")
    assert says in said.splitlines()[-1]
    files = [line.split('"')[1] for line in said.splitlines() if line.strip().startswith("File ")]
    assert files
    assert set(files) == {str(SCRIPTS / script)}


def test_a_name_that_is_not_there_is_3() -> None:
    """With what is there."""
    code, said = refused("every_rung.py", CUSTOM_FASTAPI_INVOCATION_HANDLER="model:refferenced")
    assert code == 3
    assert "has no 'refferenced'. Did you mean 'referenced'?" in said
    assert "Traceback" not in said


def test_a_wrong_script_is_told_before_vllm_is_missed(weights: Path) -> None:
    """3 first: the script is checked before anything of the engine is imported; mended, vLLM is asked for: 2."""
    (weights / "model.py").write_text("import a_package_nobody_has_installed\n")
    port = str(free_port())
    assert run_without_vllm("serve", weights, "--port", port).returncode == 3
    (weights / "model.py").write_text("")
    ended = run_without_vllm("serve", weights, "--port", port)
    assert ended.returncode == 2
    assert f"is not installed: {extras.install_vllm()}, or set HANDRAIL_ENGINE" in ended.stderr


def test_an_empty_script_filename_is_an_unset_one(launch: Launch, tmp_path: Path) -> None:
    """And the command line's engine comes before the environment's."""
    launch(tmp_path, "--engine", "echo", CUSTOM_SCRIPT_FILENAME="", HANDRAIL_ENGINE="vllm").ready()


def test_hints_say_who_answers_and_what_to_try(launch: Launch, tmp_path: Path) -> None:
    """`scripts/serve` asks for them; nothing is printed without."""
    quiet, served = launch(tmp_path).ready(), launch(tmp_path, "--hints").ready()
    assert quiet.stdout == ""
    answered, _, tries = served.stdout.partition("Try:")
    assert "/ping is answered by the default handler" in answered
    assert "/invocations is answered by the default handler" in answered
    assert tries.count("curl") == 2
    assert f"{served.url}/invocations" in tries


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80/"),
        ("::", "http://[::1]:80/"),
        ("::1", "http://[::1]:80/"),
        ("h", "http://h:80/"),
    ],
)
def test_hints_name_an_address_that_can_be_asked(
    host: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the one that means every address."""
    settings = Settings(SAGEMAKER_MODEL_PATH=tmp_path)
    print_hints(load_program(settings), host, 80, settings, {})
    assert f"{url}ping" in capsys.readouterr().out


def test_the_version_is_printed() -> None:
    """`handrail --version`, and help by either name."""
    assert run("--version").stdout.startswith("handrail, version ")
    assert "SAGEMAKER_MODEL_PATH" in run("-h").stdout


def test_help_says_how_a_shell_completes() -> None:
    assert 'eval "$(_HANDRAIL_COMPLETE=bash_source handrail)"' in CliRunner().invoke(main, ["--help"]).output
    words = {"_HANDRAIL_COMPLETE": "bash_complete", "COMP_WORDS": "handrail em", "COMP_CWORD": "1"}
    assert CliRunner(env=words).invoke(main, prog_name="handrail").output == "plain,emulate\n"


def test_no_sentence_of_the_help_is_cut_off() -> None:
    """On a terminal of 80 columns, and on a wide one."""
    for columns in (80, 200):
        said = CliRunner().invoke(main, ["--help"], terminal_width=columns, max_content_width=columns).output
        commands = said.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in commands] == ["check", "deploy", "emulate", "invoke", "serve"]
        assert [line for line in commands if line.endswith(("...", "…"))] == []
