"""Draws what `bench/messages.py` has measured: a panel for each mode, a line for each peer."""
import html
import math

PANELS = (("oneway", "rate", "One way", "messages a second"),
          ("pp1", "p50_us", "Ask, 1 outstanding", "median µs, less is better"),
          ("pp64", "rate", "Ask, 64 outstanding", "round trips a second"))
LABELS, PLOT, VALUES, GAP = 108, 186, 48, 22  # widths
PANEL = PLOT + VALUES + GAP
ROW, TOP, BOTTOM = 26, 74, 58
# Legible on white and on black; who asks for dark gets lighter ones.
STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #6e7781 }
.title { font-size: 13px; font-weight: 600 }
.name { text-anchor: end }
.small { font-size: 10.5px; fill: #6e7781 }
.ours { font-weight: 700; fill: #0969da }
.grid { stroke: #8c959f; stroke-opacity: .35 }
.stem { stroke: #8c959f; stroke-opacity: .55; stroke-width: 2 }
.first { fill: #6e7781 }
.other { fill: none; stroke: #6e7781; stroke-width: 1.5 }
.first.ours { fill: #0969da }
.other.ours { fill: none; stroke: #0969da; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #c9d1d9 }
  .small { fill: #9198a1 }
  .first { fill: #9198a1 }
  .other { stroke: #9198a1 }
  .ours, .first.ours { fill: #4493f8 }
  .other.ours { fill: none; stroke: #4493f8 }
}
"""


def short(value):
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def text(x, y, what, kind, anchor=None):
    where = f' style="text-anchor:{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{where}>{html.escape(what)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


class panel:
    """One mode: a logarithmic scale from left to right, decades as a grid."""

    def __init__(self, left, mode, key, figures):
        self.left = left
        self.values = {(one["peer"], one["payload"]): one[key] for one in figures
                       if one["mode"] == mode and one[key]}
        self.low = math.floor(math.log10(min(self.values.values())))
        self.high = max(math.ceil(math.log10(max(self.values.values()))), self.low + 1)

    def x(self, value):
        return self.left + PLOT * (math.log10(value) - self.low) / (self.high - self.low)

    def scale(self, bottom):
        for decade in range(self.low, self.high + 1):
            x = self.x(10 ** decade)
            yield line(x, TOP - 14, x, bottom - 8, "grid")
            yield text(x, bottom + 8, short(10 ** decade), "small", "middle")

    def row(self, peer, y, payloads):
        ours = " ours" if peer == "Muster" else ""
        dots = [(payload, self.values[peer, payload]) for payload in payloads
                if (peer, payload) in self.values]
        if not dots:
            yield text(self.left + PLOT + 8, y + 4, "–", "small")
            return
        ends = [self.x(value) for _, value in dots]
        yield line(min(ends), y, max(ends), y, "stem")
        for payload, value in reversed(dots):
            kind, size = ("first", 5) if payload == payloads[0] else ("other", 4)
            yield f'<circle cx="{self.x(value):.1f}" cy="{y}" r="{size}" class="{kind}{ours}"/>'
        yield text(self.left + PLOT + 10, y + 4, short(dots[0][1]), "value" + ours)


def draw(figures):
    """SVG of the medians that `messages.py` prints as JSON lines."""
    peers = list(dict.fromkeys(one["peer"] for one in figures))
    payloads = sorted({one["payload"] for one in figures})
    modes = {one["mode"] for one in figures}
    shown = [one for one in PANELS if one[0] in modes]
    bottom = TOP + ROW * len(peers)
    width, height = LABELS + PANEL * len(shown), bottom + BOTTOM
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'width="{width}" height="{height}" role="img">',
           "<title>Messages between two processes over loopback</title>",
           f"<style>{STYLE}</style>"]
    for row, peer in enumerate(peers):
        kind = "name ours" if peer == "Muster" else "name"
        out.append(text(LABELS - 14, TOP + ROW * row + 4, peer, kind))
    for number, (mode, key, title, unit) in enumerate(shown):
        one = panel(LABELS + PANEL * number, mode, key, figures)
        out += [text(one.left, 22, title, "title"), text(one.left, 39, unit, "small")]
        out += one.scale(bottom)
        for row, peer in enumerate(peers):
            out += one.row(peer, TOP + ROW * row, payloads)
    out += legend(payloads, bottom + BOTTOM - 14)
    return "\n".join([*out, "</svg>", ""])


def legend(payloads, y):
    x = LABELS + 5
    for number, payload in enumerate(payloads):
        kind, size = ("first", 5) if number == 0 else ("other", 4)
        yield f'<circle cx="{x}" cy="{y - 4}" r="{size}" class="{kind}"/>'
        yield text(x + 11, y, f"{payload} bytes", "small")
        x += 90
    yield text(x, y, "figures beside the dots are those of the smaller; logarithmic scales", "small")
