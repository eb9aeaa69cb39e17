"""`SM_VLLM_<FLAG>` variables as vLLM's own command line, by the rules of the AWS container.

SM_VLLM_MAX_MODEL_LEN=2048            --max-model-len 2048
SM_VLLM_ENFORCE_EAGER=true            --enforce-eager
SM_VLLM_ENFORCE_EAGER=false           (nothing)
SM_VLLM_SERVED_MODEL_NAME=["a", "b"]  --served-model-name a b
SM_VLLM_HF_OVERRIDES={"a": 1}         --hf-overrides {"a": 1}
SM_VLLM_LORA_MODULES={...} {...}      --lora-modules {...} {...}
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

PREFIX = "SM_VLLM_"
#: A flag in a message of vLLM's.
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])")

#: vLLM reads these itself as one JSON list, so a list for them stays one token.
_JSON_LISTS = frozenset({"ALLOWED_ORIGINS", "ALLOWED_METHODS", "ALLOWED_HEADERS"})

_PORT = "--port or SAGEMAKER_BIND_TO_PORT"
_ACCESS_LOG = "HANDRAIL_ACCESS_LOG"

#: Flags of vLLM's HTTP server, which does not run here, and what replaces them. They are dropped with a warning.
WITHOUT_EFFECT: Mapping[str, str] = {
    "HOST": "--host",
    "PORT": _PORT,
    "ROOT_PATH": "",
    "ALLOW_CREDENTIALS": "",
    "ALLOWED_ORIGINS": "",
    "ALLOWED_METHODS": "",
    "ALLOWED_HEADERS": "",
    "API_SERVER_COUNT": "",
    "UVICORN_LOG_LEVEL": "SAGEMAKER_CONTAINER_LOG_LEVEL",
    "DISABLE_UVICORN_ACCESS_LOG": _ACCESS_LOG,
    "DISABLE_ACCESS_LOG_FOR_ENDPOINTS": _ACCESS_LOG,
    "ENABLE_REQUEST_ID_HEADERS": "",
    "DISABLE_FASTAPI_DOCS": "",
    "ENABLE_OFFLINE_DOCS": "",
    "H11_MAX_INCOMPLETE_EVENT_SIZE": "",
    "H11_MAX_HEADER_COUNT": "",
}

#: Variables of that server, and what replaces them here.
VARIABLES: Mapping[str, str] = {
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "",
    "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH": "",
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": _ACCESS_LOG,
    "VLLM_SERVER_DEV_MODE": "",
    "VLLM_USE_RUST_FRONTEND": "",
    "VLLM_RUST_FRONTEND_PATH": "",
}

#: Flags of that server on which the operator relies: they refuse the start, as to drop them would be to pretend.
REFUSED: Mapping[str, str] = {
    "API_KEY": "set HANDRAIL_API_KEY",
    "MIDDLEWARE": "set CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE or CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS",
    "SSL_KEYFILE": "end TLS in front of this server",
    "SSL_CERTFILE": "end TLS in front of this server",
    "SSL_CA_CERTS": "end TLS in front of this server",
    "SSL_CERT_REQS": "end TLS in front of this server",
    "SSL_CIPHERS": "end TLS in front of this server",
    "ENABLE_SSL_REFRESH": "end TLS in front of this server",
    "UDS": f"set {_PORT}",
    "GRPC": "remove it: this server speaks HTTP",
    "GRPC_PORT": "remove it: this server speaks HTTP",
    "HEADLESS": "remove it: start `vllm serve --headless` itself on the nodes that serve no requests",
}


def engine_flags(variables: Mapping[str, str]) -> dict[str, str]:
    """The flags that are set, by name without the prefix, sorted; the model is not one of them."""
    named = {name.removeprefix(PREFIX).upper(): value.strip() for name, value in variables.items()}
    return {name: named[name] for name in sorted(named) if named[name] and name != "MODEL"}


def tokens(name: str, value: str) -> list[str]:
    """The command-line tokens of one flag."""
    option = "--" + name.lower().replace("_", "-")
    if value.lower() in ("true", "false"):
        return [option] if value.lower() == "true" else []
    values = _values(name, value)
    if len(values) == 1 and values[0].startswith("-"):
        return [f"{option}={values[0]}"]  # or the parser takes the value for a flag
    return [option, *values] if values else []


def command_line(flags: Mapping[str, str]) -> list[str]:
    return [token for name, value in flags.items() for token in tokens(name, value)]


def listener_warnings(flags: Mapping[str, str]) -> list[str]:
    """A sentence for each flag that has no effect here."""
    return [_idle(f"{PREFIX}{name}", instead) for name, instead in WITHOUT_EFFECT.items() if name in flags]


def variable_warnings(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable of vLLM's that has no effect here."""
    return [_idle(name, instead) for name, instead in VARIABLES.items() if environment.get(name)]


def _idle(name: str, instead: str) -> str:
    said = f"{name} has no effect: it belongs to vLLM's HTTP server, and this one answers instead"
    return f"{said}; use {instead}" if instead else said


def listener_problems(flags: Mapping[str, str]) -> list[str]:
    """A sentence for each flag that asks for something of vLLM's HTTP server that this one would not do."""
    return [
        f"{PREFIX}{name} would be ignored: it belongs to vLLM's HTTP server, which does not run here; {instead}"
        for name, instead in REFUSED.items()
        if flags.get(name, "false").lower() != "false"
    ]


def without_listener(flags: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in flags.items() if name not in WITHOUT_EFFECT and name not in REFUSED}


def unknown_flags(flags: Mapping[str, str], options: Mapping[str, str]) -> list[str]:
    """A sentence for each flag that is none of `options`, with the nearest that is.

    `options` maps every option string of the parser to the long one that means the same: `-tp` to
    `--tensor-parallel-size`, and a long one to itself.
    """
    known = {_variable_name(option): _variable_name(long) for option, long in options.items()}
    long_ones = {_variable_name(option) for option in options if option.startswith("--")}
    return [_unknown(name, known) for name in flags if name not in long_ones]


def _unknown(name: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if name.lower() in known:  # a short option, which the environment has no way to write
        near = [name.lower()]
    hint = f": did you mean {PREFIX}{known[near[0]]}?" if near else "; `vllm serve --help=all` lists those there are"
    return f"{PREFIX}{name} is not a flag of vLLM{hint}"


def _variable_name(option: str) -> str:
    """`--max-model-len` as MAX_MODEL_LEN; a short option keeps its case, so that no flag is taken for it."""
    return option[2:].replace("-", "_").upper() if option.startswith("--") else option[1:]


def _values(name: str, value: str) -> list[str]:
    if name in _JSON_LISTS:
        return [value]
    try:
        parsed = json.loads(value)
    except ValueError:
        return _objects(value) or [value]
    return [_text(item) for item in parsed] if isinstance(parsed, list) else [value]


def _objects(value: str) -> list[str]:
    """`{...} {...}` as one token each; empty if `value` has another form."""
    decoder = json.JSONDecoder()
    found: list[str] = []
    rest = value
    while rest.startswith("{"):
        try:
            _, end = decoder.raw_decode(rest)
        except ValueError:
            return []  # a chat template in one line also begins with a brace
        found.append(rest[:end])
        rest = rest[end:].lstrip()
    return [] if rest else found


def _text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item)


def with_variables(message: str, variables: Mapping[str, str]) -> str:
    """`message` of vLLM's, which may name flags, with the variables that set them here; `variables` are by flag."""
    flags = dict.fromkeys(f"--{name}" for name in OPTION.findall(message))
    named = [variables[flag] for flag in flags if flag in variables]
    return f"{message} (here, by the environment: {' '.join(named)})" if named else message


def variables_of(switches: Mapping[str, bool]) -> dict[str, str]:
    """The variable that sets each flag, by its long option; `switches` says of each whether it has no value. Flags of
    vLLM's HTTP server are left out: here they do nothing."""
    names = {option: _variable_name(option) for option in switches if option.startswith("--")}
    return {
        option: f"{PREFIX}{name}={'true' if switches[option] else '…'}"
        for option, name in names.items()
        if name not in WITHOUT_EFFECT and name not in REFUSED
    }


def options_of(option_strings: Iterable[Iterable[str]]) -> dict[str, str]:
    """The parser's options, one group of strings each, as `unknown_flags` wants them."""
    return {
        option: next((name for name in (*group, option) if name.startswith("--")), option)
        if not option.startswith("--")
        else option
        for group in map(tuple, option_strings)
        for option in group
    }
