"""What the text of a script says of its engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handrail.adoption.text import BuildPlace, Built, ScriptText, read, read_directory

SCRIPTS = Path(__file__).parents[1] / "scripts" / "adoption"
MANY, BLOCKS, CHANGES = (
    SCRIPTS / f"own_llm_{name}.py" for name in ("in_many_ways", "blocks_coroutines", "changes_its_surroundings")
)

#: Reads a script that is given as text, and gives its only construction.
Single = Callable[..., Built]


@pytest.fixture
def single(tmp_path: Path) -> Single:
    def construction(*lines: str, environment: dict[str, str] | None = None, **siblings: str) -> Built:
        (tmp_path / "model.py").write_text("\n".join(["import os, vllm", "from vllm import LLM", *lines]))
        for name, text in siblings.items():
            (tmp_path / f"{name}.py").write_text(text)
        (built,) = read_directory(tmp_path, environment).constructions
        return built

    return construction


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_every_name_of_vllm_s_classes_is_known() -> None:
    found = {
        (one.name, str(one.arguments.get("model")), one.place)
        for one in read([MANY], {"MODEL_NAME": "x"}).constructions
    }
    assert found == {
        ("LLM", "demo", BuildPlace.MODULE),
        ("LLM", "demo-x", BuildPlace.MODULE),
        ("LLM", "x", BuildPlace.MODULE),
        ("LLM", "None", BuildPlace.MODULE),  # input(), and the argument of Mine's constructor
        ("LLM", "plain", BuildPlace.MODULE),
        ("LLM", "late", BuildPlace.FUNCTION),
        ("AsyncLLM.from_engine_args", "held", BuildPlace.FUNCTION),
        ("AsyncLLMEngine.from_vllm_config", "configured", BuildPlace.FUNCTION),
        ("AsyncLLMEngine.from_engine_args", "guarded", BuildPlace.GUARD),
        ("LLMEngine.from_engine_args", "direct", BuildPlace.GUARD),
    }


@pytest.mark.parametrize(
    ("line", "arguments", "unread"),
    [
        (
            "vllm.LLM(MODEL",
            {
                "model": "demo",
                "max_model_len": 2048,
                "tokenizer": str(SCRIPTS / "tokens"),
                "seed": 1,
                "dtype": "bfloat16",
            },
            (),
        ),
        ("v.LLM(model=f", {"model": "demo-x", "revision": None}, ("quantization",)),
        ("Engine(model=environ", {"model": "x", "swap_space": 4}, ()),
        ("Other(model=input", {}, ("model",)),
        ("super().__init__(name", {"max_model_len": 2048}, ("model",)),
        ("return LLM(**words)", {"model": "late", "block_size": 16, "seed": 3, "max_num_seqs": 8}, ("dtype",)),
        ("self.engine = AsyncLLM", {"model": "held", "enforce_eager": True, "max_logprobs": 5}, ()),
        ("vllm.LLMEngine.from", {"model": "direct", "disable_log_stats": False}, ()),
    ],
)
def test_the_arguments_are_those_whose_value_the_text_says(
    line: str, arguments: dict[str, Any], unread: tuple[str, ...]
) -> None:
    where = f"{MANY}:{line_of(MANY, line)}"
    built = {one.where: one for one in read([MANY], {"MODEL_NAME": "x"}).constructions}
    assert (built[where].arguments, built[where].unread) == (arguments, unread)


def test_without_an_environment_what_is_read_from_it_is_unread(single: Single) -> None:
    built = single('LLM(os.environ["M"], seed=int(os.getenv("SEED", "1")), revision=os.environ.get("R", "x"))')
    assert (built.arguments, built.unread) == ({}, ("model", "seed", "revision"))


def test_a_variable_that_the_environment_lacks_is_unread_where_the_script_would_fail(single: Single) -> None:
    built = single('LLM(os.environ["M"], seed=int(os.getenv("SEED", "1")))', environment={})
    assert (built.arguments, built.unread) == ({"seed": 1}, ("model",))


def test_a_variable_that_the_script_sets_is_unread() -> None:
    (built,) = read([CHANGES], {"HF_HOME": "/elsewhere"}).constructions
    assert (built.arguments, built.unread) == ({}, ("model",))


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (['LLM("a" + "b" + str(1))'], "ab1"),
        (['LLM("A".lower().strip())'], "a"),
        (['LLM(os.path.join("/a", "b"))'], "/a/b"),
        (['LLM({"x": "a"}["x"])'], "a"),
        (['LLM({"x": "a"}.get("y", "b"))'], "b"),
        (['LLM(["a", "b"][-1])'], "b"),
        (['LLM(("a", "b")[0])'], "a"),
        (['LLM("" or "a")'], "a"),
        (['LLM("a" and "b")'], "b"),
        (["A = B = 'a'", "LLM(B)"], "a"),
        (["A, (B, C) = 'a', ('b', 'c')", "LLM(C)"], "c"),
        (["A: str = 'a'", "A.b: int", "A[0]: str = 1", "LLM(A)"], "a"),
        (["if (A := 'a'): LLM(A)"], "a"),
        (["try:", "    A = 'a'", "except OSError:", "    A = 'a'", "LLM(A)"], "a"),
        (["class Config:", "    name = 'a'", "LLM(Config.name)"], "a"),
        (["class Own:", "    def load(self):", "        self.name = 'a'", "        LLM(self.name)"], "a"),
        (["from pathlib import Path", "LLM(Path('/a/b.c').stem)"], "b"),
        (["from pathlib import Path", "LLM(Path('/a/b').parent.as_posix())"], "/a"),
        (["def f():", "    global A", "    A = 'a'", "LLM(A)"], "a"),
        (["LLM(**dict(model='a'))"], "a"),
        (["words = {'model': 'b'}", "words = {**words, 'x': 1}", "LLM(**{**{'model': 'a'}})"], "a"),
        (["LLM(**Config.words)", "class Config:", "    words = {'model': 'a'}"], "a"),
        (["LLM(f'{1}a')"], "1a"),
    ],
)
def test_a_value_may_be_made_of_others(single: Single, lines: list[str], value: Any) -> None:
    assert single(*lines).arguments["model"] == value


@pytest.mark.parametrize(
    "expression", ["-1", "4 // 2 - 3", "0.5 * -2", "int('-1')", "int('-1', base=10, **{})", "-(2 / 2)"]
)
def test_numbers_are_counted(single: Single, expression: str) -> None:
    assert single(f"LLM(seed={expression})").arguments["seed"] == -1


@pytest.mark.parametrize(
    "lines",
    [
        ["A = 'a'", "A = 'b'", "LLM(A)"],
        ["for A in 'ab': LLM(A)"],
        ["with open('a') as A: LLM(A)"],
        ["A = 1", "A += 1", "LLM(A)"],
        ["A = 1", "del A", "LLM(A)"],
        ["*A, B = 'ab'", "LLM(A)"],
        ["A, B = f()", "LLM(A)"],
        ["def f(A): LLM(A)"],
        ["LLM(f'{1:>5}')"],
        ["LLM(~1)"],
        ["LLM(2 ** 99)"],
        ["LLM(9007199254740993)"],
        ["LLM('a' * 2)"],
        ["LLM(2 * 'a')"],
        ["LLM(1 / 0)"],
        ["LLM({}['x'])"],
        ["LLM('a'.upper(1))"],
        ["LLM('a'.split())"],
        ["LLM('a'.strip(chars='a'))"],
        ["LLM(len('a'))"],
        ["LLM('x' if f() else 'y')"],
        ["LLM(unknown)"],
        ["LLM('a'.b)"],
        ["LLM(unknown.name)"],
        ["from elsewhere import A", "LLM(A)"],
        ["class Own: pass", "LLM(Own)"],
        ["A = A", "LLM(A)"],
        ["class A: name = 1", "LLM(A.other)"],
        [f"LLM('{'a' * 5000}')"],
        [f"LLM({'+'.join('1' * 40)})"],
        ["LLM(lambda: 1)"],
    ],
)
def test_what_the_text_does_not_say_is_unread(single: Single, lines: list[str]) -> None:
    built = single(*lines, environment={})
    assert (built.arguments, built.unread) == ({}, ("model",))


@pytest.mark.parametrize(
    ("lines", "unread"),
    [
        (["def load(**words): LLM(**words)"], ("**words",)),
        (["LLM(**json.load(f))"], ("**…",)),
        (["LLM('a', *rest)"], ("*rest",)),
        (["LLM(*rest)"], ("*rest",)),
        (["LLM(**{f(): 1})"], ("**…",)),
        (["LLM(**{1: 1})"], ("**…",)),
        (["words = {'a': 1}", "del words['a']", "LLM(**words)"], ("a",)),
        (["words = {}", "words[f()] = 1", "LLM(**words)"], ("**…",)),
        (["words = {}", "words.update(other)", "LLM(**words)"], ("**other",)),
        (["words = {}", "words.update(**other)", "LLM(**words)"], ("**other",)),
        (["words = {}", "words.update({**other, 'a': f()})", "LLM(**words)"], ("**other", "a")),
        (["words = {}", "LLM(**words)", "words['a'] = 1"], ()),
        (["words = words", "LLM(**words)"], ("**words",)),
        (["vllm.AsyncLLMEngine.from_engine_args(vllm.AsyncEngineArgs.from_cli_args(args))"], ("**…",)),
        (["args = args", "vllm.AsyncLLMEngine.from_engine_args(args)"], ("**args",)),
        (["vllm.AsyncLLMEngine.from_engine_args()"], ("**…",)),
        (["class A:", "    def f(self, other): LLM(**other.words)"], ("**other.words",)),
        (["class A:", "    def f(self): LLM(**self.words)"], ("**self.words",)),
        (["def f(): words = {}; return lambda: LLM(**words, b=1, c=f())"], ("c",)),
    ],
)
def test_a_mapping_that_is_not_known_is_unread_as_a_whole(
    single: Single, lines: list[str], unread: tuple[str, ...]
) -> None:
    assert single(*lines).unread == unread


def test_a_sibling_s_values_and_classes_are_known(single: Single) -> None:
    config = 'MODEL = "a"\nclass Config:\n    seed = 1\n'
    lines = ["import config", "from config import MODEL, Config", "from wrapped import Wrapped"]
    wrapped = "from vllm import LLM\nclass Wrapped(LLM): pass\n"
    built = single(
        *lines,
        "Wrapped(MODEL, seed=Config.seed, revision=config.MODEL, dtype=config.Config.seed, x=config.gone)",
        config=config,
        wrapped=wrapped,
    )
    assert built.arguments == {"model": "a", "seed": 1, "revision": "a", "dtype": 1}
    assert (built.name, built.unread) == ("LLM", ("x",))


@pytest.mark.parametrize(
    "line", ["from other import LLM as Other; Other()", "vllm.LLM", "vllm.SamplingParams()", "vllm.LLM.generate()"]
)
def test_what_is_no_construction_is_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "model.py").write_text(f"import vllm\n{line}\n")
    assert read_directory(tmp_path) == ScriptText()


def test_a_star_import_has_the_classes_too(single: Single) -> None:
    assert single("from vllm import *", "AsyncLLM.from_engine_args(f())").name == "AsyncLLM.from_engine_args"


def test_a_class_of_ones_own_may_be_built_by_a_factory(single: Single) -> None:
    lines = ["class Own(vllm.AsyncLLMEngine):", "    def __init__(self): pass", "Own.from_engine_args(f())"]
    assert single(*lines).name == "AsyncLLMEngine.from_engine_args"


def test_a_class_of_ones_own_may_inherit_from_another(single: Single) -> None:
    lines = ["class First(LLM): pass", "class Second(object, First):", "    def __init__(self): ...", "Second(seed=1)"]
    built = single(*lines)
    assert (built.name, built.arguments) == ("LLM", {"seed": 1})


def test_a_class_that_inherits_from_itself_is_none(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import vllm\nclass A(B): ...\nclass B(A): ...\nA()\n")
    assert read_directory(tmp_path) == ScriptText()


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["def main(): LLM('a')", "main()"], BuildPlace.FUNCTION),
        (["def model_fn(d): return LLM('a')", "if __name__ == '__main__': model_fn('.')"], BuildPlace.FUNCTION),
        (["class Model:", "    def load(self): LLM('a')", "if __name__ == '__main__': Model()"], BuildPlace.FUNCTION),
        (["def main(): LLM('a')", "if __name__ == '__main__': main()"], BuildPlace.GUARD),
        (["def main(): LLM('a')", "if '__main__' == __name__: main()"], BuildPlace.GUARD),
        (["def main(): LLM('a')", "if __name__ != '__main__': main()"], BuildPlace.FUNCTION),
        (["if __name__ == '__main__': pass", "else: LLM('a')"], BuildPlace.MODULE),
        (["def main(): LLM('a')", "def other(): main()", "if __name__ == '__main__': main()"], BuildPlace.FUNCTION),
        (["def main(): LLM('a')", "def other(): main()", "if __name__ == '__main__': other()"], BuildPlace.GUARD),
        (["@route", "def main(): LLM('a')", "if __name__ == '__main__': main()"], BuildPlace.FUNCTION),
        (
            ["class A:", "    def f(self): LLM('a')", "if __name__ == '__main__': A().f()"],
            BuildPlace.GUARD,
        ),
        (["def main(): main(); LLM('a')"], BuildPlace.FUNCTION),
    ],
)
def test_the_place_says_when_it_runs(single: Single, lines: list[str], place: BuildPlace) -> None:
    assert single(*lines).place is place


def test_calls_that_block_a_coroutine_are_found() -> None:
    found = [int(where.rpartition(":")[2]) for where in read([BLOCKS]).blocking]
    marked = [number for number, line in enumerate(BLOCKS.read_text().splitlines(), 1) if line.endswith("# blocks")]
    assert sorted(found) == marked


def test_a_blocking_call_may_be_in_a_sibling(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "import engine\nfrom engine import llm, Bot\n"
        "async def f(): engine.ask()\nasync def g(): llm.generate()\nasync def h(): engine.llm.chat()\n"
        "async def i(): Bot()\nasync def j(): Bot().ask()\nasync def k(): [x.step() for x in [engine.stepped]]\n"
        "async def l(): (engine.stepped if h else None).step()\n"
    )
    (tmp_path / "engine.py").write_text(
        "import vllm\nllm = vllm.LLM('a')\nstepped = vllm.LLMEngine.from_engine_args(x)\n"
        "def ask(): return deeper()\ndef deeper(): ask(); return llm.generate()\n"
        "class Bot:\n    def __init__(self): self.ask()\n    def ask(self): return llm.generate()\n"
    )
    found = read_directory(tmp_path)
    assert [where.rpartition(":")[2] for where in found.blocking] == ["3", "4", "5", "6", "7", "7", "9"]


@pytest.mark.parametrize(
    "lines",
    [
        "def f(x: 'LLM | None'): return x\nasync def g(): f(None).generate()",
        "from typing import Optional\ndef f(x: Optional[LLM]): return x\nasync def g(): f(None).generate()",
        "def f(x: tuple[int, LLM]): return x\nasync def g(): f(None).generate()",
        "def f() -> LLM: ...\nasync def g(): f().generate()",
        "def f(x): x.generate()\nasync def g(): f(LLM())",
        "def f(*, x=None): x.generate()\nasync def g(): f(x=LLM())",
        "async def f(): return LLM()\nasync def g(): (await f()).generate()",
        "class A(LLM):\n    async def f(self): self.generate()\n",
        "class A(LLM): ...\nasync def g(): A().generate()",
        "class A:\n    def f(self): return LLM()\nasync def g(): A().f().generate()",
        "class A:\n    own = LLM()\nasync def g(): A.own.generate()",
        "class A:\n    own: LLM\nasync def g(a: A): a.own.generate()",
        "A = {'x': LLM()}\nasync def g(): A['x'].generate()",
        "async def g(): (x or LLM()).generate()",
        "async def g():\n    if (x := LLM()): x.generate()",
    ],
)
def test_an_engine_is_known_wherever_it_comes_from(tmp_path: Path, lines: str) -> None:
    (tmp_path / "model.py").write_text(f"from vllm import LLM\nkept = LLM()\n{lines}\n")
    assert len(read_directory(tmp_path).blocking) == 1


@pytest.mark.parametrize(
    "lines",
    [
        "def f(x): return x\nasync def g(): f(None).generate()",
        "def f(x: int): return x\nasync def g(): f(None).generate()",
        "def f(x: 'a b'): return x\nasync def g(): f(None).generate()",
        "class A: ...\nasync def g(): A().generate()",
        "class A:\n    def own(self): return LLM()\nasync def g(): A().own.generate()",
        "x = x\nasync def g(): x.generate()",
        "async def g(): LLM().generate",
        "async def g(): LLM().get_tokenizer()",
        "async def g(): unknown.generate()",
        "from elsewhere import unknown\nasync def g(): unknown.generate()",
        "async def g(): (lambda: LLM())().generate()",
        "async def f(): LLM()\nasync def g(): f()",
        "def f(): return LLM()\nasync def g(): f()[0](1)",
        "class A:\n    @property\n    def own(self): return 1\nasync def g(): A().own.generate()",
        "class A(B): ...\nclass B(A): ...\nasync def g(): A()(1).generate()",
    ],
)
def test_what_is_no_engine_blocks_nothing(tmp_path: Path, lines: str) -> None:
    (tmp_path / "model.py").write_text(f"from vllm import LLM\nkept = LLM()\n{lines}\n")
    assert read_directory(tmp_path).blocking == ()


def test_an_asynchronous_engine_blocks_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "import vllm\ne = vllm.AsyncLLMEngine.from_engine_args(x)\nasync def f(): e.generate()\n"
    )
    assert read_directory(tmp_path).blocking == ()


def test_the_variables_that_a_script_sets_are_known() -> None:
    assert read([CHANGES]).variables == {
        "VLLM_USE_V1",
        "CUDA_VISIBLE_DEVICES",
        "HF_HOME",
        "VLLM_LOGGING_LEVEL",
        "TOKENIZERS_PARALLELISM",
    }


def test_servers_of_vllm_that_a_script_starts_are_known() -> None:
    lines = [line_of(CHANGES, text) for text in ("vllm serve", "start([", "create_subprocess_exec")]
    assert read([CHANGES]).commands == tuple(f"{CHANGES}:{line}" for line in lines)


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import vllm\ndef f(:\n")
    (tmp_path / "large.py").write_text(f"import vllm\n# {'x' * 1_000_000}\n")
    deep = tmp_path / "a" / "b" / "c" / "d" / "e"
    deep.mkdir(parents=True)
    for folder in (deep, tmp_path / ".hidden", tmp_path / "site-packages"):
        folder.mkdir(exist_ok=True)
        (folder / "model.py").write_text("import vllm\nvllm.LLM('a')\n")
    assert read_directory(tmp_path) == ScriptText()
    (deep.parent / "model.py").write_text("import vllm\nvllm.LLM('a')\n")
    assert len(read_directory(tmp_path).constructions) == 1


def test_where_no_file_can_be_read_there_is_nothing(tmp_path: Path) -> None:
    assert read_directory(tmp_path / "no-such-folder") == ScriptText()
    (tmp_path / "gone.py").symlink_to(tmp_path / "no-such-file")
    assert read_directory(tmp_path) == ScriptText()


def test_a_command_without_an_end_is_no_command(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "import vllm, os\nx = [x, x]\nos.system(x)\nos.system(['a'] + %s)\n" % (["b"] * 300)
    )
    assert read_directory(tmp_path).commands == ()
