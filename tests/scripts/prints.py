"""Everything that is printed, when imported and when called, by whatever means."""

import os
import subprocess

print("when imported")


def custom_sagemaker_invocation_handler():
    print("when called")
    os.write(1, b"past Python\n")
    subprocess.run(["echo", "by another process"], check=True)
    return {"printed": True}
