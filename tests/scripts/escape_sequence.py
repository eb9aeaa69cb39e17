import re

DIGITS = re.compile("\d+")


def custom_sagemaker_invocation_handler():
    return "an old habit"
