"""Support for scripts written for AWS's `model_hosting_container_standards`: decorators, sessions and adapters."""
