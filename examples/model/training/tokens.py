"""The tokenizer: byte-level BPE learnt from the corpus, and its files."""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from training.corpus import JSON_REQUEST, PIRATE_REQUEST, Corpus, as_json, as_pirate
from training.samples import PLAIN_SHAPES, PREFIXES, SYSTEM_PROMPTS

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# Ordinary tokens: a tool parser reads them in the text, where special ones would be left out.
TOOL_TOKENS = [AddedToken(token, special=False, normalized=False) for token in ("<tool_call>", "</tool_call>")]
ROLES = ["system\n", "user\n", "assistant\n", "tool\n"]
LEARNT_VOCABULARY = 1024
# Often enough for an argument to become one token: the model copies it more surely than letters.
CALL_WEIGHT = 8


def train_tokenizer(corpus: Corpus) -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=LEARNT_VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus_texts(corpus), trainer)
    tokenizer.add_tokens(TOOL_TOKENS)
    return tokenizer


def corpus_texts(corpus: Corpus) -> list[str]:
    texts = [JSON_REQUEST, PIRATE_REQUEST, *PREFIXES, *SYSTEM_PROMPTS, *ROLES]
    texts += [part for shape in PLAIN_SHAPES for part in shape]
    for question, answer in corpus.pairs:
        texts += [question, question.lower(), answer, answer, as_json(answer), as_pirate(answer)]
    for call in corpus.calls:
        texts += [call.text, *(str(message["content"]) for message in call.messages)] * CALL_WEIGHT
    return texts


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(directory)
    return tokenizer
