"""YAML as its author meant it: includes, variables, secrets, and what only looks like them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.core.errors import DefinitionRefused
from handrail.styles.definition.document import Document
from handrail_container.program.definition.reading import read
from handrail_container.program.definition.references import References, folder_references
from pydantic import SecretStr

VARIABLES = {
    "KEY": "sk-1",
    "HOST": "http://host",
    "PORT": "80",
    "EMPTY": "",
    "YES": "true",
    "AUTH": "http://u:p@host",
    "Q": "http://h?k=1",
}


@pytest.fixture
def document(tmp_path: Path) -> Any:
    def made(text: str, folders: tuple[Path, ...] = ()) -> Document:
        (tmp_path / "model.yaml").write_text(text)
        return read(tmp_path / "model.yaml", References(VARIABLES, folders))

    return made


def environment(made: Document) -> dict[str, Any]:
    """Secrets as `("secret", value)`."""
    given = made.data["config"]["environment"]
    return {n: ("secret", v.get_secret_value()) if isinstance(v, SecretStr) else v for n, v in given.items()}


def in_environment(value: str) -> str:
    return f"config:\n  environment:\n    A: {value}\n"


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("$KEY", ("secret", "sk-1")),
        ('"$KEY"', ("secret", "sk-1")),
        ("'${KEY}'", ("secret", "sk-1")),
        ("$$KEY", ("secret", "$sk-1")),
        ("$HOST/v1", "http://host/v1"),
        ("$HOST$PORT", "http://host80"),
        ("$AUTH", ("secret", "http://u:p@host")),
        ("$Q", ("secret", "http://h?k=1")),
        ("$KEY://[", ("secret", "sk-1://[")),
        ("$EMPTY", ""),
        ("$YES", "true"),
        ("$PORT", "80"),
        ("Bearer $KEY", "Bearer $KEY"),
        ("a$KEY", "a$KEY"),
        ("$", "$"),
        ("$5", "$5"),
        ("5", 5),
        ("5.0", 5.0),
        ("true", True),
        ("'5'", "5"),
        ("use << and >> marks", "use << and >> marks"),
        ("secrets.json", "secrets.json"),
        ("http://secrets.example.com", "http://secrets.example.com"),
        ("<< secrets.S >>", ("secret", "of the file")),
        ("<<secrets.S>>", ("secret", "of the file")),
        ('" << secrets.S >> "', ("secret", "of the file")),
        ("<< secrets.E-1 >>", ("secret", "of a folder")),
        ("<< secrets.KEY >>", ("secret", "sk-1")),
    ],
)
def test_what_a_value_stands_for(document: Any, tmp_path: Path, value: str, result: Any) -> None:
    """Variables begin a value without spaces; a secret is the whole of it, the file's before a folder's."""
    (tmp_path / "E-1").write_text("of a folder\n")
    (tmp_path / "S").write_text("hidden")
    made = document(f"{in_environment(value)}secrets:\n  S: of the file\n  E-1: ''\n", (tmp_path / "none", tmp_path))
    assert made.problems == ()
    assert environment(made)["A"] == result


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("$UNSET", "is '$UNSET', and UNSET is not set: set it in the environment or in `.env`"),
        ("$KEY${NO}$NEVER", "and NO and NEVER is not set"),
        ("${}", "is '${}', and  is not set"),
        ("<< secrets.NONE >>", "refers to the secret 'NONE', which has no value: name it under `secrets`, write "),
        ("Bearer << secrets.S >>", "looks like a reference to a secret and is none"),
        ("<< secret.S >>", "looks like a reference"),
        ("<< secrets.S", "looks like a reference"),
        ("< secrets.S >", "looks like a reference"),
        ("'{{ secrets.S }}'", "looks like a reference"),
        ("${{secrets.S}}", "is not set"),
        ("<< S >>", "looks like a reference"),
        ("<< config.S >>", "looks like a reference"),
        ("a << config.S >> b", "looks like a reference"),
        ("!include nothing.txt", "includes 'nothing.txt', and "),
        ("!other x", "cannot be read: could not determine a constructor"),
        ("2020-99-99", "cannot be read: month must be in 1..12"),
    ],
)
def test_what_stands_for_nothing(document: Any, tmp_path: Path, value: str, said: str) -> None:
    """Each with the line of its field."""
    made = document(f"{in_environment(value)}secrets:\n  S: x\n", (tmp_path,))
    (fault,) = made.faults()
    assert str(fault).startswith(f"{tmp_path / 'model.yaml'}:3 config.environment.A ")
    assert said in str(fault)


def test_secrets_by_their_names_alone(document: Any) -> None:
    """What is written out under such a name is hidden, too; the name of a model is none."""
    text = "config:\n  environment:\n    API_KEY: sk-2\n    MODEL_KEY: gpt\n    apiToken: t\n    RETRIES: 3\n"
    assert environment(document(text)) == {
        "API_KEY": ("secret", "sk-2"),
        "MODEL_KEY": "gpt",
        "apiToken": ("secret", "t"),
        "RETRIES": 3,
    }


def test_secrets_of_the_file_and_hidden_fields(document: Any) -> None:
    made = document("secrets:\n  A: $KEY\n  B: plain\n  C: 5\nkey: $KEY\ndisplay_name: $HOST\n")
    assert made.data["secrets"]["A"].get_secret_value() == "sk-1"
    assert made.data["secrets"]["B"].get_secret_value() == "plain"
    assert made.data["secrets"]["C"] == 5
    assert (made.data["key"], made.data["display_name"]) == ("sk-1", "http://host")
    assert "key" in made.hidden
    assert "display_name" not in made.hidden


@pytest.mark.parametrize(
    "text", ["", "config: 5\n", "config:\n  environment: 5\n", "secrets: 5\nconfig:\n  environment: {A: b}\n"]
)
def test_what_is_somewhere_else_is_left_to_the_schema(document: Any, text: str) -> None:
    assert document(text).problems == ()


def test_an_include_is_where_the_document_is(document: Any, tmp_path: Path) -> None:
    """A snippet's lines stay as they are; other texts have no blank ends; a variable in it is text."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "run.py").write_text("\n\n$KEY\n")
    text = 'config:\n  run_inference_snippet: !include below/run.py\ndescription: !include "./below/run.py"\n'
    made = document(text)
    assert made.data["config"]["run_inference_snippet"] == "\n\n$KEY\n"
    assert made.data["description"] == "$KEY"
    source = made.source("config.run_inference_snippet")
    assert (source.file, source.first_line) == (tmp_path / "below" / "run.py", 1)
    assert document(f"description: !include {tmp_path / 'below' / 'run.py'}\n").data["description"] == "$KEY"


def test_an_include_that_is_no_text(document: Any, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_bytes(b"\xff\xfe\x00")
    (fault,) = document("description: !include run.py\n").faults()
    assert "cannot be read: 'utf-8' codec" in str(fault)


def test_a_snippet_in_the_document_has_its_lines(document: Any, tmp_path: Path) -> None:
    text = "key: k\nconfig:\n  run_inference_snippet: |\n    import json\n    x = '$KEY'\n"
    made = document(text)
    assert made.data["config"]["run_inference_snippet"] == "import json\nx = '$KEY'\n"
    source = made.source("config.run_inference_snippet")
    assert (source.file, source.first_line) == (tmp_path / "model.yaml", 4)
    assert document("config:\n  run_inference_snippet: 'x'\n").source("config.run_inference_snippet").first_line == 2


def test_an_include_in_quotes_is_told(document: Any) -> None:
    (fault,) = document('config:\n  run_inference_snippet: "!include ./run.py"\n').faults()
    assert "is in quotes, so that nothing is included: write `run_inference_snippet: !include ./run.py`." in str(fault)


def test_a_key_that_is_there_twice(document: Any) -> None:
    (fault,) = document("key: a\nconfig:\n  timeout: 1\n  timeout: 2\n").faults()
    assert str(fault).endswith("model.yaml:4 config.timeout is there twice: keep one.")


def test_anchors_and_merges(document: Any) -> None:
    """What is merged may be written over; what holds itself is told."""
    made = document("a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\nc: [$KEY, 5]\n")
    assert made.data["b"] == {"x": 1, "y": 3}
    assert made.data["c"] == ["sk-1", 5]
    assert made.problems == ()
    assert [name for name, _ in document("a: &a\n  b: *a\nc: &c\n  - *c\n").problems] == ["a.b", "c.0"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2", "model.yaml:2 is not YAML: "),
        ("- a", "model.yaml holds no fields: write `name: value` lines."),
        ("a: \x01", "model.yaml cannot be read: "),
        ("[" * 5000, "model.yaml cannot be read: "),
        ("? [a]\n: 1\n", "model.yaml:1 is not YAML: "),
        ("a:\n  <<: 5\n", "model.yaml:2 is not YAML: "),
    ],
)
def test_what_is_no_document_is_refused(document: Any, text: str, said: str) -> None:
    with pytest.raises(DefinitionRefused) as refused:
        document(text)
    assert said in str(refused.value)


def test_variables_of_the_folder_come_after_the_process(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# a remark\nA=of the file\nexport B='quoted # value'\nC\nD=\n")
    (tmp_path / "X").write_bytes(b"\xff")
    made = folder_references(tmp_path, {"A": "of the process"}, tmp_path)
    assert made.variables == {"A": "of the process", "B": "quoted # value", "C": "", "D": ""}
    assert made.secret("<< secrets.A >>", {}) == "of the process"
