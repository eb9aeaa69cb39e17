"""ASGI wrappers around an engine's own routes: direct calls, cancellation, and errors in Handrail's shape."""
