"""The training itself: a small Llama from scratch, a fixed number of steps, one thread, one seed."""

import time
from pathlib import Path

import torch
from safetensors.torch import save
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.samples import Sample, Sampler

SEED = 7
STEPS = 1400
WARMUP_STEPS = 40
LEARNING_RATE = 3e-3
PADDING, NOT_LEARNT = 0, -100


def load_config(directory: Path) -> LlamaConfig:
    config: LlamaConfig = LlamaConfig.from_pretrained(directory)
    return config


def train_model(
    config: LlamaConfig, tokenizer: PreTrainedTokenizerFast, sampler: Sampler, steps: int
) -> LlamaForCausalLM:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(config).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps))
    started, smooth = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        loss = loss_of(model, *tensors(sampler.batch(), tokenizer))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        smooth = loss.item() if step == 1 else 0.95 * smooth + 0.05 * loss.item()
        if step % 50 == 0:
            print(f"step {step}/{steps}  loss {smooth:.4f}  {time.monotonic() - started:.0f} s", flush=True)
    return model


def rate_at(step: int, steps: int) -> float:
    """Up for a moment, then straight down to nothing."""
    return min(1.0, (step + 1) / WARMUP_STEPS, (steps - step) / (steps - WARMUP_STEPS))


def loss_of(model: LlamaForCausalLM, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Only the learnt positions pass the output layer: they are the smaller part."""
    states = model.model(input_ids=tokens).last_hidden_state
    learnt = targets != NOT_LEARNT
    return cross_entropy(model.lm_head(states[learnt]), targets[learnt])


def tensors(samples: list[Sample], tokenizer: PreTrainedTokenizerFast) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and what follows each; padding is on the right, where a causal model never looks."""
    rows = [encode(sample, tokenizer) for sample in samples]
    shape = (len(rows), max(len(tokens) for tokens, _ in rows) - 1)
    tokens, targets = torch.full(shape, PADDING), torch.full(shape, NOT_LEARNT)
    for at, (row, learnt) in enumerate(rows):
        tokens[at, : len(row) - 1] = torch.tensor(row[:-1])
        targets[at, : len(row) - 1] = torch.tensor(learnt[1:])
    return tokens, targets


def encode(sample: Sample, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Each piece by itself, as a server encodes a prompt without its answer."""
    tokens: list[int] = []
    targets: list[int] = []
    for text, learnt in sample:
        piece = tokenizer.encode(text, add_special_tokens=False)
        tokens += piece
        targets += piece if learnt else [NOT_LEARNT] * len(piece)
    return tokens, targets


def save_weights(model: LlamaForCausalLM, path: Path) -> None:
    """Half precision; the output layer is the embedding, so it is not stored."""
    weights = {name: weight.half().contiguous() for name, weight in model.state_dict().items()}
    del weights["lm_head.weight"]
    path.write_bytes(save(weights, metadata={"format": "pt"}))
