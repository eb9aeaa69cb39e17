import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--temperature", type=float, default=0.5)
options = parser.parse_args()


def custom_sagemaker_invocation_handler():
    return {"temperature": options.temperature}
