"""Sampling parameters as scripts of all ages write them."""

from vllm import SamplingParams
from vllm.sampling_params import GuidedDecodingParams
from vllm.sampling_params import SamplingParams as OfModule

import vllm


def without_beams():
    return SamplingParams(n=2, best_of=2, use_beam_search=False, length_penalty=1.0, early_stopping=False, top_k=-1)


def with_beams():
    return SamplingParams(use_beam_search=True)


def more_than_it_returns():
    return vllm.SamplingParams(n=1, best_of=4)


def longer():
    return SamplingParams(length_penalty=0.5)


def with_a_function():
    return OfModule(logits_processors=[lambda ids, logits: logits])


def guided():
    return SamplingParams(guided_decoding=GuidedDecodingParams(regex="[0-9]+", backend="outlines"))


def guided_by_a_schema():
    return GuidedDecodingParams(json={"type": "object"}, whitespace_pattern=" ")


def guided_from_optional():
    return GuidedDecodingParams.from_optional(choice=["a", "b"], backend=None), GuidedDecodingParams.from_optional()


def truncated():
    return SamplingParams(truncate_prompt_tokens=7, extra_args={"mine": 1})


def from_optional():
    return SamplingParams.from_optional(temperature=None, best_of=None, use_beam_search=False)


def of_a_body(**body):
    return SamplingParams(**body)
