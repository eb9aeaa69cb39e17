"""LMI's configuration (`serving.properties`, `OPTION_*`) as vLLM's flags. The rows are the tables of
docs/compatibility/lmi-configuration.md."""
