"""Old scripts' sampling parameters with the installed vLLM; no engine is started."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from handrail_container.engine.vllm.adoption.imports import AfterImport
from handrail_container.engine.vllm.adoption.sampling import SamplingForScripts, tokenization
from handrail_container.engine.vllm.names import vllm

pytestmark = [
    pytest.mark.vllm,
    # torch's and transformers' own, while vLLM imports them
    pytest.mark.filterwarnings("ignore"),
]
SCRIPT = Path(__file__).parents[2] / "scripts" / "adoption" / "old_sampling.py"


@pytest.fixture
def old() -> Iterator[Any]:
    sampling = SamplingForScripts()
    after = AfterImport(sampling.prepared)
    after.install()
    try:
        module = ModuleType("old_sampling")
        exec(compile(SCRIPT.read_text(), SCRIPT, "exec"), vars(module))
        yield module
    finally:
        after.uninstall()
        sampling.undo()


def real() -> Any:
    return vllm("SamplingParams")


def test_what_is_built_is_vllms_own(old: Any) -> None:
    made = old.without_beams()
    assert type(made) is real()
    assert (made.n, made.top_k) == (2, -1)
    assert isinstance(made, old.SamplingParams)
    assert isinstance(made, old.OfModule)
    assert issubclass(real(), old.SamplingParams)
    assert not isinstance(1, old.SamplingParams)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("with_beams", "use_beam_search=True: vLLM has beam search"),
        ("more_than_it_returns", "best_of=4: vLLM does not sample more"),
        ("longer", "length_penalty=0.5: vLLM has beam search"),
        ("with_a_function", "logits_processors in SamplingParams: they run"),
    ],
)
def test_what_is_refused_names_the_scripts_line(old: Any, name: str, said: str) -> None:
    line = inspect.getsourcelines(getattr(old, name))[1] + 1
    with pytest.raises(TypeError) as refused:
        getattr(old, name)()
    assert str(refused.value).startswith(f"{SCRIPT}:{line} {said}")


def test_guided_decoding_is_structured_outputs(old: Any) -> None:
    made = old.guided()
    assert type(made.structured_outputs) is vllm("StructuredOutputsParams")
    assert made.structured_outputs.regex == "[0-9]+"
    assert old.guided_by_a_schema().json == {"type": "object"}
    assert isinstance(made.structured_outputs, old.GuidedDecodingParams)
    chosen, nothing = old.guided_from_optional()
    assert (chosen.choice, nothing) == (["a", "b"], None)


def test_truncation_goes_with_every_copy(old: Any) -> None:
    made = old.truncated()
    kept = {"truncate_prompt_tokens": 7, "truncation_side": "left"}
    assert [tokenization(one) for one in (made, made.clone(), copy.deepcopy(made), real()())] == [kept, kept, kept, {}]
    assert made.extra_args["mine"] == 1
    from vllm.renderers.params import TokenizeParams

    params = TokenizeParams(max_total_tokens=100).with_kwargs(**tokenization(made))
    assert (params.truncate_prompt_tokens, params.truncation_side) == (7, "left")


def test_from_optional_maps_too(old: Any) -> None:
    assert type(old.from_optional()) is real()


def test_a_clients_unknown_field_stays_vllms_error(old: Any) -> None:
    with pytest.raises(TypeError, match="colour"):
        old.of_a_body(colour="red", best_of=1)
    with pytest.raises(vllm("VLLMValidationError"), match="temperature"):
        old.of_a_body(temperature=3, use_beam_search=False)


def test_the_signature_is_kept(old: Any) -> None:
    assert inspect.signature(old.SamplingParams) == inspect.signature(real())
    assert old.SamplingParams.__new__ is not None
    assert old.SamplingParams.__name__ == "SamplingParams"


def test_vllm_and_this_server_see_the_real_class(old: Any) -> None:
    module = sys.modules["vllm.sampling_params"]
    assert old.SamplingParams is not real()
    assert vllm("SamplingParams") is vars(module)["SamplingParams"]
    space: dict[str, Any] = {"__name__": "vllm.some_module"}
    exec("from vllm.sampling_params import SamplingParams as one\nfrom vllm import SamplingParams as two", space)
    assert space["one"] is space["two"] is real()


def test_vllms_decoders_take_what_scripts_build(old: Any) -> None:
    import msgspec

    made = old.without_beams()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=real()) == made


def test_they_can_be_pickled(old: Any) -> None:
    made = old.without_beams()
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_scripts_own_subclass_is_its_own(old: Any) -> None:
    class Mine(old.SamplingParams):  # type: ignore[misc]
        pass

    assert type(Mine(n=1)) is Mine
    assert isinstance(Mine(n=1), real())
    assert not isinstance(old.without_beams(), Mine)
    assert not issubclass(real(), Mine)


def test_what_a_script_assigns_is_there_for_all() -> None:
    sampling = SamplingForScripts()
    after = AfterImport(sampling.prepared)
    after.install()
    module = sys.modules["vllm.sampling_params"]
    own = vars(module)["SamplingParams"]
    try:
        module.SamplingParams = int  # type: ignore[attr-defined]
        assert module.SamplingParams is int  # type: ignore[attr-defined]
    finally:
        vars(module)["SamplingParams"] = own
        after.uninstall()
        sampling.undo()


def test_afterwards_the_names_are_vllms() -> None:
    sampling = SamplingForScripts()
    after = AfterImport(sampling.prepared)
    after.install()
    after.uninstall()
    sampling.undo()
    module = sys.modules["vllm.sampling_params"]
    assert type(module) is ModuleType
    assert not hasattr(module, "GuidedDecodingParams")
    space: dict[str, Any] = {"__name__": "model"}
    exec("from vllm import SamplingParams", space)
    assert space["SamplingParams"] is real()
