"""The page around a report: its style for screen and paper, and the script that sorts its tables."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.45 system-ui, "Helvetica Neue", Arial, sans-serif; color: #111; background: #fff;
  max-width: 1150px; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; }
.small { font-size: .82rem; color: #444; } small { font-size: .92em; color: #444; } p { max-width: 62rem; }
.notes { border: 2px solid #111; padding: .2rem 1rem; margin-top: 1rem; } .notes h2 { margin-top: .6rem; }
.wide { overflow-x: auto; } .row { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: flex-start; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .86rem; margin: .5rem 0; }
th, td { padding: .22rem .6rem; text-align: right; border-bottom: 1px solid #ccc; vertical-align: top; }
th { border-bottom: 2px solid #111; vertical-align: bottom; }
th:first-child, td:first-child, .words th, .words td { text-align: left; }
td:first-child { white-space: nowrap; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid #111; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
svg { max-width: 100%; height: auto; } figure { margin: 0; } figure svg { width: 250px; }
details { margin: .6rem 0; } summary { cursor: pointer; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } section { break-inside: auto; }
  h2, h2 + p { break-after: avoid; } tr, figure, svg { break-inside: avoid; }
  thead { display: table-header-group; }
  .wide { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .1rem .3rem; } }
</style>
</head>
<body>
<h1>$title</h1>
<p class="small">$subtitle</p>
$body
<script>
"use strict";
function key(cell) {
  const text = cell.textContent.trim();
  if (text === "-") return NaN;
  if (text === "inf") return Infinity;
  return text !== "" && isFinite(text) ? Number(text) : text;
}
function compare(a, b) {
  if (a !== a || b !== b) return (a !== a) - (b !== b);
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
      rows.sort((a, b) => {
        const undefinedLast = (a[0] !== a[0]) - (b[0] !== b[0]);
        return undefinedLast || (down ? -1 : 1) * compare(a[0], b[0]);
      });
      body.append(...rows.map((row) => row[1]));
    });
  });
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
</script>
</body>
</html>
"""
