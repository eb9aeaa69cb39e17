"""Train the LoRA in `adapter/`, which makes the demo model talk like a pirate unasked, or examine the one that is here.

python examples/lora/train.py           about two minutes on one core; writes adapter/adapter_model.safetensors
python examples/lora/train.py --check   asks vLLM every question; exits with 1 when too few answers are a pirate's
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn
from transformers import LlamaForCausalLM

HERE = Path(__file__).resolve().parent
MODEL_DIR = HERE.parent / "model"
sys.path.insert(0, str(MODEL_DIR))

from training.corpus import as_pirate, load_corpus  # noqa: E402  found only now, as all that follow
from training.fit import SEED, load_config, loss_of, rate_at, tensors  # noqa: E402
from training.samples import ANSWERS_PER_BATCH, Message, Sample, Sampler, Style  # noqa: E402
from training.tokens import load_tokenizer  # noqa: E402

ADAPTER_DIR = HERE / "adapter"
STEPS = 200
LEARNING_RATE = 2e-3
FLOOR = 0.95


class PirateSampler(Sampler):
    """Chats of one or two turns and plain texts, every answer a pirate's, though nobody asks for it."""

    def batch(self) -> list[Sample]:
        turns = self.random.choice((1, 1, 2))
        return [self.sample(turns) for _ in range(ANSWERS_PER_BATCH // turns)]

    def opening(self, pirate: bool) -> list[Message]:
        return super().opening(False)

    def exchange(self, style: Style | None = None) -> tuple[str, str]:
        return super().exchange(as_pirate)


class Adapted(nn.Module):
    """A linear layer that is not trained, and the two small ones beside it that are."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: int) -> None:
        super().__init__()
        self.layer = layer
        self.lora_A = nn.Linear(layer.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, layer.out_features, bias=False)
        self.scale = alpha / rank
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        wide: torch.Tensor = self.layer(states)
        return wide + self.scale * self.lora_B(self.lora_A(states))


def main() -> int:
    parser = argparse.ArgumentParser(description="Train or examine the adapter.")
    parser.add_argument("--check", action="store_true", help="examine the adapter through vLLM instead of training it")
    parser.add_argument("--directory", type=Path, default=ADAPTER_DIR, help="the adapter's directory")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps")
    arguments = parser.parse_args()
    return check(arguments.directory) if arguments.check else train(arguments.directory, arguments.steps)


def train(directory: Path, steps: int) -> int:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model = load_model()
    layers = adapt(model, json.loads((directory / "adapter_config.json").read_text()))
    tokenizer = load_tokenizer(MODEL_DIR)
    sampler = PirateSampler(load_corpus(MODEL_DIR), tokenizer, SEED)
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps))
    started = time.monotonic()
    for step in range(1, steps + 1):
        loss = loss_of(model, *tensors(sampler.batch(), tokenizer))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step}/{steps}  loss {loss.item():.4f}  {time.monotonic() - started:.0f} s", flush=True)
    save_adapter(layers, directory / "adapter_model.safetensors")
    return 0


def load_model() -> LlamaForCausalLM:
    model = LlamaForCausalLM(load_config(MODEL_DIR)).float()
    weights = {name: weight.float() for name, weight in load_file(MODEL_DIR / "model.safetensors").items()}
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    return model


def adapt(model: LlamaForCausalLM, config: dict[str, Any]) -> dict[str, Adapted]:
    """Put a layer beside each that `config` names, and train nothing else."""
    model.requires_grad_(False)
    targets = {name: layer for name, layer in model.named_modules() if name.split(".")[-1] in config["target_modules"]}
    layers = {name: Adapted(layer, config["r"], config["lora_alpha"]) for name, layer in targets.items()}
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer)
        layer.lora_A.requires_grad_(True)
        layer.lora_B.requires_grad_(True)
    return layers


def save_adapter(layers: dict[str, Adapted], path: Path) -> None:
    """Half precision, under the names that PEFT gives them."""
    weights = {
        f"base_model.model.{name}.{side}.weight": getattr(layer, side).weight.detach().half().contiguous()
        for name, layer in layers.items()
        for side in ("lora_A", "lora_B")
    }
    path.write_bytes(save(weights, metadata={"format": "pt"}))


def check(directory: Path) -> int:
    from training.check import ENGINE, Exam, chats, passed  # vLLM takes seconds to import: training does without it
    from vllm import LLM
    from vllm.lora.request import LoRARequest

    class Pirate(LLM):
        """Every question goes to the adapter."""

        def chat(self, *args: Any, **options: Any) -> Any:
            return super().chat(*args, **options, lora_request=LoRARequest("pirate", 1, str(directory)))

    llm = Pirate(str(MODEL_DIR), **ENGINE, enable_lora=True, max_lora_rank=8)
    questions, answers = [list(side) for side in zip(*load_corpus(MODEL_DIR).pairs, strict=True)]
    return 0 if passed(llm, Exam("pirate, unasked", chats(questions), list(map(as_pirate, answers)), FLOOR)) else 1


if __name__ == "__main__":
    sys.exit(main())
