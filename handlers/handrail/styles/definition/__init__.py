"""`run_inference` definitions: finds, checks and calls a `model.yaml` with its snippet."""
