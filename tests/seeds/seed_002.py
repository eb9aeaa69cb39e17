"""What seed 002, "Integrate Custom Model", says: its definition, its snippet, and the fragments before them."""

from __future__ import annotations

from pathlib import Path

TEXT = (Path(__file__).parent / "002_integrate_custom_model.md").read_text()
_FULL = TEXT.partition("Example of a Full Definition\n")[2]

DEFINITION = _FULL.partition("import json\n")[0]
SNIPPET = "import json\n" + _FULL.partition("import json\n")[2] + "\n"
#: Where the definition's model is.
HOST = "api.openai.com"
URL = "https://api.openai.com/v1/chat/completions"


def between(start: str, end: str) -> str:
    """The text from `start` up to `end`."""
    assert TEXT.count(start) >= 1
    return start + TEXT.partition(start)[2].partition(end)[0]


DESCRIPTION = between("display_name: ", "\n\nSee the Models")
CONNECTION = between('config:\n  connection_type: "custom_inference"\n  run_inf', "\n\nAll fields")
ENVIRONMENT = between('config:\n  connection_type: "custom_inference"\n  environment', "\n\nInside the snippet")
ENVIRONMENT_FORMS = between('environment:\n  API_KEY: "sk-…"', "\nStep 2.3")
ADAPTER = between('config:\n  connection_type: "custom_inference"\n  adapter', "\n\nIf the inference")
SIGNATURE = between("def run_inference(body: str, environment: dict[str, Any]) -> str:", "\n\nThe function's inputs")


def write(folder: Path, definition: str = DEFINITION, snippet: str = SNIPPET) -> Path:
    (folder / "model.yaml").write_text(definition)
    (folder / "run_inference.py").write_text(snippet)
    return folder
