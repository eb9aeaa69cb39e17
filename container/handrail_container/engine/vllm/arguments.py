"""Parses `SM_VLLM_*` variables with vLLM's own parser, and names the variable in vLLM's error messages."""

from __future__ import annotations

import contextlib
import json
import logging
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from handrail_container.engine import machine
from handrail_container.engine.vllm import environment, named_files, processes, refusals
from handrail_container.engine.vllm.names import vllm
from handrail_container.process import extras
from handrail_container.process.exits import SettingsError
from handrail_container.settings import vllm_flags as sm

log = logging.getLogger(__name__)

_GIB = 1 << 30
#: Default of SM_VLLM_MAX_LORAS on a CPU.
_CPU_ADAPTERS = 4


def parse(model: str, variables: Mapping[str, str]) -> Namespace:
    """vLLM's arguments for `model`, with all checks that are possible before loading. Raises SettingsError."""
    given = sm.engine_flags(variables)
    parser = _parser()
    flags = sm.without_listener(given)
    if problems := [*named_files.model_problems(model), *sm.listener_problems(given), *_problems(parser, flags)]:
        raise SettingsError(*problems)
    _warn(parser, given)
    args = _parse_together(parser, model, flags)
    if missing := named_files.problems(args):
        raise SettingsError(*missing)
    _apply_defaults(parser, args, flags)
    if vllm("current_platform").is_cpu():
        _suit_cpu(args)
    if unfit := list(machine.problems(_parallel(args), machine.detect_machine(_gpus(), _numa_nodes()))):
        raise SettingsError(*unfit)
    return args


def variables() -> dict[str, str]:
    """Each flag of vLLM's with the variable that sets it."""
    return sm.variables_of({option: action.nargs == 0 for option, action in _parser()._option_string_actions.items()})


def _parallel(args: Namespace) -> machine.Parallel:
    return machine.Parallel(
        args.tensor_parallel_size,
        args.pipeline_parallel_size,
        args.data_parallel_size,
        args.data_parallel_size_local,
        args.nnodes,
        args.distributed_executor_backend,
        args.data_parallel_backend,
    )


def _gpus() -> int | None:
    if vllm("current_platform").is_cpu():
        return None
    import torch

    return int(torch.cuda.device_count())


def _numa_nodes() -> int | None:
    """The number of NUMA nodes; None if no worker needs one of its own."""
    is_bound = vllm("current_platform").is_cpu() and environment.binds_threads_itself()
    return processes.numa_nodes() if is_bound and not environment.simulates_nodes() else None


def _parser() -> Any:
    environment.prepare()
    try:
        processes.log_like_us()
        parser = vllm("make_arg_parser")(vllm("FlexibleArgumentParser")(add_help=False, allow_abbrev=False))
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"the engine is vllm, and {missing.name} is not installed: {extras.install_vllm()}, "
            "or set HANDRAIL_ENGINE to echo or none"
        ) from missing
    except RuntimeError as unfit:  # vLLM looks for a device when its parser is made
        raise SettingsError(f"vLLM cannot run here: {unfit}; HANDRAIL_ENGINE=echo runs anywhere") from unfit
    parser.error = _complain  # argparse's own prints and exits
    return parser


def _complain(message: str) -> NoReturn:
    raise ValueError(message)


def _problems(parser: Any, flags: Mapping[str, str]) -> list[str]:
    options = sm.options_of(action.option_strings for action in parser._actions)
    unknown = sm.unknown_flags(flags, options)
    unknown_names = {sentence.split()[0].removeprefix(sm.PREFIX) for sentence in unknown}
    known = {name: value for name, value in flags.items() if name not in unknown_names}
    return [*unknown, *(problem for name, value in known.items() if (problem := _problem(parser, name, value)))]


def _problem(parser: Any, name: str, value: str) -> str | None:
    """The parser's complaint about one flag. The parser stops at the first error, so flags are parsed one by one."""
    try:
        parsed = parser.parse_args(sm.tokens(name, value))
        _refuse_broken_json(value, getattr(parsed, name.lower(), None))
    except Exception as error:  # noqa: BLE001  any exception of vLLM's parser is a refusal of the value
        return refusals.refused({name: value}, [name], error)
    return None


def _refuse_broken_json(value: str, parsed: Any) -> None:
    """Raises ValueError for broken JSON. A flag that takes an object or a string would accept it as a string and fail
    later."""
    if parsed == value and value.startswith("{") and value[1:2] not in ("{", "%", "#"):  # these begin a template
        json.loads(value)


def _parse_together(parser: Any, model: str, flags: Mapping[str, str]) -> Namespace:
    def parsed(some: Mapping[str, str]) -> Namespace:
        args: Namespace = parser.parse_args(["--model", model, *sm.command_line(some)])
        _import_plugins(args)
        vllm("validate_parsed_serve_args")(args)
        return args

    def passes(some: Mapping[str, str]) -> bool:
        with contextlib.suppress(Exception):
            parsed(some)
            return True
        return False

    try:
        return parsed(flags)
    except Exception as error:  # any exception of vLLM's parser, its checks or a plugin is a refusal of the flags
        raise SettingsError(refusals.refused(flags, refusals.flags_at_fault(flags, passes), error)) from error


def _import_plugins(args: Namespace) -> None:
    """Import the user's own parsers, which `--tool-call-parser` and `--reasoning-parser` may name."""
    if args.tool_parser_plugin:
        vllm("ToolParserManager").import_tool_parser(args.tool_parser_plugin)
    if args.reasoning_parser_plugin:
        vllm("ReasoningParserManager").import_reasoning_parser(args.reasoning_parser_plugin)


def _warn(parser: Any, flags: Mapping[str, str]) -> None:
    for sentence in sm.listener_warnings(flags):
        log.warning(sentence)
    for name, value in sm.without_listener(flags).items():
        action = parser._option_string_actions["--" + name.lower().replace("_", "-")]
        if value.lower() == "false" and action.default is not False and _can_be_negated(action):
            log.warning(
                "%s%s=false leaves the flag out, which does not switch it off; to do that set %sNO_%s=true",
                *(sm.PREFIX, name, sm.PREFIX, name),
            )


def _can_be_negated(action: Any) -> bool:
    return any(option.startswith("--no-") for option in action.option_strings)


def _apply_defaults(parser: Any, args: Namespace, flags: Mapping[str, str]) -> None:
    """Set Handrail's defaults, unless a variable or the file of SM_VLLM_CONFIG sets another value."""
    defaults: dict[str, Any] = {"served_model_name": _served_names(args.model)}
    if vllm("current_platform").is_cpu():
        defaults |= _cpu_defaults(parser, args)
    for name, value in defaults.items():
        set_by_user = {name.upper(), f"NO_{name.upper()}"} & set(flags)
        if not set_by_user and getattr(args, name) == parser.get_default(name):
            setattr(args, name, value)


def _served_names(model: str) -> list[str] | None:
    """The served names: as in vLLM, the model as it was given; for a directory also its name, which clients know."""
    path = Path(model)
    if not path.is_dir():
        return None
    return list(dict.fromkeys([model, path.resolve().name]))


def _suit_cpu(args: Namespace) -> None:
    if args.enable_lora:
        _add_empty_slot(args)
    if args.enforce_eager:
        environment.compile_nothing()


def _add_empty_slot(args: Namespace) -> None:
    """Add a LoRA slot. On a CPU, a request without an adapter is answered with the adapter in vLLM's last slot if the
    batch has another adapter's request (vllm-project/vllm#48421). `places.py` keeps the last slot empty."""
    args.max_loras += 1
    if args.max_cpu_loras is not None:
        args.max_cpu_loras = max(args.max_cpu_loras, args.max_loras)


def _cpu_defaults(parser: Any, args: Namespace) -> dict[str, Any]:
    # Every CPU computes float32, few bfloat16. A hypervisor may show a feature that it does not support; the worker is
    # then ended by SIGILL. Compiling costs minutes of start and gains nothing for the models a CPU is used for.
    defaults: dict[str, Any] = {"dtype": "float32", "enforce_eager": True, "max_loras": _CPU_ADAPTERS}
    if args.gpu_memory_utilization == parser.get_default("gpu_memory_utilization") and not environment.kv_space_set():
        # vLLM's own default is 92 % of the machine's memory; it does not start if other processes hold too much of it.
        defaults["kv_cache_memory_bytes"] = min(4 * _GIB, processes.available_memory() // 4)
    return defaults
