from typing import Annotated

from fastapi import Cookie, UploadFile


async def custom_sagemaker_invocation_handler(file: UploadFile, mood: Annotated[str, Cookie()]):
    return {"name": file.filename, "mood": mood}
