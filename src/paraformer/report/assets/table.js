/* The table of scores: which rows are shown, their order, and the method that a name chooses. */

function linkTable(choose) {
  const table = at("scores");
  const controls = ["period", "operator", "cells", "filter"].map((name) => at(`score-${name}`));
  const filter = () => {
    const [period, operator, cells, text] = controls.map((control) => control.value);
    let [shown, all] = [0, 0];
    for (const row of table.querySelectorAll("tr[data-method]")) {
      const asked = row.dataset.period === period && row.dataset.operator === operator;
      const found =
        (!cells || row.dataset.cells === cells) && row.dataset.method.toLowerCase().includes(text.trim().toLowerCase());
      row.hidden = !(asked && found);
      all += asked;
      shown += asked && found;
    }
    at("score-count").textContent = `${shown} of ${all} rows match, folded ones included.`;
  };
  for (const control of controls) control.addEventListener("input", filter);
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => sortBy(table, heads, column)),
  );
  for (const button of table.querySelectorAll("button.name")) {
    button.addEventListener("click", () => choose(button.closest("tr").dataset.method));
  }
  const fold = at("score-fold");
  fold.addEventListener("click", () => {
    const open = fold.getAttribute("aria-expanded") === "true";
    fold.setAttribute("aria-expanded", String(!open));
    at("score-references").hidden = open;
  });
  filter();
}

function sortBy(table, heads, column) {
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head, i) => head.setAttribute("aria-sort", i === column ? (up ? "ascending" : "descending") : "none"));
  const number = heads[column].classList.contains("number");
  const key = (row) => {
    const text = row.cells[column].textContent.replaceAll(",", "").replace("−", "-");
    return number ? parseFloat(text) : row.dataset.method + text;
  };
  for (const body of table.tBodies) {
    const rows = [...body.querySelectorAll("tr[data-method]")].map((row) => [key(row), row]);
    const missing = (value) => number && Number.isNaN(value);
    rows.sort(([a], [b]) => {
      if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
      return (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1);
    });
    body.append(...rows.map(([, row]) => row));
  }
}

function markRows(name) {
  for (const row of at("scores")?.querySelectorAll("tr[data-method]") ?? [])
    row.classList.toggle("chosen", row.dataset.method === name);
}
