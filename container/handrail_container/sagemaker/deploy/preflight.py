"""Looks up the role, the bucket, the key and the network on AWS before anything is made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from handrail_container.sagemaker.deploy.aws import Aws
from handrail_container.sagemaker.deploy.deployment import Deployment
from handrail_container.sagemaker.deploy.errors import AwsError

_SERVICE = "sagemaker.amazonaws.com"
#: Error codes of a resource that does not exist, or whose name is invalid.
_ABSENT = re.compile("NotFound|NoSuch|Malformed|Validation|Invalid(Subnet|Group|Parameter|Arn)")

Check = Callable[[Aws, Deployment], Iterator[str]]


def problems(aws: Aws, deployment: Deployment, note: Callable[[str], None]) -> list[str]:
    """One sentence for each problem. Lookups denied to these credentials are noted and skipped. Raises AwsError."""
    found = []
    for field, check in CHECKS.items():
        if not getattr(deployment, field):
            continue
        try:
            found += list(check(aws, deployment))
        except AwsError as error:
            if error.is_denied:
                note(f"{field} is not checked: {error}")
            elif _ABSENT.search(error.code):
                found.append(f"{field} is {getattr(deployment, field)!r}: {error}. Make it, or name another")
            else:
                raise
    return found


def _role(aws: Aws, deployment: Deployment) -> Iterator[str]:
    name = str(deployment.role).rpartition("/")[2]
    role = aws.call("iam", "GetRole", RoleName=name)["Role"]
    if role["Arn"] != deployment.role:
        yield f"role is {deployment.role!r}: the role {name} of this account is {role['Arn']}"
    elif _SERVICE not in json.dumps(role["AssumeRolePolicyDocument"]):
        yield f"role is {deployment.role!r}: its trust policy does not let {_SERVICE} take it; add that principal"


def _bucket(aws: Aws, deployment: Deployment) -> Iterator[str]:
    bucket = deployment.bucket
    try:
        region = aws.call("s3", "HeadBucket", Bucket=bucket).get("BucketRegion")
    except AwsError as error:
        if error.code == "403":
            yield f"bucket is {bucket!r}: these credentials may not use it, or it is another account's"
        elif error.is_missing:
            yield f"bucket is {bucket!r}: there is no such bucket. Make it (aws s3 mb s3://{bucket}), or name another"
        else:
            raise
        return
    if region and region != aws.region:
        yield f"bucket is {bucket!r}: it is in {region}, and the endpoint would be in {aws.region}; use one there"


def _key(aws: Aws, deployment: Deployment) -> Iterator[str]:
    key = aws.call("kms", "DescribeKey", KeyId=deployment.kms_key)["KeyMetadata"]
    if not key["Enabled"]:
        yield f"kms_key is {deployment.kms_key!r}: it is {key['KeyState']}, and must be enabled"


def _subnets(aws: Aws, deployment: Deployment) -> Iterator[str]:
    aws.call("ec2", "DescribeSubnets", SubnetIds=deployment.subnets)
    return iter(())


def _security_groups(aws: Aws, deployment: Deployment) -> Iterator[str]:
    aws.call("ec2", "DescribeSecurityGroups", GroupIds=deployment.security_groups)
    return iter(())


CHECKS: dict[str, Check] = {
    "role": _role,
    "bucket": _bucket,
    "kms_key": _key,
    "subnets": _subnets,
    "security_groups": _security_groups,
}
