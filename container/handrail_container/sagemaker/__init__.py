"""SageMaker: deployment to an endpoint, emulation of the runtime API, and the platform's limits."""
