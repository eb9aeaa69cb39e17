"""What a script builds of vLLM's engines becomes an object over this engine."""
