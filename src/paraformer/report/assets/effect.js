/* First figure: error of every method less that of the a-priori parameters, with its interval. */

function drawEffect(place) {
  const rows = report.methods.filter((method) =>
    report.effect.some(
      (row) =>
        (row.method === method.name && method.kind !== "reference") ||
        (row.method === method.name && method.name === report.ceiling),
    ),
  );
  const width = widthOf(place);
  const left = Math.min(190, 0.38 * width);
  const right = width - 14;
  const high = 26;
  const top = 30;
  const bottom = top + high * rows.length;
  const drawing = canvas(place, width, bottom + 44);
  const shown = report.effect.filter((row) => rows.some((method) => method.name === row.method));
  const ends = [0, ...shown.flatMap((row) => [row.low ?? row.difference, row.high ?? row.difference])];
  const margin = 0.04 * (Math.max(...ends) - Math.min(...ends) || 0.01);
  const [low, top_] = [Math.min(...ends) - margin, Math.max(...ends) + margin];
  const x = (value) => left + ((value - low) / (top_ - low)) * (right - left);
  for (const tick of ticks(low, top_, width < 500 ? 3 : 5)) {
    drawing.append(draw("path", { d: `M${x(tick)} ${top}V${bottom}`, stroke: tick === 0 ? "#000" : "#dde1e4" }));
    drawing.append(label(x(tick), bottom + 16, decimal(tick, 2), { "text-anchor": "middle" }));
  }
  drawing.append(draw("path", { d: `M${x(0)} ${top - 6}V${bottom}`, stroke: "#000" }));
  const zero = Math.min(x(0), width - 60); // "worse" needs room
  drawing.append(label(zero - 6, top - 12, "← better", { "text-anchor": "end" }));
  drawing.append(label(zero + 6, top - 12, "worse →"));
  const axis = `RMSE less that of ${report.default} [m³ m⁻³]`;
  const middle = Math.min((left + right) / 2, width - 3.5 * axis.length);
  drawing.append(label(middle, bottom + 36, axis, { "text-anchor": "middle" }));
  rows.forEach((method, i) => {
    const middle = top + high * (i + 0.5);
    const name = method.name === report.recommended ? `${method.name} ★` : method.name;
    const text = label(left - 8, middle + 4, shortened(name, left / 7), { "text-anchor": "end" });
    if (method.name === report.recommended) text.setAttribute("font-weight", "600");
    drawing.append(text);
    const own = shown.filter((row) => row.method === method.name);
    own.forEach((row) => {
      const y = middle + (own.length > 1 ? (row.cells === "trained" ? -5 : 5) : 0);
      if (row.low !== null) {
        drawing.append(
          draw("path", { d: `M${x(row.low)} ${y}H${x(row.high)}`, stroke: method.colour, "stroke-width": 2 }),
        );
      }
      const fill = row.cells === "trained" ? method.colour : "#fff";
      drawing.append(
        draw("circle", {
          cx: x(row.difference),
          cy: y,
          r: 4,
          fill,
          stroke: method.colour,
          "stroke-width": 1.6,
          "data-method": row.method,
          "data-cells": row.cells,
        }),
      );
    });
  });
}

function shortened(text, most) {
  return text.length > most ? `${text.slice(0, Math.max(3, Math.floor(most) - 1))}…` : text;
}
