/* Tables of the chosen cell: θ of the chosen methods with intervals beside the a-priori value, and their scores. */

function cellName(cell) {
  const place = `${degrees(arrays.lat[cell], "N", "S")} ${degrees(arrays.lon[cell], "E", "W")}`;
  const id = report.cells.id[cell];
  const name = id.toLowerCase().startsWith(words.place) ? id : `${words.place} ${id}`;
  const area = report.cells.area ? [`${decimal(report.cells.area[cell])} km²`] : [];
  const about = [place, ...area, report.cells.trained[cell] ? "trained" : "unseen"];
  return `${name[0].toUpperCase()}${name.slice(1)}, ${about.join(", ")}`;
}

function fillCell(state) {
  const chosen = [...state.lines].sort((a, b) => a - b);
  const withTheta = chosen.filter(
    (method) => report.methods[method].theta && report.methods[method].name !== report.default,
  );
  const bases = [...new Set(withTheta.map((method) => report.methods[method].interval).filter(Boolean))];
  fillTable(
    "cell-theta",
    `${words.theta}; in brackets ${bases.join(", or ") || "no interval: one seed and no posterior"}. A wide one says that the observations do not fix the parameter.`,
    ["parameter", ...(report.prior ? ["a priori"] : []), ...withTheta.map((method) => report.methods[method].name)],
    report.parameters.map((p) => [
      withUnit(p.name, p.unit),
      ...(report.prior ? [[decimal(arrays[`${p.name}/prior`][state.cell])]] : []),
      ...withTheta.map((method) => thetaText(p, method, state.cell)),
    ]),
  );
  fillTable(
    "cell-scores",
    `Scores of this ${words.place} in the test period, mean over seeds; in brackets those of the training period.`,
    ["score", ...chosen.map((method) => report.methods[method].name)],
    report.metrics.map((m) => [
      withUnit(m.label, m.unit),
      ...chosen.map((method) => {
        const [test, train] = ["test", "train"].map((period) =>
          scored(ofMethod(`${m.name}/${period}`, method)[state.cell], m),
        );
        return [test, `(${train})`];
      }),
    ]),
  );
}

function thetaText(p, method, cell) {
  const [value, low, high] = ["value", "low", "high"].map((part) => ofMethod(`${p.name}/${part}`, method)[cell]);
  return Number.isFinite(low) ? [decimal(value), `[${decimal(low)} to ${decimal(high)}]`] : [decimal(value)];
}

/** Table under a caption that the page has numbered; an entry is a value and what stands small below it. */
function fillTable(id, caption, head, rows) {
  const heads = head.map((text, i) => make("th", { scope: "col", className: i ? "number" : "", textContent: text }));
  const body = rows.map(([first, ...rest]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", textContent: first }),
      ...rest.map(([value, small]) =>
        make("td", { className: "number" }, value, ...(small ? [make("small", { textContent: small })] : [])),
      ),
    ),
  );
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body));
  const told = at(id);
  told.querySelector("span").textContent = caption;
  told.nextElementSibling.replaceChildren(table);
}
