"""What a comparison found, as one self-contained page: readable in print, dark and light, on a phone."""

import html

from comparison import OURS, columns, median, readable, table_rows

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #5c6878; --paper: #fff; --line: #d8dee6; --bar: #9fb0c4;
  --ours: #1f6fd1; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --faint: #9aa7b8; --paper: #12171e; --line: #2c3644;
  --bar: #55657a; --ours: #5aa2f5; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.faint { color: var(--faint); font-size: .875rem; } code { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child { text-align: left; } thead th { font-weight: normal; color: var(--faint); font-size: .875rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); gap: 1rem; }
figure { margin: .5rem 0; break-inside: avoid; } figcaption { color: var(--faint); font-size: .875rem; }
svg { width: 100%; height: auto; } text { fill: var(--ink); font-size: 12px; }
rect { fill: var(--bar); } rect.ours { fill: var(--ours); }
@media print { body { max-width: none; } rect { fill: #bbb; } rect.ours { fill: #000; } h2 { break-after: avoid; } }
"""
_WIDTH, _BAR, _STEP, _LABEL = 280, 16, 22, 74


def render(result):
    parts = [f"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             f"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             f"<title>Dormouse beside others, {html.escape(result['when'])}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
             f"<h1>Dormouse beside others</h1>\n<p class=\"faint\">{html.escape(result['when'])}, "
             f"{html.escape(result['machine'])}, store {html.escape(result['store'])}; medians of {result['rounds']} rounds, "
             f"in turn. Less is better everywhere.</p>\n<p class=\"faint\"><code>{html.escape(result['command'])}</code></p>\n<ul>"]
    parts += [f"<li>{name} ({html.escape(each['version'])}): {html.escape(each['about'])}</li>"
              for name, each in result["servers"].items()]
    parts += [f"<li>{name}: left out: {html.escape(why)}</li>" for name, why in result["missing"].items()]
    parts.append("</ul>")
    for row in result["rows"]:
        if not row["values"]:
            continue
        parts.append(f"<h2>{html.escape(row['name'][0].upper() + row['name'][1:])}</h2>\n<div class=\"plots\">")
        parts += [_bars(row, name, unit) for name, unit in row["units"].items()]
        parts.append("</div>" + _table(row))
    return "\n".join([*parts, "</body></html>\n"])


def _bars(row, measure, unit):
    shown = [(server, median(row, server, measure)) for server in row["values"]]
    shown = [(server, value) for server, value in shown if value is not None]
    longest = max((value for _, value in shown), default=0) or 1
    drawn = []
    for at, (server, value) in enumerate(shown):
        top = at * _STEP
        length = max(1, value / longest * (_WIDTH - _LABEL - 60))
        kind = ' class="ours"' if server == OURS else ""
        drawn.append(f'<text x="0" y="{top + 12}">{server}</text>'
                     f'<rect{kind} x="{_LABEL}" y="{top}" width="{length:.1f}" height="{_BAR}"/>'
                     f'<text x="{_LABEL + length + 5:.1f}" y="{top + 12}">{readable(value)}</text>')
    caption = html.escape(f"{measure}, {unit}")
    return (f'<figure><figcaption>{caption}</figcaption><svg viewBox="0 0 {_WIDTH} {max(1, len(shown)) * _STEP}" role="img" '
            f'aria-label="{caption}">{"".join(drawn)}</svg></figure>')


def _table(row):
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading, _ in columns(row))
    said = [f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>']
    said += [f'<tr><th scope="row">{server}</th>{"".join(f"<td>{text}</td>" for text in texts)}</tr>'
             for server, texts in table_rows(row)]
    return "\n".join([*said, "</tbody></table></div>"])
