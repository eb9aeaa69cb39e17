"""`SM_VLLM_*` through vLLM's own parser: what it accepts is what vLLM accepts, and what it says names the variable."""

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
#: Adapters that a CPU has at hand, where SM_VLLM_MAX_LORAS does not say.
_CPU_ADAPTERS = 4


def parse(model: str, variables: Mapping[str, str]) -> Namespace:
    """vLLM's arguments for `model`, checked as far as vLLM checks them before it loads anything."""
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
    if unfit := list(machine.problems(_parallel(args), machine.look(_gpus(), _numa_nodes()))):
        raise SettingsError(*unfit)
    return args


def variables() -> dict[str, str]:
    """What sets each flag of vLLM's."""
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
    """None where no worker needs one of its own."""
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
    """What the parser says of one flag alone: it stops at the first complaint, and all are to be reported."""
    try:
        parsed = parser.parse_args(sm.tokens(name, value))
        _refuse_broken_json(value, getattr(parsed, name.lower(), None))
    except Exception as error:  # noqa: BLE001  whatever its parser raises, it refuses the value
        return refusals.refused({name: value}, [name], error)
    return None


def _refuse_broken_json(value: str, parsed: Any) -> None:
    """Some flags take an object or a string; vLLM takes an object with a typing error for a string, and fails later."""
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
    except Exception as error:  # whatever its parser, its checks or a plugin raises, the flags are refused
        raise SettingsError(refusals.refused(flags, refusals.blamed(flags, passes), error)) from error


def _import_plugins(args: Namespace) -> None:
    """Parsers of the user's own, which `--tool-call-parser` and `--reasoning-parser` may name."""
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
    """Ours, where neither a variable nor the file of SM_VLLM_CONFIG says otherwise."""
    defaults: dict[str, Any] = {"served_model_name": _served_names(args.model)}
    if vllm("current_platform").is_cpu():
        defaults |= _cpu_defaults(parser, args)
    for name, value in defaults.items():
        set_by_user = {name.upper(), f"NO_{name.upper()}"} & set(flags)
        if not set_by_user and getattr(args, name) == parser.get_default(name):
            setattr(args, name, value)


def _served_names(model: str) -> list[str] | None:
    """vLLM's rule, the model as it was given, and for a directory also its name, which is what clients know."""
    path = Path(model)
    if not path.is_dir():
        return None
    return list(dict.fromkeys([model, path.resolve().name]))


def _suit_cpu(args: Namespace) -> None:
    if args.enable_lora:
        _keep_one_place_empty(args)
    if args.enforce_eager:
        environment.compile_nothing()


def _keep_one_place_empty(args: Namespace) -> None:
    """On a CPU, vLLM answers what asks for no adapter with the one in its last place, where another runs in the same
    batch (vllm-project/vllm#48421). `places.py` sees to it that nothing gets there."""
    args.max_loras += 1
    if args.max_cpu_loras is not None:
        args.max_cpu_loras = max(args.max_cpu_loras, args.max_loras)


def _cpu_defaults(parser: Any, args: Namespace) -> dict[str, Any]:
    # Every CPU computes float32, few bfloat16, and a hypervisor need not honour what it shows of that: then the worker
    # is ended by SIGILL. Compiling costs minutes of start and wins nothing on the models a CPU is used for.
    defaults: dict[str, Any] = {"dtype": "float32", "enforce_eager": True, "max_loras": _CPU_ADAPTERS}
    if args.gpu_memory_utilization == parser.get_default("gpu_memory_utilization") and not environment.kv_space_set():
        # vLLM's own default is 92 % of the machine's memory, and it does not start where something else holds some.
        defaults["kv_cache_memory_bytes"] = min(4 * _GIB, processes.available_memory() // 4)
    return defaults
