"""Imports of names where they were in older versions of vLLM."""

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.engine.async_llm_engine import AsyncLLMEngine
from vllm.entrypoints.chat_utils import load_chat_template
from vllm.entrypoints.launcher import serve_http
from vllm.entrypoints.logger import RequestLogger
from vllm.entrypoints.openai.cli_args import make_arg_parser
from vllm.entrypoints.openai.engine.protocol import ErrorResponse as ErrorOfEngine
from vllm.entrypoints.openai.protocol import (
    ChatCompletionRequest,
    ChatCompletionResponse,
    CompletionRequest,
    DeltaMessage,
    EmbeddingRequest,
    ErrorResponse,
    ModelCard,
    ToolCall,
    UsageInfo,
)
from vllm.entrypoints.openai.serving_chat import OpenAIServingChat
from vllm.entrypoints.openai.serving_completion import OpenAIServingCompletion
from vllm.entrypoints.openai.serving_embedding import OpenAIServingEmbedding
from vllm.entrypoints.openai.serving_engine import LoRAModulePath, OpenAIServing
from vllm.entrypoints.openai.serving_models import BaseModelPath, OpenAIServingModels
from vllm.entrypoints.serve.render.serving import OpenAIServingRender
from vllm.transformers_utils.tokenizer import AnyTokenizer, get_tokenizer
from vllm.utils import Counter, FlexibleArgumentParser, merge_async_iterators, random_uuid
