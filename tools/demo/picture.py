# SPDX-License-Identifier: GPL-2.0
"""A picture: what becomes of clients, by when they come."""

import itertools
import math

from timeline import FATES

WIDTH = 720
LEFT, RIGHT = 40, 20
# The legend, the two lines above each panel, a panel, and the axis.
LEGEND, HEAD, PANEL, AXIS = 50, 55, 80, 55

# Seconds of a column.
STEP = 0.01

COLORS = {"served": "#2f81f7", "waits": "#d4a72c", "lost": "#cf222e"}
LABELS = {"served": "served", "waits": "waits, and is served",
          "lost": "lost"}

# Legible on white and on black.
STYLE = """
text { font: 13px sans-serif; fill: #57606a }
.title { font-size: 15px }
.axis { stroke: #8b949e; fill: none }
.mark { stroke: #24292f; fill: none; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #c9d1d9 }
  .mark { stroke: #f0f6fc }
}
"""


class Scale:
    """A linear axis: values to places on the picture."""

    def __init__(self, low, high, begin, end):
        self.low = low
        self.begin = begin
        self.unit = (end - begin) / (high - low)

    def place(self, value):
        return self.begin + (value - self.low) * self.unit


def columns(timeline):
    """For each step: the fates' counts, added up from the bottom."""
    counts = [timeline.counts(fate, STEP) for fate in FATES]
    every = set().union(*counts)
    return {step: list(itertools.accumulate((count[step] for count in counts),
                                            initial=0))
            for step in range(min(every), max(every) + 1)}


def area(heights, number, x, y):
    """The outline of a fate's parts of the columns."""
    def part(step):
        return heights[step][number:number + 2]

    # Neighbours that are alike are drawn as one.
    for (low, high), alike in itertools.groupby(heights, part):
        first, *rest = alike
        last = rest[-1] if rest else first
        if low < high:
            yield (f"M{x.place(first * STEP):.1f} {y.place(low):.1f}"
                   f"V{y.place(high):.1f}H{x.place((last + 1) * STEP):.1f}"
                   f"V{y.place(low):.1f}z")


def panel(timeline, x, top, most):
    """A restart: what it's about, its moments and its clients."""
    bottom = top + PANEL
    y = Scale(0, most, bottom, top)

    yield (f'<text class="title" x="{LEFT}" y="{top - 30}">'
           f'{timeline.summary()}</text>')
    heights = columns(timeline)
    for number, fate in enumerate(FATES):
        if outline := "".join(area(heights, number, x, y)):
            yield f'<path fill="{COLORS[fate]}" d="{outline}"/>'

    for at, text in (0, "nginx stops"), (timeline.listening, "another listens"):
        yield f'<path class="mark" d="M{x.place(at):.1f} {top - 10}V{bottom}"/>'
        yield (f'<text x="{x.place(at) + 4:.1f}" y="{top - 4}">{text}</text>')
    yield f'<path class="axis" d="M{LEFT} {top}V{bottom}H{WIDTH - RIGHT}"/>'
    for value in (0, most):
        yield (f'<text x="{LEFT - 8}" y="{y.place(value) + 4:.1f}" '
               f'text-anchor="end">{value}</text>')


def ticks(x, first, last, bottom):
    """The labels of the time axis, some ten of them."""
    step = math.ceil((last - first) / 2) / 5
    for number in range(math.ceil(first / step), int(last / step) + 1):
        yield (f'<text x="{x.place(number * step):.1f}" y="{bottom + 20}" '
               f'text-anchor="middle">{number * step:.1f}</text>')
    yield (f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{bottom + 42}" '
           'text-anchor="middle">when the client comes, in seconds</text>')


def legend():
    """What is counted, and the colors."""
    yield (f'<text x="{LEFT}" y="20">clients in each {STEP * 1000:.0f} ms, '
           'by what becomes of them</text>')
    at = LEFT
    for fate, width in zip(FATES, (90, 170, 0)):
        yield (f'<rect x="{at}" y="30" width="12" height="12" '
               f'fill="{COLORS[fate]}"/>')
        yield f'<text x="{at + 18}" y="41">{LABELS[fate]}</text>'
        at += width


def draw(timelines):
    """An SVG of them, one below the other, on one time axis."""
    every = [columns(timeline) for timeline in timelines]
    first = min(min(heights) for heights in every) * STEP
    last = (max(max(heights) for heights in every) + 1) * STEP
    most = max(parts[-1] for heights in every for parts in heights.values())
    x = Scale(first, last, LEFT, WIDTH - RIGHT)

    bottom = LEGEND + len(timelines) * (HEAD + PANEL)
    height = bottom + AXIS
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
             f'height="{height}" viewBox="0 0 {WIDTH} {height}">',
             f"<style>{STYLE}</style>", *legend()]
    for number, timeline in enumerate(timelines):
        top = LEGEND + number * (HEAD + PANEL) + HEAD
        parts += panel(timeline, x, top, most)
    parts += ticks(x, first, last, bottom)
    return "\n".join([*parts, "</svg>", ""])
