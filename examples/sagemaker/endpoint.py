"""The life of an endpoint in boto3: upload, create, invoke, stream, delete. `handrail deploy` does this and more."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import boto3

MODEL = Path(__file__).with_name("model.py")
QUESTION = [{"role": "user", "content": "What does /ping do?"}]


def upload(s3: Any, bucket: str, prefix: str) -> None:
    """The script, and beside it whatever else the model directory has: weights, requirements.txt."""
    s3.upload_file(str(MODEL), bucket, f"{prefix}/model.py")


def create(sagemaker: Any, name: str, given: argparse.Namespace) -> None:
    """Returns once the endpoint is in service."""
    source = {"S3Uri": f"s3://{given.bucket}/{name}/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=given.role,
        PrimaryContainer={
            "Image": given.image,
            "ModelDataSource": {"S3DataSource": source},
            "Environment": {"HF_MODEL_ID": given.model, "CUSTOM_SCRIPT_FILENAME": "model.py"},
        },
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": given.instance_type,
        "InitialInstanceCount": 1,
        "ContainerStartupHealthCheckTimeoutInSeconds": 1200,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)


def invoke(runtime: Any, name: str) -> str:
    """The whole answer's text."""
    body = json.dumps({"messages": QUESTION})
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body)
    text: str = json.load(answer["Body"])["choices"][0]["message"]["content"]
    return text


def stream(runtime: Any, name: str) -> str:
    """The answer's server-sent events, as they come: a part may hold several of them, or a piece of one."""
    body = json.dumps({"messages": QUESTION, "stream": True})
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName=name, ContentType="application/json", Body=body)
    return b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]).decode()


def delete(sagemaker: Any, name: str) -> None:
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    for needed in ("--bucket", "--role", "--image"):
        words.add_argument(needed, required=True)
    words.add_argument("--instance-type", default="ml.g5.xlarge")
    words.add_argument("--model", default="meta-llama/Meta-Llama-3-8B-Instruct")
    words.add_argument("--name", default="my-vllm-model")
    given = words.parse_args()
    sagemaker, runtime = boto3.client("sagemaker"), boto3.client("sagemaker-runtime")
    upload(boto3.client("s3"), given.bucket, given.name)
    create(sagemaker, given.name, given)
    try:
        print(invoke(runtime, given.name))
        print(stream(runtime, given.name))
    finally:
        delete(sagemaker, given.name)


if __name__ == "__main__":
    main()
