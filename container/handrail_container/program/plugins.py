"""Finds styles and engines, built-in and third-party, by the entry points of installed distributions."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from handrail.core.errors import HandlerFault, PluginFault, SettingFault
from handrail.core.script import Loader
from handrail.core.tracebacks import definition, plugin_line
from handrail.core.whole_model import ModelDirectory, Offer, Style

from handrail_container.process.exits import PluginError, SettingsError
from handrail_container.settings.fields import Settings

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

STYLES = "handrail.styles"
ENGINES = "handrail.engines"
_OURS = "handrail"
_KINDS = {STYLES: "style", ENGINES: "engine"}

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """An installed plugin. `where` is its distribution with the version."""

    kind: str
    name: str
    where: str
    is_disabled: bool


@dataclass(frozen=True)
class Styles:
    """The styles to try, ordered by name, and the faults of those that cannot be loaded."""

    styles: tuple[Style, ...]
    faults: tuple[HandlerFault, ...] = ()


def installed(settings: Settings) -> list[Plugin]:
    """All installed plugins, including disabled ones."""
    return [
        Plugin(kind, entry.name, _where(entry), entry.name in settings.plugins_left_out)
        for group, kind in _KINDS.items()
        for entry in _entries(group)
    ]


def find_styles(settings: Settings) -> Styles:
    """Load the enabled styles, or only HANDRAIL_STYLE. Blocks while third-party styles are imported."""
    entries = [entry for entry in _entries(STYLES) if entry.name not in settings.plugins_left_out]
    chosen = settings.style
    if chosen is not None:
        known = [entry.name for entry in entries]
        entries = [entry for entry in entries if entry.name == chosen]
        if not entries:
            return Styles((), (SettingFault(_unknown("HANDRAIL_STYLE", chosen, known)),))
    styles: list[Style] = []
    faults: list[HandlerFault] = []
    for entry in entries:
        try:
            styles.append(_style(entry))
        except PluginFault as fault:
            faults.append(fault)
    return Styles(tuple(styles), tuple(faults))


def engine_opener(settings: Settings) -> Callable[..., Any]:
    """The function that opens the engine named by HANDRAIL_ENGINE. Raises SettingsError, PluginError."""
    entries = {entry.name: entry for entry in _entries(ENGINES) if entry.name not in settings.plugins_left_out}
    entry = entries.get(settings.engine)
    if entry is None:
        raise SettingsError(_unknown("HANDRAIL_ENGINE", settings.engine, sorted(entries)))
    try:
        opener: Callable[..., Any] = _loaded(entry)
        if not callable(opener):
            raise PluginFault(_broken(entry, f"{entry.value} cannot be called: name a function that opens the engine"))
    except PluginFault as fault:
        raise PluginError(str(fault)) from fault
    return opener


def _entries(group: str) -> list[EntryPoint]:
    """The group's entry points by name. A distribution that is on the path twice counts once."""
    import importlib_metadata  # imported late: it adds a finder to sys.meta_path

    found = {(entry.name, _where(entry)): entry for entry in importlib_metadata.entry_points(group=group)}
    return [found[key] for key in sorted(found)]


def _where(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a distribution without metadata"


def _style(entry: EntryPoint) -> Style:
    """The style of an entry point, guarded if it is third-party. Raises PluginFault."""
    made = _loaded(entry)
    try:
        style = made() if isinstance(made, type) else made
    except Exception as error:
        raise PluginFault(_broken(entry, f"{entry.value}() raised {_said(error)}")) from error
    if not isinstance(style, Style):
        raise PluginFault(_broken(entry, f"{entry.value} is no style: make it a subclass of handrail.Style"))
    style.name = entry.name
    return style if entry.dist is not None and entry.dist.name == _OURS else _Guarded(style, entry)


def _loaded(entry: EntryPoint) -> Any:
    """The imported object of an entry point. Raises PluginFault."""
    try:
        return entry.load()
    except Exception as error:
        raise PluginFault(_broken(entry, f"{entry.value} cannot be imported: {_said(error)}")) from error


def _said(error: Exception) -> str:
    line = plugin_line(error)
    return f"{type(error).__name__}: {error}{f' ({line})' if line else ''}"


def _broken(entry: EntryPoint, what: str) -> str:
    kind = _KINDS[entry.group]
    return (
        f"the {kind} {entry.name!r} of {_where(entry)}: {what}. Mend or uninstall it, or leave it out: "
        f"HANDRAIL_PLUGINS_DISABLED={entry.name}."
    )


def _unknown(variable: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? There are" if close else "there are"
    return f"{variable} is {name!r}, and no such plugin is installed: {hint} {', '.join(known) or 'none'}."


class _Guarded(Style):
    """Wraps a third-party style: any exception or wrong return value is reported as a fault of its distribution."""

    def __init__(self, style: Style, entry: EntryPoint) -> None:
        self.name, self.priority, self.starts_servers = style.name, style.priority, style.starts_servers
        self._style = style
        self._entry = entry

    def prepare(self, directory: ModelDirectory) -> str | None:
        return self._asked(functools.partial(self._style.prepare, directory), (str, type(None)))

    def find(self, directory: ModelDirectory) -> Offer | None:
        try:
            return self._asked(functools.partial(self._style.find, directory), (Offer, type(None)))
        except HandlerFault as fault:
            return Offer(f"the style {self.name}", faults=(fault,))

    def flags(self, directory: ModelDirectory) -> Mapping[str, str]:
        return self._asked(functools.partial(self._style.flags, directory), (Mapping,))

    def _asked(self, ask: Callable[[], T], kinds: tuple[type, ...]) -> T:
        try:
            said = ask()
        except HandlerFault:
            raise
        except Exception as error:
            raise PluginFault(_broken(self._entry, f"it raised {_said(error)}")) from error
        if not isinstance(said, kinds):
            method = ask.func.__name__  # type: ignore[attr-defined]
            where = definition(ask.func)  # type: ignore[attr-defined]
            names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            raise PluginFault(_broken(self._entry, f"{method} returned {said!r} ({where}): return {names}"))
        return said


def flags_of_styles(settings: Settings) -> Iterator[tuple[str, str]]:
    """The engine flags of all styles, in order of priority. Raises PluginError."""
    directory = ModelDirectory(settings.model_path, Loader(), settings=settings)
    for style in sorted(find_styles(settings).styles, key=lambda one: one.priority):
        try:
            yield from style.flags(directory).items()
        except HandlerFault as fault:
            raise PluginError(str(fault)) from fault
