"""Truss Models: a `class Model` beside a `config.yaml`, found, checked, made, and called as their authors expect."""
