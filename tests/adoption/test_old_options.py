"""Old options beside vLLM's, in a script's parser."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from handrail_container.program.adoption import old_options


def vllms() -> ArgumentParser:
    """A parser with some of vLLM's options, as they are made."""
    parser = ArgumentParser(add_help=False)
    parser.add_argument("model_tag", nargs="?")
    group = parser.add_argument_group("ModelConfig", "of the model")
    group.add_argument("--model", default="vllms")
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--limit-mm-per-prompt", type=str.upper)
    group.add_argument("--tensor-parallel-size", "-tp", type=int, default=1)
    group.add_argument("-x", "--max-log-len", dest="long", type=int)
    group.add_argument("-y", "--port", dest="y", type=int)
    return parser


def taken_over(*own: str) -> ArgumentParser:
    parser = ArgumentParser()
    for option in own:
        parser.add_argument(option, default="own")
    old_options.take_over(parser, vllms())
    return parser


def parse(*words: str) -> Namespace:
    return taken_over().parse_args(words)


def test_vllms_options_are_taken() -> None:
    args = parse("tag", "-tp", "2", "--limit-mm-per-prompt", "image=2")
    assert (args.model_tag, args.tensor_parallel_size, args.limit_mm_per_prompt) == ("tag", 2, '{"IMAGE": 2}')
    assert (args.model, args.seed) == ("vllms", 0)


def test_old_options_are_numbers_switches_and_dicts() -> None:
    args = parse(
        *("--swap-space", "0.5", "--use-v2-block-manager", "--rope-scaling", '{"type": "linear"}'),
        *("--disable-logprobs-during-spec-decoding", "True", "--multi-step-stream-outputs", "--task", "embed"),
    )
    assert (args.swap_space, args.use_v2_block_manager, args.rope_scaling) == (0.5, True, {"type": "linear"})
    assert (args.disable_logprobs_during_spec_decoding, args.multi_step_stream_outputs) == (True, True)
    assert old_options.given(args) == {
        **{"swap_space": 0.5, "use_v2_block_manager": True, "rope_scaling": {"type": "linear"}, "task": "embed"},
        "disable_logprobs_during_spec_decoding": True,
    }


def test_an_option_that_vllm_has_is_vllms() -> None:
    assert parse("--max-log-len", "9").long == 9


def test_an_option_of_the_scripts_stays() -> None:
    args = taken_over("--model", "--port", "-tp").parse_args([])
    assert (args.model, args.port, args.tp, args.tensor_parallel_size) == ("own", "own", "own", 1)
    assert not hasattr(args, "y")


def test_an_option_that_the_script_adds_later_takes_its_place() -> None:
    parser = taken_over()
    parser.add_argument("--seed", default="later")
    assert parser.parse_args([]).seed == "later"


def test_a_namespace_without_options_gives_nothing() -> None:
    assert old_options.given(Namespace(model="m")) == {}


def test_groups_are_not_doubled() -> None:
    titles = [group.title for group in taken_over()._action_groups]
    assert titles == ["positional arguments", "options", "ModelConfig"]
