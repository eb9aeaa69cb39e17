try:
    import fastapi as web
except ImportError:
    web = None

service: web.FastAPI = web.FastAPI()


@service.post("/generate")
async def generate(body: dict):
    return body
