import shutil

from fastapi import HTTPException, Request

from handrail import custom_invocation_handler


@custom_invocation_handler
async def invoke(request: Request):
    shutil.rmtree(request.state.session.path)
    raise HTTPException(418, "as asked")
