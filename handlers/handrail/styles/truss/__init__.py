"""Truss Models: finds, checks, creates and calls a `class Model` beside a `config.yaml`."""
