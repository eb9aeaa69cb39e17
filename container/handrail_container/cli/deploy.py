"""The command line of `handrail deploy`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from handrail_container.process.exits import ExitCode, SettingsError, StartError

_FAILED = 1
#: Singular names of flags that may be repeated: each use gives one value.
_SINGULAR = {"environment": "--env", "tags": "--tag", "subnets": "--subnet", "security_groups": "--security-group"}


class DeployCommand(click.Command):
    """A flag for every field of a Deployment, made on first use: other commands do not wait for pydantic."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not any(param.name == "name" for param in self.params):
            self.params[1:1] = _flags()
        return super().get_params(ctx)


def _flags() -> list[click.Parameter]:
    from handrail_container.sagemaker.deploy.deployment import Deployment, flag

    return [
        click.Option(
            [*filter(None, [_SINGULAR.get(name)]), flag(name), name],
            help=field.description,
            **_kind(field.get_default(call_default_factory=True)),
        )
        for name, field in Deployment.model_fields.items()
    ]


def _kind(default: Any) -> dict[str, Any]:
    """Click options of a flag, chosen by the type of its field's default; the field validates the value."""
    if isinstance(default, bool):
        return {"is_flag": True, "default": None}
    if isinstance(default, dict):
        return {"multiple": True, "callback": _pairs, "metavar": "KEY=VALUE"}
    if isinstance(default, list):
        return {"multiple": True, "callback": lambda ctx, param, values: list(values)}
    return {"metavar": "TEXT"}


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if "=" not in value:
            raise click.BadParameter(f"{value!r}: write KEY=VALUE")
    return dict(value.split("=", 1) for value in values)


@click.command(cls=DeployCommand, short_help="Put DIR on a SageMaker endpoint, or delete it.")
@click.argument(
    "directory",
    envvar="SAGEMAKER_MODEL_PATH",
    default="/opt/ml/model",
    type=click.Path(path_type=Path),
    metavar="[DIR]",
)
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="[default: DIR/deploy.yaml]"
)
@click.option("--dry-run", is_flag=True, help="Print the calls as JSON, and make none; needs no credentials.")
@click.option("--delete", is_flag=True, help="Delete the endpoint and all that was made for it.")
@click.option("--no-check", is_flag=True, help="Do not ask `handrail check` first.")
@click.option("--keep", is_flag=True, help="Leave what a failed deployment made.")
def deploy(
    directory: Path, config: Path | None, dry_run: bool, delete: bool, no_check: bool, keep: bool, **given: Any
) -> None:
    """Put DIR on a SageMaker endpoint; run again, it moves the endpoint to what DIR has now."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell ignores SIGINT in commands run with `&`
        signal.signal(number, signal.default_int_handler)  # so that the deployment is undone

    def run() -> None:
        from handrail_container.sagemaker.deploy import deployment as settings

        default = directory / settings.FILE
        deployment = settings.read(config or (default if default.is_file() else None), given)
        if delete:
            _delete(deployment, dry_run=dry_run)
        else:
            _deploy(directory, deployment, dry_run=dry_run, keep=keep, checks=not no_check)

    raise SystemExit(_status(run))


def _deploy(directory: Path, deployment: Any, *, dry_run: bool, keep: bool, checks: bool) -> None:
    from handrail_container.sagemaker.deploy import files, limits, plan, rehearsal
    from handrail_container.sagemaker.deploy.aws import Aws
    from handrail_container.sagemaker.deploy.deployer import Deployer

    if missing := deployment.missing():
        raise SettingsError(*missing)
    planned = plan.make(deployment, files.scan(directory))
    if found := limits.problems(deployment, planned):
        raise SettingsError(*found)
    if checks:
        rehearsal.check(directory, deployment.environment, _say)
    if dry_run:
        _print(planned.calls)
        return
    aws = Aws(deployment.region, deployment.profile)
    Deployer(aws, deployment, _say).deploy(planned, keep=keep)
    click.echo(_how_to_invoke(planned.name, aws.region))


def _delete(deployment: Any, *, dry_run: bool) -> None:
    from handrail_container.sagemaker.deploy.aws import Aws, AwsCall
    from handrail_container.sagemaker.deploy.deployer import Deployer
    from handrail_container.sagemaker.deploy.plan import resource

    if missing := deployment.missing(("name",)):
        raise SettingsError(*missing)
    if not dry_run:
        Deployer(Aws(deployment.region, deployment.profile), deployment, _say).delete()
        return
    _say(f"what else is named {deployment.name}-… is listed, and deleted, when it is run")
    _print(
        [
            AwsCall("application-autoscaling", "DeregisterScalableTarget", resource(deployment.name)),
            AwsCall("sagemaker", "DeleteEndpoint", {"EndpointName": deployment.name}),
        ]
    )


def _status(run: Callable[[], None]) -> int:
    """Print an error for the operator; return the exit status: 2 for settings, 3 for the script, 1 for AWS errors."""
    from handrail_container.sagemaker.deploy.advice import advice
    from handrail_container.sagemaker.deploy.errors import AwsError, DeployError

    try:
        run()
    except StartError as error:
        for problem in error.problems:
            _say(f"handrail: {problem}")
        return error.exit_code
    except (AwsError, DeployError) as error:
        _say("\n".join(filter(None, [f"handrail: {error}", advice(str(error))])))
        return _FAILED
    except KeyboardInterrupt:
        _say("handrail: stopped")
        return _FAILED
    return ExitCode.CLEAN


def _print(calls: list[Any]) -> None:
    click.echo(json.dumps([_written(call._asdict()) for call in calls], indent=2))


def _written(call: Mapping[str, Any]) -> dict[str, Any]:
    return {name: call[name] for name in ("service", "operation", "parameters")}


def _say(text: str) -> None:
    click.echo(text, err=True)


def _how_to_invoke(name: str, region: str) -> str:
    return f"""{name} serves. Ask it:

import boto3

runtime = boto3.client("sagemaker-runtime", region_name="{region}")
body = b'{{"messages": [{{"role": "user", "content": "Hello!"}}]}}'
answer = runtime.invoke_endpoint(EndpointName="{name}", ContentType="application/json", Body=body)
print(answer["Body"].read().decode())"""
