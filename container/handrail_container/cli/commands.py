"""The command line: each command parses, reads the settings, calls one function, and exits with its status."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import click

from handrail_container.cli.deploy import deploy
from handrail_container.cli.directory import DEFAULT_MODEL, DIRECTORY, no_directory
from handrail_container.cli.emulate import emulate
from handrail_container.process import first_process, signals
from handrail_container.process.exits import ExitCode, SettingsError

if TYPE_CHECKING:
    from handrail_container.cli.question import Question
    from handrail_container.ray.fleet import Fleet
    from handrail_container.server.server import Server
    from handrail_container.settings.fields import Settings

#: Log format of commands read by a person, even if standard error is a pipe.
_FOR_A_PERSON = "plain"
_ENGINE = click.option("--engine", metavar="NAME", help="HANDRAIL_ENGINE: vllm, echo, none, or a plugin's")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nCompletion, here for bash (elsewhere zsh_source, fish_source):\n"
    '  eval "$(_HANDRAIL_COMPLETE=bash_source handrail)"',
)
@click.version_option(package_name="handrail")
def main() -> None:
    """Serve the model.py you already have, on a vLLM engine in the same process.

    DIR is the model directory; it defaults to SAGEMAKER_MODEL_PATH, then /opt/ml/model.
    """


main.add_command(deploy)
main.add_command(emulate)


@main.command(short_help="Serve /ping and /invocations.")
@DIRECTORY
@_ENGINE
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, help="SAGEMAKER_BIND_TO_PORT [default: 8080]")
@DEFAULT_MODEL
@click.option("--watch", is_flag=True, help="Reload the handlers, never the engine, when a file in DIR changes.")
@click.option("--hints", is_flag=True, help="When ready, print who answers and what to try.")
@click.option("--ray", "on_ray", is_flag=True, help="On a Ray cluster: its own, or that of RAY_ADDRESS.")
@click.option("--replicas", type=int, help="With --ray: HANDRAIL_RAY_REPLICAS [default: 1]")
@click.option("--max-replicas", type=int, help="With --ray: HANDRAIL_RAY_MAX_REPLICAS")
def serve(
    directory: Path | None,
    engine: str | None,
    host: str,
    port: int | None,
    default_model: Path | None,
    watch: bool,
    hints: bool,
    on_ray: bool,
    replicas: int | None,
    max_replicas: int | None,
) -> None:
    """Serve /ping and /invocations."""
    _only_with_ray(on_ray, replicas if max_replicas is None else max_replicas, watch)
    first_process.become()
    _stop_cleanly_from_now()
    given: dict[str, Any] = {"model_path": directory, "engine": engine, "port": port}
    settings = _settings(**given, ray_replicas=replicas, ray_max_replicas=max_replicas)
    from handrail_container.process import logs, outlet

    outlet.install(int(settings.log_buffer_mb * (1 << 20)))
    _log(settings)
    logs.log_what_threads_raise()

    async def run() -> ExitCode:
        server = _open(settings, host, default_model, on_ray=on_ray, watches=watch)
        if hints:
            from handrail_container.cli.hints import print_hints

            server.when_ready = lambda program: print_hints(program, host, server.port, settings, server.payloads)
        return await server.run()

    _run_to_the_end(run, settings)


def _open(settings: Settings, host: str, default_model: Path | None, *, on_ray: bool, watches: bool) -> Server | Fleet:
    if on_ray:
        from handrail_container.ray.fleet import Fleet

        return Fleet(settings, host, default_model)
    from handrail_container.server.server import Server

    return Server(settings, host, default_model, watches=watches)


def _only_with_ray(on_ray: bool, how_many: int | None, watch: bool) -> None:
    if how_many is not None and not on_ray:
        raise click.UsageError("--replicas and --max-replicas go with --ray.")
    if on_ray and watch:
        raise click.UsageError("--watch is for one process, not for --ray.")


@main.command(short_help="Say who would answer and what is wrong.")
@DIRECTORY
@_ENGINE
@DEFAULT_MODEL
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--all", "has_all", is_flag=True, help="Settings that have their defaults, too.")
@click.option("--elsewhere", is_flag=True, help="It serves on another machine: this one need not have the engine.")
def check(
    directory: Path | None,
    engine: str | None,
    default_model: Path | None,
    as_json: bool,
    has_all: bool,
    elsewhere: bool,
) -> None:
    """Say who would answer and what is wrong; start nothing."""
    from handrail_container.cli.check import check_program

    report = check_program(default_model, is_elsewhere=elsewhere, model_path=directory, engine=engine)
    click.echo(report.to_json() if as_json else report.to_text(has_all=has_all))
    _exit(report.exit_code)


@main.command(short_help="Send one request, to a server or to DIR itself.")
@click.argument("target", required=False, metavar="[DIR|URL]")
@_ENGINE
@DEFAULT_MODEL
@click.option("--input", "source", metavar="FILE|-|JSON", help='The body, or where it is [default: "Hello!"].')
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; may be repeated.")
@click.option("--path", metavar="PATH", help="Such as /v1/chat/completions [default: /invocations].")
@click.option("--method", metavar="METHOD", help="[default: POST; for /ping, /health, /metrics and /: GET]")
@click.option("--stream", is_flag=True, help="Ask for a stream, and show it as it comes.")
def invoke(target: str | None, engine: str | None, default_model: Path | None, stream: bool, **asked: Any) -> None:
    """Send one request: to a server, or to DIR as it would be served, without serving it.

    The answer's body goes to standard output, everything else to standard error. HANDRAIL_API_KEY of the environment is
    sent as the key.
    """
    from handrail_container.cli import invoke as invoking
    from handrail_container.cli.transcript import Transcript

    url = target if target and target.startswith(("http://", "https://")) else None
    if url and engine:
        raise click.UsageError("--engine is for a directory: a server has its own.")
    settings = _settings(_FOR_A_PERSON, model_path=_existing(None if url else target), engine=engine)
    _log(settings, _FOR_A_PERSON)
    question = _question(asked, next(iter(settings.api_keys), None), streams=stream)
    transcript = Transcript(_take_stdout(), settings.redactor, live=stream)
    asking = (
        invoking.invoke_url(url, question, transcript)
        if url
        else invoking.invoke_directory(settings, question, transcript, default_model)
    )
    _run_to_the_end(lambda: invoking.unless_stopped(asking), settings)


def _question(asked: Mapping[str, Any], key: str | None, *, streams: bool) -> Question:
    from handrail_container.cli import question

    try:
        headers = question.headers(asked["headers"])
        body = question.body(asked["source"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return question.Question(body, streams, key, headers, asked["path"], asked["method"])


def _existing(folder: str | None) -> Path | None:
    if folder is None:
        return None
    if Path(folder).is_file():
        raise click.UsageError(no_directory(Path(folder)))
    if not Path(folder).is_dir():
        raise click.UsageError(f"{folder!r} is neither a directory nor a URL that begins with http:// or https://.")
    return Path(folder)


def _take_stdout() -> BinaryIO:
    """Take over standard output: from now on, prints by handlers and engines go to standard error."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return out


def _stop_cleanly_from_now() -> None:
    """Exit with status 0 on a stop signal, also before the event loop runs."""
    signals.heed(lambda number, frame: os._exit(ExitCode.CLEAN))


def _log(settings: Settings, auto: str = "auto") -> None:
    """Configure one log format for all of standard error; `auto` is used if the settings choose none."""
    from handrail_container.process import logs

    form = auto if settings.log_format == "auto" else settings.log_format
    logs.configure(settings.log_level, form, settings.redactor)


def _settings(auto: str = "auto", **given: Any) -> Settings:
    from handrail_container.settings import environment

    try:
        return environment.read(**given)
    except SettingsError as error:
        _log(error.usable, auto)
        _exit(_refuse(error, error.usable))


def _refuse(error: SettingsError, usable: Settings) -> ExitCode:
    """Report the settings' problems together with the script's, so that one start shows both."""
    from handrail_container.process.report import refusal, say
    from handrail_container.program.load import load_program

    say(usable.redactor(refusal(error.problems, load_program(usable).faults)))
    return error.exit_code


def _run_to_the_end(main: Callable[[], Coroutine[Any, Any, int]], settings: Settings) -> NoReturn:
    """Run a command's event loop; exit with its status, or with that of a SettingsError."""
    import uvloop

    from handrail_container.process import children
    from handrail_container.process.strays import strays

    async def run() -> NoReturn:
        code = await main()
        children.kill()
        _exit(code)  # inside the loop: closing it would wait for handlers that ignore cancellation

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            strays.run(runner, run())
    except SettingsError as error:
        _exit(_refuse(error, settings))


def _exit(code: int) -> NoReturn:
    """Leave without finalizing the interpreter: an engine's threads may still be in native code."""
    from handrail_container.process import outlet

    logging.shutdown()
    outlet.last_words()
    os._exit(code)
