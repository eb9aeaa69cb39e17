"""Every name of vLLM that this package uses, and how it calls it.

vLLM moves its modules every release: a name that moved has several homes, the newest first. Names outside `NAMES` are
not used. `scripts/record_vllm_names` records which of them the supported versions have.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

_CLI_ARGS = ("vllm.entrypoints.common.cli_args", "vllm.entrypoints.launchers.cli_args")  # 0.33, 0.32


@dataclass(frozen=True)
class Name:
    """A name's modules, and how it is called: the number of positional arguments, and keywords. `calls` is None if it
    is not called."""

    modules: tuple[str, ...]
    path: str
    calls: tuple[int, tuple[str, ...]] | None = None


def _name(modules: str | tuple[str, ...], path: str, *calls: int | str) -> Name:
    homes = (modules,) if isinstance(modules, str) else modules
    if not calls:
        return Name(homes, path)
    return Name(homes, path, (int(calls[0]), tuple(map(str, calls[1:]))))


#: Imported names. Their methods and attributes are in `MEMBERS`.
NAMES: dict[str, Name] = {
    # The command line
    "FlexibleArgumentParser": _name("vllm.utils.argparse_utils", "FlexibleArgumentParser"),
    "make_arg_parser": _name(_CLI_ARGS, "make_arg_parser", 1),
    "validate_parsed_serve_args": _name(_CLI_ARGS, "validate_parsed_serve_args", 1),
    "propagate_flash_late_interaction": _name(_CLI_ARGS, "propagate_flash_late_interaction", 2),
    "ToolParserManager": _name("vllm.tool_parsers", "ToolParserManager"),
    "ReasoningParserManager": _name("vllm.reasoning", "ReasoningParserManager"),
    "AsyncEngineArgs": _name("vllm.engine.arg_utils", "AsyncEngineArgs"),
    "EngineArgs": _name("vllm.engine.arg_utils", "EngineArgs"),
    "UsageContext": _name("vllm.usage.usage_lib", "UsageContext"),
    "current_platform": _name("vllm.platforms", "current_platform"),
    # The engine
    "AsyncLLM": _name("vllm.v1.engine.async_llm", "AsyncLLM"),
    "LLM": _name("vllm.entrypoints.llm", "LLM"),
    "LLMEngine": _name("vllm.v1.engine.llm_engine", "LLMEngine"),
    "PoolingOfflineMixin": _name("vllm.entrypoints.pooling.offline", "PoolingOfflineMixin"),
    "load_chat_template": _name("vllm.renderers.chat_utils", "load_chat_template", 1),
    "cached_tokenizer_from_config": _name("vllm.tokenizers", "cached_tokenizer_from_config", 1),
    "AsyncMPClient": _name("vllm.v1.engine.core_client", "AsyncMPClient"),
    "EngineDeadError": _name("vllm.v1.engine.exceptions", "EngineDeadError"),
    "VLLMValidationError": _name("vllm.exceptions", "VLLMValidationError"),
    "get_mp_context": _name("vllm.v1.engine.utils", "get_mp_context", 0),
    "set_process_title": _name("vllm.utils.system_utils", "set_process_title", 1),
    "OMPProcessManager": _name("vllm.utils.ompmultiprocessing", "OMPProcessManager", 1),
    "DEFAULT_LOGGING_CONFIG": _name("vllm.logger", "DEFAULT_LOGGING_CONFIG"),
    "SamplingParams": _name("vllm.sampling_params", "SamplingParams"),
    "StructuredOutputsParams": _name("vllm.sampling_params", "StructuredOutputsParams"),
    "PoolingParams": _name("vllm.pooling_params", "PoolingParams"),
    "parse_model_prompt": _name("vllm.renderers.inputs.preprocess", "parse_model_prompt", 2),
    # The serving objects
    "init_app_state": _name("vllm.entrypoints.launchers.api_server.app_state", "init_app_state", 4),
    "ChatCompletionRequest": _name("vllm.entrypoints.openai.chat_completion.protocol", "ChatCompletionRequest"),
    "CompletionRequest": _name("vllm.entrypoints.openai.completion.protocol", "CompletionRequest"),
    "OpenAIServingChat": _name("vllm.entrypoints.openai.chat_completion.serving", "OpenAIServingChat"),
    "OpenAIServingCompletion": _name("vllm.entrypoints.openai.completion.serving", "OpenAIServingCompletion"),
    "EmbeddingRequest": _name("vllm.entrypoints.pooling.embed.protocol", "EmbeddingRequest"),
    "EmbeddingResponse": _name("vllm.entrypoints.pooling.embed.protocol", "EmbeddingResponse"),
    "AnthropicMessagesRequest": _name("vllm.entrypoints.anthropic.protocol", "AnthropicMessagesRequest"),
    "ResponsesRequest": _name("vllm.entrypoints.openai.responses.protocol", "ResponsesRequest"),
    "AnthropicServingMessages": _name("vllm.entrypoints.anthropic.serving", "AnthropicServingMessages"),
    "OpenAIServingResponses": _name("vllm.entrypoints.openai.responses.serving", "OpenAIServingResponses"),
    "OpenAIServingModels": _name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels"),
    "ServingEmbedding": _name("vllm.entrypoints.pooling.embed.serving", "ServingEmbedding"),
    "ErrorResponse": _name("vllm.entrypoints.serve.engine.protocol", "ErrorResponse"),
    "LoadLoRAAdapterRequest": _name("vllm.entrypoints.serve.lora.protocol", "LoadLoRAAdapterRequest"),
    "UnloadLoRAAdapterRequest": _name("vllm.entrypoints.serve.lora.protocol", "UnloadLoRAAdapterRequest"),
    "get_adapter_absolute_path": _name("vllm.lora.utils", "get_adapter_absolute_path", 1),
    "create_error_response": _name(
        "vllm.entrypoints.serve.exception_handling.error_response", "create_error_response", 1
    ),
    # The routes
    "POOLING_TASKS": _name("vllm.tasks", "POOLING_TASKS"),
    "init_exception_handler": _name("vllm.entrypoints.serve.exception_handling.register", "init_exception_handler", 1),
    "basic_router": _name("vllm.entrypoints.serve.instrumentator.basic", "router"),
    "attach_models": _name("vllm.entrypoints.openai.models.api_router", "attach_router", 1),
    "attach_endpoint_plugins": _name("vllm.plugins.endpoint_plugins.interface", "attach_endpoint_plugins", 2),
    "attach_tokenize": _name("vllm.entrypoints.serve.tokenize.api_router", "attach_router", 1),
    "attach_lora": _name("vllm.entrypoints.serve.lora.api_router", "attach_router", 1),
    "attach_profile": _name("vllm.entrypoints.serve.profile.api_router", "attach_router", 1),
    "register_generate": _name("vllm.entrypoints.generate.api_router", "register_generate_api_routers", 1),
    "register_speech": _name("vllm.entrypoints.speech_to_text.factories", "register_speech_to_text_api_routers", 2),
    "register_pooling": _name("vllm.entrypoints.pooling.factories", "register_pooling_api_routers", 3),
}

#: Methods and attributes of `NAMES`, of the objects reached from them, and of `app.state` ("state") as vLLM fills it.
#: Names with an underscore are private to vLLM: there is no public way to do the same.
MEMBERS: tuple[Name, ...] = (
    *(
        _name("vllm.engine.arg_utils", f"AsyncEngineArgs.{field}")
        for field in (
            *("served_model_name", "dtype", "enforce_eager", "kv_cache_memory_bytes", "gpu_memory_utilization"),
            *("distributed_executor_backend", "reasoning_parser_plugin"),
            *("model", "tokenizer", "hf_config_path", "generation_config", "allowed_local_media_path"),
            *("speculative_config", "tensor_parallel_size", "pipeline_parallel_size", "nnodes"),
            *("data_parallel_size", "data_parallel_size_local", "data_parallel_backend"),
            *("enable_lora", "max_loras", "max_cpu_loras"),
            *("enable_log_requests", "disable_log_stats", "aggregate_engine_logging"),
        )
    ),
    *(
        _name(_CLI_ARGS, f"FrontendArgs.{field}")
        for field in ("tool_parser_plugin", "chat_template", "lora_modules", "enable_server_load_tracking")
    ),
    _name("vllm.entrypoints.openai.models.protocol", "LoRAModulePath.name"),
    _name("vllm.entrypoints.openai.models.protocol", "LoRAModulePath.path"),
    _name("vllm.platforms.interface", "Platform.is_cpu", 0),
    *(
        _name("vllm.config.parallel", f"ParallelConfig.{field}")
        for field in ("world_size", "data_parallel_size", "distributed_executor_backend", "numa_bind")
    ),
    *(
        _name("vllm.v1.engine.async_llm", f"AsyncLLM.{field}")
        for field in (
            "engine_core",
            "model_config",
            "renderer",
            "errored",
            "vllm_config",
            "output_processor",
            "output_handler",
        )
    ),
    _name("vllm.v1.engine.core_client", "AsyncMPClient.resources"),
    _name("vllm.v1.engine.core_client", "BackgroundResources.engine_manager"),
    _name("vllm.v1.engine.utils", "CoreEngineProcManager.processes"),
    _name("vllm.entrypoints.generate.api_router", "state.openai_serving_chat"),
    _name("vllm.entrypoints.generate.api_router", "state.openai_serving_chat_batch"),
    _name("vllm.entrypoints.generate.api_router", "state.openai_serving_completion"),
    _name("vllm.entrypoints.generate.api_router", "state.openai_serving_responses"),
    _name("vllm.entrypoints.generate.api_router", "state.anthropic_serving_messages"),
    _name("vllm.entrypoints.pooling.factories", "state.serving_embedding"),
    _name("vllm.entrypoints.launchers.api_server.app_state", "state.openai_serving_models"),
    _name("vllm.entrypoints.launchers.api_server.app_state", "state.online_renderer"),
    _name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels.is_base_model", 1),
    _name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels.model_name", 0),
    _name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels.lora_requests"),
    _name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels.lora_resolvers"),
    _name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels.load_lora_adapter", 1),
    _name("vllm.entrypoints.openai.models.serving", "OpenAIServingModels.unload_lora_adapter", 1),
    _name("vllm.lora.request", "LoRARequest.lora_int_id"),
    _name("vllm.lora.request", "LoRARequest.lora_path"),
    _name("vllm.config.vllm", "VllmConfig.lora_config"),
    _name("vllm.config.vllm", "VllmConfig.parallel_config"),
    _name("vllm.sampling_params", "SamplingParams.n"),
    _name("vllm.sampling_params", "SamplingParams.structured_outputs"),
    _name("vllm.sampling_params", "SamplingParams._validate_structured_outputs", 3),
    _name("vllm.config.vllm", "VllmConfig.structured_outputs_config"),
    _name("vllm.config.structured_outputs", "StructuredOutputsConfig.backend"),
    _name("vllm.outputs", "RequestOutput.outputs"),
    _name("vllm.outputs", "CompletionOutput.finish_reason"),
    _name("vllm.outputs", "CompletionOutput.token_ids"),
    _name("vllm.renderers.base", "BaseRenderer.tokenizer"),
    _name("vllm.entrypoints.serve.engine.protocol", "ErrorResponse.error"),
    _name("vllm.entrypoints.serve.engine.protocol", "ErrorInfo.code"),
    _name("vllm.entrypoints.serve.engine.protocol", "ErrorInfo.message"),
    _name("vllm.config.lora", "LoRAConfig.max_lora_rank"),
    _name("vllm.config.lora", "LoRAConfig.max_loras"),
    _name("vllm.v1.engine.output_processor", "OutputProcessor.request_states"),
    _name("vllm.v1.engine.output_processor", "OutputProcessor.get_num_unfinished_requests", 0),
    _name("vllm.v1.engine.output_processor", "RequestState.lora_name"),
    _name("vllm.v1.engine.output_processor", "RequestState.lora_request"),
    _name("vllm.entrypoints.anthropic.serving", "AnthropicServingMessages.create_messages", 2),
    _name("vllm.entrypoints.openai.responses.serving", "OpenAIServingResponses.create_responses", 2),
    _name("vllm.entrypoints.pooling.embed.serving", "ServingEmbedding.__call__", 2),
    _name("vllm.tool_parsers.abstract_tool_parser", "ToolParserManager.import_tool_parser", 1),
    _name("vllm.reasoning.abs_reasoning_parsers", "ReasoningParserManager.import_reasoning_parser", 1),
    _name("vllm.engine.arg_utils", "AsyncEngineArgs.from_cli_args", 1),
    _name("vllm.engine.arg_utils", "AsyncEngineArgs.create_engine_config", 0, "usage_context"),
    _name("vllm.usage.usage_lib", "UsageContext.OPENAI_API_SERVER"),
    _name(
        "vllm.v1.engine.async_llm",
        "AsyncLLM.from_vllm_config",
        1,
        "usage_context",
        "enable_log_requests",
        "aggregate_engine_logging",
        "disable_log_stats",
    ),
    _name("vllm.v1.engine.async_llm", "AsyncLLM._run_output_handler", 0),
    _name("vllm.v1.engine.core_client", "AsyncMPClient._ensure_output_queue_task", 0),
    _name("vllm.v1.engine.core_client", "AsyncMPClient.get_output_async", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.is_sleeping", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.reset_mm_cache", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.get_supported_tasks", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.generate", 3, "lora_request"),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.add_request", 3),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.add_lora", 1),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.remove_lora", 1),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.list_loras", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.encode", 3),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.get_tokenizer", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.shutdown", 0, "timeout"),
    # What scripts build, over the server's engine
    _name("vllm.engine.arg_utils", "EngineArgs.create_engine_config", 0, "usage_context"),
    _name("vllm.engine.arg_utils", "EngineArgs.create_model_config", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.from_engine_args", 1, "usage_context", "stat_loggers"),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.abort", 1),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.check_health", 0),
    _name("vllm.v1.engine.async_llm", "AsyncLLM.reset_prefix_cache", 0),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.from_engine_args", 1, "usage_context", "stat_loggers"),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.from_vllm_config", 1, "usage_context", "stat_loggers"),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.add_request", 3, "lora_request", "priority"),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.step", 0),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.abort_request", 1, "internal"),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.has_unfinished_requests", 0),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.get_num_unfinished_requests", 0),
    _name("vllm.v1.engine.llm_engine", "LLMEngine.get_supported_tasks", 0),
    _name("vllm.entrypoints.llm", "LLM.from_engine_args", 1),
    _name("vllm.entrypoints.llm", "LLM.get_tokenizer", 0),
    *(
        _name("vllm.entrypoints.llm", f"LLM.{method}", 1, "use_tqdm")
        for method in ("generate", "chat", "encode", "embed", "classify", "enqueue", "enqueue_chat")
    ),
    _name("vllm.entrypoints.llm", "LLM.score", 2, "use_tqdm"),
    _name("vllm.entrypoints.llm", "LLM.beam_search", 2),
    _name("vllm.entrypoints.llm", "LLM.wait_for_completion", 0, "use_tqdm"),
    *(
        _name("vllm.entrypoints.llm", f"LLM.{attribute}")
        for attribute in (
            *("llm_engine", "model_config", "engine_class", "request_counter", "default_sampling_params"),
            *("supported_tasks", "runner_type", "renderer", "chat_template", "input_processor", "_cached_repr"),
        )
    ),
    _name("vllm.entrypoints.pooling.offline", "PoolingOfflineMixin.__init__", 0),
    _name("vllm.sampling_params", "SamplingParams.clone", 0),
    _name("vllm.pooling_params", "PoolingParams.clone", 0),
    _name("vllm.lora.request", "LoRARequest.lora_name"),
    _name("vllm.config.model", "ModelConfig.is_multimodal_model"),
    _name("vllm.config.model", "ModelConfig.runner_type"),
    _name("vllm.renderers.base", "BaseRenderer.render_chat_async", 3),
    _name("vllm.utils.ompmultiprocessing", "OMPProcessManager.configure_omp_envs", 2),
    _name("vllm.config.model", "ModelConfig.get_pooling_task", 1),
    _name("vllm.config.model", "ModelConfig.get_diff_sampling_param", 0),
    _name("vllm.renderers.base", "BaseRenderer.render_cmpl_async", 2),
    _name("vllm.renderers.base", "BaseRenderer.default_cmpl_tok_params"),
    _name("vllm.renderers.base", "BaseRenderer.tokenize_prompt_async", 2),
    _name("vllm.renderers.base", "BaseRenderer.tokenize_prompts_async", 2),
    _name("vllm.config.model", "ModelConfig.max_model_len"),
    _name("vllm.entrypoints.openai.chat_completion.serving", "OpenAIServingChat.create_chat_completion", 2),
    _name("vllm.entrypoints.openai.completion.serving", "OpenAIServingCompletion.create_completion", 2),
    # Replaced by functions that pass vLLM's own arguments on
    _name(
        "vllm.renderers.online_renderer",
        "OnlineRenderer.preprocess_chat",
        2,
        "default_template",
        "default_template_content_format",
        "default_template_kwargs",
        "tool_dicts",
        "parser",
        "skip_mm_cache",
    ),
    _name(
        "vllm.entrypoints.openai.chat_completion.serving",
        "OpenAIServingChat.chat_completion_stream_generator",
        7,
        "chat_template_kwargs",
        "mm_token_counts",
    ),
    _name(
        "vllm.entrypoints.openai.completion.serving",
        "OpenAIServingCompletion.completion_stream_generator",
        6,
        "num_prompts",
        "tokenizer",
        "request_metadata",
    ),
    _name(
        "vllm.entrypoints.openai.chat_completion.serving",
        "OpenAIServingChat.chat_completion_full_generator",
        7,
        "parser",
        "mm_token_counts",
    ),
    _name(
        "vllm.entrypoints.openai.chat_completion.batch_serving",
        "OpenAIServingChatBatch.chat_completion_full_generator_batch",
        8,
    ),
    _name(
        "vllm.entrypoints.openai.completion.serving",
        "OpenAIServingCompletion.request_output_to_completion_response",
        7,
    ),
    _name("vllm.entrypoints.openai.responses.serving", "OpenAIServingResponses.responses_full_generator", 7),
    _name("vllm.entrypoints.openai.responses.serving", "OpenAIServingResponses.tool_server"),
    _name("vllm.entrypoints.openai.chat_completion.serving", "OpenAIServingChat.parser_cls"),
    _name("vllm.entrypoints.openai.chat_completion.serving", "OpenAIServingChat.enable_log_outputs"),
)

#: Modules that the engine's process imports for any model, and those of its worker. They are only imported early.
PRELOADED = ("vllm.v1.engine.core", "vllm.v1.executor.uniproc_executor")
WORKERS = {"cpu": "vllm.v1.worker.cpu_worker", "gpu": "vllm.v1.worker.gpu_worker"}


@functools.cache
def vllm(key: str) -> Any:
    """The object behind a key of `NAMES`, imported on first use."""
    name = NAMES[key]
    return getattr(_module(name), name.path)


def _module(name: Name) -> Any:
    for home in name.modules[:-1]:
        try:
            return importlib.import_module(home)
        except ModuleNotFoundError as missing:
            if not home.startswith(str(missing.name)):
                raise  # the module exists, but one that it imports is missing
    return importlib.import_module(name.modules[-1])
