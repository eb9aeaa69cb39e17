"""`Input` and `Output`: a request and an answer as `handle` sees them, in place of `djl_python`'s own classes."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from handrail.core.blocking import BlockingEngine
from handrail.core.encoding import encoded
from handrail.styles.images import opened
from handrail.styles.inference_toolkit.arrays import load_npy, load_npz, require_cells
from handrail.styles.inference_toolkit.context import Headers
from handrail.styles.lmi.libraries import library

#: The key of the body among the content.
DATA = "data"
#: How the names of the server's options begin.
_OPTION = "option."


class PairList:
    """Values in order, each with a key or with None; a key may occur twice."""

    def __init__(self) -> None:
        self._pairs: list[tuple[str | None, Any]] = []

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str | None, Any]]:
        return iter(self._pairs)

    def add(self, key: str | None = None, value: Any = None) -> None:
        self._pairs.append((key, value))

    def size(self) -> int:
        return len(self._pairs)

    def is_empty(self) -> bool:
        return not self._pairs

    def key_at(self, index: int) -> str | None:
        return self._pairs[index][0]

    def value_at(self, index: int) -> Any:
        return self._pairs[index][1]

    def get_keys(self) -> list[str | None]:
        return [key for key, _ in self._pairs]

    def get_values(self) -> list[Any]:
        return [value for _, value in self._pairs]

    def get(self, key: str) -> Any:
        """The first value of a key; None if there is none."""
        return next((value for found, value in self._pairs if found == key), None)


class Input:
    """A request: its headers are properties, its body is the content. Without a body it is empty.

    `engine` is Handrail's, in its blocking form; djl_python's own class has no such attribute.
    """

    engine: BlockingEngine

    def __init__(self) -> None:
        self.function_name: str | None = None
        self.properties: dict[str, Any] = Headers(())
        self.content = PairList()

    def __str__(self) -> str:
        return f"Input(properties={dict(self.properties)}, content={self.content.get_keys()})"

    def is_batch(self) -> bool:
        return False

    def get_batch_size(self) -> int:
        return 1

    def get_batches(self) -> list[Input]:
        """This request alone: the engine makes batches by itself."""
        return [self]

    def get_function_name(self) -> str | None:
        return self.function_name

    def get_properties(self) -> dict[str, Any]:
        return self.properties

    def get_property(self, key: str) -> Any:
        return self.properties.get(key)

    def get_content(self) -> PairList:
        return self.content

    def contains_key(self, key: str) -> bool:
        return self.content.get(key) is not None

    def is_empty(self) -> bool:
        return self.content.is_empty()

    def get_as_bytes(self, key: str | None = None) -> Any:
        """The body, or the value of a key; None if it is empty. Raises KeyError."""
        if self.content.is_empty():
            return None
        if key is None:
            found = self.content.get(DATA)
            return self.content.value_at(0) if found is None else found
        found = self.content.get(key)
        if found is None:
            raise KeyError(f"the request has no content {key!r}: it has {', '.join(map(str, self.content.get_keys()))}")
        return found

    def get_as_string(self, key: str | None = None) -> str:
        return bytes(self._required(key)).decode()

    def get_as_json(self, key: str | None = None) -> Any:
        return json.loads(self.get_as_string(key))

    def get_as_csv(self, key: str | None = None) -> list[dict[str, Any]]:
        """The rows as dicts by the names in the first line."""
        text = self.get_as_string(key)
        require_cells(text)
        return list(csv.DictReader(io.StringIO(text)))

    def get_as_image(self, key: str | None = None) -> Any:
        return opened(library("PIL.Image", "an image"), self._required(key))

    def get_as_numpy(self, key: str | None = None) -> list[Any]:
        return [load_npy(library("numpy", "an array"), self._required(key))]

    def get_as_npz(self, key: str | None = None) -> list[Any]:
        return [*load_npz(library("numpy", "arrays"), self._required(key)).values()]

    def get_data(self, key: str | None = None) -> Any:
        """The body by its content type: JSON, text, an image, arrays, or bytes."""
        kind = str(self.get_property("content-type") or "").partition(";")[0].strip().lower()
        if self.is_empty():
            return None
        for prefix, read in _READERS:
            if kind.startswith(prefix):
                return getattr(self, read)(key)
        return self.get_as_bytes(key)

    def _required(self, key: str | None) -> bytes:
        found = self.get_as_bytes(key)
        if found is None:
            raise ValueError("the request has no body: ask `inputs.is_empty()` before it is read")
        return bytes(found)


#: By the beginning of the content type.
_READERS = (
    ("application/json", "get_as_json"),
    ("text/", "get_as_string"),
    ("image/", "get_as_image"),
    ("tensor/npz", "get_as_npz"),
    ("tensor/ndlist", "get_as_numpy"),
    ("application/x-npy", "get_as_numpy"),
)


class LmiOutput:
    """An answer: `code` is its status, `properties` are its headers, `content` is its body.

    `stream_content` is an iterator of its pieces. `failure` is the text of an error that ends it, and `last` says that
    no further piece of a stream follows.
    """

    def __init__(self, code: int = 200, message: str = "OK") -> None:
        self.code = code
        self.message = message
        self.properties: dict[str, Any] = {}
        self.content = PairList()
        self.stream_content: Any = None
        self.stream_formatter: Any = None
        self.failure: str | None = None
        self.last = False
        #: The content type where no property says it.
        self.kind = "application/json"

    def __str__(self) -> str:
        return f"Output(code={self.code}, message={self.message!r}, properties={self.properties})"

    def set_code(self, code: int) -> LmiOutput:
        self.code = code
        return self

    def set_message(self, message: str) -> LmiOutput:
        self.message = message
        return self

    def error(self, error: str, code: int = 424, message: str = "prediction failure") -> LmiOutput:
        """Make it an error with a JSON body of its own."""
        self.code, self.message = code, message
        self.content = PairList()
        self.add_property("Content-Type", "application/json")
        return self.add_as_json({"code": code, "message": message, "error": error})

    def add_property(self, key: str, val: Any) -> LmiOutput:
        self.properties[key] = val
        return self

    def add(self, value: Any, key: str | None = None, batch_index: int | None = None) -> LmiOutput:
        """Add text or bytes as they are, anything else as JSON."""
        if isinstance(value, str):
            self.kind = "text/plain"
            self.content.add(key, value.encode("utf-8", "replace"))
        elif isinstance(value, bytes | bytearray | memoryview):
            self.kind = "application/octet-stream"
            self.content.add(key, bytes(value))
        else:
            self.add_as_json(value, key)
        return self

    def add_as_json(self, val: Any, key: str | None = None, batch_index: int | None = None) -> LmiOutput:
        self.kind = "application/json"
        self.content.add(key, to_json(val).encode("utf-8", "replace"))
        return self

    def add_as_string(self, val: str, key: str | None = None, batch_index: int | None = None) -> LmiOutput:
        return self.add(str(val), key)

    def add_as_numpy(self, np_list: Any, key: str | None = None, batch_index: int | None = None) -> LmiOutput:
        """Add an array, or the first of a list, in NumPy's own format."""
        stream = io.BytesIO()
        library("numpy", "an array").save(stream, np_list[0] if isinstance(np_list, list) else np_list)
        return self.add(stream.getvalue(), key)

    def add_as_npz(self, np_list: Any, key: str | None = None, batch_index: int | None = None) -> LmiOutput:
        stream = io.BytesIO()
        library("numpy", "arrays").savez(stream, *np_list)
        return self.add(stream.getvalue(), key)

    def add_stream_content(self, stream_content: Any, output_formatter: Any = None) -> LmiOutput:
        """Answer with a stream: an iterator, or an async one, of text, bytes, dicts, or lists of text.

        `output_formatter` is called with each item, and returns what is sent of it.
        """
        self.stream_content, self.stream_formatter = stream_content, output_formatter
        return self

    def finalize(self) -> LmiOutput:
        """Nothing is left to do: one request comes at a time."""
        return self


def to_json(value: Any, default: Callable[[Any], Any] = encoded) -> str:
    """JSON in one line. A date is its text, and NaN is refused, as in LMI. `default` encodes what is no JSON."""

    def plain(item: Any) -> Any:
        if isinstance(item, datetime.datetime):
            return str(item)
        return item.tolist() if hasattr(item, "tolist") else default(item)

    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)


def refuse(value: Any) -> Any:
    """A default that encodes nothing: bytes are no text. Raises TypeError."""
    raise TypeError(f"a {type(value).__name__} is in it")


def input_of(headers: Mapping[str, str], body: bytes, properties: Mapping[str, Any], engine: BlockingEngine) -> Input:
    """A request as `handle` gets it. The server's properties stand beside the headers, which replace none of them, nor
    set an option: a client does not say which model is loaded. Without a body it is empty."""
    found = Input()
    found.engine = engine
    own = [(name, value) for name, value in headers.items() if not name.lower().startswith(_OPTION)]
    found.properties = Headers([*properties.items(), *own])
    found.properties.update(Headers(properties.items()))
    if body:
        found.content.add(DATA, body)
    return found
