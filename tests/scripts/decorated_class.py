from handrail import custom_invocation_handler


@custom_invocation_handler
class Handler:
    def infer(self, request):
        return "which method?"
