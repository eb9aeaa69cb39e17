async def custom_sagemaker_stream_handler(websocket):
    await websocket.send_text("by name")
