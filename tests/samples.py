"""The Python that README and docs/start.md show; `python -m tests.samples FOLDER` writes it there, to be checked."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, START = ROOT / "README.md", ROOT / "docs" / "start.md"


def samples() -> list[str]:
    texts = (page.read_text() for page in (README, START))
    return [code for text in texts for code in re.findall(r"```python\n(.+?)```", text, re.DOTALL)]


if __name__ == "__main__":
    for number, code in enumerate(samples()):
        Path(sys.argv[1], f"sample_{number}.py").write_text(code)
