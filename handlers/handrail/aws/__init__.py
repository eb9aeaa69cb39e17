"""What scripts written for AWS's `model_hosting_container_standards` use: its decorators, sessions and adapters."""
