"""What stands around a handler: a throttle, formatters, middlewares."""
