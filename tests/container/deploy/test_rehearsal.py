"""What would not be served is not deployed: the check comes first, with the endpoint's environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.sagemaker.deploy.rehearsal import CheckRefused, check

from tests.container.deploy.conftest import Deploy

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("def f(:\n", 3, "SyntaxError"),
        ("import os\nos._exit(7)\n", 3, "ended with 7"),
        (
            "from handrail import *\n@custom_ping_handler\ndef a(): ...\n@custom_ping_handler\ndef b(): ...\n",
            3,
            "2 handlers",
        ),
        ("", 2, "No model"),
    ],
)
def test_what_would_not_be_served_is_refused(deploy: Deploy, folder: Path, script: str, code: int, said: str) -> None:
    (folder / "model.py").write_text(script)
    refused = deploy("--dry-run", *(() if code == 2 else ("--env", "HANDRAIL_ENGINE=echo")), checks=True)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert said in refused.stderr
    assert deploy("--dry-run").exit_code == 0


def test_the_endpoint_s_environment_counts_and_not_this_one_s(
    deploy: Deploy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths of the container are those of the directory; vLLM's flags are for the machine there."""
    monkeypatch.setenv("HANDRAIL_DRAIN_S", "-1")
    monkeypatch.setenv("HF_MODEL_ID", "here")
    assert deploy("--dry-run", checks=True).exit_code == 2
    given = {"HF_MODEL_ID": "org/name", "SM_VLLM_TENSOR_PARALLEL_SIZE": "64"}
    given["CUSTOM_FASTAPI_PING_HANDLER"] = "/opt/ml/model/model.py:custom_sagemaker_invocation_handler"
    words = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    done = deploy("--dry-run", *words, checks=True)
    assert done.exit_code == 0, done.stderr
    misspelt = deploy("--dry-run", *words, "--env", "HANDRAIL_DRAIN_X=1", checks=True)
    assert (misspelt.exit_code, "HANDRAIL_DRAIN_X is not a setting" in misspelt.stderr) == (2, True)


def test_warnings_and_what_is_not_known_are_said(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("print('importing')\ndef custom_sagemaker_invocations_handler(): ...\n")
    (tmp_path / "requirements.txt").write_text("a-package-nobody-has\n")
    said: list[str] = []
    check(tmp_path, {"HANDRAIL_ENGINE": "none"}, said.append)
    assert [line.partition(": ")[0] for line in said] == ["warning", "not known yet"]
    with pytest.raises(CheckRefused) as refused:
        check(tmp_path, {}, said.append)
    assert refused.value.exit_code == 2
