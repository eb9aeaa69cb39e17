"""What is looked up before anything is made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.aws import Aws
from tests.container.deploy.conftest import Deploy

pytestmark = pytest.mark.slow

NOTHING: dict[str, list[str]] = {"models": [], "configs": [], "endpoints": []}


def network(aws: Aws) -> dict[str, str]:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    return {"subnets": subnet, "security_groups": group}


def test_what_is_there_passes(aws: Aws, deploy: Deploy) -> None:
    """Network and key."""
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    done = deploy(kms_key=key, **network(aws))
    assert done.exit_code == 0, done.output
    model = aws.client("sagemaker").describe_model(ModelName=aws.made()["models"][0])
    assert set(model["VpcConfig"]) == {"SecurityGroupIds", "Subnets"}
    head = aws.client("s3").head_object(Bucket="files", Key=aws.stored()[0])
    assert head["ServerSideEncryption"] == "aws:kms"


def test_what_is_not_there_is_said_at_once(aws: Aws, deploy: Deploy) -> None:
    """Each with its setting."""
    absent: dict[str, Any] = {
        "role": "arn:aws:iam::123456789012:role/nobody",
        "bucket": "no-such-bucket",
        "kms_key": "00000000-0000-0000-0000-000000000000",
        "subnets": "subnet-00000000",
        "security_groups": "sg-00000000",
    }
    refused = deploy(**absent)
    assert refused.exit_code == 2
    for setting in ("role", "bucket", "kms_key", "subnets", "security_groups"):
        assert f"handrail: {setting} is " in refused.stderr
    assert "aws s3 mb s3://no-such-bucket" in refused.stderr
    assert aws.made() == NOTHING


def test_a_role_of_another_account(aws: Aws, deploy: Deploy) -> None:
    refused = deploy(role="arn:aws:iam::000000000000:role/serving")
    assert "the role serving of this account is arn:aws:iam::123456789012:role/serving" in refused.stderr


def test_a_role_that_sagemaker_may_not_take(aws: Aws, deploy: Deploy) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    aws.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(policy))
    refused = deploy(role="arn:aws:iam::123456789012:role/other")
    assert "its trust policy does not let sagemaker.amazonaws.com take it" in refused.stderr


def test_a_key_that_is_off(aws: Aws, deploy: Deploy) -> None:
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    assert "it is Disabled, and must be enabled" in deploy(kms_key=key).stderr


def test_a_bucket_of_another_region(aws: Aws, deploy: Deploy) -> None:
    """The endpoint could not read it."""
    aws.client("s3").create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    refused = deploy(bucket="elsewhere")
    assert "it is in eu-west-1, and the endpoint would be in us-east-1" in refused.stderr


@pytest.mark.parametrize(
    ("status", "exit_code", "words"),
    [(403, 2, "bucket is 'files': these credentials may not use it"), (400, 1, "handrail: HeadBucket: 400")],
)
def test_a_bucket_that_cannot_be_used(aws: Aws, deploy: Deploy, status: int, exit_code: int, words: str) -> None:
    """Or what cannot be asked at all."""
    aws.faults["HEAD"] = (status, "", "")
    refused = deploy()
    assert (refused.exit_code, words in refused.stderr) == (exit_code, True)
    assert aws.made() == NOTHING


def test_what_may_not_be_looked_up_is_left_to_aws(aws: Aws, deploy: Deploy) -> None:
    """With a word of it."""
    aws.faults["iam"] = (403, "AccessDenied", "no iam:GetRole")
    done = deploy()
    assert done.exit_code == 0
    assert "role is not checked: GetRole: AccessDenied" in done.stderr
