"""Train the demo model in this directory from scratch, or examine the one that is here.

python examples/model/train.py           a few minutes on one core; writes tokenizer.json and model.safetensors
python examples/model/train.py --check   asks vLLM every question; exits with 1 when the model knows too little
"""

import argparse
import sys
from pathlib import Path

from training.corpus import MODEL_DIR, load_corpus
from training.fit import SEED, STEPS, load_config, save_weights, train_model
from training.samples import Sampler
from training.tokens import load_tokenizer, train_tokenizer


def main() -> int:
    parser = argparse.ArgumentParser(description="Train or examine the demo model.")
    parser.add_argument("--check", action="store_true", help="examine the model through vLLM instead of training it")
    parser.add_argument("--directory", type=Path, default=MODEL_DIR, help="the model directory")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps")
    arguments = parser.parse_args()
    return check(arguments.directory) if arguments.check else train(arguments.directory, arguments.steps)


def train(directory: Path, steps: int) -> int:
    corpus = load_corpus(directory)
    train_tokenizer(corpus).save(str(directory / "tokenizer.json"))
    tokenizer = load_tokenizer(directory)
    model = train_model(load_config(directory), tokenizer, Sampler(corpus, tokenizer, SEED), steps)
    save_weights(model, directory / "model.safetensors")
    return 0


def check(directory: Path) -> int:
    from training.check import examine  # vLLM takes seconds to import, and training does without it

    return 0 if examine(directory) else 1


if __name__ == "__main__":
    sys.exit(main())
