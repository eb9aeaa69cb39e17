"""The SageMaker runtime API in front of a container, for an unmodified boto3 client."""
