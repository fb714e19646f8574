#!/usr/bin/env python3
"""Draw what tmux shows as SVG: tmux capture-pane -ep | svg.py [dark|light] > picture.svg"""
import html, re, sys, unicodedata

light = sys.argv[1:] == ["light"]
BACK, TEXT = ("#ffffff", "#24292f") if light else ("#16181d", "#d7dae0")
COLORS = ("#24292f #cf222e #116329 #7d4e00 #0550ae #8250df #1b7c83 #6e7781" if light else
          "#3b4048 #f47067 #8ddb8c #e6c07b #6cb6ff #dcbdfb #76d7e0 #d7dae0").split()
BRIGHT = ("#57606a #a40e26 #1a7f37 #633c01 #218bff #a475f9 #3192aa #8c959f" if light else
          "#7d8590 #ff938a #b4f1b4 #f4d58d #96d0ff #e6d3ff #a5ecf2 #ffffff").split()
W, H = 8.4, 18  # of a cell


def color(n):
    if n < 16:
        return (COLORS + BRIGHT)[n]
    if n < 232:
        n -= 16
        return "#%02x%02x%02x" % tuple(55 + 40 * c if c else 0 for c in (n // 36, n // 6 % 6, n % 6))
    return "#%02x%02x%02x" % ((8 + 10 * (n - 232),) * 3)


def style(codes, s):
    codes = [int(c or 0) for c in re.split("[;:]", codes)]
    while codes:
        c = codes.pop(0)
        if c == 0: s = {}
        elif c in (1, 2, 3, 4, 7): s = s | {c: True}
        elif c == 22: s = {k: v for k, v in s.items() if k not in (1, 2)}
        elif c in (23, 24, 27): s = {k: v for k, v in s.items() if k != c - 20}
        elif 30 <= c < 38 or 90 <= c < 98: s = s | {"fg": color(c % 10 + (8 if c >= 90 else 0))}
        elif 40 <= c < 48 or 100 <= c < 108: s = s | {"bg": color(c % 10 + (8 if c >= 100 else 0))}
        elif c in (38, 48) and codes:
            mode = codes.pop(0)
            value = color(codes.pop(0)) if mode == 5 else "#%02x%02x%02x" % tuple(codes.pop(0) for _ in range(3))
            s = s | {"fg" if c == 38 else "bg": value}
        elif c in (39, 49): s = {k: v for k, v in s.items() if k != ("fg" if c == 39 else "bg")}
    return s


lines = sys.stdin.read().rstrip("\n").split("\n")
out, widest, s = [], 0, {}
for y, line in enumerate(lines):
    x = 0
    for part in re.split("(\x1b\\[[0-9;:]*m|\x1b\\][^\x1b]*\x1b\\\\|\x0e|\x0f)", line):
        if part.startswith("\x1b["):
            s = style(part[2:-1], s)
        elif part and part[0] not in "\x1b\x0e\x0f":
            cells = sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in part)
            fg, bg = s.get("fg", TEXT), s.get("bg")
            if s.get(7): fg, bg = bg or BACK, fg
            if bg: out.append(f'<rect x="{12 + x * W:g}" y="{10 + y * H}" width="{cells * W:g}" height="{H}" fill="{bg}"/>')
            inner = part.strip()
            if inner:
                at, length = x + len(part) - len(part.lstrip()), cells - len(part) + len(inner)
                more = ' font-weight="bold"' * (1 in s) + ' opacity=".62"' * (2 in s) + ' font-style="italic"' * (3 in s) + ' text-decoration="underline"' * (4 in s)
                out.append(f'<text x="{12 + at * W:g}" y="{24 + y * H}" textLength="{length * W:g}" fill="{fg}"{more}>{html.escape(inner, False)}</text>')
            x += cells
    widest = max(widest, x)
w, h = 24 + widest * W, 20 + len(lines) * H
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:g} {h}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" style="white-space:pre">'
      f'<rect width="{w:g}" height="{h}" rx="8" fill="{BACK}"/>' + "\n".join(out) + "</svg>")
