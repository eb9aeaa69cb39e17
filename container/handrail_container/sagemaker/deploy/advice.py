"""Advice on common errors of deployments, shown beside AWS's own message."""

from __future__ import annotations

import re

_ADVICE = {
    r"NoCredentials|PartialCredentials": "Log in: `aws configure`, `aws sso login`, or a --profile.",
    r"ExpiredToken|UnrecognizedClient|InvalidClientTokenId|TokenRefresh|UnauthorizedSSO": (
        "These credentials are not valid, or no longer: log in again (`aws sso login`), or choose a --profile."
    ),
    r"NoRegion": "Say where: --region, or AWS_REGION.",
    r"ResourceLimitExceeded|service limit|quota": (
        "Ask for a higher quota (Service Quotas, Amazon SageMaker, '<instance type> for endpoint usage'), or take "
        "another --instance-type, or fewer."
    ),
    r"[Cc]apacity": (
        "AWS has no such instance free now: try again later, or take another --instance-type or --region."
    ),
    r"assume role|AssumeRole|PassRole": (
        "The role must exist, trust sagemaker.amazonaws.com, and you must be allowed iam:PassRole for it."
    ),
    r"NoSuchBucket|Could not access model data|S3 objects": (
        "The role needs s3:GetObject and s3:ListBucket for the bucket, and the bucket must be in the endpoint's region."
    ),
    r"\.dkr\.ecr\.|[Rr]equested image|ECR image": (
        "The image must be in this region's registry, and the role allowed to pull it (ecr:BatchGetImage, "
        "ecr:GetDownloadUrlForLayer, ecr:GetAuthorizationToken)."
    ),
    r"KMS|kms:": (
        "The key's policy must let you and the role use it (kms:GenerateDataKey, kms:Decrypt, kms:CreateGrant)."
    ),
    r"ping health check": (
        "The container did not come up: its log says why. A large model may need a longer --startup-timeout-s."
    ),
    r"AccessDenied|Unauthorized|Forbidden|not authorized": "These credentials may not do that: allow the operation.",
    r"EndpointConnectionError|ConnectTimeout|ConnectionClosed": "AWS is not reached: look at the network and --region.",
}


def advice(message: str) -> str:
    """The advice for an error message of AWS; empty if there is none."""
    return next((words for pattern, words in _ADVICE.items() if re.search(pattern, message)), "")
