"""`run_inference` definitions: a `model.yaml` with its snippet, found, checked, and asked as their authors expect."""
