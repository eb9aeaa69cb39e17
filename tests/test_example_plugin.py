"""The example `plugin`: built as a wheel, installed into an environment of its own, and found there."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx
import pytest

from tests.examples import EXAMPLES
from tests.servers import environment, eventually, free_port

pytestmark = pytest.mark.slow

PLUGIN = EXAMPLES / "plugin"
SOURCE = PLUGIN / "handrail_runpod.py"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a new environment with the plugin, which sees what is installed here as well."""
    folder = tmp_path_factory.mktemp("plugin")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    built = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(PLUGIN)]
    subprocess.run([*pip, *built], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (site,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (site / "here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)], check=True)
    return folder / "venv" / "bin" / "python"


def run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "handrail_container", *words]
    return subprocess.run(command, env=environment({}), capture_output=True, text=True, check=False)


def test_it_is_short() -> None:
    assert len(SOURCE.read_text().splitlines()) <= 80


def test_it_is_found_and_serves(python: Path) -> None:
    """A worker's script as it is, whole and as RunPod's own server answers."""
    told = run(python, "check", str(PLUGIN / "model"), "--engine", "echo")
    assert told.returncode == 0, told.stdout
    assert "style runpod: handrail-runpod 0.1.0" in told.stdout
    port = free_port()
    command = [python, "-m", "handrail_container", "serve", str(PLUGIN / "model"), "--engine", "echo"]
    with subprocess.Popen([*command, "--port", str(port)], env=environment({}), stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                eventually(lambda: _is_ready(client), "it is ready")
                body = {"input": {"prompt": "one two three"}}
                assert client.post("/invocations", json=body).json() == {"words": 3}
                job = client.post("/runsync", json=body).json()
                assert (job["status"], job["output"]) == ("COMPLETED", {"words": 3})
                failed = client.post("/invocations", json={"input": {"prompt": ""}})
                assert (failed.status_code, failed.json()["error"]["type"]) == (500, "job_failed")
        finally:
            process.terminate()
    assert process.returncode == 0


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


KINDS = {
    "async def handler(job):\n    return job['input']": '{"a":1}',
    "def handler(job):\n    yield 'a'\n    yield 'b'": "ab",
    "async def handler(job):\n    yield {'a': 1}": 'data: {"a":1}\n\ndata: [DONE]',
}


@pytest.mark.parametrize("handler", KINDS)
def test_handlers_of_each_kind(python: Path, tmp_path: Path, handler: str) -> None:
    """`async def`, a generator, an asynchronous one."""
    (tmp_path / "handler.py").write_text(f"import runpod\n{handler}\nrunpod.serverless.start({{'handler': handler}})\n")
    told = run(python, "invoke", str(tmp_path), "--engine", "echo", "--input", '{"input": {"a": 1}}')
    assert (told.returncode, told.stdout.strip()) == (0, KINDS[handler]), told.stderr


@pytest.mark.parametrize("start", ["    return", "    yield"])
def test_an_error_of_the_handler_is_named_with_its_line(python: Path, tmp_path: Path, start: str) -> None:
    """The script's line, and not that of the plugin which calls it."""
    script = tmp_path / "handler.py"
    handler = f"def handler(job):\n{start} 1 / job['input']['by']\n"
    script.write_text(f"import runpod\n{handler}runpod.serverless.start({{'handler': handler}})\n")
    told = run(python, "invoke", str(tmp_path), "--engine", "echo", "--input", '{"input": {"by": 0}}')
    assert f"raised ZeroDivisionError: division by zero ({script}:3)" in told.stdout
    assert f"raised ZeroDivisionError at {script}:3" in told.stderr
    assert f'Traceback (most recent call last):\n      File "{script}", line 3' in told.stderr


def test_a_script_of_somebody_else_is_left_alone(python: Path, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def custom_sagemaker_invocation_handler(request): return 'mine'\n")
    told = run(python, "invoke", str(tmp_path), "--engine", "echo", "--input", "{}")
    assert told.stdout.strip() == '"mine"'
