"""Charts as SVG, written by hand: bars where every x is a name, else lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from html import escape

from tests.bench.table import Chart, Series

_WIDTH, _LEFT, _TOP, _ROW = 760, 250, 44, 24
_PLOT = _WIDTH - _LEFT - 90
_LINES_LEFT, _LINES_HEIGHT = 80, 300
_COLOURS = ("#2563eb", "#d97706", "#059669", "#b91c1c", "#7c3aed", "#475569")
_OURS, _OTHER = "#2563eb", "#94a3b8"


def svg(charts: tuple[Chart, ...] | list[Chart]) -> str:
    """All of them, one below the other."""
    drawn, top = [], 0
    for chart in charts:
        body, height = _bars(chart) if _has_names(chart) else _lines(chart)
        drawn.append(f'<g transform="translate(0 {top})">{body}</g>')
        top += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>\n'
        f"{''.join(drawn)}</svg>\n"
    )


def _has_names(chart: Chart) -> bool:
    return all(isinstance(x, str) for series in chart.series for x, _ in series.points)


def _title(chart: Chart) -> str:
    return _text(12, 24, f"{chart.title} ({chart.unit})", 'font-size="15" font-weight="bold"')


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{escape(words)}</text>'


def _bars(chart: Chart) -> tuple[str, int]:
    points = [(str(x), value) for series in chart.series for x, value in series.points]
    scale = _PLOT / max(value for _, value in points)
    drawn = [_title(chart)]
    for at, (name, value) in enumerate(points):
        y = _TOP + at * _ROW
        colour = _OURS if name.startswith("Handrail") else _OTHER
        width = max(1, value * scale)
        drawn.append(_text(_LEFT - 8, y + 13, name.replace("`", ""), 'text-anchor="end"'))
        drawn.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_ROW - 6}" fill="{colour}"/>')
        drawn.append(_text(_LEFT + width + 6, y + 13, _short(value)))
    return "".join(drawn), _TOP + len(points) * _ROW + 20


def _lines(chart: Chart) -> tuple[str, int]:
    at_x, at_y = _scales(chart)
    drawn = [_title(chart), *_axes(chart, at_x, at_y)]
    for number, series in enumerate(chart.series):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn.append(_polyline(series, colour, at_x, at_y))
        drawn.append(_text(_LINES_LEFT + 8, _TOP + 14 + 16 * number, series.name, f'fill="{colour}"'))
    return "".join(drawn), _TOP + _LINES_HEIGHT + 40


def _polyline(series: Series, colour: str, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> str:
    places = [(at_x(float(x)), at_y(y)) for x, y in series.points]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def _axes(chart: Chart, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> Iterator[str]:
    bottom = _TOP + _LINES_HEIGHT
    yield f'<path d="M{_LINES_LEFT} {_TOP}V{bottom}H{_WIDTH - 40}" fill="none" stroke="#475569"/>'
    for x in sorted({float(x) for series in chart.series for x, _ in series.points}):
        yield _text(at_x(x), bottom + 18, _short(x), 'text-anchor="middle"')
    values = [value for series in chart.series for _, value in series.points]
    for y in sorted({min(values), max(values)}):
        yield _text(_LINES_LEFT - 6, at_y(y) + 4, _short(y), 'text-anchor="end"')


def _scales(chart: Chart) -> tuple[Callable[[float], float], Callable[[float], float]]:
    xs = [float(x) for series in chart.series for x, _ in series.points]
    ys = [y for series in chart.series for _, y in series.points]
    move = (lambda value: math.log10(max(value, 1e-9))) if chart.is_log else (lambda value: value)
    low_x, high_x = move(min(xs)), move(max(xs))
    low_y, high_y = (move(min(ys)) if chart.is_log else 0.0), move(max(ys))
    wide, high = _WIDTH - 60 - _LINES_LEFT, _LINES_HEIGHT - 20
    return (
        lambda x: _LINES_LEFT + 10 + wide * (move(x) - low_x) / ((high_x - low_x) or 1),
        lambda y: _TOP + _LINES_HEIGHT - high * (move(y) - low_y) / ((high_y - low_y) or 1),
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
