"""`handrail deploy` against moto's server: made, made again, deleted, and what fails."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from handrail_container.process import extras
from handrail_container.sagemaker.deploy import store

from tests import forked
from tests.aws import ROLE, Aws
from tests.container.deploy.conftest import NEEDED, Deploy
from tests.servers import HANDRAIL, PATIENCE_S, environment, eventually

pytestmark = pytest.mark.slow

NOTHING: dict[str, list[str]] = {"models": [], "configs": [], "endpoints": []}
RESOURCE = "endpoint/demo/variant/AllTraffic"


def targets(aws: Aws) -> Any:
    return aws.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]


def test_it_makes_an_endpoint(aws: Aws, deploy: Deploy) -> None:
    """Files, model, configuration, endpoint; it says what it did, and how to ask."""
    done = deploy("--env", "HANDRAIL_ENGINE=echo", "--tag", "team=search", "--startup-timeout-s", "900")
    assert done.exit_code == 0, done.output
    (model,), (config,), (name,) = aws.made().values()
    assert name == "demo"
    assert re.fullmatch("demo-[0-9a-f]{8}", model)
    described = aws.client("sagemaker").describe_model(ModelName=model)
    container = described["PrimaryContainer"]
    assert (container["Image"], container["Environment"]) == (NEEDED["--image"], {"HANDRAIL_ENGINE": "echo"})
    assert described["ExecutionRoleArn"] == ROLE
    uri = container["ModelDataSource"]["S3DataSource"]["S3Uri"]
    assert [f"s3://files/{key}" for key in aws.stored()] == [uri + "model.py", uri + "weights/part-1"]
    (variant,) = aws.client("sagemaker").describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.xlarge", 1)
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 900
    assert variant["ModelDataDownloadTimeoutInSeconds"] == 1800
    assert "2 uploaded, 0 copied from an earlier version, 0 there already" in done.stderr
    assert 'invoke_endpoint(EndpointName="demo"' in done.stdout
    assert targets(aws) == []


def test_the_same_again_changes_nothing(aws: Aws, deploy: Deploy) -> None:
    """Neither a file nor a call that makes anything."""
    deploy()
    aws.calls.clear()
    again = deploy()
    assert again.exit_code == 0
    assert "demo serves this already" in again.stderr
    assert [call for call in aws.calls if call.startswith(("Create", "Update", "PUT", "COPY"))] == []


def test_only_changed_files_are_uploaded(aws: Aws, deploy: Deploy, folder: Path) -> None:
    """The others are copied in the bucket; the endpoint is updated, and what it served is deleted."""
    deploy()
    before = aws.made()
    (folder / "model.py").write_text("def custom_sagemaker_invocation_handler(): return 2\n")
    aws.calls.clear()
    again = deploy()
    assert again.exit_code == 0, again.output
    assert (aws.calls.count("PUT"), aws.calls.count("COPY")) == (1, 1)
    assert "1 uploaded, 1 copied from an earlier version, 0 there already" in again.stderr
    assert "UpdateEndpoint" in aws.calls
    after = aws.made()
    assert (len(after["models"]), len(after["configs"]), after["endpoints"]) == (1, 1, ["demo"])
    assert after["models"] != before["models"]
    assert aws.endpoint("demo").endpoint_config_name == after["configs"][0]
    assert len(aws.stored()) == 2
    copied = aws.client("s3").head_object(Bucket="files", Key=aws.stored()[1])
    assert len(copied["Metadata"]["sha256"]) == 64


def test_another_environment_keeps_the_files(aws: Aws, deploy: Deploy) -> None:
    """A model of its own over the same files."""
    deploy()
    keys = aws.stored()
    again = deploy("--env", "A=1")
    assert again.exit_code == 0, again.output
    assert "0 uploaded, 0 copied from an earlier version, 2 there already" in again.stderr
    assert aws.stored() == keys
    assert len(aws.made()["models"]) == 1


def test_a_file_of_the_same_size_is_told_apart(aws: Aws, deploy: Deploy, folder: Path) -> None:
    """By its bytes."""
    deploy()
    (folder / "weights" / "part-1").write_bytes(b"2" * 100)
    assert "1 uploaded, 1 copied" in deploy().stderr


def test_autoscaling(aws: Aws, deploy: Deploy) -> None:
    """On concurrent requests for each model copy; an update keeps the instances there are; without it, it is gone."""
    assert deploy("--max-instances", "4", "--concurrency", "8").exit_code == 0
    (target,) = targets(aws)
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (RESOURCE, 1, 4)
    (policy,) = aws.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")[
        "ScalingPolicies"
    ]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 8
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    assert deploy("--max-instances", "5", "--env", "A=1").exit_code == 0
    assert aws.updates[-1]["RetainAllVariantProperties"] is True
    assert targets(aws)[0]["MaxCapacity"] == 5
    assert deploy("--env", "A=1").exit_code == 0
    assert targets(aws) == []


def test_delete_deletes_all(aws: Aws, deploy: Deploy) -> None:
    """What else is in the bucket or has another name stays."""
    aws.client("s3").put_object(Bucket="files", Key="demo/mine.txt", Body=b"mine")
    aws.client("sagemaker").create_model(ModelName="demo-other", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"})
    deploy("--max-instances", "2")
    done = deploy("--delete")
    assert done.exit_code == 0, done.output
    assert aws.made() == {**NOTHING, "models": ["demo-other"]}
    assert aws.stored() == ["demo/mine.txt"]
    assert targets(aws) == []
    assert "deleted: endpoint demo" in done.stderr


def test_there_is_nothing_to_delete(aws: Aws, deploy: Deploy) -> None:
    """A mistyped name is an error."""
    gone = deploy("--delete", name="dmeo")
    assert (gone.exit_code, "there is no endpoint dmeo in us-east-1" in gone.stderr) == (1, True)


def test_what_an_earlier_try_left_is_deleted_without_an_endpoint(aws: Aws, deploy: Deploy) -> None:
    """And it may be taken up again."""
    aws.faults["CreateEndpoint"] = (400, "ResourceLimitExceeded", "no quota for ml.m5.xlarge")
    failed = deploy("--keep")
    assert failed.exit_code == 1
    assert "kept: Model demo-" in failed.stderr
    assert len(aws.stored()) == 2
    assert "there already: Model" in deploy("--keep").stderr
    done = deploy("--delete")
    assert done.exit_code == 0
    assert (aws.made(), aws.stored()) == (NOTHING, [])


def fails(endpoint: Any) -> None:
    endpoint.endpoint_status = "Failed"
    endpoint.failure_reason = "The primary container did not pass the ping health check."


def test_a_failed_endpoint_shows_why_and_leaves_nothing(aws: Aws, deploy: Deploy) -> None:
    """AWS's reason, the last lines of the container's log, and what to do."""
    group, logs = "/aws/sagemaker/Endpoints/demo", aws.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="AllTraffic/i-1")
    now = int(time.time() * 1000) + 60_000
    events = [{"timestamp": now + number, "message": f"line {number}"} for number in range(30)]
    old = {"timestamp": now - 3_600_000, "message": "of an earlier deployment"}
    logs.put_log_events(logGroupName=group, logStreamName="AllTraffic/i-1", logEvents=[old, *events])
    aws.fate = fails
    failed = deploy("--max-instances", "2")
    assert failed.exit_code == 1
    assert "demo is Failed: The primary container did not pass the ping health check." in failed.stderr
    assert "  line 29" in failed.stderr
    assert "earlier deployment" not in failed.stderr
    assert "--startup-timeout-s" in failed.stderr
    assert (aws.made(), aws.stored(), targets(aws)) == (NOTHING, [], [])


@pytest.mark.parametrize("has_group", [True, False])
def test_without_a_log_the_reason_stands_alone(aws: Aws, deploy: Deploy, has_group: bool) -> None:
    """It says so."""
    if has_group:
        aws.client("logs").create_log_group(logGroupName="/aws/sagemaker/Endpoints/demo")
    aws.fate = fails
    said = deploy().stderr
    assert ("is empty" if has_group else "cannot be read: DescribeLogStreams") in said


def test_a_failed_update_goes_back(aws: Aws, deploy: Deploy) -> None:
    """What it served is served, and the new model and configuration are gone."""
    deploy()
    before, keys = aws.made(), aws.stored()
    old = before["configs"][0]

    def rolled_back(endpoint: Any) -> None:
        endpoint.endpoint_config_name = old
        endpoint.failure_reason = "no capacity"

    aws.fate = rolled_back
    failed = deploy("--env", "A=1")
    assert failed.exit_code == 1
    assert "demo is InService, and serves what it served before: no capacity" in failed.stderr
    assert (aws.made(), aws.stored()) == (before, keys)


def test_an_update_that_is_not_rolled_back_by_aws_is_by_us(aws: Aws, deploy: Deploy) -> None:
    """The old configuration is asked for before the new one is deleted."""
    deploy()
    before = aws.made()
    new: list[str] = []

    def stuck(endpoint: Any) -> None:
        if not new:
            new.append(endpoint.endpoint_config_name)
        endpoint.endpoint_status = "UpdateRollbackFailed" if endpoint.endpoint_config_name in new else "InService"

    aws.fate = stuck
    failed = deploy("--env", "A=1")
    assert "demo is UpdateRollbackFailed: AWS gives no reason" in failed.stderr
    assert [update["EndpointConfigName"] for update in aws.updates] == [new[0], before["configs"][0]]
    assert aws.made() == before


def test_it_waits_until_the_endpoint_is_in_service(aws: Aws, deploy: Deploy) -> None:
    """And says what it waits for."""

    def later(endpoint: Any) -> None:
        endpoint.endpoint_status = "Creating"
        aws.faults.pop("DescribeEndpoint", None)
        aws.calls.clear()

    aws.fate = later
    real = aws._operation

    def counting(environ: dict[str, Any]) -> str:
        if "demo" in aws.made()["endpoints"] and aws.calls.count("DescribeEndpoint") == 2:
            aws.endpoint("demo").endpoint_status = "InService"
        return real(environ)

    aws._operation = counting  # type: ignore[method-assign]
    try:
        done = deploy()
    finally:
        aws._operation = real  # type: ignore[method-assign]
    assert done.exit_code == 0, done.output
    assert done.stderr.count("demo is Creating") == 1


def test_it_does_not_wait_for_ever(aws: Aws, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the clean-up, which says what is left."""
    monkeypatch.setattr("handrail_container.sagemaker.deploy.deployer._PROVISION_S", -3000)
    monkeypatch.setattr("handrail_container.sagemaker.deploy.deployer._DELETE_S", 0)

    def stays(endpoint: Any) -> None:
        endpoint.endpoint_status = "Creating"

    aws.fate = stays
    failed = deploy()
    assert failed.exit_code == 1
    assert "demo is still Creating" in failed.stderr
    assert "NOT taken back: endpoint demo: demo is still Creating" in failed.stderr


def test_one_that_is_deleted_meanwhile(aws: Aws, deploy: Deploy) -> None:
    """By somebody else."""
    aws.fate = lambda endpoint: aws.sagemaker.endpoints.clear()
    assert "demo was deleted while it was waited for" in deploy().stderr
    assert aws.made() == NOTHING


@pytest.mark.parametrize(("status", "words"), [("Updating", "wait until"), ("Failed", "handrail deploy --delete")])
def test_an_endpoint_that_cannot_be_updated(aws: Aws, deploy: Deploy, status: str, words: str) -> None:
    """Nothing is touched."""
    deploy()
    before, keys = aws.made(), aws.stored()
    aws.endpoint("demo").endpoint_status = status
    refused = deploy("--env", "A=1")
    assert (refused.exit_code, words in refused.stderr) == (1, True)
    assert (aws.made(), aws.stored()) == (before, keys)


@pytest.mark.parametrize(
    ("operation", "code", "message", "words"),
    [
        ("CreateModel", "ValidationException", "Could not assume role arn:x", "iam:PassRole"),
        ("CreateModel", "ValidationException", "Requested image is not found", "ecr:BatchGetImage"),
        ("CreateEndpointConfig", "ValidationException", "KMS key not usable", "kms:GenerateDataKey"),
        ("CreateEndpoint", "ResourceLimitExceeded", "The account-level service limit", "Service Quotas"),
        ("CreateEndpoint", "CapacityError", "Unable to provision requested ML compute capacity", "try again later"),
        ("RegisterScalableTarget", "AccessDeniedException", "not authorized", "allow the operation"),
        ("DescribeModel", "ThrottlingException", "Rate exceeded", "ThrottlingException: Rate exceeded"),
        ("DescribeEndpoint", "ThrottlingException", "Rate exceeded", "ThrottlingException: Rate exceeded"),
        ("DescribeScalableTargets", "ThrottlingException", "Rate exceeded", "ThrottlingException: Rate exceeded"),
    ],
)
def test_what_aws_refuses_says_what_to_do(
    aws: Aws, deploy: Deploy, operation: str, code: str, message: str, words: str
) -> None:
    """In AWS's words and ours, and nothing is left."""
    aws.faults[operation] = (400, code, message)
    scaling = () if operation == "DescribeScalableTargets" else ("--max-instances", "2")
    failed = deploy(*scaling)
    assert failed.exit_code == 1
    assert f"handrail: {operation}: {code}: {message}" in failed.stderr
    assert words in failed.stderr
    assert (aws.made(), aws.stored()) == (NOTHING, [])


def test_what_cannot_be_deleted_keeps_nothing_else(aws: Aws, deploy: Deploy) -> None:
    """And is named."""
    aws.faults["CreateEndpoint"] = (400, "CapacityError", "none")
    aws.faults["DeleteEndpointConfig"] = (400, "ValidationException", "in use")
    failed = deploy()
    assert re.search("NOT taken back: EndpointConfig demo-.*in use", failed.stderr)
    assert (aws.made()["models"], aws.stored()) == ([], [])


def test_files_that_cannot_be_deleted_are_named(aws: Aws, deploy: Deploy) -> None:
    """The rest of the endpoint is gone."""
    deploy()
    aws.faults["POST"] = (403, "AccessDenied", "no s3:DeleteObject")
    done = deploy("--delete")
    assert done.exit_code == 0
    assert "NOT deleted: s3://files/demo/" in done.stderr
    assert aws.made() == NOTHING


def test_what_was_served_before_may_be_left(aws: Aws, deploy: Deploy) -> None:
    """The endpoint serves all the same."""
    aws.faults["ListModels"] = (400, "AccessDeniedException", "no sagemaker:ListModels")
    done = deploy()
    assert done.exit_code == 0
    assert "NOT deleted: what demo served before: ListModels" in done.stderr


def test_who_may_not_scale_need_not(aws: Aws, deploy: Deploy) -> None:
    """Where no autoscaling is asked for."""
    aws.faults["DescribeScalableTargets"] = (400, "AccessDeniedException", "not authorized")
    done = deploy()
    assert done.exit_code == 0
    assert "autoscaling is not looked at" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_it_leaves_nothing(aws: Aws, folder: Path, tmp_path_factory: Any, number: signal.Signals) -> None:
    """As an error does."""

    def created(endpoint: Any) -> None:
        endpoint.endpoint_status = "Creating"

    aws.fate = created
    words = [word for pair in NEEDED.items() for word in pair]
    log = tmp_path_factory.mktemp("deploy") / "log"
    with log.open("w") as output:
        command = [HANDRAIL, "deploy", folder, *words, "--no-check"]
        process = forked.start(command, environment(aws.environment()), output, output)
    eventually(lambda: "demo is Creating" in log.read_text(), "the endpoint to be made")
    process.send_signal(number)
    eventually(lambda: log.read_text().count("demo is Creating") == 2, "it to wait until it can be deleted")
    aws.endpoint("demo").endpoint_status = "Failed"
    assert process.wait(PATIENCE_S) == 1
    assert "handrail: stopped" in log.read_text()
    assert (aws.made(), aws.stored()) == (NOTHING, [])


def test_many_files_are_deleted_in_batches(aws: Aws, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one request takes."""
    monkeypatch.setattr(store, "_BATCH", 1)
    deploy()
    aws.calls.clear()
    assert deploy("--delete").exit_code == 0
    assert (aws.calls.count("POST"), aws.stored()) == (2, [])


def test_a_model_without_files(aws: Aws, deploy: Deploy, folder: Path) -> None:
    """Where the environment names one."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    refused = deploy()
    assert (refused.exit_code, "DIR has no files to deploy" in refused.stderr) == (2, True)
    assert deploy("--env", "HF_MODEL_ID=org/model").exit_code == 0
    model = aws.client("sagemaker").describe_model(ModelName=aws.made()["models"][0])
    assert "ModelDataSource" not in model["PrimaryContainer"]
    assert deploy("--delete").exit_code == 0


def test_it_needs_boto3(folder: Path) -> None:
    """And says how to have it."""
    code = "import sys; sys.modules['boto3'] = None; from handrail_container.cli import main; main()"
    words = [word for pair in NEEDED.items() for word in pair]
    command = [sys.executable, "-c", code, "deploy", str(folder), "--dry-run", *words]
    ended = subprocess.run(command, env=environment({}), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, f"handrail: deploy needs boto3: {extras.command('aws')}\n")


def test_without_credentials(folder: Path) -> None:
    """A dry run is the same calls as JSON; the real thing says what to do."""
    words = [word for pair in NEEDED.items() for word in pair]
    nowhere = {
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "AWS_EC2_METADATA_DISABLED": "1",
    }
    kept = {
        name: value for name, value in environment(nowhere).items() if not name.startswith("AWS_") or name in nowhere
    }
    command = [HANDRAIL, "deploy", folder, *words, "--max-instances", "2", "--no-check"]
    dry = forked.run([*command, "--dry-run"], kept, PATIENCE_S)
    assert (dry.returncode, dry.stderr) == (0, "")
    calls = json.loads(dry.stdout)
    assert [set(call) for call in calls] == [{"service", "operation", "parameters"}] * len(calls)
    assert [(call["service"], call["operation"]) for call in calls] == [
        ("s3", "PutObject"),
        ("s3", "PutObject"),
        ("sagemaker", "CreateModel"),
        ("sagemaker", "CreateEndpointConfig"),
        ("sagemaker", "CreateEndpoint"),
        ("application-autoscaling", "RegisterScalableTarget"),
        ("application-autoscaling", "PutScalingPolicy"),
    ]
    real = forked.run([*command, "--region", "us-east-1"], kept, PATIENCE_S)
    assert real.returncode == 1
    assert "NoCredentialsError" in real.stderr
    assert "aws configure" in real.stderr
