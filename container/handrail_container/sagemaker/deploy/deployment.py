"""Settings of a deployment: command-line flags over `deploy.yaml`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from handrail_container.process.exits import SettingsError
from handrail_container.sagemaker.deploy.written import Written

FILE = "deploy.yaml"
#: Settings required to create an endpoint.
NEEDED = ("name", "image", "role", "bucket", "instance_type")


def _as_text(value: Any) -> Any:
    """YAML's numbers and booleans as text, as in an environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]


def setting(description: str, default: Any = None, **constraints: Any) -> Any:
    return Field(default=default, description=description, **constraints)


class Deployment(BaseModel):
    """Each field is a key of `deploy.yaml` and, with dashes, a flag."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text | None = setting("The endpoint. Model and configuration are named after it.")
    image: str | None = setting("The container image, in a registry that SageMaker can pull from.")
    role: str | None = setting("The ARN of the role that SageMaker takes to read the files and pull the image.")
    bucket: str | None = setting("The S3 bucket for the files, in the endpoint's region.")
    prefix: str | None = setting("Where in the bucket: a folder for each version below it. Unset: the name.")
    instance_type: str | None = setting("`ml.g5.xlarge`, …")
    instance_count: int = setting("Instances at the start.", 1, ge=1)
    environment: dict[str, Text] = setting("Environment of the container (flag: `--environment KEY=VALUE`).", {})
    tags: dict[str, Text] = setting("Tags of all that is made (flag: `--tags KEY=VALUE`).", {})
    subnets: list[str] = setting("Subnets of the VPC to be in; with `security_groups`.", [])
    security_groups: list[str] = setting("Security groups there.", [])
    network_isolation: bool = setting("Whether the container may not reach anything.", False)
    kms_key: str | None = setting("The key for the files, and for the disk where the instance has no own.")
    download_timeout_s: int = setting("Seconds to download the files to an instance.", 1800, ge=60, le=3600)
    startup_timeout_s: int = setting("Seconds until `/ping` is 200.", 1200, ge=60, le=3600)
    volume_gb: int | None = setting("Size of the disk, where the instance has no own.", None, ge=1, le=512)
    ami: str | None = setting("`InferenceAmiVersion`: CUDA 13 images need a newer one than the default.")
    min_instances: int = setting("Autoscaling: the fewest instances.", 1, ge=1)
    max_instances: int | None = setting("Autoscaling: the most; unset, there is no autoscaling.", None, ge=1)
    concurrency: float = setting("Autoscaling: requests at a time for each model copy to aim at.", 32, gt=0)
    scale_out_s: int = setting("Autoscaling: seconds between two steps up.", 60, ge=0)
    scale_in_s: int = setting("Autoscaling: seconds between two steps down.", 600, ge=0)
    region: str | None = setting("The region. Unset: that of the profile or of `AWS_REGION`.")
    profile: str | None = setting("The profile of the AWS configuration to use.")

    def missing(self, needed: tuple[str, ...] = NEEDED) -> list[str]:
        """One sentence for each required setting that is missing."""
        absent = [field for field in needed if not getattr(self, field)]
        return [f"{field} is missing: give {flag(field)}, or {field} in {FILE}" for field in absent]


def flag(field: str) -> str:
    return "--" + field.replace("_", "-")


def read(file: Path | None, given: Mapping[str, Any]) -> Deployment:
    """The file's settings, overridden by those of the command line that are neither None nor empty.

    Mappings are merged key by key. Raises SettingsError with all problems.
    """
    written = Written(file) if file is not None else None
    settings = dict(written.values) if written is not None else {}
    for field, value in given.items():
        if isinstance(value, dict) and isinstance(settings.get(field), dict):
            settings[field] = {**settings[field], **value}
        elif value is not None and value not in ([], {}):
            settings[field] = value
    try:
        return Deployment(**settings)
    except ValidationError as error:
        raise SettingsError(*(_problem(dict(details), given, written) for details in error.errors())) from None


def _problem(details: dict[str, Any], given: Mapping[str, Any], written: Written | None) -> str:
    field = str(details["loc"][0])
    place = written.place(field) if written is not None else FILE
    if details["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, list(Deployment.model_fields), n=1)
        return f"{place}: {field} is not a setting." + (f" Did you mean {close[0]}?" if close else "")
    source = flag(field) if given.get(field) else f"{place}: {field}"
    return f"{source} is {details['input']!r}: {str(details['msg']).removeprefix('Input ')}"
