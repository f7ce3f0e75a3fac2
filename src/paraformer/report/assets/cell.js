/* Tables of the chosen cell: θ of the chosen methods with intervals beside the a-priori value, and their scores. */

function cellName(cell) {
  const place = `${degrees(arrays.lat[cell], "N", "S")} ${degrees(arrays.lon[cell], "E", "W")}`;
  return `Cell ${report.cells.id[cell]}, ${place}, ${report.cells.trained[cell] ? "trained" : "unseen"}`;
}

function fillCell(element, state) {
  const chosen = [...state.lines].sort((a, b) => a - b);
  const withTheta = chosen.filter(
    (method) => report.methods[method].theta && report.methods[method].name !== report.default,
  );
  const bases = [...new Set(withTheta.map((method) => report.methods[method].interval).filter(Boolean))];
  const theta = tableOf(
    "cell-theta",
    `θ of this cell; in brackets ${bases.join(", or ") || "no interval: one seed and no posterior"}. A wide one says that the observations do not fix the parameter.`,
    ["parameter", "a priori", ...withTheta.map((method) => report.methods[method].name)],
    report.parameters.map((p) => [
      withUnit(p.name, p.unit),
      decimal(arrays[`${p.name}/prior`][state.cell]),
      ...withTheta.map((method) => thetaText(p, method, state.cell)),
    ]),
  );
  const scores = tableOf(
    "cell-scores",
    "Scores of this cell in the test period, mean over seeds; in brackets those of the training period.",
    ["method", ...report.metrics.map((m) => withUnit(m.label, m.unit))],
    chosen.map((method) => [
      report.methods[method].name,
      ...report.metrics.map((m) => {
        const [test, train] = ["test", "train"].map((period) =>
          scored(ofMethod(`${m.name}/${period}`, method)[state.cell], m),
        );
        return `${test} (${train})`;
      }),
    ]),
  );
  element.replaceChildren(theta, scores);
}

function thetaText(p, method, cell) {
  const [value, low, high] = ["value", "low", "high"].map((part) => ofMethod(`${p.name}/${part}`, method)[cell]);
  return Number.isFinite(low) ? `${decimal(value)} [${decimal(low)} to ${decimal(high)}]` : decimal(value);
}

function tableOf(id, caption, head, rows) {
  const heads = make("tr", {}, ...head.map((text) => make("th", { scope: "col", textContent: text })));
  const body = rows.map(([first, ...rest]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", textContent: first }),
      ...rest.map((text) => make("td", { textContent: text })),
    ),
  );
  const table = make("table", {}, make("thead", {}, heads), make("tbody", {}, ...body));
  const region = make("div", { className: "scroll", role: "region", tabIndex: 0, "aria-labelledby": id }, table);
  return make("div", {}, make("p", { className: "caption", id, textContent: caption }), region);
}
