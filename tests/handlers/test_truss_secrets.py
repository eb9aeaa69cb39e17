"""Which secrets a Model may read, and where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.core.redaction import Redactor
from handrail.styles.truss.secrets import SecretNotFound, Secrets

ENVIRONMENT = {"TRUSS_SECRET_in_file": "shadowed", "TRUSS_SECRET_in_environment": "from the environment"}
DECLARED = {"in_file": "default", "in_environment": "default", "in_config": "default", "empty": None}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    (tmp_path / "in_file").write_text("from the file\n")
    (tmp_path / "undeclared").write_text("hidden")
    return Secrets(DECLARED, tmp_path, ENVIRONMENT, Redactor())


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
    assert repr(Secrets({}, Path("/nowhere"), {}, Redactor())) == "<Secrets: none declared>"


def test_a_redactor_learns_what_there_is_and_what_is_read(tmp_path: Path) -> None:
    """Declared ones at once, a rotated one when it is read; what is not declared is nobody's secret."""
    (tmp_path / "in_file").write_text("from the file\n")
    (tmp_path / "undeclared").write_text("hidden")
    redactor = Redactor()
    secrets = Secrets(DECLARED, tmp_path, ENVIRONMENT, redactor)
    text = "from the file, from the environment, default, shadowed, hidden, rotated"
    assert redactor(text) == "***, ***, ***, ***, hidden, rotated"
    (tmp_path / "in_file").write_text("rotated")
    assert secrets["in_file"] == "rotated"
    assert redactor("rotated") == "***"


def test_what_is_no_text_is_no_secret(tmp_path: Path) -> None:
    """A file in another encoding, a name that no file can have."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    secrets = Secrets({"binary": None, "nul\0": "value"}, tmp_path, {}, Redactor())
    assert dict(secrets) == {"nul\0": "value"}
