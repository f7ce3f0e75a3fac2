/* Drawing: elements, ticks and numbers. Text of a study goes into text nodes alone, never into markup. */

// Of the browser's own making, so that no address stands in the page.
const SVG = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;

/** An SVG element with attributes and children. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An HTML element with properties and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function label(x, y, text, attributes = {}) {
  return draw("text", { x, y, fill: "#333", ...attributes }, text);
}

/** Replace what an element holds by a drawing of this size. */
function canvas(element, width, height) {
  const drawing = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" });
  element.replaceChildren(drawing);
  return drawing;
}

/** Width to draw at: that of the place, on screen or on paper (A4, page.css), so that letters keep their size. */
function widthOf(element) {
  if (state.printing) return Number(element.dataset.paper);
  return Math.max(280, Math.round(element.clientWidth || 700));
}

/** Even ticks inside a range, about so many. */
function ticks(low, high, about) {
  if (!(high > low)) return [low];
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step);
  return found;
}

/** Ticks of a logarithmic range: 1, 2 and 5 within two decades, else decades. */
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  if (decades < 0.7) return ticks(low, high, 4);
  const factors = decades < 2 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high) + 1e-9; power++) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found.length > 1 ? found : ticks(low, high, 4);
}

/** A number in decimal notation, so many significant digits, never with a power of ten. */
function decimal(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const before = Math.floor(Math.log10(Math.abs(value)) + 1e-9);
  const after = Math.min(8, Math.max(0, digits - 1 - before));
  const text = value.toFixed(after);
  return (after ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
}

/** A score as its table writes it. */
function scored(value, metric) {
  if (!Number.isFinite(value)) return "–";
  const text = value.toFixed(metric.decimals).replace("-", "−");
  return value <= report.least && ["nse", "kge", "log_nse"].includes(metric.name) ? `below ${text}` : text;
}

function degrees(value, positive, negative) {
  return `${decimal(Math.abs(value), 4)}°${value > 0 ? positive : value < 0 ? negative : ""}`;
}

function withUnit(name, unit) {
  return `${name} [${unit}]`;
}

function finite(values) {
  return Array.from(values).filter(Number.isFinite);
}

function quantile(sorted, share) {
  return sorted.length ? sorted[Math.round(share * (sorted.length - 1))] : NaN;
}

/** Path of a line through points, broken where one is missing. */
function pathOf(xs, ys) {
  let path = "";
  let open = false;
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isFinite(ys[i])) {
      open = false;
      continue;
    }
    path += `${open ? "L" : "M"}${xs[i].toFixed(1)} ${ys[i].toFixed(1)}`;
    open = true;
  }
  return path;
}

function stroke(method, width) {
  const own = { fill: "none", stroke: method.colour, "stroke-width": width, "stroke-linejoin": "round" };
  return method.dash ? { ...own, "stroke-dasharray": method.dash } : own;
}
