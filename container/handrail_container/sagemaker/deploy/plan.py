"""The plan of a deployment: the AWS calls it makes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handrail_container.sagemaker.deploy.aws import AwsCall
from handrail_container.sagemaker.deploy.deployment import Deployment
from handrail_container.sagemaker.deploy.files import File, version

VARIANT = "AllTraffic"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
METRIC = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
#: Characters that `-` and a digest add to the endpoint's name.
SUFFIX = 9
#: Instances with a local disk: the hardware encrypts it, and AWS refuses a key or a size for it.
_OWN_DISK = re.compile(r"ml\.(g\d\w*|p3dn|p[4-9]\w*|p\d-\w*|p\de-\w*|trn\d\w*|[cmr]\d\w*d)\.")


@dataclass(frozen=True)
class DeploymentPlan:
    """The calls of a deployment. `prefix` is this version's folder in the bucket, with a trailing slash."""

    name: str
    bucket: str
    prefix: str
    files: list[File]
    uploads: list[AwsCall]
    model: AwsCall
    config: AwsCall
    endpoint: AwsCall
    scaling: list[AwsCall]

    @property
    def calls(self) -> list[AwsCall]:
        """The calls of a first deployment, in order."""
        return [*self.uploads, self.model, self.config, self.endpoint, *self.scaling]

    @property
    def folder(self) -> str:
        """The address of this version's files."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def model_name(self) -> str:
        return str(self.model.parameters["ModelName"])

    @property
    def config_name(self) -> str:
        return str(self.config.parameters["EndpointConfigName"])


def resource(name: str) -> dict[str, str]:
    """The parameters that identify the endpoint's variant for Application Auto Scaling."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/{VARIANT}",
        "ScalableDimension": DIMENSION,
    }


def make(deployment: Deployment, files: list[File]) -> DeploymentPlan:
    """The plan of a deployment that has all required settings."""
    name, bucket = str(deployment.name), str(deployment.bucket)
    prefix = f"{(deployment.prefix or name).strip('/')}/{version(files)}/"
    model = _named("CreateModel", "ModelName", name, _model(deployment, f"s3://{bucket}/{prefix}" if files else None))
    config = _named(
        "CreateEndpointConfig", "EndpointConfigName", name, _config(deployment, str(model.parameters["ModelName"]))
    )
    endpoint = {"EndpointName": name, "EndpointConfigName": config.parameters["EndpointConfigName"]}
    return DeploymentPlan(
        name=name,
        bucket=bucket,
        prefix=prefix,
        files=files,
        uploads=[_upload(deployment, prefix, file) for file in files],
        model=model,
        config=config,
        endpoint=AwsCall("sagemaker", "CreateEndpoint", _present(**endpoint, Tags=_tags(deployment))),
        scaling=_scaling(deployment, name),
    )


def stored(file: File, kms_key: str | None) -> dict[str, Any]:
    """The parameters of a stored file: metadata and encryption."""
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    return {"Metadata": {"sha256": file.sha256}, **encryption}


def _upload(deployment: Deployment, prefix: str, file: File) -> AwsCall:
    place = {"Bucket": deployment.bucket, "Key": prefix + file.name, "Body": str(file.path)}
    return AwsCall("s3", "PutObject", {**place, **stored(file, deployment.kms_key)})


def _named(operation: str, key: str, name: str, parameters: Mapping[str, Any]) -> AwsCall:
    """A call whose resource name contains a digest of its parameters: models and configurations are immutable."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    return AwsCall("sagemaker", operation, {key: f"{name}-{digest[: SUFFIX - 1]}", **parameters})


def _model(deployment: Deployment, uri: str | None) -> dict[str, Any]:
    source = {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = _present(
        Image=deployment.image,
        ModelDataSource={"S3DataSource": source} if uri else None,
        Environment=deployment.environment,
    )
    network = {"Subnets": deployment.subnets, "SecurityGroupIds": deployment.security_groups}
    return _present(
        PrimaryContainer=container,
        ExecutionRoleArn=deployment.role,
        VpcConfig=network if any(network.values()) else None,
        EnableNetworkIsolation=deployment.network_isolation,
        Tags=_tags(deployment),
    )


def _config(deployment: Deployment, model: str) -> dict[str, Any]:
    has_own_disk = bool(_OWN_DISK.match(str(deployment.instance_type)))
    variant = _present(
        VariantName=VARIANT,
        ModelName=model,
        InstanceType=deployment.instance_type,
        InitialInstanceCount=deployment.instance_count,
        ModelDataDownloadTimeoutInSeconds=deployment.download_timeout_s,
        ContainerStartupHealthCheckTimeoutInSeconds=deployment.startup_timeout_s,
        RoutingConfig={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        VolumeSizeInGB=None if has_own_disk else deployment.volume_gb,
        InferenceAmiVersion=deployment.ami,
    )
    key = None if has_own_disk else deployment.kms_key
    return _present(ProductionVariants=[variant], KmsKeyId=key, Tags=_tags(deployment))


def _scaling(deployment: Deployment, name: str) -> list[AwsCall]:
    if deployment.max_instances is None:
        return []
    bounds = {"MinCapacity": deployment.min_instances, "MaxCapacity": deployment.max_instances}
    tracking = {
        "TargetValue": deployment.concurrency,
        "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
        "ScaleOutCooldown": deployment.scale_out_s,
        "ScaleInCooldown": deployment.scale_in_s,
    }
    policy = {"PolicyName": f"{name}-concurrency", "PolicyType": "TargetTrackingScaling"}
    return [
        AwsCall("application-autoscaling", "RegisterScalableTarget", {**resource(name), **bounds}),
        AwsCall(
            "application-autoscaling",
            "PutScalingPolicy",
            {**policy, **resource(name), "TargetTrackingScalingPolicyConfiguration": tracking},
        ),
    ]


def _tags(deployment: Deployment) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in deployment.tags.items()]


def _present(**parameters: Any) -> dict[str, Any]:
    """The parameters without empty values."""
    return {name: value for name, value in parameters.items() if value not in (None, [], {}, False)}
