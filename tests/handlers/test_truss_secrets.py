"""Which secrets a Model may read, and where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.truss.secrets import SecretNotFound, Secrets

DECLARED = {"in_file": "default", "in_environment": "default", "in_config": "default", "empty": None}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    (tmp_path / "in_file").write_text("from the file\n")
    (tmp_path / "undeclared").write_text("hidden")
    environment = {"TRUSS_SECRET_in_file": "shadowed", "TRUSS_SECRET_in_environment": "from the environment"}
    return Secrets(DECLARED, tmp_path, environment)


def test_a_file_comes_before_the_environment_and_that_before_the_config(secrets: Secrets) -> None:
    """What a file holds is given as it is."""
    assert dict(secrets) == {
        "in_file": "from the file\n",
        "in_environment": "from the environment",
        "in_config": "default",
    }
    assert len(secrets) == 3


@pytest.mark.parametrize("name", ["empty", "undeclared", "never heard of"])
def test_what_is_not_declared_or_empty_is_not_found(secrets: Secrets, name: str) -> None:
    """A KeyError with a sentence: `.get` and `in` work."""
    with pytest.raises(SecretNotFound, match=f"^the secret '{name}' "):
        secrets[name]
    assert secrets.get(name, "other") == "other"
    assert name not in secrets


def test_they_are_looked_up_when_they_are_read(secrets: Secrets, tmp_path: Path) -> None:
    """A secret that is rotated is the new one at once."""
    (tmp_path / "in_file").write_text("rotated")
    assert secrets["in_file"] == "rotated"


def test_no_value_is_shown(secrets: Secrets) -> None:
    assert repr(secrets) == "<Secrets: in_file, in_environment, in_config, empty>"
    assert repr(Secrets({}, Path("/nowhere"), {})) == "<Secrets: none declared>"
