import handrail.decorators
