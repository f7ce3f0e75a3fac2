/* The map: one field of one method over all cells, its colour scale, and the distribution of the field over cells. */

const DOT = 5;

/** What the map can show: groups of variables, each with its field, scale and words. */
function variables() {
  const found = [];
  for (const p of report.parameters) {
    found.push({
      key: `value/${p.name}`,
      group: "Parameter",
      text: `${p.name}: ${p.meaning}`,
      name: p.name,
      unit: p.unit,
      palette: "value",
      log: p.log,
      theta: true,
      parameter: p,
      field: (method) => ofMethod(`${p.name}/value`, method),
      says: `θ of the first seed. A pattern that follows soil and climate can be believed more than single ${words.places}.`,
    });
  }
  for (const p of report.prior ? report.parameters : []) {
    found.push({
      key: `change/${p.name}`,
      group: "Change from the a-priori value",
      text: `${p.name}: ${p.log ? "ratio, decimal logarithm" : "difference"}`,
      name: p.log ? `log₁₀(${p.name} / a priori)` : `${p.name} less a priori`,
      unit: p.log ? "–" : p.unit,
      palette: "change",
      centred: true,
      theta: true,
      parameter: p,
      field: (method) =>
        ofMethod(`${p.name}/value`, method).map((value, i) => {
          const prior = arrays[`${p.name}/prior`][i];
          return p.log ? Math.log10(value / prior) : value - prior;
        }),
      says: `What learning changed: ${p.log ? "+1 is ten times the a-priori value" : "above 0 it was raised"}.`,
    });
  }
  for (const p of report.parameters) {
    found.push({
      key: `spread/${p.name}`,
      group: "Uncertainty of a parameter",
      text: `${p.name}: standard deviation, share of its range`,
      name: `spread of ${p.name}, share of its range`,
      unit: "–",
      palette: "spread",
      fromZero: true,
      theta: true,
      parameter: p,
      field: (method) => ofMethod(`${p.name}/spread`, method),
      says: "Small where the value is known; 0.29 is no better than a draw between the bounds.",
    });
  }
  for (const m of report.metrics) {
    found.push({
      key: `score/${m.name}`,
      group: "Score, test period",
      text: m.label,
      name: m.label,
      unit: m.unit,
      palette: m.better === "zero" ? "change" : "value",
      centred: m.better === "zero",
      reverse: m.better === "low",
      metric: m,
      field: (method) => ofMethod(`${m.name}/test`, method),
      says: m.better === "zero" ? "Simulated less observed." : "The yellower, the better.",
    });
  }
  const base = report.methods.findIndex((method) => method.name === report.default);
  for (const m of report.metrics) {
    found.push({
      key: `gain/${m.name}`,
      group: `Gain over ${report.default}, test period`,
      text: m.label,
      name: `gain in ${m.label}`,
      unit: m.unit,
      palette: "gain",
      centred: true,
      metric: m,
      field: (method) => {
        const [own, other] = [ofMethod(`${m.name}/test`, method), ofMethod(`${m.name}/test`, base)];
        return own.map((value, i) =>
          m.better === "high"
            ? value - other[i]
            : m.better === "low"
              ? other[i] - value
              : Math.abs(other[i]) - Math.abs(value),
        );
      },
      says: `Green ${words.places} are better than with ${report.default}, purple ones worse.`,
    });
  }
  return found;
}

/** Range of colours: the same for all methods, so that they can be compared. */
function scaleOf(variable) {
  const all = report.methods
    .flatMap((method, i) => (variable.theta && !method.theta ? [] : finite(variable.field(i))))
    .sort((a, b) => a - b);
  let [low, high] = [quantile(all, 0.02), quantile(all, 0.98)];
  if (variable.centred) {
    const far = Math.max(Math.abs(low), Math.abs(high)) || 1e-6;
    [low, high] = [-far, far];
  }
  if (variable.fromZero) low = 0;
  if (!(high > low))
    [low, high] = variable.log ? [low / 1.1 || 0.1, high * 1.1 || 1] : [(low || 0) - 0.5, (high || 0) + 0.5];
  const colours = variable.reverse
    ? [...report.palettes[variable.palette]].reverse()
    : report.palettes[variable.palette];
  const share = variable.log
    ? (value) => Math.log(value / low) / Math.log(high / low)
    : (value) => (value - low) / (high - low);
  const index = (value) => Math.min(colours.length - 1, Math.max(0, Math.floor(share(value) * colours.length)));
  return { low, high, colours, share, index, beyond: [all[0] < low, all[all.length - 1] > high] };
}

/** Where cells lie on a drawing of this width, all of them or enlarged around one. */
function projection(width, zoom, centre) {
  const { lat, lon, height: tall, width: wide } = arrays;
  const ends = { west: Infinity, east: -Infinity, south: Infinity, north: -Infinity };
  for (let i = 0; i < lat.length; i++) {
    ends.west = Math.min(ends.west, lon[i] - wide[i]);
    ends.east = Math.max(ends.east, lon[i] + wide[i]);
    ends.south = Math.min(ends.south, lat[i] - tall[i]);
    ends.north = Math.max(ends.north, lat[i] + tall[i]);
  }
  const margin = 0.03 * Math.max(ends.east - ends.west, ends.north - ends.south);
  for (const [end, sign] of [
    ["west", -1],
    ["east", 1],
    ["south", -1],
    ["north", 1],
  ])
    ends[end] += sign * margin;
  const narrow = Math.max(0.1, Math.cos(((ends.south + ends.north) / 2) * (Math.PI / 180)));
  const [left, top] = [52, 8];
  const inner = width - left - 8;
  const shape = Math.min(1.25, Math.max(0.4, (ends.north - ends.south) / ((ends.east - ends.west) * narrow)));
  const heightInside = Math.min(inner * shape, 560);
  const scale = zoom * Math.min(inner / ((ends.east - ends.west) * narrow), heightInside / (ends.north - ends.south));
  const [x0, y0] = zoom > 1 ? [lon[centre], lat[centre]] : [(ends.west + ends.east) / 2, (ends.south + ends.north) / 2];
  const x = (value) => left + inner / 2 + (value - x0) * narrow * scale;
  const y = (value) => top + heightInside / 2 - (value - y0) * scale;
  const lonAt = (px) => x0 + (px - left - inner / 2) / (narrow * scale);
  const latAt = (py) => y0 - (py - top - heightInside / 2) / scale;
  return { x, y, lonAt, latAt, left, top, right: left + inner, bottom: top + heightInside, narrow, scale };
}

/** Outlines of cells at their true size; gauges, which have none, are dots. */
function boxesOf(place, cells) {
  return cells
    .map((i) => {
      if (!arrays.height[i])
        return `M${(place.x(arrays.lon[i]) - DOT).toFixed(1)} ${place.y(arrays.lat[i]).toFixed(1)}a${DOT} ${DOT} 0 1 0 ${2 * DOT} 0a${DOT} ${DOT} 0 1 0 ${-2 * DOT} 0z`;
      const [wide, tall] = [arrays.width[i] * place.narrow * place.scale, arrays.height[i] * place.scale];
      return `M${(place.x(arrays.lon[i]) - wide / 2).toFixed(1)} ${(place.y(arrays.lat[i]) - tall / 2).toFixed(1)}h${wide.toFixed(1)}v${tall.toFixed(1)}h${(-wide).toFixed(1)}z`;
    })
    .join("");
}

function drawMap(element, state) {
  const width = widthOf(element);
  const place = projection(width, state.zoom, state.cell);
  const drawing = canvas(element, width, place.bottom + 26);
  const [wide, tall] = [place.right - place.left, place.bottom - place.top];
  drawing.append(
    draw(
      "defs",
      {},
      draw("clipPath", { id: `${prefix}inside` }, draw("rect", { x: place.left, y: place.top, width: wide, height: tall })),
      draw(
        "pattern",
        { id: `${prefix}hatch`, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        draw("rect", { width: 5, height: 5, fill: "#fff", "fill-opacity": 0.45 }),
        draw("path", { d: "M0 0V5", stroke: "#222", "stroke-width": 1.6 }),
      ),
    ),
  );
  drawing.append(draw("rect", { x: place.left, y: place.top, width: wide, height: tall, fill: "#e1e5e8" }));
  const inside = draw("g", { "clip-path": `url(#${prefix}inside)` });
  const { variable, scale } = state;
  const values = variable.field(state.method);
  const bins = scale.colours.map(() => []);
  const nothing = [];
  values.forEach((value, i) => (Number.isFinite(value) ? bins[scale.index(value)] : nothing).push(i));
  bins.forEach(
    (cells, i) =>
      cells.length && inside.append(draw("path", { d: boxesOf(place, cells), fill: scale.colours[i], class: "cells" })),
  );
  if (nothing.length) inside.append(draw("path", { d: boxesOf(place, nothing), fill: "#bbb", class: "cells none" }));
  const hatched = hatchedCells(state);
  if (hatched.length)
    inside.append(draw("path", { d: boxesOf(place, hatched), fill: `url(#${prefix}hatch)`, class: "hatched" }));
  drawLines(inside, place);
  const unseen = report.cells.trained.flatMap((trained, i) => (trained ? [] : [i]));
  if (unseen.length && (!arrays.height[unseen[0]] || arrays.height[unseen[0]] * place.scale >= 5)) {
    inside.append(
      draw("path", { d: boxesOf(place, unseen), fill: "none", stroke: "#000", "stroke-width": 1, class: "unseen" }),
    );
  }
  const [cx, cy] = [place.x(arrays.lon[state.cell]), place.y(arrays.lat[state.cell])];
  inside.append(
    draw("path", { d: boxesOf(place, [state.cell]), fill: "none", stroke: report.colours.site, "stroke-width": 2 }),
  );
  inside.append(draw("circle", { cx, cy, r: 11, fill: "none", stroke: report.colours.site, "stroke-width": 2 }));
  drawing.append(inside);
  for (const tick of ticks(place.lonAt(place.left), place.lonAt(place.right), width < 500 ? 3 : 5)) {
    drawing.append(label(place.x(tick), place.bottom + 16, degrees(tick, "E", "W"), { "text-anchor": "middle" }));
  }
  for (const tick of ticks(place.latAt(place.bottom), place.latAt(place.top), 4)) {
    drawing.append(label(place.left - 5, place.y(tick) + 4, degrees(tick, "N", "S"), { "text-anchor": "end" }));
  }
  return place;
}

function hatchedCells(state) {
  if (!state.shade || !state.variable.parameter) return [];
  const unknown = ofMethod(`${state.variable.parameter.name}/unknown`, state.method);
  return Array.from(unknown.keys()).filter((i) => unknown[i] > 0);
}

function drawLines(inside, place) {
  const pens = { state: ["#666", 0.6], border: ["#333", 1], coast: ["#333", 1] };
  for (const [kind, [colour, width]] of Object.entries(pens)) {
    let at = 0;
    let path = "";
    for (const length of report.lines[kind] ?? []) {
      for (let i = 0; i < length; i++, at++) {
        path += `${i ? "L" : "M"}${place.x(arrays[`line/${kind}`][2 * at]).toFixed(1)} ${place.y(arrays[`line/${kind}`][2 * at + 1]).toFixed(1)}`;
      }
    }
    if (path)
      inside.append(draw("path", { d: path, fill: "none", stroke: colour, "stroke-width": width, class: kind }));
  }
}

function drawKey(element, state) {
  const width = widthOf(element);
  const drawing = canvas(element, width, 52);
  const { scale, variable } = state;
  const [left, right] = [52, width - 24];
  scale.colours.forEach((fill, i) => {
    const step = (right - left) / scale.colours.length;
    drawing.append(draw("rect", { x: left + i * step, y: 2, width: step + 0.5, height: 12, fill }));
  });
  const xOf = (value) => left + scale.share(value) * (right - left);
  const ends = [
    [scale.low, scale.beyond[0] ? "≤ " : ""],
    [scale.high, scale.beyond[1] ? "≥ " : ""],
  ];
  const between = (variable.log ? logTicks(scale.low, scale.high) : ticks(scale.low, scale.high, 5)).filter(
    (tick) => xOf(tick) > left + 50 && xOf(tick) < right - 50,
  );
  for (const [tick, sign] of [...ends, ...between.map((value) => [value, ""])]) {
    drawing.append(draw("path", { d: `M${xOf(tick)} 14v4`, stroke: "#333" }));
    drawing.append(label(xOf(tick), 30, sign + decimal(tick, sign ? 2 : 3), { "text-anchor": "middle" }));
  }
  drawing.append(label((left + right) / 2, 48, withUnit(variable.name, variable.unit), { "text-anchor": "middle" }));
}

function drawDistribution(element, state) {
  const width = widthOf(element);
  const [left, right, top, bottom] = [44, width - 10, 8, Math.min(360, Math.max(220, 0.7 * width))];
  const drawing = canvas(element, width, bottom + 44);
  const { scale, variable } = state;
  const x = (value) => left + Math.min(1, Math.max(0, scale.share(value))) * (right - left);
  const y = (share) => bottom - share * (bottom - top);
  for (const tick of variable.log
    ? logTicks(scale.low, scale.high)
    : ticks(scale.low, scale.high, width < 500 ? 3 : 5)) {
    drawing.append(draw("path", { d: `M${x(tick)} ${top}V${bottom}`, stroke: "#e3e7ea" }));
    drawing.append(label(x(tick), bottom + 16, decimal(tick), { "text-anchor": "middle" }));
  }
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    drawing.append(draw("path", { d: `M${left} ${y(tick)}H${right}`, stroke: "#e3e7ea" }));
    drawing.append(label(left - 5, y(tick) + 4, decimal(tick, 2), { "text-anchor": "end" }));
  }
  drawing.append(
    label((left + right) / 2, bottom + 36, withUnit(variable.name, variable.unit), { "text-anchor": "middle" }),
  );
  const order = [...report.methods.keys()].sort((a, b) => Number(state.lines.has(a)) - Number(state.lines.has(b)));
  for (const method of order) {
    if (variable.theta && !report.methods[method].theta) continue;
    const values = variable.field(method);
    const sorted = finite(values).sort((a, b) => a - b);
    if (!sorted.length) continue;
    const xs = sorted.flatMap((value) => [x(value), x(value)]);
    const ys = sorted.flatMap((_, i) => [y(i / sorted.length), y((i + 1) / sorted.length)]);
    const chosen = state.lines.has(method);
    const pen = chosen ? stroke(report.methods[method], 2) : { fill: "none", stroke: "#c3c8cc", "stroke-width": 1 };
    drawing.append(draw("path", { d: pathOf(xs, ys), class: chosen ? "chosen" : "other", ...pen }));
    if (chosen && Number.isFinite(values[state.cell])) {
      const below = sorted.filter((value) => value <= values[state.cell]).length / sorted.length;
      drawing.append(
        draw("circle", {
          cx: x(values[state.cell]),
          cy: y(below),
          r: 4,
          fill: report.methods[method].colour,
          stroke: "#fff",
        }),
      );
    }
  }
}

/** Cell nearest to a point of the map. */
function nearestCell(place, px, py) {
  let [best, least] = [0, Infinity];
  for (let i = 0; i < arrays.lat.length; i++) {
    const far = (place.x(arrays.lon[i]) - px) ** 2 + (place.y(arrays.lat[i]) - py) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}

/** Nearest cell in a direction, no more than 45 degrees off it. */
function nextCell(place, from, dx, dy) {
  let [best, least] = [from, Infinity];
  for (let i = 0; i < arrays.lat.length; i++) {
    const [x, y] = [
      place.x(arrays.lon[i]) - place.x(arrays.lon[from]),
      place.y(arrays.lat[i]) - place.y(arrays.lat[from]),
    ];
    const along = x * dx + y * dy;
    const across = Math.abs(x * dy - y * dx);
    if (along > 0 && across <= along && along + 2 * across < least) [best, least] = [i, along + 2 * across];
  }
  return best;
}
