import runpod


def work(job):
    return job["input"]


if __name__ == "__main__":
    runpod.serverless.start({"handler": work})
