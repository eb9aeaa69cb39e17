"""Sets variables before the engine is built, and starts servers of vLLM's as processes."""

import asyncio
import os
import subprocess
import sys
from subprocess import Popen as start

from vllm import LLM

MODEL = "demo"
os.environ["VLLM_USE_V1"] = "1"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
os.environ.update({"HF_HOME": "/tmp"}, VLLM_LOGGING_LEVEL="INFO")
os.putenv("TOKENIZERS_PARALLELISM", "false")
os.environ[input()] = "?"
os.environ.update([("A", "b")])
llm = LLM(os.environ["HF_HOME"])


async def serve():
    subprocess.run(f"vllm serve {MODEL} --port 8001", shell=True)
    start([sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL])
    command = ["vllm", "serve", MODEL]
    await asyncio.create_subprocess_exec(*command)
    os.system("echo vllm")
    subprocess.run(["nvidia-smi"])
