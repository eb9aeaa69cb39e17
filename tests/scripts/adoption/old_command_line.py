"""A command line with vLLM's options, as scripts of older versions build and read it."""

from vllm import AsyncEngineArgs, EngineArgs
from vllm.utils import FlexibleArgumentParser


def parse(*words):
    parser = FlexibleArgumentParser()
    parser.add_argument("--host", type=str, default=None)
    parser.add_argument("--model", type=str, default="the/scripts")
    parser = AsyncEngineArgs.add_cli_args(parser)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args(words)


def parse_as_server(*words):
    from vllm.entrypoints.openai.cli_args import make_arg_parser

    return make_arg_parser(FlexibleArgumentParser()).parse_args(words)


def parse_plainly(*words):
    import argparse

    return EngineArgs.add_cli_args(argparse.ArgumentParser()).parse_args(words)


def arguments(args):
    return AsyncEngineArgs.from_cli_args(args)


def built(model):
    engine_args = AsyncEngineArgs(
        model=model, disable_log_requests=True, use_v2_block_manager=True, swap_space=8, task="embed"
    )
    engine_args.worker_use_ray = False
    return engine_args


def built_plainly(model):
    return EngineArgs(model, device="cuda", max_num_seqs=3)


def wrong():
    return EngineArgs(use_gpu=True)
