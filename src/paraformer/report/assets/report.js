/* What is chosen, and who draws it anew. */

const LINES = 5;

const state = {
  method: 0,
  variable: null,
  scale: null,
  cell: 0,
  lines: new Set(),
  days: [0, 0],
  zoom: 1,
  shade: true,
  printing: false,
};
let place = null;
let axes = null;
let series = null;

function fillSelect(select, items) {
  const groups = new Map();
  for (const { value, text, group } of items) {
    const option = make("option", { value, textContent: text });
    if (!group) select.append(option);
    else if (groups.has(group)) groups.get(group).append(option);
    else {
      groups.set(group, make("optgroup", { label: group }, option));
      select.append(groups.get(group));
    }
  }
}

function fillLines() {
  report.methods.forEach((method, i) => {
    const box = make("input", { type: "checkbox", value: String(i) });
    const sample = draw(
      "svg",
      { viewBox: "0 0 26 12", "aria-hidden": "true" },
      draw("path", { d: "M0 6H26", ...stroke(method, 3) }),
    );
    const text = report.hydrographs.methods.includes(method.name) ? method.name : `${method.name} (distribution alone)`;
    at("lines").append(make("label", { className: "check" }, box, sample, text));
    box.addEventListener("change", () => {
      if (box.checked) state.lines.add(i);
      else state.lines.delete(i);
      showLines();
    });
  });
}

/** Boxes as chosen; the others rest while five are. */
function showLines() {
  for (const box of at("lines").querySelectorAll("input")) {
    box.checked = state.lines.has(Number(box.value));
    box.disabled = !box.checked && state.lines.size >= LINES;
    box.parentElement.classList.toggle("off", box.disabled);
  }
  drawDistribution(at("distribution"), state);
  showDays();
  fillCell(state);
}

function showMap() {
  const { variable } = state;
  const method = report.methods[state.method];
  place = drawMap(at("map"), state);
  drawKey(at("key"), state);
  drawDistribution(at("distribution"), state);
  const value = variable.field(state.method)[state.cell];
  const text = variable.metric ? scored(value, variable.metric) : decimal(value);
  at("map-readout").textContent =
    `${cellName(state.cell)}: ${variable.name} ${text}${variable.unit === "–" ? "" : ` ${variable.unit}`} (${method.name})`;
  at("map-caption").textContent =
    `${withUnit(variable.name, variable.unit)} by ${method.name}. ${variable.says} Colours are the same for all methods and end at the 2nd and 98th percentile.`;
  at("distribution-caption").textContent =
    variable.metric && variable.group.startsWith("Score") && variable.metric.better === "low"
      ? "A curve farther left is better."
      : variable.metric && variable.metric.better !== "zero"
        ? "A curve farther right is better."
        : "Curves that differ say that methods found different values.";
  at("map-legend").textContent = legend(method);
}

function legend(method) {
  const found = [];
  if (report.cells.trained.some((trained) => !trained)) found.push(words.unseen);
  const how =
    !method.theta || !state.variable.parameter
      ? ""
      : hatchedCells(state).length
        ? method.interval.includes("posterior")
          ? "hatched: the observations take away less than half of what was unknown, or that cannot be told"
          : "hatched: seeds differ by more than a tenth of the range"
        : "";
  if (how) found.push(how);
  else if (state.variable.parameter && !method.interval)
    found.push("whether the parameter is identified is not known: one seed and no posterior");
  return found.length ? `; ${found.join("; ")}` : "";
}

async function showCell() {
  at("cell").value = String(state.cell);
  at("cell-title").textContent = cellName(state.cell);
  fillCell(state);
  showMap();
  const wanted = state.cell;
  const found = await hydrographOf(wanted);
  if (wanted !== state.cell) return;
  series = found;
  showDays();
}

function showDays() {
  axes = drawHydrograph(at("hydrograph"), state, series);
  at("day-readout").textContent = axes ? `${isoOf(state.days[0])} to ${isoOf(state.days[1])}` : "";
}

function moveDays(move) {
  state.days = movedDays(state.days, move);
  showDays();
}

function zoomMap(move) {
  state.zoom = move === "all" ? 1 : Math.min(64, Math.max(1, state.zoom * (move === "in" ? 2 : 0.5)));
  showMap();
}

function chooseVariable(key) {
  state.variable = state.variables.find((variable) => variable.key === key);
  state.scale = scaleOf(state.variable);
  if (state.variable.theta && !report.methods[state.method].theta) {
    state.method = report.methods.findIndex((method) => method.theta);
    at("method").value = String(state.method);
  }
  for (const option of at("method").options)
    option.disabled = Boolean(state.variable.theta) && !report.methods[Number(option.value)].theta;
  showMap();
}

/** A method on the map and, where there is room, among the lines. */
function chooseMethod(method) {
  state.method = method;
  at("method").value = String(method);
  if (state.lines.size < LINES || state.lines.has(method)) state.lines.add(method);
  markRows(report.methods[method].name);
  if (state.variable.theta && !report.methods[method].theta) {
    at("variable").value = `score/${report.metrics[0].name}`;
    chooseVariable(at("variable").value);
  }
  showMap();
  showLines();
}

function offset(event, element) {
  const box = element.getBoundingClientRect();
  const drawn = element.querySelector("svg");
  const scale = drawn ? drawn.viewBox.baseVal.width / box.width : 1;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function listenToMap() {
  const map = at("map");
  map.addEventListener("click", (event) => {
    state.cell = nearestCell(place, ...offset(event, map));
    showCell();
  });
  map.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in steps) {
      state.cell = nextCell(place, state.cell, ...steps[event.key]);
      showCell();
    } else if (["+", "=", "-", "−"].includes(event.key)) zoomMap("+=".includes(event.key) ? "in" : "out");
    else return;
    event.preventDefault();
  });
}

function listenToDays() {
  const chart = at("hydrograph");
  let from = null;
  chart.addEventListener("pointerdown", (event) => {
    if (!axes) return;
    const day = axes.dayAt(offset(event, chart)[0]);
    if (event.pointerType === "touch") at("day-readout").textContent = dayText(day);
    else from = day;
  });
  chart.addEventListener("pointermove", (event) => {
    if (!axes) return;
    const day = axes.dayAt(offset(event, chart)[0]);
    if (from === null) at("day-readout").textContent = dayText(day);
    else {
      const [left, right] = [axes.x(Math.min(from, day)), axes.x(Math.max(from, day))];
      axes.brush.setAttribute("x", left);
      axes.brush.setAttribute("width", right - left);
    }
  });
  window.addEventListener("pointerup", (event) => {
    if (from === null || !axes) return;
    const ends = [from, axes.dayAt(offset(event, chart)[0])].sort((a, b) => a - b);
    from = null;
    if (ends[1] - ends[0] >= 6) state.days = ends;
    showDays();
  });
  chart.addEventListener("dblclick", () => moveDays("all"));
  chart.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: "back", ArrowRight: "on", "+": "in", "=": "in", "-": "out", "−": "out", Home: "all" };
    if (!(event.key in moves)) return;
    moveDays(moves[event.key]);
    event.preventDefault();
  });
}

/** What a day holds, in words. */
function dayText(day) {
  const written = (value) => (words.fromZero ? decimal(value) : value.toFixed(3));
  const found = Number.isFinite(series.rain[day]) ? [`rain ${decimal(series.rain[day])} mm`] : [];
  if (Number.isFinite(series.observed[day])) found.push(`observed ${written(series.observed[day])}`);
  report.hydrographs.methods.forEach((name, row) => {
    const method = report.methods.findIndex((one) => one.name === name);
    if (state.lines.has(method))
      found.push(`${name} ${written(series.simulated[row * report.hydrographs.days + day])}`);
  });
  return `${isoOf(day)}: ${found.join(", ")} [${words.unit}]`;
}

function firstLines() {
  const held = report.hydrographs.methods;
  const wanted = [report.default, report.recommended, report.search, report.ceiling, ...held];
  const found = wanted
    .map((name) => report.methods.findIndex((method) => method.name === name))
    .filter((i) => i >= 0 && held.includes(report.methods[i].name));
  return new Set([...new Set(found)].slice(0, LINES - 1));
}

function drawAll() {
  if (at("effect")) drawEffect(at("effect"));
  showMap();
  showDays();
}

async function start() {
  await decodeAll();
  state.variables = variables();
  fillSelect(
    at("method"),
    report.methods.map((method, i) => ({ value: String(i), text: method.name })),
  );
  fillSelect(
    at("variable"),
    state.variables.map(({ key, text, group }) => ({ value: key, text, group })),
  );
  fillSelect(
    at("cell"),
    report.cells.id.map((_, i) => ({ value: String(i), text: cellName(i) })),
  );
  state.method = Math.max(
    0,
    report.methods.findIndex((method) => method.name === report.recommended),
  );
  state.variable = state.variables.find(({ key }) => key === report.opens) ?? state.variables[0];
  at("variable").value = state.variable.key;
  state.scale = scaleOf(state.variable);
  state.cell = report.hydrographs.first;
  state.days = report.hydrographs.shown;
  state.lines = firstLines();
  fillLines();
  at("method").addEventListener("change", () => chooseMethod(Number(at("method").value)));
  at("variable").addEventListener("change", () => chooseVariable(at("variable").value));
  at("cell").addEventListener("change", () => {
    state.cell = Number(at("cell").value);
    showCell();
  });
  at("shade").addEventListener("change", () => {
    state.shade = at("shade").checked;
    showMap();
  });
  for (const button of at("explorer").querySelectorAll("[data-map]"))
    button.addEventListener("click", () => zoomMap(button.dataset.map));
  for (const button of at("explorer").querySelectorAll("[data-days]"))
    button.addEventListener("click", () => moveDays(button.dataset.days));
  listenToMap();
  listenToDays();
  const left = report.left_out.length
    ? ` Not on map and hydrograph for want of room: ${report.left_out.join(", ")}.`
    : "";
  at("hydrograph-note").textContent = report.hydrographs.note + left;
  at("method").value = String(state.method);
  if (at("effect")) drawEffect(at("effect"));
  if (at("scores"))
    linkTable((name) => {
      const method = report.methods.findIndex((one) => one.name === name);
      if (method >= 0) chooseMethod(method);
    });
  markRows(report.methods[state.method].name);
  await showCell();
  showLines();
  let width = document.body.clientWidth;
  window.addEventListener("resize", () => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    drawAll();
  });
  for (const [event, printing] of Object.entries({ beforeprint: true, afterprint: false }))
    window.addEventListener(event, () => {
      state.printing = printing;
      drawAll();
    });
}

await start().catch((error) => {
  at("problem").textContent =
    `Map and hydrographs cannot be shown (${error.message}); they need a browser of 2023 or later.`;
  at("problem").hidden = false;
});
