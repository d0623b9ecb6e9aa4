"""The storm as a picture: how long each engine takes, and how long a person waits meanwhile. SVG by hand."""

from collections.abc import Callable
from html import escape
from math import ceil, floor, log10

from benchmarks.targets import Figures, shown

ENGINES = (
    ("echelon", "sqlite", "Echelon, SQLite"),
    ("echelon", "postgresql", "Echelon, PostgreSQL"),
    ("celery", "postgresql", "Celery, Redis"),
    ("procrastinate", "postgresql", "procrastinate"),
    ("apscheduler", "postgresql", "APScheduler, PostgreSQL"),
    ("apscheduler", "sqlite", "APScheduler, SQLite"),
)
WIDTH, LEFT, RIGHT, TOP, ROW = 760, 190, 90, 84, 44

STYLE = """
    .ground { fill: #ffffff } .text { fill: #1f2328 } .quiet { fill: #59636e } .line { stroke: #d1d9e0 }
    .ours { fill: #0969da } .theirs { fill: #8c959f } .wait { fill: #bc4c00; stroke: #ffffff }
    text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif }
    .title { font-size: 15px; font-weight: 600 } .small { font-size: 12px }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 } .text { fill: #e6edf3 } .quiet { fill: #9198a1 } .line { stroke: #3d444d }
      .ours { fill: #4493f8 } .theirs { fill: #656c76 } .wait { fill: #f0883e; stroke: #0d1117 }
    }
"""


def chart(figures: Figures) -> str:
    """The picture of the engines that took part."""
    rows = [
        (name, engine, seconds * figures.sizes["due"], figures.median("storm", engine, kind, "acks", "p99"))
        for engine, kind, name in ENGINES
        if (seconds := _middle(figures.per_firing(engine, kind)))
    ]
    values = [value for _, _, seconds, wait in rows for value in (seconds, wait) if value]
    low, high = floor(log10(min(values, default=0.1))), ceil(log10(max(values, default=10)))
    high = max(high, low + 1)
    height = TOP + ROW * len(rows) + 44

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (log10(value) - low) / (high - low)

    title = f"{figures.sizes['due']:,} windows that end at once"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title told">',
        f'<title id="title">{title}</title>',
        f'<desc id="told">{escape(alternative(figures))}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="text title" x="20" y="30">{title}</text>',
        '<rect class="ours" x="20" y="47" width="14" height="10" rx="2"/>'
        '<rect class="theirs" x="37" y="47" width="14" height="10" rx="2"/>'
        '<text class="quiet small" x="58" y="56">until all have moved</text>',
        _diamond(203, 52) + '<text class="quiet small" x="215" y="56">an acknowledgement meanwhile, 99 of 100</text>',
        f'<text class="quiet small" x="740" y="30" text-anchor="end">logarithmic{_stretched(figures)}</text>',
        *_grid(low, high, x, height),
    ]
    for nth, (name, engine, seconds, wait) in enumerate(rows):
        y = TOP + ROW * nth + 12
        look = "ours" if engine == "echelon" else "theirs"
        parts += [
            f'<text class="text" x="{LEFT - 12}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{look}" x="{LEFT}" y="{y}" width="{max(2.0, x(seconds) - LEFT):.1f}" height="20" rx="3"/>',
            f'<text class="text" x="{max(x(seconds), x(wait) if wait else 0) + 12:.1f}" y="{y + 15}">'
            f"{shown(seconds)}</text>",
            _diamond(x(wait), y + 10) if wait else "",
        ]
    return "\n".join(part for part in (*parts, "</svg>") if part) + "\n"


def alternative(figures: Figures) -> str:
    """The picture in words, for those who cannot see it."""
    told = []
    for engine, kind, name in ENGINES:
        seconds = _middle(figures.per_firing(engine, kind))
        if seconds:
            wait = figures.median("storm", engine, kind, "acks", "p99")
            meanwhile = f" (an acknowledgement meanwhile: {shown(wait)})" if wait else ""
            told.append(f"{name} {shown(seconds * figures.sizes['due'])}{meanwhile}")
    return f"Bars on a logarithmic scale, {figures.sizes['due']:,} windows that end at once: {'; '.join(told)}."


def _stretched(figures: Figures) -> str:
    """What is to be known of the grey bars."""
    others, due = figures.sizes.get("others", 0), figures.sizes["due"]
    return f"; grey: measured with {others:,}, stretched" if others not in {0, due} else ""


def _grid(low: int, high: int, x: Callable[[float], float], height: int) -> list[str]:
    parts = []
    for power in range(low, high + 1):
        at = x(10.0**power)
        label = f"{10**power} s" if power >= 0 else f"{1000 // 10**-power} ms"
        parts.append(f'<line class="line" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{height - 36}"/>')
        parts.append(f'<text class="quiet small" x="{at:.1f}" y="{height - 16}" text-anchor="middle">{label}</text>')
    return parts


def _diamond(x: float, y: float) -> str:
    return f'<path class="wait" d="M{x:.1f} {y - 7} l7 7 l-7 7 l-7 -7 z"/>'


def _middle(figures: list[float]) -> float | None:
    ordered = sorted(figures)
    return ordered[len(ordered) // 2] if ordered else None
