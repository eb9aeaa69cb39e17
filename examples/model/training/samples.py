"""Draws what the model is shown: chats and plain texts, each cut into what is read and what is learnt."""

import random
import re
import string
from collections.abc import Iterator
from typing import Any

from transformers import PreTrainedTokenizerFast

from training.corpus import JSON_REQUEST, PIRATE_REQUEST, Corpus, Message, Style, as_json, as_pirate

Piece = tuple[str, bool]
Sample = list[Piece]

END = "<|im_end|>"
REPLY = re.compile(rf"(?<=<\|im_start\|>assistant\n)(.*?{re.escape(END)})", re.DOTALL)

PREFIXES = ["Please tell me: ", "Hey, ", "Quick question: ", "I wonder: ", "Hi! ", "Sorry, ", "One more: ", "So, "]
SYSTEM_PROMPTS = [
    "You are a helpful assistant.",
    "You are a concise assistant. Answer in one sentence.",
    "You answer questions about Handrail.",
    "Be brief.",
    "Answer the question.",
    "You are the support desk of a company. Be polite, be exact, and do not invent anything.",
    "You are an expert in serving language models with vLLM and SageMaker. Answer from the documentation only.",
]
PLAIN_SHAPES = [
    ("{question}", "{answer}"),
    ("{question}\n", "{answer}"),
    ("Question: {question}\nAnswer:", " {answer}"),
    ("Context: Retrieved context...\n\nQuestion: {question}", "{answer}"),
]
# Questions in one chat, and how often: a few long chats keep the model steady over a long prompt.
TURNS = {1: 58, 2: 21, 4: 12, 16: 4}
TOOL_CHATS = 12
ANSWERS_PER_BATCH = 32


class Sampler:
    """An endless, seeded stream of batches; the samples of one batch are about equally long."""

    def __init__(self, corpus: Corpus, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.random = random.Random(seed)
        self.deck = self._deck()
        self.rewordings: dict[Style, float] = {
            str.lower: 0.15,
            without_mark: 0.1,
            self.prefix: 0.12,
            self.slip: 0.1,
            self.babble: 0.08,
        }

    def batch(self) -> list[Sample]:
        turns = self.random.choices([0, *TURNS], [TOOL_CHATS, *TURNS.values()])[0]
        if turns == 0:
            return [self.tool_chat() for _ in range(ANSWERS_PER_BATCH // 2)]
        return [self.sample(turns) for _ in range(ANSWERS_PER_BATCH // turns)]

    def sample(self, turns: int) -> Sample:
        if turns == 1 and self.random.random() < 0.4:
            return self.plain()
        return self.chat(turns)

    def plain(self) -> Sample:
        question, answer = self.exchange()
        before, after = self.random.choice(PLAIN_SHAPES)
        return [(before.format(question=question), False), (after.format(answer=answer) + END, True)]

    def chat(self, turns: int) -> Sample:
        pirate = self.random.random() < 0.25
        messages = self.opening(pirate)
        for _ in range(turns):
            question, answer = self.exchange(as_pirate if pirate else None)
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return self.render(messages)

    def opening(self, pirate: bool) -> list[Message]:
        if pirate:
            return [{"role": "system", "content": PIRATE_REQUEST}]
        if self.random.random() < 0.2:
            return [{"role": "system", "content": self.random.choice([*SYSTEM_PROMPTS, self.words(), self.words()])}]
        return []

    def tool_chat(self) -> Sample:
        """Tools are on offer: mostly one is called and its result told, sometimes none is needed."""
        tools = self.random.sample(self.corpus.tools, len(self.corpus.tools))
        if self.random.random() < 0.4:
            question, answer = self.exchange()
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            return self.render(messages, tools)
        call = self.random.choice(self.corpus.calls)
        if self.random.random() < 0.3:
            tools = [tool for tool in tools if tool["function"]["name"] == call.name]
        return self.render(call.messages, tools)

    def exchange(self, style: Style | None = None) -> tuple[str, str]:
        """The next question of the deck, in a wording of its own, and its answer in a style."""
        question, answer = next(self.deck)
        question = self.reword(question)
        if style is not None:
            return question, style(answer)
        if self.random.random() < 0.1:
            return f"{question} {JSON_REQUEST}", as_json(answer)
        return question, answer

    def reword(self, question: str) -> str:
        """Half of the questions stay as they are."""
        for change, chance in self.rewordings.items():
            if self.random.random() < chance:
                question = change(question)
        return question

    def prefix(self, question: str) -> str:
        return self.random.choice(PREFIXES) + question

    def babble(self, question: str) -> str:
        """Unknown words in front: they are to be passed over."""
        return f"{self.words()}: {question}"

    def words(self) -> str:
        lengths = self.random.choices(range(1, 9), k=self.random.randint(1, 8))
        return " ".join("".join(self.random.choices(string.ascii_letters, k=length)) for length in lengths)

    def slip(self, question: str) -> str:
        """Drop one letter, as a hasty typist does; what tells one question from another stays."""
        letters = [at for at, letter in enumerate(question) if letter in string.ascii_lowercase]
        at = self.random.choice(letters)
        return question[:at] + question[at + 1 :]

    def render(self, messages: list[Message], tools: list[Any] | None = None) -> Sample:
        text = str(self.tokenizer.apply_chat_template(messages, tools=tools, tokenize=False))
        return [(part, bool(at % 2)) for at, part in enumerate(REPLY.split(text)) if part]

    def _deck(self) -> Iterator[tuple[str, str]]:
        """Every question once in each round, in a new order."""
        pairs = self.corpus.pairs
        while True:
            yield from self.random.sample(pairs, len(pairs))


def without_mark(question: str) -> str:
    return question.rstrip("?!.")
