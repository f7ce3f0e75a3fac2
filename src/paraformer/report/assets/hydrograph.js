/* Hydrograph of a cell or gauge: rain from above, observed points, lines of the chosen methods; some of its days or all. */

const DAY = 86400000;

function dateOf(day) {
  return new Date(Date.parse(`${report.hydrographs.start}T00:00:00Z`) + day * DAY);
}

function isoOf(day) {
  return dateOf(day).toISOString().slice(0, 10);
}

function dayOf(date) {
  return Math.round((Date.parse(`${date}T00:00:00Z`) - dateOf(0)) / DAY);
}

/** Days that begin a year, month or week, as many as have room, and their words. */
function dateTicks(first, last, about) {
  const days = last - first;
  const found = [];
  for (let day = first; day <= last; day++) {
    const date = dateOf(day);
    const month = date.getUTCMonth();
    const start = date.getUTCDate() === 1;
    const step = [1, 2, 3, 6, 12].find((months) => days / (30.4 * months) <= about) ?? 12;
    const years = Math.max(1, Math.ceil(days / 365 / about));
    if (
      days < 60
        ? (day - first) % Math.max(1, Math.ceil(days / about)) === 0
        : start && month % step === 0 && (step < 12 || date.getUTCFullYear() % years === 0)
    ) {
      const iso = isoOf(day);
      found.push([day, days < 60 ? iso.slice(5) : step === 12 ? iso.slice(0, 4) : iso.slice(0, 7)]);
    }
  }
  return found;
}

function drawHydrograph(element, state, series) {
  const width = widthOf(element);
  if (series === null) {
    element.replaceChildren(
      make("p", { className: "note", textContent: `The page holds no hydrograph of this ${words.place}.` }),
    );
    return null;
  }
  const [left, right] = [58, width - 10];
  const falls = finite(series.rain.subarray(state.days[0], state.days[1] + 1));
  const rain = { top: 8, bottom: falls.length ? 92 : 8 };
  const water = { top: rain.bottom + 18, bottom: 350 };
  const drawing = canvas(element, width, water.bottom + 28);
  const [first, last] = state.days;
  const x = (day) => left + ((day - first + 0.5) / (last - first + 1)) * (right - left);
  drawPeriods(drawing, [first, last], x, { ...rain, end: water.bottom });
  const count = report.hydrographs.days;
  const chosen = report.hydrographs.methods
    .map((name, row) => [report.methods.findIndex((method) => method.name === name), row])
    .filter(([method]) => state.lines.has(method))
    .map(([method, row]) => [
      report.methods[method],
      series.simulated.subarray(row * count + first, row * count + last + 1),
    ]);
  const observed = series.observed.subarray(first, last + 1);
  const values = finite([...observed, ...chosen.flatMap(([, line]) => Array.from(line))]);
  let [low, high] = values.length
    ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
    : [0, 1];
  const margin = 0.05 * (high - low || 0.1);
  [low, high] = [words.fromZero ? 0 : low - margin, high + margin];
  const y = (value) => water.bottom - ((value - low) / (high - low)) * (water.bottom - water.top);
  const wettest = falls.reduce((a, b) => Math.max(a, b), 1);
  const fall = (value) => rain.top + (value / wettest) * (rain.bottom - rain.top);
  const days = Array.from({ length: last - first + 1 }, (_, i) => x(first + i));
  let bars = "";
  for (let day = first; day <= last; day++)
    if (series.rain[day] > 0) bars += `M${x(day).toFixed(1)} ${rain.top}V${fall(series.rain[day]).toFixed(1)}`;
  const thick = Math.max(1, Math.min(12, (0.8 * (right - left)) / (last - first + 1)));
  drawing.append(
    draw("path", { d: bars, stroke: report.colours.rain, "stroke-width": thick, fill: "none", class: "rain" }),
  );
  for (const tick of falls.length ? ticks(0, wettest, 2) : [])
    drawing.append(
      label(left - 5, fall(tick) + 4, decimal(tick), { "text-anchor": "end", fill: report.colours.rain_text }),
    );
  for (const tick of ticks(low, high, 5)) {
    drawing.append(draw("path", { d: `M${left} ${y(tick)}H${right}`, stroke: "#fff", "stroke-width": 1 }));
    drawing.append(label(left - 5, y(tick) + 4, decimal(tick), { "text-anchor": "end" }));
  }
  for (const [day, text] of dateTicks(first, last, (right - left) / 75)) {
    drawing.append(draw("path", { d: `M${x(day)} ${water.bottom}v4`, stroke: "#333" }));
    const inside = Math.min(x(day), width - 3.5 * text.length);
    drawing.append(label(inside, water.bottom + 18, text, { "text-anchor": "middle" }));
  }
  const upright = (y, text, fill) =>
    label(0, 0, text, { transform: `translate(11 ${y}) rotate(-90)`, "text-anchor": "middle", fill });
  if (falls.length) drawing.append(upright((rain.top + rain.bottom) / 2, "rain [mm day⁻¹]", report.colours.rain_text));
  drawing.append(upright((water.top + water.bottom) / 2, withUnit(words.water, words.unit), "#333"));
  const lines = chosen.map(([method, line]) =>
    draw("path", {
      d: pathOf(days, Array.from(line, y)),
      class: "line",
      "data-method": method.name,
      ...stroke(method, 1.5),
    }),
  );
  let dots = "";
  observed.forEach((value, i) => Number.isFinite(value) && (dots += `M${days[i].toFixed(1)} ${y(value).toFixed(1)}h0`));
  const seen = draw("path", {
    d: dots,
    stroke: words.observed,
    "stroke-width": last - first > 500 && !words.behind ? 3.2 : 5,
    "stroke-linecap": "round",
    fill: "none",
    class: "observed",
  });
  drawing.append(...(words.behind ? [seen, ...lines] : [...lines, seen]));
  const brush = draw("rect", {
    y: rain.top,
    height: water.bottom - rain.top,
    width: 0,
    fill: "#0b5394",
    "fill-opacity": 0.2,
  });
  drawing.append(brush);
  const dayAt = (px) =>
    Math.min(last, Math.max(first, Math.floor(first + ((px - left) / (right - left)) * (last - first + 1))));
  return { dayAt, x, brush };
}

function drawPeriods(drawing, [first, last], x, { top, bottom, end: lowest }) {
  for (const [name, fill, text] of [
    ["train", "#e9edf1", "training period"],
    ["test", "#fdf0d5", "test period"],
  ]) {
    const [from, to] = report.periods[name].map(dayOf);
    if (to < first || from > last) continue;
    const [start, end] = [x(Math.max(from, first) - 0.5), x(Math.min(to, last) + 0.5)];
    drawing.append(draw("rect", { x: start, y: top, width: end - start, height: lowest - top, fill, class: name }));
    if (end - start > 90) drawing.append(label((start + end) / 2, bottom + 13, text, { "text-anchor": "middle" }));
  }
}

/** Days shown after a button or key. */
function movedDays([first, last], move) {
  const end = report.hydrographs.days - 1;
  const count = last - first + 1;
  if (move === "all") return [0, end];
  if (move === "test") return report.periods.test.map(dayOf).map((day) => Math.min(end, Math.max(0, day)));
  if (move === "in" || move === "out") {
    const size = Math.min(end + 1, Math.max(14, Math.round(move === "in" ? count / 2 : count * 2)));
    const start = Math.min(end + 1 - size, Math.max(0, Math.round((first + last + 1 - size) / 2)));
    return [start, start + size - 1];
  }
  const step = Math.max(1, Math.round(count / 3)) * (move === "back" ? -1 : 1);
  const start = Math.min(end + 1 - count, Math.max(0, first + step));
  return [start, start + count - 1];
}
