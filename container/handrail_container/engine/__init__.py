"""The inference engines (vLLM, echo, none) behind one protocol, `Backend`."""
