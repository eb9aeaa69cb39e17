# model.py
import model_hosting_container_standards.sagemaker as sagemaker_standards
from model_hosting_container_standards.logging_config import logger
from fastapi import Request, Response
import json

@sagemaker_standards.custom_ping_handler
async def health_check(request: Request) -> Response:
    """Custom health check."""
    logger.info("Custom health check called")
    return Response(
        content=json.dumps({"status": "healthy"}),
        media_type="application/json",
        status_code=200
    )

@sagemaker_standards.custom_invocation_handler
async def inference_with_rag(request: Request) -> Response:
    """Custom inference with optional RAG integration and vLLM engine."""
    body = await request.json()
    prompt = body["prompt"]
    max_tokens = body.get("max_tokens", 100)
    temperature = body.get("temperature", 0.7)

    # Optional RAG integration
    if body.get("use_rag", False):
        context = "Retrieved context..."
        prompt = f"Context: {context}\n\nQuestion: {prompt}"

    logger.info(f"Processing prompt: {prompt[:50]}...")

    # Call vLLM engine directly
    from vllm import SamplingParams
    import uuid

    engine = request.app.state.engine_client

    # Create sampling parameters
    sampling_params = SamplingParams(
        temperature=temperature,
        max_tokens=max_tokens,
    )

    # Generate response using vLLM engine
    request_id = str(uuid.uuid4())
    results_generator = engine.generate(prompt, sampling_params, request_id)

    # Collect final output
    final_output = None
    async for request_output in results_generator:
        final_output = request_output

    # Extract generated text
    if final_output and final_output.outputs:
        generated_text = final_output.outputs[0].text
        prompt_tokens = len(final_output.prompt_token_ids) if hasattr(final_output, "prompt_token_ids") else 0
        completion_tokens = len(final_output.outputs[0].token_ids)
    else:
        generated_text = ""
        prompt_tokens = 0
        completion_tokens = 0

    response_data = {
        "predictions": [generated_text],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
        "rag_enabled": body.get("use_rag", False)
    }

    return Response(
        content=json.dumps(response_data),
        media_type="application/json",
        headers={"X-Request-Id": request_id}
    )
