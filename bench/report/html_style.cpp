#include "bench/report/html_style.h"

namespace parsec::bench {

const std::string_view html_style = R"(
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --ink: #1b1f27; --soft: #5a6372; --edge: #d9dde4;
  --good: #1f7a45; --bad: #b3261e; --warn: #8a5a00; --warn-back: #fff5dc;
  --c0: #1f6fb5; --c1: #c4540e; --c2: #2b8555; --c3: #8346b0; --c4: #b0305c; --c5: #6a7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --card: #1d2128; --ink: #e8eaee; --soft: #a3acba; --edge: #353b46;
    --good: #6fcf97; --bad: #ff8a80; --warn: #f2c46d; --warn-back: #33290f;
    --c0: #6cb2f0; --c1: #f29a5b; --c2: #6ccf97; --c3: #c193ea; --c4: #f083a8; --c5: #a3acba;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
main, header, footer { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 32px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.25rem; margin: 36px 0 12px; }
h3 { font-size: 1rem; margin: 0 0 4px; }
p { margin: 0 0 8px; }
.soft, .note, footer { color: var(--soft); font-size: 0.9rem; }
.card {
  background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 18px 20px;
}
.summary { margin-top: 20px; }
.summary ul { margin: 0; padding-left: 1.1em; }
.summary li { margin: 6px 0; font-size: 1.05rem; }
li.good::marker { color: var(--good); }
li.bad { color: var(--bad); }
li.warn { color: var(--warn); }
.tiles { display: grid; gap: 12px; margin-top: 12px;
  grid-template-columns: repeat(auto-fit, minmax(155px, 1fr)); }
.tile { padding: 14px 16px; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.25; font-weight: 650; white-space: nowrap; }
.tile span { display: block; color: var(--soft); font-size: 0.85rem; line-height: 1.35; }
.charts { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
.charts .card { break-inside: avoid; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 12.5px; }
.grid { stroke: var(--edge); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.level { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 2 4; }
.line { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
.line.dashed { stroke-dasharray: 7 5; }
.range { stroke-width: 1.5; opacity: 0.7; }
.dot { stroke: var(--card); stroke-width: 1; }
.c0 { --colour: var(--c0); } .c1 { --colour: var(--c1); } .c2 { --colour: var(--c2); }
.c3 { --colour: var(--c3); } .c4 { --colour: var(--c4); } .c5 { --colour: var(--c5); }
.line, .range { stroke: var(--colour); }
.dot { fill: var(--colour); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 6px 0; font-size: 0.85rem; color: var(--soft); }
.key { display: inline-block; width: 18px; margin-right: 6px; vertical-align: middle;
  border-top: 3px solid var(--colour); }
.key.dashed { border-top-style: dashed; }
.bars { display: grid; grid-template-columns: auto 1fr auto; gap: 8px 12px; align-items: center;
  margin-top: 10px; font-size: 0.9rem; }
.track { height: 16px; background: var(--page); border: 1px solid var(--edge); border-radius: 4px; overflow: hidden; }
.bar { display: block; height: 100%; background: var(--colour); }
.label { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; padding: 6px 0; margin-bottom: 16px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--edge); }
tr:last-child td { border-bottom: 0; }
th { font-weight: 600; color: var(--soft); }
th:first-child, td:first-child { text-align: left; }
table.facts td { white-space: normal; text-align: left; overflow-wrap: anywhere; }
table.facts td:first-child { width: 32%; color: var(--soft); }
td.good { color: var(--good); font-weight: 600; }
td.bad { color: var(--bad); font-weight: 600; }
td.text { text-align: left; }
.warning { background: var(--warn-back); border-left: 4px solid var(--warn); padding: 10px 14px;
  border-radius: 4px; margin: 12px 0 0; }
footer { padding-top: 24px; padding-bottom: 40px; }
@media (max-width: 560px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  header { padding-top: 18px; }
  h1 { font-size: 1.45rem; }
  .card { padding: 14px; }
  .wide { padding: 4px 0; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px; }
  .tile b { font-size: 1.2rem; }
  th, td { padding: 6px 10px; }
  svg text { font-size: 15px; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #ffffff; --card: #ffffff; --ink: #000000; --soft: #444444; --edge: #bbbbbb;
    --good: #1f7a45; --bad: #b3261e; --warn: #8a5a00; --warn-back: #ffffff;
    --c0: #1f6fb5; --c1: #c4540e; --c2: #2b8555; --c3: #8346b0; --c4: #b0305c; --c5: #6a7280;
  }
  body { font-size: 11pt; }
  main, header, footer { max-width: none; padding-left: 0; padding-right: 0; }
  .charts { grid-template-columns: 1fr 1fr; }
  .bar, .track, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, .tile, .summary { break-inside: avoid; }
  .wide { overflow: visible; }
  table { font-size: 8.5pt; }
  th, td { padding: 3px 5px; }
  h2 { break-after: avoid; }
}
)";

}  // namespace parsec::bench
