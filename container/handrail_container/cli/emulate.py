"""The command line of `handrail emulate`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from handrail_container.cli.directory import DIRECTORY
from handrail_container.process.exits import SettingsError


@click.command(short_help="Serve SageMaker's runtime API in front of DIR.")
@DIRECTORY
@click.option("--engine", metavar="NAME", help="HANDRAIL_ENGINE of the container: vllm, echo, none, or a plugin's.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, envvar="SAGEMAKER_BIND_TO_PORT", default=8080, show_default=True)
@click.option("--target", metavar="URL", help="A container that is served already, in place of DIR.")
@click.option(
    "--name", "names", multiple=True, help="An endpoint there is; may be repeated. [default: any name is one]"
)
@click.option("--timeout", "invocation_s", type=float, default=60, show_default=True, help="Seconds of an answer.")
@click.option("--stream-timeout", "stream_s", type=float, default=480, show_default=True, help="Of a streamed one.")
@click.option("--startup-timeout", "startup_s", type=float, default=480, show_default=True, help="To the first /ping.")
@click.option("--max-body-mb", type=float, default=25, show_default=True, help="The largest request body.")
def emulate(directory: Path | None, engine: str | None, target: str | None, **given: Any) -> None:
    """Serve the SageMaker runtime API in front of a container, for an unmodified boto3 client.

    The container is `handrail serve` on DIR, a child process with its settings in the environment, or what answers at
    the URL of --target.
    """
    from handrail.core.redaction import Redactor

    from handrail_container.process import logs
    from handrail_container.process.report import say

    if target and directory:
        raise click.UsageError(f"give DIR or --target, not both: {str(directory)!r}, {target!r}")
    if target and not target.startswith(("http://", "https://")):
        raise click.UsageError(f"--target is {target!r}: write a URL, such as http://127.0.0.1:8080")
    variables = environment(directory, engine)
    logs.configure("INFO", variables["HANDRAIL_LOG_FORMAT"], Redactor())
    try:
        status = run(target, variables, given)
    except SettingsError as error:
        say(f"handrail: {error}")
        status = error.exit_code
    raise SystemExit(status)


def environment(directory: Path | None, engine: str | None) -> dict[str, str]:
    """The container's environment: this process's, with the model directory and the engine of the command line.

    Both processes log to the same place, so they share one format: plain, unless the environment sets another.
    """
    from handrail_container.settings.environment import process_environment

    here = process_environment()
    form = here.get("HANDRAIL_LOG_FORMAT") or "auto"
    given = {"SAGEMAKER_MODEL_PATH": directory and str(directory.resolve()), "HANDRAIL_ENGINE": engine}
    return {
        **here,
        **{name: value for name, value in given.items() if value},
        "HANDRAIL_LOG_FORMAT": "plain" if form == "auto" else form,
    }


def run(target: str | None, variables: Mapping[str, str], given: Mapping[str, Any]) -> int:
    """Emulate until a stop signal arrives; returns the exit status."""
    from handrail_container.process.report import say
    from handrail_container.sagemaker.emulate.api import Limits
    from handrail_container.sagemaker.emulate.container import Container
    from handrail_container.sagemaker.emulate.emulator import Emulator, ListenAddress

    seconds = {name: given[name] for name in ("invocation_s", "stream_s", "startup_s")}
    limits = Limits(body=int(given["max_body_mb"] * 1024 * 1024), **seconds)
    container = None if target else Container(variables)
    place = ListenAddress(given["host"], given["port"], given["names"])
    emulator = Emulator(place, limits, target or (container.url if container else ""), container)
    url = f"http://{given['host']}:{emulator.port}"
    say(
        f"boto3.client('sagemaker-runtime', endpoint_url='{url}', region_name='us-east-1', "
        "aws_access_key_id='any', aws_secret_access_key='any')",
        logging.INFO,
    )
    return int(asyncio.run(emulator.run()))
