"""The configuration of AWS's LMI container: `serving.properties`, `OPTION_*` and the variables beside them."""
