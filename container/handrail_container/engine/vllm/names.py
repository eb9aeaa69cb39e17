"""Every name of vLLM that this package imports, and how it calls it; `members.py` has their methods and attributes.

vLLM moves its modules every release: a name that moved has several homes, the newest first. Names outside `NAMES` are
not used. `scripts/record_vllm_names` records which of them the supported versions have.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

CLI_ARGS = ("vllm.entrypoints.common.cli_args", "vllm.entrypoints.launchers.cli_args")  # 0.33, 0.32


@dataclass(frozen=True)
class Name:
    """A name's modules, and how it is called: the number of positional arguments, and keywords. `calls` is None if it
    is not called."""

    modules: tuple[str, ...]
    path: str
    calls: tuple[int, tuple[str, ...]] | None = None


def name(modules: str | tuple[str, ...], path: str, *calls: int | str) -> Name:
    homes = (modules,) if isinstance(modules, str) else modules
    if not calls:
        return Name(homes, path)
    return Name(homes, path, (int(calls[0]), tuple(map(str, calls[1:]))))


#: Imported names. Their methods and attributes are in `members.py`.
NAMES: dict[str, Name] = {
    # The command line
    "FlexibleArgumentParser": name("vllm.utils.argparse_utils", "FlexibleArgumentParser"),
    "make_arg_parser": name(CLI_ARGS, "make_arg_parser", 1),
    "validate_parsed_serve_args": name(CLI_ARGS, "validate_parsed_serve_args", 1),
    "propagate_flash_late_interaction": name(CLI_ARGS, "propagate_flash_late_interaction", 2),
    "ToolParserManager": name("vllm.tool_parsers", "ToolParserManager"),
    "ReasoningParserManager": name("vllm.reasoning", "ReasoningParserManager"),
    "AsyncEngineArgs": name("vllm.engine.arg_utils", "AsyncEngineArgs"),
    "EngineArgs": name("vllm.engine.arg_utils", "EngineArgs"),
    "UsageContext": name("vllm.usage.usage_lib", "UsageContext"),
    "current_platform": name("vllm.platforms", "current_platform"),
    # The engine
    "AsyncLLM": name("vllm.v1.engine.async_llm", "AsyncLLM"),
    "LLM": name("vllm.entrypoints.llm", "LLM"),
    "LLMEngine": name("vllm.v1.engine.llm_engine", "LLMEngine"),
    "PoolingOfflineMixin": name("vllm.entrypoints.pooling.offline", "PoolingOfflineMixin"),
    "load_chat_template": name("vllm.renderers.chat_utils", "load_chat_template", 1),
    "cached_tokenizer_from_config": name("vllm.tokenizers", "cached_tokenizer_from_config", 1),
    "AsyncMPClient": name("vllm.v1.engine.core_client", "AsyncMPClient"),
    "EngineDeadError": name("vllm.v1.engine.exceptions", "EngineDeadError"),
    "VLLMValidationError": name("vllm.exceptions", "VLLMValidationError"),
    "get_mp_context": name("vllm.v1.engine.utils", "get_mp_context", 0),
    "set_process_title": name("vllm.utils.system_utils", "set_process_title", 1),
    "OMPProcessManager": name("vllm.utils.ompmultiprocessing", "OMPProcessManager", 1),
    "DEFAULT_LOGGING_CONFIG": name("vllm.logger", "DEFAULT_LOGGING_CONFIG"),
    "SamplingParams": name("vllm.sampling_params", "SamplingParams"),
    "StructuredOutputsParams": name("vllm.sampling_params", "StructuredOutputsParams"),
    "PoolingParams": name("vllm.pooling_params", "PoolingParams"),
    "parse_model_prompt": name("vllm.renderers.inputs.preprocess", "parse_model_prompt", 2),
    # The serving objects
    "init_app_state": name("vllm.entrypoints.launchers.api_server.app_state", "init_app_state", 4),
    "ChatCompletionRequest": name("vllm.entrypoints.openai.chat_completion.protocol", "ChatCompletionRequest"),
    "CompletionRequest": name("vllm.entrypoints.openai.completion.protocol", "CompletionRequest"),
    "OpenAIServingChat": name("vllm.entrypoints.openai.chat_completion.serving", "OpenAIServingChat"),
    "OpenAIServingCompletion": name("vllm.entrypoints.openai.completion.serving", "OpenAIServingCompletion"),
    "EmbeddingRequest": name("vllm.entrypoints.pooling.embed.protocol", "EmbeddingRequest"),
    "EmbeddingResponse": name("vllm.entrypoints.pooling.embed.protocol", "EmbeddingResponse"),
    "AnthropicMessagesRequest": name("vllm.entrypoints.anthropic.protocol", "AnthropicMessagesRequest"),
    "ResponsesRequest": name("vllm.entrypoints.openai.responses.protocol", "ResponsesRequest"),
    "AnthropicServingMessages": name("vllm.entrypoints.anthropic.serving", "AnthropicServingMessages"),
    "OpenAIServingResponses": name("vllm.entrypoints.openai.responses.serving", "OpenAIServingResponses"),
    "OpenAIServingModels": name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels"),
    "BaseModelPath": name("vllm.entrypoints.openai.models.protocol", "BaseModelPath"),
    "OnlineRenderer": name(
        "vllm.renderers.online_renderer",
        "OnlineRenderer",
        2,
        "request_logger",
        "chat_template",
        "chat_template_content_format",
    ),
    "ServingEmbedding": name("vllm.entrypoints.pooling.embed.serving", "ServingEmbedding"),
    "ErrorResponse": name("vllm.entrypoints.serve.engine.protocol", "ErrorResponse"),
    "LoadLoRAAdapterRequest": name("vllm.entrypoints.serve.lora.protocol", "LoadLoRAAdapterRequest"),
    "UnloadLoRAAdapterRequest": name("vllm.entrypoints.serve.lora.protocol", "UnloadLoRAAdapterRequest"),
    "LoRARequest": name("vllm.lora.request", "LoRARequest"),
    "get_adapter_absolute_path": name("vllm.lora.utils", "get_adapter_absolute_path", 1),
    "create_error_response": name(
        "vllm.entrypoints.serve.exception_handling.error_response", "create_error_response", 1
    ),
    # The routes
    "POOLING_TASKS": name("vllm.tasks", "POOLING_TASKS"),
    "init_exception_handler": name("vllm.entrypoints.serve.exception_handling.register", "init_exception_handler", 1),
    "basic_router": name("vllm.entrypoints.serve.instrumentator.basic", "router"),
    "attach_models": name("vllm.entrypoints.openai.models.api_router", "attach_router", 1),
    "attach_endpoint_plugins": name("vllm.plugins.endpoint_plugins.interface", "attach_endpoint_plugins", 2),
    "attach_tokenize": name("vllm.entrypoints.serve.tokenize.api_router", "attach_router", 1),
    "attach_lora": name("vllm.entrypoints.serve.lora.api_router", "attach_router", 1),
    "attach_profile": name("vllm.entrypoints.serve.profile.api_router", "attach_router", 1),
    "register_generate": name("vllm.entrypoints.generate.api_router", "register_generate_api_routers", 1),
    "register_speech": name("vllm.entrypoints.speech_to_text.factories", "register_speech_to_text_api_routers", 2),
    "register_pooling": name("vllm.entrypoints.pooling.factories", "register_pooling_api_routers", 3),
}

#: Modules that the engine's process imports for any model, and those of its worker. They are only imported early.
PRELOADED = ("vllm.v1.engine.core", "vllm.v1.executor.uniproc_executor")
WORKERS = {"cpu": "vllm.v1.worker.cpu_worker", "gpu": "vllm.v1.worker.gpu_worker"}


@functools.cache
def vllm(key: str) -> Any:
    """The object behind a key of `NAMES`, imported on first use."""
    found = NAMES[key]
    return getattr(_module(found), found.path)


def _module(found: Name) -> Any:
    for home in found.modules[:-1]:
        try:
            return importlib.import_module(home)
        except ModuleNotFoundError as missing:
            if not home.startswith(str(missing.name)):
                raise  # the module exists, but one that it imports is missing
    return importlib.import_module(found.modules[-1])
