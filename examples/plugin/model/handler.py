"""A worker as it is written for RunPod, unchanged."""

import runpod


def handler(job):
    words = job["input"]["prompt"].split()
    if not words:
        return {"error": "the prompt is empty"}
    return {"words": len(words)}


runpod.serverless.start({"handler": handler})
