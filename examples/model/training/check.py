"""Examines the model through vLLM, greedily, and prints how many answers of each kind are exact."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vllm import LLM, SamplingParams

from training.corpus import JSON_REQUEST, PIRATE_REQUEST, Corpus, Message, as_json, as_pirate, load_corpus

GREEDY = SamplingParams(temperature=0.0, max_tokens=96)
ENGINE = {"dtype": "float32", "enforce_eager": True, "max_model_len": 2048, "disable_log_stats": True}
SHOWN_MISSES = 5
LONG_CHAT = 15


@dataclass(frozen=True)
class Exam:
    """Prompts of one kind with what they should give; a floor of 0 is for information."""

    name: str
    prompts: list[Any]
    expected: list[str]
    floor: float = 0.0
    tools: list[Message] | None = None


def examine(directory: Path) -> bool:
    """Whether every kind of prompt reaches its floor."""
    llm = LLM(str(directory), **ENGINE)
    results = [passed(llm, exam) for exam in exams(load_corpus(directory))]
    return all(results)


def passed(llm: LLM, exam: Exam) -> bool:
    answers = ask(llm, exam)
    misses = [case for case in zip(exam.prompts, exam.expected, answers, strict=True) if case[1] != case[2]]
    exact = 1 - len(misses) / len(answers)
    print(f"{exam.name}: {len(answers) - len(misses)} of {len(answers)} exact ({exact:.1%}, floor {exam.floor:.0%})")
    for prompt, expected, answer in misses[: SHOWN_MISSES if exam.floor else 0]:
        print(f"  {json.dumps(prompt)[-120:]}\n    expected {expected!r}\n    answered {answer!r}")
    return exact >= exam.floor


def ask(llm: LLM, exam: Exam) -> list[str]:
    if isinstance(exam.prompts[0], str):
        outputs = llm.generate(exam.prompts, GREEDY, use_tqdm=False)
    else:
        outputs = llm.chat(exam.prompts, GREEDY, use_tqdm=False, tools=exam.tools)
    return [output.outputs[0].text for output in outputs]


def exams(corpus: Corpus) -> list[Exam]:
    return [*chat_exams(corpus), *plain_exams(corpus), *tool_exams(corpus)]


def chat_exams(corpus: Corpus) -> list[Exam]:
    pairs = corpus.pairs
    questions, answers = [list(side) for side in zip(*pairs, strict=True)]
    pirates = [as_pirate(answer) for answer in answers]
    return [
        Exam("chat", chats(questions), answers, 0.97),
        Exam("JSON", chats(questions, with_json_request), [as_json(answer) for answer in answers], 0.95),
        Exam("pirate", chats(questions, system=PIRATE_REQUEST), pirates, 0.95),
        Exam("system prompt", chats(questions, system="You are a helpful assistant."), answers, 0.95),
        Exam("second turn", chats(questions, history=turns(pairs[:1])), answers, 0.95),
        Exam(f"turn {LONG_CHAT + 1}", chats(questions, history=turns(pairs[5 :: len(pairs) // LONG_CHAT])), answers),
        Exam("unseen system prompt", chats(questions, system="You work for a bank in Zurich."), answers),
        Exam("unseen prefix", chats(questions, lambda question: f"Could you explain: {question}"), answers),
        Exam("lower case, no mark", chats(questions, lambda question: question.lower().rstrip("?!.")), answers),
        Exam("capitals", chats(questions, str.upper), answers),
    ]


def plain_exams(corpus: Corpus) -> list[Exam]:
    questions, answers = [list(side) for side in zip(*corpus.pairs, strict=True)]
    context = "Context: Retrieved context...\n\nQuestion: "
    return [
        Exam("plain", questions, answers, 0.95),
        Exam(
            "plain, Question: Answer:",
            [f"Question: {question}\nAnswer:" for question in questions],
            [f" {answer}" for answer in answers],
            0.95,
        ),
        Exam("plain, with context", [context + question for question in questions], answers, 0.95),
    ]


def tool_exams(corpus: Corpus) -> list[Exam]:
    calls, pairs = corpus.calls, corpus.pairs
    questions, answers = [list(side) for side in zip(*pairs, strict=True)]
    results = [call.messages[:-1] for call in calls]
    return [
        Exam("tool call", chats([call.question for call in calls]), [call.text for call in calls], 0.97, corpus.tools),
        Exam("tool result", results, [call.answer for call in calls], 0.97, corpus.tools),
        Exam("no tool needed", chats(questions), answers, 0.9, corpus.tools),
    ]


def chats(
    questions: list[str],
    reword: Callable[[str], str] = str,
    system: str = "",
    history: list[Message] | None = None,
) -> list[list[Message]]:
    opening = [{"role": "system", "content": system}] if system else []
    opening += history or []
    return [[*opening, {"role": "user", "content": reword(question)}] for question in questions]


def turns(pairs: list[tuple[str, str]]) -> list[Message]:
    roles = ("user", "assistant")
    return [{"role": role, "content": text} for pair in pairs for role, text in zip(roles, pair, strict=True)]


def with_json_request(question: str) -> str:
    return f"{question} {JSON_REQUEST}"
