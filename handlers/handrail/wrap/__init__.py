"""User code around a handler: a throttle, formatters, middleware."""
