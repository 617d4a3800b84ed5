// Words in the filter leave, in every table of layers, the rows whose names hold them.
"use strict";
for (const filter of document.querySelectorAll(".filter")) {
  const tables = [...document.querySelectorAll("table")]
    .filter((table) => table.tHead?.rows[0].cells[0].textContent === "layer");
  const field = filter.querySelector("input");
  field.addEventListener("input", () => {
    const words = field.value.trim().toLowerCase();
    for (const table of tables)
      for (const row of table.tBodies[0].rows)
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(words);
    const rows = [...tables[0].tBodies[0].rows];
    const left = rows.filter((row) => !row.hidden).length;
    filter.querySelector("output").textContent = words ? `${left} of ${rows.length}; totals are of all layers` : "";
  });
  filter.hidden = false;
}
