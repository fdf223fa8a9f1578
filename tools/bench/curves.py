# SPDX-License-Identifier: GPL-2.0
"""A picture: what closing costs, by how many children there are."""

import math

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 40, 60

# Legible on white and on black.
STYLE = """
text { font: 13px sans-serif; fill: #57606a }
.title { font-size: 15px }
.axis { stroke: #8b949e; fill: none }
.grid { stroke: #8b949e; stroke-opacity: 0.25 }
.curve { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }
"""


class Scale:
    """A logarithmic axis: values to places on the picture."""

    def __init__(self, values, begin, end):
        self.low = math.floor(math.log10(min(values)))
        self.high = math.ceil(math.log10(max(values)))
        self.begin, self.end = begin, end

    def place(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        return [10 ** power for power in range(self.low, self.high + 1)]


def axes(x, y, x_label, y_label):
    """The frame, its grid and its labels."""
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    for value in x.ticks():
        at = x.place(value)
        yield f'<path class="grid" d="M{at:.1f} {top}V{bottom}"/>'
        yield (f'<text x="{at:.1f}" y="{bottom + 20}" '
               f'text-anchor="middle">{value:,}</text>')
    for value in y.ticks():
        at = y.place(value)
        yield f'<path class="grid" d="M{left} {at:.1f}H{right}"/>'
        yield (f'<text x="{left - 8}" y="{at + 4:.1f}" '
               f'text-anchor="end">{value:,}</text>')
    yield f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>'
    yield (f'<text x="{(left + right) / 2}" y="{HEIGHT - 15}" '
           f'text-anchor="middle">{x_label}</text>')
    yield f'<text class="title" x="{left}" y="{top - 15}">{y_label}</text>'


def curve(points, x, y, color, dashes):
    """One line through the points, each marked."""
    places = [(x.place(a), y.place(b)) for a, b in points]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    yield (f'<polyline class="curve" stroke="{color}" '
           f'stroke-dasharray="{dashes}" points="{line}"/>')
    for a, b in places:
        yield f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{color}"/>'


def legend(number, name, color, dashes):
    """A line of the legend."""
    left, at = WIDTH - RIGHT + 15, TOP + 10 + number * 22
    yield (f'<path class="curve" stroke="{color}" stroke-dasharray="{dashes}" '
           f'd="M{left} {at}h28"/>')
    yield f'<text x="{left + 36}" y="{at + 4}">{name}</text>'


def draw(series, x_label, y_label):
    """An SVG of (name, points, color, dashes), all on one pair of axes."""
    points = [point for _, points, _, _ in series for point in points]
    x = Scale([a for a, _ in points], LEFT, WIDTH - RIGHT)
    y = Scale([b for _, b in points], HEIGHT - BOTTOM, TOP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
             f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">',
             f"<style>{STYLE}</style>", *axes(x, y, x_label, y_label)]
    for number, (name, points, color, dashes) in enumerate(series):
        parts += curve(points, x, y, color, dashes)
        parts += legend(number, name, color, dashes)
    return "\n".join([*parts, "</svg>", ""])
