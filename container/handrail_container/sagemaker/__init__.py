"""AWS's side: a deployment to an endpoint, the runtime API emulated, and what SageMaker takes."""
