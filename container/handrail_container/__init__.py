"""The server an operator runs: `/ping` and `/invocations` over a vLLM engine in the same process."""
