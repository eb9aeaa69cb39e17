"""What one of several replicas cannot have for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.program.load import load_program
from handrail_container.ray.sharing import is_one_of_many, require_no_sessions_of_one, require_one_folder
from handrail_container.settings import environment

from tests.servers import SCRIPTS

MANY = {"HANDRAIL_RAY_REPLICAS": "2"}
SESSIONS = {"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "true"}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    def read(script: str | None = None, **variables: str) -> Any:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return environment.read(model_path=SCRIPTS, script_filename=script, engine="echo")

    return read


@pytest.mark.parametrize("name", ["HANDRAIL_RAY_REPLICAS", "HANDRAIL_RAY_MAX_REPLICAS"])
def test_one_of_many(settings: Any, name: str) -> None:
    assert not is_one_of_many(settings())
    assert is_one_of_many(settings(**{name: "2"}))


def test_sessions_in_each_machines_memory_are_refused(settings: Any) -> None:
    given = settings(**SESSIONS, HANDRAIL_RAY_MAX_REPLICAS="4")
    with pytest.raises(SettingsError, match="MAX_REPLICAS is 4 on a cluster of 3 machines, and SAGEMAKER"):
        require_one_folder(given, 3)


@pytest.mark.parametrize(
    ("variables", "machines"),
    [
        ({**MANY, **SESSIONS}, 1),
        ({**MANY, **SESSIONS, "SAGEMAKER_SESSIONS_PATH": "/shared"}, 3),
        (MANY, 3),
        (SESSIONS, 3),
    ],
    ids=["one machine", "a folder that is named", "no sessions", "one replica"],
)
def test_sessions_of_one_folder_are_not(settings: Any, variables: dict[str, str], machines: int) -> None:
    require_one_folder(settings(**variables), machines)


def test_sessions_of_an_engines_own_are_refused(settings: Any) -> None:
    """Whoever keeps them names them: nobody knows from the name where they are."""
    given = settings("opens_engine_sessions.py", **MANY)
    place = Path(SCRIPTS, "opens_engine_sessions.py")
    with pytest.raises(SettingsError, match=rf"RAY_REPLICAS is 2, and open_session \({place}:\d+\) keeps sessions"):
        require_no_sessions_of_one(load_program(given), given)


@pytest.mark.parametrize(
    ("script", "replicas"), [("opens_engine_sessions.py", "1"), ("remembers_who.py", "2")], ids=["one", "Handrail's"]
)
def test_other_sessions_are_not(settings: Any, script: str, replicas: str) -> None:
    given = settings(script, HANDRAIL_RAY_REPLICAS=replicas)
    require_no_sessions_of_one(load_program(given), given)
