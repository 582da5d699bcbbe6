"""The look of the HTML pages: dark on light, one column on a phone, colours for all eyes.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which people with any kind
of colour vision tell apart.
"""

BLUE, VERMILLION, ORANGE, GREEN, SKY, PURPLE = (
    '#0072b2',
    '#d55e00',
    '#e69f00',
    '#009e73',
    '#56b4e9',
    '#cc79a7',
)
# In the order in which curves take them.
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE)

STYLE = """
:root { color-scheme: light; --ink: #1d2733; --soft: #5b6875; --line: #dfe4ea; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 60px; }
header { margin-bottom: 22px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 0 0 10px; }
h3 { font-size: 15px; margin: 18px 0 8px; }
p { margin: 6px 0 12px; max-width: 78ch; overflow-wrap: anywhere; }
header p, .note { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 12px; }
a { color: var(--blue); text-decoration: none; }
a:hover { text-decoration: underline; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 20px 22px; margin-bottom: 18px; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.tile { border-left: 4px solid var(--blue); background: #f4f8fb; padding: 8px 12px;
  border-radius: 0 6px 6px 0; }
.tile b { display: block; font-size: 26px; line-height: 1.25; font-weight: 650; }
.tile span { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.plots { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); }
.thumbnails { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
figure { margin: 0; min-width: 0; }
figure svg, figure img { width: 100%; height: auto; display: block; border-radius: 4px; }
figcaption { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; margin-top: 4px; }
.pictures { display: grid; gap: 18px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); }
.scroll { overflow-x: auto; margin: 8px 0 12px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom;
  min-width: 5.5em; }
.matrix th { white-space: nowrap; vertical-align: middle; }
th:first-child, td:first-child, .text { text-align: left; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 12em; }
.name { display: inline-block; max-width: 15em; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; vertical-align: bottom; }
.bar { display: inline-block; width: 160px; height: 11px; background: #e8edf2; border-radius: 3px;
  vertical-align: middle; margin-right: 8px; }
.bar i { display: block; height: 100%; border-radius: 3px; background: var(--blue); }
table.matrix { font-size: 12px; }
.matrix td, .matrix th { padding: 3px 5px; border: 1px solid #fff; text-align: center;
  min-width: 36px; }
.matrix th:first-child { text-align: right; }
.matrix .name { max-width: 8em; }
.matrix thead .name { writing-mode: vertical-rl; transform: rotate(180deg); max-width: none;
  max-height: 8em; }
.entry { display: inline-block; margin-right: 14px; }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px;
  margin-right: 6px; }
pre { background: #f4f6f8; border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px;
  overflow-x: auto; font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; margin: 6px 0 12px; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--blue); }
@media (max-width: 600px) {
  main { padding: 16px 10px 40px; }
  section { padding: 14px 12px; }
  h1 { font-size: 22px; }
  .bar { width: 80px; }
  th, td { padding: 4px 6px; }
  .name { max-width: 9em; }
}
@media print { section { break-inside: avoid; border: 0; padding: 0; } body { background: #fff; } }
"""
