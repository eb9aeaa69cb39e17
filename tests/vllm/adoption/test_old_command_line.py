"""Old scripts' command lines and arguments with the installed vLLM; no engine is started."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from handrail_container.engine.vllm import arguments
from handrail_container.engine.vllm.adoption.command_line import OldArguments
from handrail_container.engine.vllm.adoption.imports import AfterImport
from handrail_container.engine.vllm.adoption.old_modules import OldModules
from handrail_container.engine.vllm.names import vllm

pytestmark = [
    pytest.mark.vllm,
    # torch's and transformers' own, while vLLM imports them
    pytest.mark.filterwarnings("ignore"),
]
MODEL = Path(__file__).parents[3] / "examples" / "model"
SCRIPT = Path(__file__).parents[2] / "scripts" / "adoption" / "old_command_line.py"


@pytest.fixture
def old() -> Iterator[Any]:
    given, modules = OldArguments(), OldModules()
    after = [AfterImport(given.prepared), AfterImport(modules.prepared)]
    for one in (*after, modules):
        one.install()
    try:
        module = ModuleType("old_command_line")
        exec(compile(SCRIPT.read_text(), SCRIPT, "exec"), vars(module))
        yield module
    finally:
        for one in after:
            one.uninstall()
        modules.undo()
        given.undo()


def test_old_options_are_taken(old: Any) -> None:
    words = "--disable-log-requests --swap-space 8 --task embed --use-v2-block-manager --max-model-len 64"
    args = old.parse(*words.split(), "--limit-mm-per-prompt", "image=2,video=1", "--rope-scaling", '{"factor": 2.0}')
    assert (args.disable_log_requests, args.swap_space, args.task, args.use_v2_block_manager) == (
        True,
        8,
        "embed",
        True,
    )
    assert (args.max_model_len, args.limit_mm_per_prompt) == (64, {"image": 2, "video": 1})
    assert args.rope_scaling == {"factor": 2.0}


def test_old_attributes_are_there(old: Any) -> None:
    args = old.parse()
    assert (args.disable_log_requests, args.engine_use_ray, args.prompt_adapters, args.device) == (
        *(False, False, None, "auto"),
    )
    assert old.arguments(args).handrail_gone == {}


def test_the_scripts_own_options_are_its_own(old: Any) -> None:
    args = old.parse()
    assert (args.host, args.model, args.seed) == (None, "the/scripts", 7)
    assert old.parse("--model", "m", "--tensor-parallel-size", "2").model == "m"


def test_the_servers_parser_takes_them_too(old: Any) -> None:
    args = old.parse_as_server("a/model", "--disable-log-requests", "--max-log-len", "9", "--port", "1")
    assert (args.model_tag, args.disable_log_requests, args.max_log_len, args.port) == ("a/model", True, 9, 1)


def test_a_plain_parser_does(old: Any) -> None:
    args = old.parse_plainly("--num-scheduler-steps", "8", "--multi-step-stream-outputs=false", "--enforce-eager")
    assert (args.num_scheduler_steps, args.multi_step_stream_outputs, args.enforce_eager) == (8, False, True)
    assert old.parse_plainly("--multi-step-stream-outputs").multi_step_stream_outputs is True


def test_an_unknown_option_is_the_parsers_error(old: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        old.parse("--colour", "red")
    assert ended.value.code == 2


def test_what_is_gone_is_kept_by_the_arguments(old: Any) -> None:
    engine_args = old.arguments(old.parse("--model", str(MODEL), "--swap-space", "8", "--max-num-seqs", "3"))
    assert type(engine_args) is vllm("AsyncEngineArgs")
    assert (engine_args.model, engine_args.max_num_seqs) == (str(MODEL), 3)
    assert engine_args.handrail_gone == {"swap_space": 8}


def test_arguments_are_made_with_what_is_gone(old: Any) -> None:
    engine_args = old.built(str(MODEL))
    assert engine_args.handrail_gone == {
        **{"disable_log_requests": True, "use_v2_block_manager": True, "swap_space": 8, "task": "embed"},
        "worker_use_ray": False,
    }
    assert (engine_args.runner, engine_args.engine_use_ray, engine_args.swap_space) == ("auto", False, 8)
    plain = old.built_plainly(str(MODEL))
    assert (plain.max_num_seqs, plain.handrail_gone) == (3, {"device": "cuda"})


def test_a_name_that_never_was_is_vllms_error(old: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'use_gpu'"):
        old.wrong()


def test_the_servers_own_parser_is_untouched(old: Any) -> None:
    """And so are the fields and the signature."""
    parser = arguments._parser()
    assert "--swap-space" not in parser._option_string_actions
    assert arguments.parse(str(MODEL), {"SM_VLLM_MAX_MODEL_LEN": "64"}).max_model_len == 64
    cls = vllm("AsyncEngineArgs")
    assert list(inspect.signature(cls).parameters) == [field.name for field in dataclasses.fields(cls)]


def test_afterwards_all_is_vllms() -> None:
    cls = vllm("AsyncEngineArgs")
    before = (cls.__init__, cls.add_cli_args, vars(cls.__mro__[1])["from_cli_args"])
    given = OldArguments()
    after = AfterImport(given.prepared)
    after.install()
    assert cls.__init__ is not before[0]
    after.uninstall()
    given.undo()
    assert (cls.__init__, cls.add_cli_args, vars(cls.__mro__[1])["from_cli_args"]) == before
    assert not hasattr(cls, "handrail_gone")
    assert not hasattr(cls, "swap_space")
