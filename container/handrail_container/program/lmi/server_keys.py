"""What becomes of the keys of DJL Serving itself: lines without `option.`, and `SERVING_*`."""

from __future__ import annotations

from handrail_container.program.lmi.options import RULES as OPTIONS
from handrail_container.program.lmi.ruling import Place, Rule, Ruling, ignored, mapped, reason, refused, switch

_QUEUE = "HANDRAIL_MAX_QUEUE sets how many requests wait"
_BATCHES = "vLLM batches by itself; max_rolling_batch_size bounds it"
_WORKERS = "of LMI's worker processes: one engine serves here; data_parallel_size, or --ray, makes more"
_DEVICES = "CUDA_VISIBLE_DEVICES chooses the GPUs"
_MEMORY = "gpu_memory_utilization bounds vLLM's memory"
_METRICS = "/metrics has the counts and times"
_JAVA = "of DJL Serving's own process"
_OF_WORKERS = ("minWorkers", "maxWorkers")
_OF_MEMORY = ("required_memory_mb", "reserved_memory_mb")

_REASONS = {
    "job_queue_size": _QUEUE,
    **dict.fromkeys(("batch_size", "max_batch_delay"), _BATCHES),
    **dict.fromkeys((f"{kind}{name}" for name in _OF_WORKERS for kind in ("", "gpu.", "cpu.")), _WORKERS),
    **dict.fromkeys(("min_workers", "max_workers", "max_idle_time", "retry_threshold"), _WORKERS),
    "load_on_devices": _DEVICES,
    **dict.fromkeys((f"{kind}{name}" for name in _OF_MEMORY for kind in ("", "gpu.")), _MEMORY),
    **dict.fromkeys(("log_request_metric", "metrics_aggregation"), _METRICS),
    **dict.fromkeys(("translatorFactory", "translator", "application", "chunked_read_timeout"), _JAVA),
    "features": "HANDRAIL_ENGINE names the engine",
    "load_models": "the model directory is the one model",
    "fail_fast": "a start that fails always ends the server",
}

RULES: dict[str, Rule] = {
    **{name: reason(note) for name, note in _REASONS.items()},
    "engine": OPTIONS["engine"],
    "enable_cuda_graphs": switch(ignored("vLLM makes them"), mapped({"ENFORCE_EAGER": "true"})),
}


def ruling(name: str, value: str, place: Place, *, is_variable: bool) -> Ruling:
    """What becomes of a key without `option.`. One that is not known is refused in the file, where it may lack that."""
    rule = RULES.get(name)
    if rule:
        return rule(value, place)
    if is_variable:
        return ignored(_JAVA)
    return refused(name, f"is no key of DJL Serving's: write option.{name}, or leave it out")
