"""All that scripts of older versions find, in a process that has not imported vLLM."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.vllm
SCRIPTS = Path(__file__).parents[2] / "scripts" / "adoption"
PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
from handrail_container.engine.vllm import environment
from handrail_container.engine.vllm.adoption.command_line import OldArguments
from handrail_container.engine.vllm.adoption.imports import AfterImport, together
from handrail_container.engine.vllm.adoption.old_modules import OldModules
from handrail_container.engine.vllm.adoption.sampling import SamplingForScripts
from handrail_container.engine.vllm.names import vllm

environment.prepare()
given, modules, sampling = OldArguments(), OldModules(), SamplingForScripts()
after = AfterImport(together(given.prepared, modules.prepared, sampling.prepared))
after.install()
modules.install()
assert not any(name.partition(".")[0] == "vllm" for name in sys.modules)
sys.path.insert(0, sys.argv[1])
import old_command_line, old_imports, old_sampling

assert type(old_sampling.without_beams()) is vllm("SamplingParams")
assert old_command_line.built(sys.argv[2]).handrail_gone["swap_space"] == 8
from vllm.v1.engine import EngineCoreRequest
import typing
assert typing.get_type_hints(EngineCoreRequest)["sampling_params"] == vllm("SamplingParams") | None
after.uninstall()
for one in (given, modules, sampling):
    one.undo()
assert type(sys.modules["vllm"]).__name__ == "module" and "SamplingParams" not in vars(type(sys.modules["vllm"]))
assert "vllm.entrypoints.openai.protocol" not in sys.modules
"""


def test_nothing_is_imported_before_the_script_does() -> None:
    command = [sys.executable, "-c", PROGRAM, str(SCRIPTS), str(SCRIPTS.parents[2] / "examples" / "model")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
