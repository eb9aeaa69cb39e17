"""A Truss that starts vLLM's own server: its command as the variables that say the same here."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from handrail_container.program.docker_server import refusal, translated
from handrail_container.settings.vllm_flags import tokens
from hypothesis import given
from hypothesis import strategies as st

from tests.servers import run

SAID = {"SM_VLLM_MODEL": "org/m", "SM_VLLM_MAX_MODEL_LEN": "4096"}


@pytest.mark.parametrize(
    "command",
    [
        "vllm serve org/m --max-model-len 4096",
        "vllm serve org/m --max-model-len=4096",
        "vllm serve --max-model-len 4096 org/m",
        "vllm serve --model org/m --max-model-len 4096",
        "  exec /opt/venv/bin/vllm serve 'org/m' \\\n  --max-model-len 4096\n",
        "vllm serve org/m\n  --max-model-len 4096\n",
        "python3 -m vllm.entrypoints.openai.api_server --model org/m --max-model-len 4096",
        "python -u -m vllm.entrypoints.cli.main serve org/m --max-model-len 4096",
        'sh -c "vllm serve org/m --max-model-len 4096"',
        "/bin/bash -lc 'cd /app && vllm serve org/m --max-model-len 4096 | tee log'",
        "sh -c \"sh -c 'vllm serve org/m --max-model-len 4096'\"",
        "# don't: vllm serve x\ncd /app#1; vllm serve org/m --max-model-len 4096 > log",
        "uv run vllm serve org/m --max-model-len 4096 && echo done",
    ],
)
def test_the_command_is_found_in_whatever_is_around_it(command: str) -> None:
    found = translated(command)
    assert found is not None
    assert (found.variables, found.left) == (SAID, [])


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        ("--enable-prefix-caching", "ENABLE_PREFIX_CACHING", "true"),
        ("--no-enable-prefix-caching", "NO_ENABLE_PREFIX_CACHING", "true"),
        ("--trust-remote-code", "TRUST_REMOTE_CODE", "true"),
        ("--enable-lora true", "ENABLE_LORA", "true"),
        ("-tp 2", "TENSOR_PARALLEL_SIZE", "2"),
        ("-tp=2", "TENSOR_PARALLEL_SIZE", "2"),
        ("-O3", "OPTIMIZATION_LEVEL", "3"),
        ("--seed -1", "SEED", "-1"),
        ("--served-model-name a org/b", "SERVED_MODEL_NAME", '["a", "org/b"]'),
        ("--hf-overrides '{\"a\": [1, 2]}'", "HF_OVERRIDES", '{"a": [1, 2]}'),
        ("--chat-template '{{ a }}; # b'", "CHAT_TEMPLATE", "{{ a }}; # b"),
    ],
)
def test_a_flag_is_a_variable(flags: str, name: str, value: str) -> None:
    """Switches, short ones, negative numbers, several values, quotes."""
    for command in (f"vllm serve org/m {flags}", f"vllm serve --max-model-len=1 {flags}"):
        found = translated(command)
        assert found is not None
        assert found.variables[f"SM_VLLM_{name}"] == value


def test_a_switch_does_not_take_the_model() -> None:
    found = translated("vllm serve --enforce-eager --enable-lora org/m")
    assert found is not None
    assert found.variables == {
        "SM_VLLM_ENFORCE_EAGER": "true",
        "SM_VLLM_ENABLE_LORA": "true",
        "SM_VLLM_MODEL": "org/m",
    }


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("vllm serve m --port 8000", "--port: use --port or SAGEMAKER_BIND_TO_PORT"),
        ("vllm serve m --root-path /x", "--root-path: it has no effect here"),
        ("vllm serve m --api-key hunter2", "--api-key: set HANDRAIL_API_KEY"),
        ("HF_TOKEN=hunter2 vllm serve m", "HF_TOKEN, a secret"),
        ("vllm serve m --max-model-len $LENGTH", "SM_VLLM_MAX_MODEL_LEN, whose value $LENGTH only a shell knows"),
        ("vllm serve $MODEL", "SM_VLLM_MODEL, whose value $MODEL only a shell knows"),
        ("vllm serve --max-model-len 4096", "the model, which it does not name: set SM_VLLM_MODEL"),
        ("vllm serve m -cc.mode=3", "-cc.mode: write the flag's long name"),
        ("vllm serve m --compilation-config.mode 3", "--compilation-config.mode: write the flag's long name"),
    ],
)
def test_what_is_left_is_said_without_its_secrets(command: str, left: str) -> None:
    said = refusal({"start_command": command}).splitlines()
    assert said[-1].startswith("Not among them: ")
    assert left in said[-1]
    assert "hunter2" not in "".join(said)


@pytest.mark.parametrize(
    "command",
    ["python app.py", "sh -c 'python app.py'", "vllm bench m", "vllm serve 'org/m", "", "vllm", "sh -c", None, 5],
)
def test_another_server_is_that_image(command: object) -> None:
    said = "a server of its own runs in a container of its own: start that image"
    assert refusal({"start_command": command}) == refusal("docker") == said


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="$`\0", exclude_categories=("Cs", "Cc")), min_size=1)
VALUES = WORDS.filter(lambda word: word[0] not in "-{[/" and not word.isspace() and word.strip() == word)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@given(st.dictionaries(st.from_regex(r"[a-z]{2,8}(-[a-z]{1,5}){0,2}", fullmatch=True), st.lists(VALUES, max_size=3)))
def test_vllm_reads_the_variables_as_it_read_the_command(flags: dict[str, list[str]]) -> None:
    """Whatever is quoted in it."""
    plain = {
        name: [value.replace("/", "") for value in values]
        for name, values in flags.items()
        if not name.startswith(("no-", "enable-", "disable-", "api-key", "model"))
        and all(value.replace("/", "") and value.lower() not in ("true", "false") for value in values)
        and not any(is_json(value) for value in values)
    }
    command = ["vllm", "serve", "org/m", *(part for name, values in plain.items() for part in (f"--{name}", *values))]
    found = translated(shlex.join(command))
    assert found is not None
    for name, values in plain.items():
        variable = f"SM_VLLM_{name.replace('-', '_').upper()}"
        if variable in found.variables:  # a secret and a flag of vLLM's own server are left
            assert tokens(variable.removeprefix("SM_VLLM_"), found.variables[variable]) == [f"--{name}", *values]


def test_what_is_printed_can_be_pasted(tmp_path: Path) -> None:
    """By `check` and `serve`: a shell takes it as it was meant."""
    (tmp_path / "config.yaml").write_text(
        'model_name: m\ndocker_server:\n  start_command: >-\n    sh -c "vllm serve org/m --enforce-eager '
        '--hf-overrides \'{\\"a\\": \\"b c\\"}\' --port 8000"\n'
    )
    checked = run("check", tmp_path)
    served = run("serve", tmp_path, "--port", "0")
    assert (checked.returncode, served.returncode) == (2, 2)
    for said in (checked.stdout, served.stderr):
        lines = [line for line in said.splitlines() if line.startswith("export ")]
        shown = subprocess.run(["sh", "-c", "\n".join([*lines, "env"])], capture_output=True, text=True, check=True)
        for expected in ("SM_VLLM_MODEL=org/m", "SM_VLLM_ENFORCE_EAGER=true", 'SM_VLLM_HF_OVERRIDES={"a": "b c"}'):
            assert expected in shown.stdout.splitlines()
        assert "config.yaml:2 docker_server: a server of its own" in said
        assert "Not among them: --port: use --port or SAGEMAKER_BIND_TO_PORT." in said
