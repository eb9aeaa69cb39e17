"""Finds settings that AWS would refuse, before anything is made: by botocore's models, and by limits missing there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from handrail_container.sagemaker.deploy.aws import Models
from handrail_container.sagemaker.deploy.deployment import Deployment
from handrail_container.sagemaker.deploy.plan import SUFFIX, DeploymentPlan
from handrail_container.sagemaker.limits import over_limits

_NAME = 63 - SUFFIX
_NAMED = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
#: An image with its registry's host. Without a host it is on Docker Hub, from which SageMaker does not pull.
_IMAGE = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?/\S+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MODELS = ("HF_MODEL_ID", "SM_VLLM_MODEL", "OPTION_MODEL_ID")
#: Java's character classes in the models' patterns, and their Python forms.
_JAVA = {r"\p{L}": r"\w", r"\p{Z}": " ", r"\p{N}": r"\d"}
#: Advice for a setting whose text does not have the form that AWS requires.
_INSTEAD = {
    "image": "write its address in a registry that SageMaker pulls from, such as "
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/handrail:1",
    "role": "write the role's ARN: arn:aws:iam::ACCOUNT:role/NAME, with the account's 12 digits",
    "kms_key": "write the key's id, its ARN, or alias/NAME",
    "subnets": "write ids, such as subnet-0123456789abcdef0",
    "security_groups": "write ids, such as sg-0123456789abcdef0",
    "environment": "write letters, digits and underscores, a letter or an underscore first",
    "tags": "write letters, digits, spaces and _ . : / = + - @",
}
#: The setting that a parameter comes from.
_SETTINGS = {
    "ModelName": "name",
    "EndpointName": "name",
    "EndpointConfigName": "name",
    "PolicyName": "name",
    "Image": "image",
    "ExecutionRoleArn": "role",
    "S3Uri": "prefix",
    "Key": "prefix",
    "Environment": "environment",
    "Tags": "tags",
    "InstanceType": "instance_type",
    "Subnets": "subnets",
    "SecurityGroupIds": "security_groups",
    "KmsKeyId": "kms_key",
    "SSEKMSKeyId": "kms_key",
    "InferenceAmiVersion": "ami",
}


def problems(deployment: Deployment, plan: DeploymentPlan) -> list[str]:
    """All problems, one sentence each."""
    found = [*_own(deployment, plan), *(f"environment: {over}" for over in over_limits(deployment.environment))]
    models = Models()
    if deployment.region and deployment.region not in (known := models.regions()):
        found.append(f"region is {deployment.region!r}: {_nearest(deployment.region, known)}")
    for call in plan.calls:
        outside = list(_outside(call.parameters, models.shape(call), ""))
        found += outside
        if not outside and models.faults(call):
            found.append(f"{call.operation}: {models.faults(call)}")
    return list(dict.fromkeys(found))


def _own(deployment: Deployment, plan: DeploymentPlan) -> Iterator[str]:
    if len(plan.name) > _NAME:
        yield f"name is {plan.name!r}: at most {_NAME} characters, since models and configurations add {SUFFIX} to it"
    if not _NAMED.fullmatch(plan.name):
        yield f"name is {plan.name!r}: write letters and digits, with dashes between them"
    if not _BUCKET.fullmatch(plan.bucket):
        only = "write the name only" if "/" in plan.bucket else "write a name of 3 to 63 characters"
        yield f"bucket is {plan.bucket!r}: {only}: small letters, digits, dots and dashes"
    if not _IMAGE.fullmatch(str(deployment.image)):
        yield f"image is {deployment.image!r}: {_INSTEAD['image']}"
    if bool(deployment.subnets) != bool(deployment.security_groups):
        yield "subnets and security_groups go together: give both, or neither"
    yield from _instances(deployment)
    if not plan.files and not any(deployment.environment.get(name) for name in _MODELS):
        yield f"DIR has no files to deploy: give the model directory, or a model in environment ({', '.join(_MODELS)})"


def _instances(deployment: Deployment) -> Iterator[str]:
    count, least, most = deployment.instance_count, deployment.min_instances, deployment.max_instances
    if most is None:
        return
    if most < least:
        yield f"max_instances is {most}: write min_instances, which is {least}, or more"
    elif count > most or (count < least and "instance_count" in deployment.model_fields_set):
        yield f"instance_count is {count}: write {least} (min_instances) to {most} (max_instances)"


def _outside(value: Any, shape: Any, setting: str) -> Iterator[str]:
    """One sentence for each value outside the bounds of its shape."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _outside(inner, shape.members[name], setting or _SETTINGS.get(name, ""))
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _too_many(value, shape, setting)
        for item in value:
            yield from _outside(item, shape.member, setting)
    elif shape.type_name == "map" and isinstance(value, Mapping) and setting == "environment":
        for name in value:
            yield from _outside_text(name, shape.key, setting)
    elif shape.type_name == "string" and isinstance(value, str) and setting != "environment":
        yield from _outside_text(value, shape, setting)


def _too_many(value: list[Any], shape: Any, setting: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and len(value) > most:
        yield f"{setting} has {len(value)} entries, and AWS takes {most}"


def _outside_text(value: str, shape: Any, setting: str) -> Iterator[str]:
    """Check a text. `name` is left out: `_own` checks it, and here each call made from it would repeat the problem."""
    if setting == "name":
        return
    choices, most, form = shape.enum, shape.metadata.get("max"), shape.metadata.get("pattern")
    if choices and value not in choices:
        yield f"{setting} is {value!r}: {_nearest(value, choices)}"
    elif most is not None and len(value) > most:
        yield f"{setting} is {value[:64]!r}…: it has {len(value)} characters, and AWS takes {most}"
    elif form and len(value) <= (most or len(value)) and not _matches(form, value):
        yield f"{setting} is {value!r}: {_INSTEAD.get(setting) or f'it must match {form}'}"


def _matches(form: str, value: str) -> bool:
    """Whether `value` matches the pattern; True if only Java can read the pattern."""
    for java, python in _JAVA.items():
        form = form.replace(java, python)
    try:
        return re.fullmatch(form, value) is not None
    except re.error:
        return True


def _nearest(value: str, choices: Iterable[str]) -> str:
    close = difflib.get_close_matches(value, list(choices), n=3, cutoff=0.5)
    return (
        f"this boto3 knows no such one. Did you mean {', '.join(close)}?" if close else "this boto3 knows no such one"
    )
