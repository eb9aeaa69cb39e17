"""What is checked before AWS is asked, and the calls that are printed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from handrail_container.sagemaker.deploy.deployment import Deployment, flag

from tests.aws import ROLE
from tests.container.deploy.conftest import Deploy

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a way to AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")


def calls(deploy: Deploy, *arguments: str, **given: str | None) -> dict[str, Any]:
    """The parameters that a dry run prints, by operation; of several, the last."""
    done = deploy("--dry-run", *arguments, **given)
    assert done.exit_code == 0, done.output
    return {call["operation"]: call["parameters"] for call in json.loads(done.stdout)}


def test_the_calls_are_whole(deploy: Deploy, folder: Path) -> None:
    """Everything that can be asked for."""
    (folder / "deploy.yaml").write_text(
        f"""
subnets: [subnet-1, subnet-2]
security_groups: [sg-1]
network_isolation: true
kms_key: alias/mine
volume_gb: 100
ami: al2-ami-sagemaker-inference-gpu-3-1
prefix: models/
environment: {{SM_VLLM_MAX_MODEL_LEN: 2048, SM_VLLM_ENFORCE_EAGER: true, RATIO: 0.5}}
tags: {{team: search}}
role: {ROLE}
instance_count: 3
"""
    )
    seen = calls(deploy, "--env", "RATIO=0.25", "--prefix", "other", instance_type="ml.m5.xlarge")
    model, config, tags = seen["CreateModel"], seen["CreateEndpointConfig"], [{"Key": "team", "Value": "search"}]
    assert model["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert (model["EnableNetworkIsolation"], model["Tags"]) == (True, tags)
    assert model["PrimaryContainer"]["Environment"] == {
        "SM_VLLM_MAX_MODEL_LEN": "2048",
        "SM_VLLM_ENFORCE_EAGER": "true",
        "RATIO": "0.25",
    }
    uri = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]
    assert uri.startswith("s3://files/other/")
    (variant,) = config["ProductionVariants"]
    assert (variant["VolumeSizeInGB"], variant["InitialInstanceCount"]) == (100, 3)
    assert variant["InferenceAmiVersion"] == "al2-ami-sagemaker-inference-gpu-3-1"
    assert (config["KmsKeyId"], seen["CreateEndpoint"]["Tags"]) == ("alias/mine", tags)
    put = seen["PutObject"]
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", "alias/mine")
    assert put["Body"] == str(folder / "weights" / "part-1")
    assert "s3://files/" + put["Key"] == uri + "weights/part-1"


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "eu-central-2"])
def test_a_region_of_any_partition_is_known(deploy: Deploy, region: str) -> None:
    assert "CreateEndpoint" in calls(deploy, region=region)


@pytest.mark.parametrize("image", ["registry.example.com:5000/a/b@sha256:" + "0" * 64, "public.ecr.aws/a/handrail"])
def test_which_registry_it_is_is_left_to_aws(deploy: Deploy, image: str) -> None:
    assert calls(deploy, image=image)["CreateModel"]["PrimaryContainer"]["Image"] == image


@pytest.mark.parametrize("instance", ["ml.g5.xlarge", "ml.g6e.2xlarge", "ml.p4d.24xlarge", "ml.m5d.large"])
def test_an_instance_with_a_disk_of_its_own_takes_no_key_for_it(deploy: Deploy, instance: str) -> None:
    """AWS would refuse it; the files have the key all the same."""
    seen = calls(deploy, "--kms-key", "alias/mine", "--volume-gb", "100", instance_type=instance)
    assert "KmsKeyId" not in seen["CreateEndpointConfig"]
    assert "VolumeSizeInGB" not in seen["CreateEndpointConfig"]["ProductionVariants"][0]
    assert seen["PutObject"]["SSEKMSKeyId"] == "alias/mine"


def test_a_start_with_one_instance_may_be_scaled_at_once(deploy: Deploy) -> None:
    """Who names only the bounds has not asked for anything else."""
    seen = calls(deploy, "--min-instances", "2", "--max-instances", "4")
    assert seen["CreateEndpointConfig"]["ProductionVariants"][0]["InitialInstanceCount"] == 1


def test_names_are_the_same_for_the_same(deploy: Deploy, folder: Path) -> None:
    """And others for anything else."""
    names = [calls(deploy)["CreateModel"]["ModelName"] for _ in range(2)]
    names.append(calls(deploy, "--env", "A=1")["CreateModel"]["ModelName"])
    (folder / "model.py").write_text("")
    names.append(calls(deploy)["CreateModel"]["ModelName"])
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_dry_run_of_delete(deploy: Deploy, tmp_path: Path) -> None:
    """Needs a name, and no directory."""
    done = deploy("--delete", "--dry-run", image=None, role=None, bucket=None, instance_type=None)
    assert done.exit_code == 0
    assert [call["operation"] for call in json.loads(done.stdout)] == ["DeregisterScalableTarget", "DeleteEndpoint"]
    assert deploy("--delete", name=None).exit_code == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "no_such name"}, "name is 'no_such name': write letters and digits, with dashes between them"),
        ({"name": "n" * 55}, "at most 54 characters"),
        ({"image": "an image"}, "image is 'an image': write its address in a registry"),
        ({"image": "i" * 256}, "it has 256 characters, and AWS takes 255"),
        ({"role": "serving"}, "role is 'serving': write the role's ARN: arn:aws:iam::ACCOUNT:role/NAME"),
        ({"image": "handrail:cpu"}, "image is 'handrail:cpu': write its address in a registry"),
        ({"image": "library/handrail:1"}, "image is 'library/handrail:1': write its address in a registry"),
        ({"region": "mars-1"}, "region is 'mars-1': this boto3 knows no such one"),
        ({"region": "us-est-1"}, "this boto3 knows no such one. Did you mean us-"),
        ({"bucket": "s3://files"}, "bucket is 's3://files': write the name only: small letters, digits, dots and"),
        ({"bucket": "b"}, "bucket is 'b': write a name of 3 to 63 characters: small letters, digits, dots and dashes"),
        ({"subnets": "subnet_1", "security_groups": "sg-1"}, "subnets is 'subnet_1': write ids, such as subnet-01"),
        ({"instance_type": "ml.g5.xlrage"}, "Did you mean ml.g5.xlarge"),
        ({"instance_type": "?"}, "instance_type is '?': this boto3 knows no such one"),
        ({"subnets": "subnet-1"}, "subnets and security_groups go together"),
        ({"max_instances": "1", "min_instances": "2"}, "max_instances is 1: write min_instances, which is 2, or more"),
        (
            {"instance_count": "9", "max_instances": "8"},
            "instance_count is 9: write 1 (min_instances) to 8 (max_instances)",
        ),
        (
            {"instance_count": "1", "min_instances": "2", "max_instances": "8"},
            "instance_count is 1: write 2 (min_instances) to 8 (max_instances)",
        ),
        ({"startup_timeout_s": "5"}, "--startup-timeout-s is '5'"),
        ({"concurrency": "many"}, "--concurrency is 'many'"),
        ({"kms_key": "no key!"}, "kms_key is 'no key!'"),
        ({"environment": "1A=1"}, "environment is '1A'"),
        ({"environment": "no"}, "'no': write KEY=VALUE"),
        ({"environment": "A=" + "é" * 513}, "A has 1026 bytes, and SageMaker takes 1024"),
        ({"environment": "A" * 1025 + "=1"}, "has 1025 bytes, and SageMaker takes 1024"),
        ({"tags": "a!=b"}, "tags is 'a!'"),
        ({"profile": "none"}, "profile: The config profile (none) could not be found"),
    ],
)
def test_what_aws_would_refuse_is_refused(deploy: Deploy, given: dict[str, str], words: str) -> None:
    """With the setting, its value, and what to write."""
    arguments = () if "profile" in given else ("--dry-run",)
    refused = deploy(*arguments, **given)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert words in refused.stderr


def test_a_wrong_name_is_one_fault(deploy: Deploy) -> None:
    """Not one for each of the things that are named after it."""
    refused = deploy("--dry-run", name="de_mo")
    assert [line for line in refused.stderr.splitlines() if "de_mo" in line] == refused.stderr.splitlines()[:1]


def test_too_much_environment(deploy: Deploy, folder: Path) -> None:
    """In number, and in all."""
    lines = [f"  A{number}: {'x' * 400}" for number in range(101)]
    (folder / "deploy.yaml").write_text("\n".join(["environment:", *lines]))
    refused = deploy("--dry-run")
    assert refused.exit_code == 2
    assert "environment: 101 variables are set, and SageMaker takes 100" in refused.stderr
    total = 101 * 400 + 10 * 2 + 90 * 3 + 4
    assert f"environment: the variables that are set have {total} bytes, and SageMaker takes 32768 in" in refused.stderr


def test_too_many_of_a_list(deploy: Deploy) -> None:
    many = [word for number in range(6) for word in ("--security-group", f"sg-{number}")]
    refused = deploy("--dry-run", "--subnet", "subnet-1", *many)
    assert "security_groups has 6 entries, and AWS takes 5" in refused.stderr


def test_all_that_is_missing_is_said_at_once(deploy: Deploy) -> None:
    refused = deploy("--dry-run", image=None, bucket=None)
    assert refused.exit_code == 2
    assert "image is missing: give --image, or image in deploy.yaml" in refused.stderr
    assert "bucket is missing" in refused.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("instanc_type: ml.g5.xlarge", "instanc_type is not a setting. Did you mean instance_type?"),
        ("zzz: 1", "zzz is not a setting."),
        ("- a", "is list: write `key: value` lines"),
        ("a: [", "cannot be read"),
        ("instance_count: none", "instance_count is 'none'"),
    ],
)
def test_a_file_that_is_wrong(deploy: Deploy, folder: Path, content: str, words: str) -> None:
    """Is named."""
    (folder / "deploy.yaml").write_text(content)
    refused = deploy("--dry-run")
    assert (refused.exit_code, words in refused.stderr) == (2, True)
    assert str(folder / "deploy.yaml") in refused.stderr


def test_another_file(deploy: Deploy, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Stands in for the directory's; an empty one says nothing."""
    (folder / "deploy.yaml").write_text("")
    assert calls(deploy)["CreateEndpointConfig"]["ProductionVariants"][0]["InitialInstanceCount"] == 1
    other = tmp_path_factory.mktemp("other") / "staging.yaml"
    other.write_text("instance_count: 7\nami:")
    seen = calls(deploy, "--config", str(other))
    assert seen["CreateEndpointConfig"]["ProductionVariants"][0]["InitialInstanceCount"] == 7


def test_only_what_is_meant_to_be_deployed(deploy: Deploy, folder: Path) -> None:
    """Neither caches, nor what is hidden, nor the settings of the deployment."""
    (folder / "deploy.yaml").write_text("tags: {a: b}")
    done = deploy("--dry-run")
    keys = [call["parameters"]["Key"] for call in json.loads(done.stdout) if call["operation"] == "PutObject"]
    assert [key.split("/", 2)[2] for key in keys] == ["model.py", "weights/part-1"]


def test_a_directory_that_is_not_there(deploy: Deploy, folder: Path) -> None:
    """Or a file in it."""
    (folder / "dangling").symlink_to("nowhere")
    assert "dangling cannot be read: No such file" in deploy("--dry-run").stderr
    folder.rename(folder.with_name("moved"))
    refused = deploy("--dry-run")
    assert (refused.exit_code, "there is no such directory" in refused.stderr) == (2, True)


def test_the_document_lists_every_setting(deploy: Deploy) -> None:
    """With its default and its description, in order."""
    text = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
    table = text.partition("| key | default |")[2].partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table if line.startswith("| `")]
    fields = Deployment.model_fields.items()
    assert [(key.strip("`"), text) for key, _, text in rows] == [(name, field.description) for name, field in fields]
    defaults = ["" if field.default in (None, [], {}) else str(field.default) for _, field in fields]
    assert [default.strip("`") for _, default, _ in rows] == defaults


def test_the_help_lists_every_flag(deploy: Deploy) -> None:
    said = deploy("--help").output
    assert [name for name in Deployment.model_fields if flag(name) not in said] == []
