"""Content types: what a body is, and what its client accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.message import Message

from starlette.exceptions import HTTPException

from handrail.core.charsets import is_of_json, names_slow_charset

JSON, CSV, TEXT = "application/json", "text/csv", "text/plain"
NPY, NPZ = "application/x-npy", "application/x-npz"
OCTETS, ANY = "application/octet-stream", "*/*"
_LONGEST = 1024
#: Bodies of these arrive at `input_fn` as text.
AS_TEXT = (JSON, CSV)


class MediaType:
    """A Content-Type header. `text` is what `input_fn` is told: the type alone, if only a charset follows it.

    Raises HTTPException (400) for a long one: its parser takes time that grows with the square.
    """

    def __init__(self, header: str | None) -> None:
        if header is not None and len(header) > _LONGEST:
            raise HTTPException(400, f"the Content-Type header is longer than {_LONGEST} characters")
        parsed = Message()
        parsed["content-type"] = header or ""
        parameters = {name.lower(): value for name, value in parsed.get_params([])[1:]}
        self.bare = (header or "").partition(";")[0].strip().lower()
        self.text = header if header is None or parameters.keys() - {"charset"} else self.bare
        charset = parameters.get("charset") or "utf-8"
        self.charset: str = charset[-1] if isinstance(charset, tuple) else charset  # `charset*=utf-8''utf-8`

    @property
    def is_json(self) -> bool:
        return self.bare == JSON or self.bare.endswith("+json")

    def decoded(self, body: bytes) -> str:
        """The body as text. Raises HTTPException."""
        if names_slow_charset(self.charset.encode()):
            raise HTTPException(415, f"the charset {self.charset!r} takes too long to decode: send utf-8")
        try:
            if (self.is_json or not self.bare) and not is_of_json(self.charset):
                raise HTTPException(415, f"the charset {self.charset!r} is none for JSON: send utf-8")
            return body.decode(self.charset)
        except UnicodeDecodeError as error:
            raise HTTPException(400, f"the body is not {self.charset}: {error}") from None
        except (LookupError, ValueError):  # ValueError: a name with a NUL in it
            raise HTTPException(415, f"the charset {self.charset!r} is not known: send utf-8") from None


def accepted(header: str) -> list[str]:
    """The types of an Accept header, the most wanted first; those with q=0 are left out."""
    found = [_weighed(part) for part in header.split(",") if part.strip()]
    return [name for name, weight in sorted(found, key=lambda one: -one[1]) if weight > 0]


def _weighed(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    given = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    try:
        return name, float(given)
    except ValueError:
        return name, 1.0


def choose(header: str, offered: Sequence[str], default: str) -> str | None:
    """The first type that is accepted and offered; `default` stands for any type."""
    known = [default, *offered] if default in offered else list(offered)
    return next((match for wanted in accepted(header) for match in _matching(wanted, known)), None)


def _matching(wanted: str, known: Sequence[str]) -> Iterator[str]:
    kind, _, rest = wanted.partition("/")
    yield from (name for name in known if wanted in (ANY, name) or (rest == "*" and name.startswith(f"{kind}/")))


def one_of(header: str, default: str) -> str:
    """The content type of an answer whose author has not said it: the most wanted type that is a single one."""
    return next((name for name in accepted(header) if "*" not in name), default)
