"""Reading `run_inference` definitions: YAML with its includes and references, adapters, and what a model is made of."""
