/* Numbers of the page, decoded as paraformer/report/packing.py stores them. */

// All files of this folder are the body of one function, called for every explorable part of the page: ``prefix`` stands
// before the names of its elements.
const at = (name) => document.getElementById(prefix + name);
const report = JSON.parse(at("data").textContent);
const words = report.words;

/** Bytes of a compressed text. */
async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** An array of numbers, NaN where one is missing. */
function decode(bytes, spec) {
  const count = spec.shape.reduce((product, size) => product * size, 1);
  const length = spec.shape[spec.shape.length - 1];
  const size = 2 ** (8 * spec.width);
  const values = new Float64Array(count);
  let code = 0;
  for (let i = 0; i < count; i++) {
    let stored = bytes[spec.at + i];
    if (spec.width === 2) stored += 256 * bytes[spec.at + count + i];
    if (spec.series) {
      const change = stored % 2 ? -(stored + 1) / 2 : stored / 2;
      code = ((i % length === 0 ? 0 : code) + change + size) % size;
    } else {
      code = stored;
    }
    const linear = spec.low + (code - 1) * spec.step;
    values[i] = code === 0 ? NaN : spec.log ? 10 ** linear : linear;
  }
  return values;
}

const arrays = {};

/** Decode every array but the hydrographs. */
async function decodeAll() {
  const bytes = await inflate(report.packed);
  for (const [name, spec] of Object.entries(report.arrays)) arrays[name] = decode(bytes, spec);
  delete report.packed;
}

/** Row of an array [method, cell]. */
function ofMethod(name, method) {
  const count = report.cells.id.length;
  return arrays[name].subarray(method * count, (method + 1) * count);
}

/** Rain, observed and simulated series [method, day] of a place; null where the page holds none. */
async function hydrographOf(cell) {
  const held = report.hydrographs;
  const at = held.cells.indexOf(cell);
  if (at < 0) return null;
  const bytes = await inflate(held.blocks[at]);
  return Object.fromEntries(Object.entries(held.specs).map(([name, spec]) => [name, decode(bytes, spec)]));
}
