"""What vLLM had and has no more, and what became of it: arguments of the engine, fields of `SamplingParams`, options of
the command line, modules, methods. Scripts of any age are read by it; `tests/adoption/test_old_names.py` holds it
against the recorded vLLM versions, so a name that comes back has to leave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Renamed:
    """`to`: the names that stand for it now, separated by commas."""

    to: str


@dataclass(frozen=True)
class Dropped:
    """It can be left out without another answer; `why` is what takes its place."""

    why: str


@dataclass(frozen=True)
class Unavailable:
    """Nothing stands for it; `instead` is what replaced it, or what to write."""

    instead: str


Fate = Renamed | Dropped | Unavailable


@dataclass(frozen=True)
class Gone:
    """An argument of the engine, or an option, that is gone. `default` is what it was where nobody said; a bool makes
    its option a switch."""

    fate: Fate
    default: Any = None


@dataclass(frozen=True)
class Module:
    """A module that is gone. A name of it is looked for in `homes`, in order; `names` are those that are called
    otherwise now (`module:name`), and `refused` those that are nowhere, each with its sentence."""

    homes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


_SCHEDULER = Dropped("vLLM's scheduler has no such setting any more")
_SWAP = Dropped("vLLM computes preempted requests anew and swaps nothing")
_RAY = Dropped("distributed_executor_backend says where workers run")
_LOG = Dropped("enable_log_requests switches it on, and it is off where nobody does")
_CAPTURE = Dropped("cudagraph_capture_sizes says what is captured")
_POOL = Dropped("vLLM has one tokenizer for the engine")
_SPECULATIVE = Renamed("speculative_config")
_ACCEPTANCE = Dropped("drafts are accepted where the model itself would have answered so")
_STRUCTURED = Renamed("structured_outputs_config")
_POSITIONS = Renamed("hf_overrides")
_IMAGES = Unavailable("vLLM reads what images need from the model")
_PROMPT_ADAPTERS = Unavailable("vLLM has no prompt adapters any more: serve a LoRA adapter")
_EPLB = Renamed("eplb_config")

#: Arguments of `EngineArgs`, `AsyncEngineArgs` and `LLM`.
ARGUMENTS: Mapping[str, Gone] = {
    "use_v2_block_manager": Gone(Dropped("vLLM manages its blocks itself"), False),
    "swap_space": Gone(_SWAP, 4),
    "preemption_mode": Gone(_SWAP),
    "num_scheduler_steps": Gone(_SCHEDULER, 1),
    "multi_step_stream_outputs": Gone(_SCHEDULER, True),
    "scheduler_delay_factor": Gone(_SCHEDULER, 0.0),
    "num_lookahead_slots": Gone(_SCHEDULER, 0),
    "disable_async_output_proc": Gone(_SCHEDULER, False),
    "max_num_partial_prefills": Gone(_SCHEDULER, 1),
    "max_long_partial_prefills": Gone(_SCHEDULER, 1),
    "max_paddings": Gone(_SCHEDULER, 256),
    "worker_use_ray": Gone(_RAY, False),
    "engine_use_ray": Gone(_RAY, False),
    "disable_log_requests": Gone(_LOG, False),
    "max_log_len": Gone(_LOG),
    "max_context_len_to_capture": Gone(_CAPTURE),
    "max_seq_len_to_capture": Gone(_CAPTURE, 8192),
    "cuda_graph_sizes": Gone(Renamed("cudagraph_capture_sizes")),
    "tokenizer_pool_size": Gone(_POOL, 0),
    "tokenizer_pool_type": Gone(_POOL, "ray"),
    "tokenizer_pool_extra_config": Gone(_POOL),
    "task": Gone(Renamed("runner, convert"), "auto"),
    "device": Gone(Dropped("the build of vLLM says which device it computes on"), "auto"),
    "guided_decoding_backend": Gone(_STRUCTURED, "auto"),
    "guided_decoding_disable_fallback": Gone(Dropped("a backend that cannot answer is an error of the request"), False),
    "guided_decoding_disable_any_whitespace": Gone(_STRUCTURED, False),
    "guided_decoding_disable_additional_properties": Gone(_STRUCTURED, False),
    "speculative_model": Gone(_SPECULATIVE),
    "speculative_model_quantization": Gone(_SPECULATIVE),
    "speculative_draft_tensor_parallel_size": Gone(_SPECULATIVE),
    "speculative_max_model_len": Gone(_SPECULATIVE),
    "speculative_disable_by_batch_size": Gone(_ACCEPTANCE),
    "speculative_disable_mqa_scorer": Gone(_ACCEPTANCE, False),
    "num_speculative_tokens": Gone(_SPECULATIVE),
    "ngram_prompt_lookup_max": Gone(_SPECULATIVE),
    "ngram_prompt_lookup_min": Gone(_SPECULATIVE),
    "spec_decoding_acceptance_method": Gone(_ACCEPTANCE, "rejection_sampler"),
    "typical_acceptance_sampler_posterior_threshold": Gone(_ACCEPTANCE),
    "typical_acceptance_sampler_posterior_alpha": Gone(_ACCEPTANCE),
    "disable_logprobs_during_spec_decoding": Gone(_ACCEPTANCE),
    "override_pooler_config": Gone(Renamed("pooler_config")),
    "rope_scaling": Gone(_POSITIONS),
    "rope_theta": Gone(_POSITIONS),
    "lora_extra_vocab_size": Gone(Dropped("adapters bring no tokens of their own any more"), 256),
    "enable_lora_bias": Gone(Unavailable("vLLM applies no bias of an adapter any more"), False),
    "long_lora_scaling_factors": Gone(Unavailable("vLLM has no LongLoRA any more")),
    "qlora_adapter_name_or_path": Gone(Unavailable("load the adapter as a LoRA adapter")),
    "quantization_param_path": Gone(Unavailable("the scales of a cache in fp8 are read from the model's weights")),
    "calculate_kv_scales": Gone(Unavailable("the scales of a cache in fp8 are read from the model's weights"), False),
    "disable_mm_preprocessor_cache": Gone(Renamed("mm_processor_cache_gb"), False),
    "enable_multimodal_encoder_data_parallel": Gone(Renamed("mm_encoder_tp_mode"), False),
    "override_neuron_config": Gone(Unavailable("this is no build for Neuron devices")),
    "override_attention_dtype": Gone(Unavailable("vLLM computes attention in the model's dtype")),
    "image_input_type": Gone(_IMAGES),
    "image_token_id": Gone(_IMAGES),
    "image_input_shape": Gone(_IMAGES),
    "image_feature_size": Gone(_IMAGES),
    "image_processor": Gone(_IMAGES),
    "image_processor_revision": Gone(_IMAGES),
    "disable_image_processor": Gone(_IMAGES, False),
    "enable_prompt_adapter": Gone(_PROMPT_ADAPTERS, False),
    "max_prompt_adapters": Gone(_PROMPT_ADAPTERS, 1),
    "max_prompt_adapter_token": Gone(_PROMPT_ADAPTERS, 0),
    "logits_processor_pattern": Gone(Unavailable("name the processors' classes as logits_processors")),
    "enable_reasoning": Gone(Dropped("reasoning_parser switches it on"), False),
    "num_redundant_experts": Gone(_EPLB, 0),
    "eplb_window_size": Gone(_EPLB, 1000),
    "eplb_step_interval": Gone(_EPLB, 3000),
    "eplb_log_balancedness": Gone(_EPLB, False),
}

#: Options of `vllm serve` that are no arguments of the engine. Those of `ARGUMENTS` were options too.
OPTIONS: Mapping[str, Gone] = {
    "prompt_adapters": Gone(_PROMPT_ADAPTERS),
    "disable_frontend_multiprocessing": Gone(Dropped("the engine has a process of its own"), False),
}

_BEAMS = "vLLM has beam search as LLM.beam_search(prompts, BeamSearchParams(…))"

#: Fields of `SamplingParams`.
SAMPLING: Mapping[str, Gone] = {
    "use_beam_search": Gone(Unavailable(_BEAMS), False),
    "length_penalty": Gone(Unavailable(_BEAMS), 1.0),
    "early_stopping": Gone(Unavailable(_BEAMS), False),
    "best_of": Gone(Unavailable("vLLM does not sample more than it returns; use n={value} and choose")),
    "guided_decoding": Gone(Renamed("structured_outputs")),
    "logits_processors": Gone(
        Unavailable("they run in the engine's process; give their class as the engine's logits_processors")
    ),
    "truncate_prompt_tokens": Gone(Renamed("tokenization_kwargs")),
}

#: Fields of `GuidedDecodingParams`, which `StructuredOutputsParams` has not.
GUIDED: Mapping[str, Gone] = {
    "backend": Gone(Dropped("the engine's structured_outputs_config names the backend")),
    "disable_fallback": Gone(Dropped("the engine's structured_outputs_config names the backend"), False),
}

_OPENAI = "vllm.entrypoints.openai"
_CHAT, _COMPLETION = f"{_OPENAI}.chat_completion", f"{_OPENAI}.completion"
_POOLING, _SERVE = "vllm.entrypoints.pooling", "vllm.entrypoints.serve"
_SPEECH = "vllm.entrypoints.speech_to_text"
#: In the order in which a name of the old, single module is looked for.
_PROTOCOLS = (
    f"{_CHAT}.protocol",
    f"{_COMPLETION}.protocol",
    f"{_SERVE}.engine.protocol",
    "vllm.entrypoints.generate.base.protocol",
    f"{_OPENAI}.models.protocol",
    f"{_POOLING}.embed.protocol",
    f"{_POOLING}.classify.protocol",
    f"{_POOLING}.pooling.protocol",
    f"{_POOLING}.scoring.protocol",
    f"{_SERVE}.tokenize.protocol",
    f"{_SERVE}.lora.protocol",
    f"{_OPENAI}.responses.protocol",
    f"{_SPEECH}.transcription.protocol",
    f"{_SPEECH}.translation.protocol",
)
_CLI_ARGS = ("vllm.entrypoints.common.cli_args", "vllm.entrypoints.launchers.cli_args")  # 0.33, 0.32
_SERVING_ENGINE = Module(
    (f"{_SERVE}.engine.serving", "vllm.entrypoints.generate.base.serving", f"{_OPENAI}.models.protocol"),
    {"OpenAIServing": f"{_SERVE}.engine.serving:BaseServing"},
    {"PromptAdapterPath": "vLLM has no prompt adapters any more: serve a LoRA adapter"},
)
_ROUTES = "was part of an older vLLM: /v1/chat/completions and /v1/completions are served without it"

#: Modules that are gone. A module whose package is gone with it needs no row for the package.
MODULES: Mapping[str, Module | Unavailable] = {
    f"{_OPENAI}.protocol": Module(_PROTOCOLS),
    f"{_OPENAI}.engine.protocol": Module(_PROTOCOLS),
    f"{_OPENAI}.engine.serving": _SERVING_ENGINE,
    f"{_OPENAI}.serving_engine": _SERVING_ENGINE,
    f"{_OPENAI}.serving_chat": Module((f"{_CHAT}.serving",)),
    f"{_OPENAI}.serving_completion": Module((f"{_COMPLETION}.serving",)),
    f"{_OPENAI}.serving_models": Module((f"{_OPENAI}.models.serving", f"{_OPENAI}.models.protocol")),
    f"{_OPENAI}.serving_responses": Module((f"{_OPENAI}.responses.serving",)),
    f"{_OPENAI}.serving_embedding": Module(
        (f"{_POOLING}.embed.serving",), {"OpenAIServingEmbedding": f"{_POOLING}.embed.serving:ServingEmbedding"}
    ),
    f"{_OPENAI}.serving_classification": Module((f"{_POOLING}.classify.serving",)),
    f"{_OPENAI}.serving_pooling": Module(
        (f"{_POOLING}.pooling.serving",), {"OpenAIServingPooling": f"{_POOLING}.pooling.serving:ServingPooling"}
    ),
    f"{_OPENAI}.serving_score": Module((f"{_POOLING}.scoring.serving",)),
    f"{_OPENAI}.serving_tokenization": Module(
        (f"{_SERVE}.tokenize.serving",),
        {"OpenAIServingTokenization": f"{_SERVE}.tokenize.serving:ServingTokenization"},
    ),
    f"{_OPENAI}.serving_transcription": Module((f"{_SPEECH}.transcription.serving",)),
    f"{_OPENAI}.tool_parsers": Module(("vllm.tool_parsers",)),
    f"{_OPENAI}.cli_args": Module(_CLI_ARGS),
    f"{_SERVE}.render.serving": Module(
        ("vllm.renderers.online_renderer",), {"OpenAIServingRender": "vllm.renderers.online_renderer:OnlineRenderer"}
    ),
    "vllm.entrypoints.logger": Module((f"{_SERVE}.utils.request_logger",)),
    "vllm.entrypoints.chat_utils": Module(("vllm.renderers.chat_utils",)),
    "vllm.entrypoints.launcher": Module(("vllm.entrypoints.launchers.launcher",)),
    "vllm.entrypoints.utils": Module((f"{_SERVE}.utils.api_utils",)),
    "vllm.transformers_utils.tokenizer": Module(
        ("vllm.tokenizers", "vllm.tokenizers.mistral"), {"AnyTokenizer": "vllm.tokenizers:TokenizerLike"}
    ),
    "vllm.transformers_utils.tokenizers": Module(("vllm.tokenizers", "vllm.tokenizers.mistral")),
    "vllm.transformers_utils.detokenizer_utils": Module(("vllm.tokenizers.detokenizer_utils",)),
    "vllm.inputs.data": Module(("vllm.inputs",)),
    "vllm.engine.metrics": Unavailable("its loggers ran in the engine that is built: the metrics are at /metrics"),
    "vllm.entrypoints.api_server": Unavailable(_ROUTES),
    "vllm.prompt_adapter": Unavailable("vLLM has no prompt adapters any more: serve a LoRA adapter"),
    "vllm.model_executor.parallel_utils": Unavailable("vllm.distributed.parallel_state has its functions"),
    "vllm.model_executor.guided_decoding": Unavailable("SamplingParams(structured_outputs=…) takes its place"),
    "vllm.beam_search": Unavailable(_BEAMS),
}

#: Names that are gone from modules that are there.
NAMES: Mapping[str, Module] = {
    "vllm.utils": Module(
        (
            *("vllm.utils.argparse_utils", "vllm.utils.counter", "vllm.utils.async_utils"),
            *("vllm.utils.network_utils", "vllm.utils.system_utils", "vllm.utils.import_utils"),
            *("vllm.utils.func_utils", "vllm.utils.mem_constants", "vllm.utils.collection_utils"),
        )
    ),
    f"{_OPENAI}.api_server": Module(
        ("vllm.entrypoints.launchers.launcher", "vllm.entrypoints.launchers.app", *_CLI_ARGS),
        {},
        dict.fromkeys(
            ("app", "router", "create_chat_completion", "create_completion", "show_available_models"), _ROUTES
        ),
    ),
}

#: Methods and attributes of the async engine; the objects over the server's engine have them in the ways written here.
METHODS: Mapping[str, Fate] = {
    "get_model_config": Renamed("model_config"),
    "engine": Renamed("model_config, get_tokenizer"),
    "stop": Renamed("shutdown"),
    "shutdown_background_loop": Renamed("shutdown"),
    "start_background_loop": Dropped("the engine runs from its start"),
    "get_decoding_config": Renamed("vllm_config"),
    "get_lora_config": Renamed("vllm_config"),
    "add_logger": Unavailable("the metrics are at /metrics"),
}
