"""The CPU image as SageMaker runs it: `serve`, process 1, a model directory nobody writes to, environment."""

from __future__ import annotations

import os
import shutil
import signal
import time
import tomllib
from pathlib import Path

import pytest

from tests.container.test_requirements import NAME, SCRIPT, wheel
from tests.image.conftest import WITH_VLLM, Start
from tests.image.containers import ROOT, Image, Options, run
from tests.servers import SCRIPTS, eventually

pytestmark = pytest.mark.image

EXAMPLE = ROOT / "examples" / "quickstart"
MODEL = ROOT / "examples" / "model"
SAGEMAKER = "com.amazonaws.sagemaker.capabilities"
OCI = "org.opencontainers.image"
#: A number that /etc/passwd does not have.
SOMEBODY = 12345
COMPILERS = {"cc", "c++", "gcc", "g++", "clang", "clang++", "cc1", "ld", "as", "make", "nvcc", "rustc"}


def files(root: Path) -> dict[str, int]:
    """Every file of the image, with when it was changed."""
    walked = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    return {str(path.relative_to(root)): path.lstat().st_mtime_ns for path in walked}


def test_it_says_what_it_is_and_what_sagemaker_may_ask_of_it(image: Image) -> None:
    """Labels, the program, its health, its port; as root, for SageMaker wants that."""
    labels, config = image.config["Labels"], image.config
    assert labels[f"{SAGEMAKER}.accept-bind-to-port"] == labels[f"{SAGEMAKER}.bidirectional-streaming"] == "true"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert labels[f"{OCI}.version"] == version
    assert labels[f"{OCI}.title"] == "handrail"
    assert config["Entrypoint"] == ["handrail"]
    assert config["Cmd"] == ["serve"]
    assert [*config["ExposedPorts"]] == ["8080/tcp"]
    assert config["User"] == ""
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert {name for name, _, _ in (line.partition("=") for line in config["Env"])} == {
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
    }


def test_it_holds_what_it_runs_on_and_no_more(image: Image) -> None:
    """No compiler, no tool of ours, nothing that building left behind; bytecode is there, so that it starts quickly."""
    found = files(image.root)
    assert [path for path in found if Path(path).name in COMPILERS and os.access(image.root / path, os.X_OK)] == []
    assert [
        path for path in found if path.startswith(("root/.cache", "tmp/", "src/", "var/lib/apt/lists/", "run/secrets/"))
    ] == []
    assert [path for path in found if "/pytest/" in path or "/mypy/" in path] == []
    assert any(path.endswith("handrail_container/cli/__pycache__/commands.cpython-311.pyc") for path in found)
    assert any("site-packages/vllm/" in path for path in found) == WITH_VLLM
    assert image.size < (4e9 if WITH_VLLM else 400e6)


def test_it_serves_and_stops_as_sagemaker_wants_it(start: Start) -> None:
    """Two seconds to the first answer; everything but /tmp is read-only."""
    took = []
    for _ in range(5):  # the machine may be busy elsewhere
        container = start(Options(EXAMPLE))
        container.first_answer()
        took.append(time.monotonic() - container.began)
        container.ready()
        ready = time.monotonic() - container.began
        answer = container.http.post("/invocations", json={"prompt": "Hello there"})
        assert answer.json()["text"] == "Hello there"
        assert container.http.get("/ping").json()["served_by"] == "examples/quickstart"
        assert container.inside("cat", "/proc/1/cmdline").stdout.endswith("handrail\0serve\0")
        container.signal()
        assert container.exit_code() == 0
        assert "Traceback" not in container.stderr
        if took[-1] < 2:
            break
    print(f"first answers after {[round(s, 2) for s in took]} s, the last one ready after {ready:.2f} s")
    assert min(took) < 2


@pytest.mark.parametrize("user", [0, SOMEBODY])
def test_it_writes_nothing(start: Start, image: Image, user: int) -> None:
    """No bytecode, and nothing else either, though it may: as root, and as anybody."""
    before = files(image.root)
    container = start(Options(EXAMPLE, user=user, read_only=False)).ready()
    assert container.http.post("/invocations", json={"prompt": "a"}).status_code == 200
    assert container.stop() == 0
    assert files(image.root) == before


def test_it_is_its_own_init(start: Start) -> None:
    """Orphans are buried, and what ends the server ends the container with a shell's status."""
    container = start(Options(SCRIPTS), CUSTOM_SCRIPT_FILENAME="first_process.py").ready()
    eventually(lambda: not container.http.post("/invocations").json()["orphan"], "the orphan to be buried")
    (server,) = [child for child in container.first.children() if "serve" in child.cmdline()]
    server.send_signal(signal.SIGKILL)
    assert container.exit_code() == 137


def test_the_health_check_is_that_of_ping(start: Start, image: Image) -> None:
    """On the port that it was given: 1 while it loads, 0 when it is ready, 1 when nobody listens."""
    health = image.config["Healthcheck"]["Test"][1:]
    container = start(Options(EXAMPLE), HANDRAIL_ECHO_LOAD_S="600")
    assert container.first_answer().status_code == 503
    assert container.inside(*health).returncode == 1
    assert container.stop() == 0
    assert start(Options(EXAMPLE)).ready().inside(*health).returncode == 0
    container = start(Options(EXAMPLE, own_network=True))
    eventually(lambda: container.inside(*health).returncode == 0, "the health check to find port 8080")


def test_commands_run_and_end_with_their_status(image: Image) -> None:
    """`docker run IMAGE check`, with a mounted script, with a broken one, and with none."""
    echo = {"HANDRAIL_ENGINE": "echo"}
    done = run(image, Options(EXAMPLE), "check", **echo)
    assert done.returncode == 0, done.stderr
    assert "/opt/ml/model/model.py:10" in done.stdout
    broken = run(image, Options(SCRIPTS), "check", CUSTOM_SCRIPT_FILENAME="syntax_error.py", **echo)
    assert broken.returncode == 3
    assert run(image, Options(), "check", **echo).returncode == 0
    assert run(image, Options(), "--version").stdout.startswith("handrail, version ")


def test_requirements_are_installed(start: Start, image: Image, tmp_path: Path) -> None:
    """pip is in the image, and may write where root may."""
    (tmp_path / "requirements.txt").write_text(f"{NAME}\n")
    (tmp_path / "requirements").mkdir()
    wheel(tmp_path / "requirements")
    (tmp_path / "model.py").write_text(SCRIPT)
    container = start(Options(tmp_path, read_only=False), PIP_NO_INDEX="1").ready()
    assert container.http.post("/invocations").json() == "sweet"
    assert container.inside("pip", "uninstall", "--yes", NAME).returncode == 0


@pytest.mark.skipif(not WITH_VLLM, reason="this image is without vLLM: IMAGE_WITH_VLLM=true scripts/test image")
@pytest.mark.parametrize("user", [0, SOMEBODY])
def test_vllm_serves_weights_of_the_model_directory(start: Start, tmp_path: Path, user: int) -> None:
    """Read-only but for /tmp, as anybody."""
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    shutil.copy(EXAMPLE / "model.py", model)
    tmp_path.chmod(0o755)
    flags = {"SM_VLLM_MAX_MODEL_LEN": "512", "SM_VLLM_KV_CACHE_MEMORY_BYTES": "268435456"}
    container = start(Options(model, user=user), HANDRAIL_ENGINE="vllm", **flags)
    container.ready(patience_s=300)
    print(f"ready after {time.monotonic() - container.began:.1f} s")
    messages = [{"role": "user", "content": "What does /ping do?"}]
    answer = container.http.post("/invocations", json={"messages": messages, "temperature": 0, "max_tokens": 32})
    assert "503" in answer.json()["text"] or "200" in answer.json()["text"]
    asked = {"messages": messages, "max_tokens": 4, "logprobs": True}  # vLLM would call a compiler, which is not there
    assert container.http.post("/v1/chat/completions", json=asked).json()["choices"][0]["logprobs"]["content"]
    assert container.stop() == 0
