import subprocess

from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request):
    return subprocess.run(["a-program-nobody-has"], check=True)
