"""Serves scripts that are written for SageMaker's inference toolkit: `model_fn`, `input_fn`, `predict_fn`, …"""
