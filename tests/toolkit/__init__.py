"""Scripts for SageMaker's inference toolkit: the same rows on Handrail and on the toolkit itself."""
