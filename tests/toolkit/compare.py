"""Measures the rows on the toolkit itself and on Handrail; writes recorded.json and the page of the documentation."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.toolkit import report
from tests.toolkit.in_process import ask
from tests.toolkit.rows import ALL
from tests.toolkit.table import Answer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility" / "inference-toolkit.md"


def main() -> int:
    options = _options()
    if options.python:
        asked = json.dumps([row.for_original() for row in ALL])
        command = [options.python, Path(__file__).with_name("original.py")]
        done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)
        report.RECORDED.write_text(done.stdout + "\n")
    ours = asyncio.run(_of_handrail())
    PAGE.write_text(report.document(ours))
    print(f"wrote {PAGE.relative_to(ROOT)}")
    wrong = [row.name for row in ALL if not row.ours.fits(ours[row.name])]
    wrong += [name for name, problem in report.disagreements().items() if problem]
    print(*wrong, sep="\n")
    return bool(wrong)


async def _of_handrail() -> dict[str, Answer]:
    with tempfile.TemporaryDirectory() as folder:
        return {row.name: await ask(row, Path(folder) / str(number) / "ml") for number, row in enumerate(ALL)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/compare-toolkit", description=__doc__)
    parser.add_argument("--python", help="one with sagemaker-inference and multi-model-server, to record anew")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
