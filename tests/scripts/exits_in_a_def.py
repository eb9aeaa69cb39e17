"""A plain function, and so one that runs in a thread, which exits."""

import sys


def custom_sagemaker_invocation_handler():
    sys.exit(6)
