// A reader of checkpoints, written from docs/format.md alone: prints the logits after each id, or writes a text.
//     node reader.js FILE logits 3 1 4        node reader.js FILE write PROMPT COUNT      (the likeliest symbol each time)
const fs = require("fs");
const crypto = require("crypto");

function read(path) {
  const content = fs.readFileSync(path);
  const length = Number(content.readBigUInt64LE(0));
  const header = JSON.parse(content.toString("utf8", 8, 8 + length));
  const record = JSON.parse(header.__metadata__.charrnn);
  const place = content.indexOf(record.sha256);
  const blank = Buffer.concat([content.subarray(0, place), Buffer.alloc(64, "0"), content.subarray(place + 64)]);
  if (crypto.createHash("sha256").update(blank).digest("hex") !== record.sha256) throw new Error("damaged");
  delete header.__metadata__;
  const tensors = {};
  for (const [name, { shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    const bytes = content.subarray(8 + length + begin, 8 + length + end);
    const values = Float64Array.from({ length: bytes.length / 4 }, (_, k) => bytes.readFloatLE(4 * k));
    tensors[name] = { shape, values };
  }
  return { record, tensors };
}

const sigma = (x) => 1 / (1 + Math.exp(-x));
const each = (n, f) => Float64Array.from({ length: n }, (_, k) => f(k));

function times({ shape: [rows, columns], values }, x, bias) {
  return each(rows, (row) => {
    let sum = bias.values[row];
    for (let k = 0; k < columns; k++) sum += values[row * columns + k] * x[k];
    return sum;
  });
}

function model({ record, tensors }) {
  const { cell, layers, hidden: H, embedding: E, layer_norm, residual } = record.config;
  const V = tensors["head.bias"].values.length;
  const zeros = () => new Float64Array(H);
  const start = () => Array.from({ length: layers }, () => ({ h: zeros(), c: zeros() }));
  const cells = {
    rnn: (a, b) => ({ h: each(H, (k) => Math.tanh(a[k] + b[k])) }),
    lstm: (a, b, { c: before }) => {
      const sum = (gate, k) => a[gate * H + k] + b[gate * H + k];
      const c = each(H, (k) => sigma(sum(1, k)) * before[k] + sigma(sum(0, k)) * Math.tanh(sum(2, k)));
      return { h: each(H, (k) => sigma(sum(3, k)) * Math.tanh(c[k])), c };
    },
    gru: (a, b, { h }) => ({
      h: each(H, (k) => {
        const r = sigma(a[k] + b[k]);
        const z = sigma(a[H + k] + b[H + k]);
        return z * h[k] + (1 - z) * Math.tanh(a[2 * H + k] + r * b[2 * H + k]);
      }),
    }),
  };
  function step(id, state) {
    let x = E ? tensors["embedding.weight"].values.subarray(id * E, (id + 1) * E) : each(V, (k) => +(k === id));
    for (let layer = 0; layer < layers; layer++) {
      const of = (name) => tensors[`layers.${layer}.${name}`];
      const a = times(of("cell.weight_ih_l0"), x, of("cell.bias_ih_l0"));
      const b = times(of("cell.weight_hh_l0"), state[layer].h, of("cell.bias_hh_l0"));
      state[layer] = cells[cell](a, b, state[layer]);
      let y = state[layer].h;
      if (layer_norm) {
        const mean = y.reduce((p, q) => p + q) / H;
        const root = Math.sqrt(y.reduce((sum, v) => sum + (v - mean) ** 2, 0) / H + 0.00001);
        y = y.map((v, k) => ((v - mean) / root) * of("norm.weight").values[k] + of("norm.bias").values[k]);
      }
      if (residual && (layer > 0 || E === H)) y = y.map((v, k) => v + x[k]);
      x = y;
    }
    return times(tensors["head.weight"], x, tensors["head.bias"]).map((v) => v / record.progress.temperature);
  }
  return { start, step };
}

const [path, what, ...rest] = process.argv.slice(2);
const loaded = read(path);
const { start, step } = model(loaded);
const state = start();
if (what === "logits") {
  console.log(JSON.stringify(rest.map((id) => [...step(Number(id), state)])));
} else {
  const symbols = [...loaded.record.vocabulary.symbols];
  let logits;
  for (const symbol of rest[0]) logits = step(symbols.indexOf(symbol), state);
  for (let k = 0; k < Number(rest[1]); k++) {
    const best = logits.indexOf(logits.reduce((p, q) => Math.max(p, q)));
    process.stdout.write(symbols[best]);
    logits = step(best, state);
  }
}
