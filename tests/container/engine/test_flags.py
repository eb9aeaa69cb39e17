from __future__ import annotations

import pytest
from handrail_container.settings import vllm_flags

OPTIONS = vllm_flags.options_of(
    [
        ["--max-model-len"],
        ["--tensor-parallel-size", "-tp"],
        ["--enforce-eager", "--no-enforce-eager"],
        ["-x"],
    ]
)


@pytest.mark.parametrize(
    ("name", "value", "tokens"),
    [
        ("MAX_MODEL_LEN", "2048", ["--max-model-len", "2048"]),
        ("ENFORCE_EAGER", "true", ["--enforce-eager"]),
        ("ENFORCE_EAGER", "True", ["--enforce-eager"]),
        ("ENFORCE_EAGER", "false", []),
        ("ENFORCE_EAGER", "FALSE", []),
        ("SERVED_MODEL_NAME", '["a", "b c"]', ["--served-model-name", "a", "b c"]),
        ("CUDA_GRAPH_SIZES", "[1, 2]", ["--cuda-graph-sizes", "1", "2"]),
        ("SERVED_MODEL_NAME", "[]", []),
        ("HF_OVERRIDES", '{"a": {"b": 1}}', ["--hf-overrides", '{"a": {"b": 1}}']),
        ("LORA_MODULES", '[{"name": "a"}]', ["--lora-modules", '{"name": "a"}']),
        ("LORA_MODULES", '{"name": "a"} {"name": "b"}', ["--lora-modules", '{"name": "a"}', '{"name": "b"}']),
        ("LORA_MODULES", '{"name": "a"} more', ["--lora-modules", '{"name": "a"} more']),
        ("CHAT_TEMPLATE", "{% for m in messages %}", ["--chat-template", "{% for m in messages %}"]),
        ("ALLOWED_ORIGINS", '["*"]', ["--allowed-origins", '["*"]']),
        ("SEED", "-1", ["--seed=-1"]),
        ("MODEL_IMPL", "a sentence of words", ["--model-impl", "a sentence of words"]),
    ],
)
def test_a_value_becomes_tokens(name: str, value: str, tokens: list[str]) -> None:
    """The rules of the AWS container: booleans, arrays, objects, several objects, and everything else as it is."""
    assert vllm_flags.tokens(name, value) == tokens


def test_flags_are_sorted_and_empty_ones_are_unset() -> None:
    variables = {"SM_VLLM_SEED": "1", "SM_VLLM_DTYPE": " half ", "SM_VLLM_MODEL": "m", "SM_VLLM_REVISION": " "}
    assert vllm_flags.engine_flags(variables) == {"DTYPE": "half", "SEED": "1"}
    assert list(vllm_flags.engine_flags(variables)) == ["DTYPE", "SEED"]


def test_the_command_line_is_the_tokens_of_all_flags() -> None:
    assert vllm_flags.command_line({"ENFORCE_EAGER": "true", "SEED": "1"}) == ["--enforce-eager", "--seed", "1"]


@pytest.mark.parametrize("name", ["MAX_MODEL_LEN", "TENSOR_PARALLEL_SIZE", "ENFORCE_EAGER", "NO_ENFORCE_EAGER"])
def test_a_flag_of_the_parser_is_known(name: str) -> None:
    assert vllm_flags.unknown_flags({name: "1"}, OPTIONS) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "MAX_MODEL_LENGTH",
            "SM_VLLM_MAX_MODEL_LENGTH is not a flag of vLLM: did you mean SM_VLLM_MAX_MODEL_LEN?",
        ),
        ("TP", "SM_VLLM_TP is not a flag of vLLM: did you mean SM_VLLM_TENSOR_PARALLEL_SIZE?"),
        (
            "WEATHER",
            "SM_VLLM_WEATHER is not a flag of vLLM; `vllm serve --help=all` lists those there are",
        ),
    ],
)
def test_an_unknown_flag_is_named_with_the_nearest(name: str, sentence: str) -> None:
    assert vllm_flags.unknown_flags({name: "1"}, OPTIONS) == [sentence]


def test_all_unknown_flags_are_reported_at_once_even_those_left_out() -> None:
    """`false` omits a flag from the command line, and a misspelt one is still misspelt."""
    assert len(vllm_flags.unknown_flags({"MAX_MODEL_LENGTH": "1", "ENFORCE_EAGR": "false"}, OPTIONS)) == 2


def test_flags_of_the_http_server_are_said_to_have_no_effect() -> None:
    given = {"PORT": "9000", "ROOT_PATH": "/x", "SEED": "1"}
    port, root_path = vllm_flags.listener_warnings(given)
    assert port.startswith("SM_VLLM_PORT has no effect")
    assert port.endswith("use --port or SAGEMAKER_BIND_TO_PORT")
    assert root_path.startswith("SM_VLLM_ROOT_PATH has no effect")
    assert root_path.endswith("answers instead")
    assert vllm_flags.without_listener(given) == {"SEED": "1"}


def test_variables_of_the_http_server_are_said_to_have_no_effect() -> None:
    given = {
        "VLLM_SERVER_DEV_MODE": "1",
        "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "true",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "",
    }
    logged, dev = vllm_flags.variable_warnings({**given, "VLLM_MAX_N_SEQUENCES": "4"})
    assert logged.startswith("VLLM_DEBUG_LOG_API_SERVER_RESPONSE has no effect")
    assert logged.endswith("use HANDRAIL_ACCESS_LOG")
    assert dev.startswith("VLLM_SERVER_DEV_MODE has no effect")


def test_flags_that_somebody_relies_on_are_refused_with_what_to_do_instead() -> None:
    given = {"API_KEY": "secret", "HEADLESS": "false"}
    (problem,) = vllm_flags.listener_problems(given)
    assert problem.startswith("SM_VLLM_API_KEY would be ignored")
    assert problem.endswith("set HANDRAIL_API_KEY")
    assert "secret" not in problem
    assert vllm_flags.without_listener(given) == {}


VARIABLES = vllm_flags.variables_of(
    {"--enable-auto-tool-choice": True, "--tool-call-parser": False, "-x": False, "--api-key": False, "--port": False}
)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
            "SM_VLLM_ENABLE_AUTO_TOOL_CHOICE=true SM_VLLM_TOOL_CALL_PARSER=…",
        ),
        ("set `--tool-call-parser`, as --tool-call-parser.", "SM_VLLM_TOOL_CALL_PARSER=…"),
        ("--tool-call-parser.x is not set", "SM_VLLM_TOOL_CALL_PARSER=…"),
    ],
)
def test_a_message_that_names_flags_is_told_of_their_variables(message: str, told: str) -> None:
    assert vllm_flags.with_variables(message, VARIABLES) == f"{message} (here, by the environment: {told})"


@pytest.mark.parametrize(
    "message", ["no flag", "--nobodys-flag", "a--tool-call-parser", "--tool-call-parser-too", "-x", "--", "--port"]
)
def test_a_message_that_names_none_of_vllms_is_left_as_it_is(message: str) -> None:
    assert vllm_flags.with_variables(message, VARIABLES) == message


def test_a_flag_of_the_server_that_does_not_run_here_is_told_of_nothing() -> None:
    assert VARIABLES.keys() == {"--enable-auto-tool-choice", "--tool-call-parser"}
