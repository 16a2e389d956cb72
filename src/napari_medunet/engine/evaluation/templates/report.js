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
