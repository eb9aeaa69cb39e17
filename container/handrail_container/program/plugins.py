"""Finds styles and engines, built-in and third-party, by the entry points of installed distributions."""

from __future__ import annotations

import difflib
import functools
import sys
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
    from importlib_metadata import Distribution, EntryPoint

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


@dataclass(frozen=True)
class _Found:
    """An entry point of ours or of a third party, and its distribution with the version."""

    entry: EntryPoint
    where: str


def installed(settings: Settings) -> list[Plugin]:
    """All installed plugins, including disabled ones."""
    return [
        Plugin(kind, one.entry.name, one.where, one.entry.name in settings.plugins_left_out)
        for group, kind in _KINDS.items()
        for one in _all(group)
    ]


def rescan() -> None:
    """Look for plugins again at the next question. Call it once packages were installed in this process."""
    _scanned.cache_clear()


def find_styles(settings: Settings) -> Styles:
    """Load the enabled styles, or only HANDRAIL_STYLE. Blocks while third-party styles are imported."""
    try:
        found = _enabled(STYLES, settings)
        if settings.style is not None:
            found = {settings.style: _chosen("HANDRAIL_STYLE", settings.style, found, settings)}
    except (SettingFault, PluginFault) as fault:
        return Styles((), (fault,))
    styles: list[Style] = []
    faults: list[HandlerFault] = []
    for one in found.values():
        try:
            styles.append(_style(one))
        except PluginFault as fault:
            faults.append(fault)
    return Styles(tuple(styles), tuple(faults))


def engine_opener(settings: Settings) -> Callable[..., Any]:
    """The function that opens the engine named by HANDRAIL_ENGINE. Raises SettingsError, PluginError."""
    try:
        found = _chosen("HANDRAIL_ENGINE", settings.engine, _enabled(ENGINES, settings), settings)
        opener: Callable[..., Any] = _loaded(found)
        if not callable(opener):
            what = f"{found.entry.value} cannot be called: name a function that opens the engine"
            raise PluginFault(_broken(found, what))
    except SettingFault as fault:
        raise SettingsError(str(fault)) from fault
    except PluginFault as fault:
        raise PluginError(str(fault)) from fault
    return opener


def _enabled(group: str, settings: Settings) -> dict[str, _Found]:
    """The group's plugins by name, without disabled ones. Raises PluginFault if a name is taken twice."""
    enabled: dict[str, _Found] = {}
    for one in _all(group):
        name = one.entry.name
        if name in settings.plugins_left_out:
            continue
        if name in enabled:
            both = f"{enabled[name].where} and {one.where}"
            raise PluginFault(
                f"the {_KINDS[group]} {name!r} is in two distributions: {both}. Uninstall one, or leave both out: "
                f"HANDRAIL_PLUGINS_DISABLED={name}."
            )
        enabled[name] = one
    return enabled


def _chosen(variable: str, name: str, enabled: Mapping[str, _Found], settings: Settings) -> _Found:
    """The plugin that a setting names. Raises SettingFault."""
    if name in enabled:
        return enabled[name]
    others = ", ".join(enabled) or "none"
    if name in settings.plugins_left_out:
        raise SettingFault(
            f"{variable} is {name!r}, which HANDRAIL_PLUGINS_DISABLED leaves out: take it off that list, or name one "
            f"of the others: {others}."
        )
    close = difflib.get_close_matches(name, enabled, n=1)
    hint = f"did you mean {close[0]!r}? There are" if close else "there are"
    raise SettingFault(f"{variable} is {name!r}, and no such plugin is installed: {hint} {others}.")


def _all(group: str) -> list[_Found]:
    return _scanned(tuple(sys.path))[group]


@functools.lru_cache(maxsize=1)
def _scanned(_: tuple[str, ...]) -> dict[str, list[_Found]]:
    """The entry points of each group by name, for one `sys.path`. A distribution that is on it twice counts once.

    To read the metadata of some 200 distributions takes 50 ms of processor time, so it is read once.
    """
    import importlib_metadata  # imported late: it adds a finder to sys.meta_path

    where = functools.cache(_where)
    every = importlib_metadata.entry_points()
    scanned = {}
    for group in _KINDS:
        found = {(one.name, where(one.dist)): one for one in every.select(group=group) if one.dist is not None}
        scanned[group] = [_Found(found[key], key[1]) for key in sorted(found)]
    return scanned


def _where(distribution: Distribution) -> str:
    metadata = distribution.metadata  # parsed anew each time it is asked for
    return f"{metadata['Name']} {metadata['Version']}"


def _style(found: _Found) -> Style:
    """The style of an entry point, guarded if it is third-party. Raises PluginFault."""
    entry = found.entry
    made = _loaded(found)
    try:
        style = made() if isinstance(made, type) else made
    except Exception as error:
        raise PluginFault(_broken(found, f"{entry.value}() raised {_said(error)}")) from error
    if not isinstance(style, Style):
        raise PluginFault(_broken(found, f"{entry.value} is no style: make it a subclass of handrail.Style"))
    style.name = entry.name
    return style if found.where.split()[0] == _OURS else _Guarded(style, found)


def _loaded(found: _Found) -> Any:
    """The imported object of an entry point. Raises PluginFault."""
    try:
        return found.entry.load()
    except Exception as error:
        raise PluginFault(_broken(found, f"{found.entry.value} cannot be imported: {_said(error)}")) from error


def _said(error: Exception) -> str:
    line = plugin_line(error)
    return f"{type(error).__name__}: {error}{f' ({line})' if line else ''}"


def _broken(found: _Found, what: str) -> str:
    entry = found.entry
    return (
        f"the {_KINDS[entry.group]} {entry.name!r} of {found.where}: {what}. Mend or uninstall it, or leave it out: "
        f"HANDRAIL_PLUGINS_DISABLED={entry.name}."
    )


class _Guarded(Style):
    """Wraps a third-party style: any exception or wrong return value is reported as a fault of its distribution."""

    def __init__(self, style: Style, found: _Found) -> None:
        self.name, self.priority, self.starts_servers = style.name, style.priority, style.starts_servers
        self._style = style
        self._found = found

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
            raise PluginFault(_broken(self._found, f"it raised {_said(error)}")) from error
        if not isinstance(said, kinds):
            method = ask.func.__name__  # type: ignore[attr-defined]
            where = definition(ask.func)  # type: ignore[attr-defined]
            names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            raise PluginFault(_broken(self._found, f"{method} returned {said!r} ({where}): return {names}"))
        return said


def flags_of_styles(settings: Settings) -> Iterator[tuple[str, str]]:
    """The engine flags of all styles, in order of priority. Raises PluginError."""
    directory = ModelDirectory(settings.model_path, Loader(), settings=settings)
    for style in sorted(find_styles(settings).styles, key=lambda one: one.priority):
        try:
            yield from style.flags(directory).items()
        except HandlerFault as fault:
            raise PluginError(str(fault)) from fault
