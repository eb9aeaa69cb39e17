"""Formatters in the folder of a LoRA adapter, as scripts for LMI write them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.servers import SCRIPTS
from tests.toolkit.in_process import serving

ADAPTER = """
from djl_python.output_formatter import output_formatter


@output_formatter
def told(answer):
    answer["told_by"] = "the adapter"
    return answer
"""


async def test_the_adapter_s_take_the_place_of_the_script_s_for_its_requests(tmp_path: Path) -> None:
    """One by one: the input formatter of the script stays."""
    shutil.copy(SCRIPTS / "lmi" / "both_formatters.py", tmp_path / "model.py")
    adapter = tmp_path / "adapters" / "poet"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "model.py").write_text(ADAPTER)
    async with serving(tmp_path) as client:

        async def ask(**headers: str) -> Any:
            return (await client.post("/invocations", json={"question": "why"}, headers=headers)).json()

        before = await ask()
        loaded = await client.post("/adapters", json={"name": "poet", "src": str(adapter)})
        assert loaded.status_code == 200, loaded.text
        poet = await ask(**{"X-Amzn-SageMaker-Adapter-Identifier": "poet"})
        assert await ask() == before
    assert before == {"answer": "Q: why"}
    assert poet == {"generated_text": "Q: why", "told_by": "the adapter"}
