"use strict";
// The network in numbers: ids -> logits, state in and state out, as `docs/format.md` has it. Nothing here knows a page.
// Sums are double, what is kept is float32. A test holds it against the package's own.

const GATES = { rnn: 1, gru: 3, lstm: 4 };

// Bytes of base64, without a request.
function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return bytes;
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

// The tensors of a page: each a kind, a shape (one or two numbers) and a place; int8 has a scale before each row.
function tensorsOf(bytes, listed) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const found = {};
  for (const [name, kind, shape, place] of listed) {
    const columns = shape.length > 1 ? shape[1] : 1;
    const values = new Float32Array(shape[0] * columns);
    if (kind === "float32") {
      for (let k = 0; k < values.length; k++) values[k] = view.getFloat32(place + 4 * k, true);
    } else if (kind === "float16") {
      for (let k = 0; k < values.length; k++) values[k] = half(view.getUint16(place + 2 * k, true));
    } else {
      for (let row = 0; row < shape[0]; row++) {
        const at = place + row * (4 + columns);
        const scale = view.getFloat32(at, true);
        for (let k = 0; k < columns; k++) values[row * columns + k] = scale * view.getInt8(at + 4 + k);
      }
    }
    found[name] = values;
  }
  return found;
}

const sigma = (x) => 1 / (1 + Math.exp(-x));

// out = matrix x + bias; the matrix row by row.
function product(out, matrix, x, bias) {
  const columns = x.length;
  const whole = columns - (columns % 4);
  for (let row = 0, at = 0; row < out.length; row++, at += columns) {
    let a = 0, b = 0, c = 0, d = 0;
    for (let k = 0; k < whole; k += 4) {
      a += matrix[at + k] * x[k];
      b += matrix[at + k + 1] * x[k + 1];
      c += matrix[at + k + 2] * x[k + 2];
      d += matrix[at + k + 3] * x[k + 3];
    }
    for (let k = whole; k < columns; k++) a += matrix[at + k] * x[k];
    out[row] = a + b + c + d + bias[row];
  }
}

// One step of a cell: the products a (inputs) and b (state), each G x H in a row, and the state, which is overwritten.
const CELLS = {
  rnn(a, b, { h }) {
    for (let k = 0; k < h.length; k++) h[k] = Math.tanh(a[k] + b[k]);
  },
  lstm(a, b, { h, c }) {
    const H = h.length;
    for (let k = 0; k < H; k++) {
      const i = sigma(a[k] + b[k]);
      const f = sigma(a[H + k] + b[H + k]);
      const g = Math.tanh(a[2 * H + k] + b[2 * H + k]);
      const o = sigma(a[3 * H + k] + b[3 * H + k]);
      c[k] = f * c[k] + i * g;
      h[k] = o * Math.tanh(c[k]);
    }
  },
  gru(a, b, { h }) {
    const H = h.length;
    for (let k = 0; k < H; k++) {
      const r = sigma(a[k] + b[k]);
      const z = sigma(a[H + k] + b[H + k]);
      const n = Math.tanh(a[2 * H + k] + r * b[2 * H + k]);
      h[k] = z * h[k] + (1 - z) * n;
    }
  },
};

class Network {
  constructor(config, symbols, tensors) {
    this.config = config;
    this.symbols = symbols;
    this.tensors = tensors;
    this.advance = CELLS[config.cell];
    const rows = GATES[config.cell] * config.hidden;
    this.a = new Float32Array(rows);
    this.b = new Float32Array(rows);
    this.logits = new Float32Array(symbols);
    this.ofSymbols = new Map(); // the input products of layer 0, found when a symbol is first read
  }

  // All zeros: for every layer h, and c of an LSTM.
  start() {
    const zeros = () => new Float32Array(this.config.hidden);
    return Array.from({ length: this.config.layers }, () =>
      this.config.cell === "lstm" ? { h: zeros(), c: zeros() } : { h: zeros() });
  }

  copy(state) {
    return state.map((layer) => Object.fromEntries(Object.entries(layer).map(([name, part]) => [name, part.slice()])));
  }

  inputOf(id) {
    if (this.config.embedding) return this.tensors["embedding.weight"].subarray(id * this.config.embedding, (id + 1) * this.config.embedding);
    const x = new Float32Array(this.symbols);
    x[id] = 1;
    return x;
  }

  firstProduct(id, x) {
    if (!this.ofSymbols.has(id)) {
      if (this.ofSymbols.size > 4096) this.ofSymbols.clear();
      const found = new Float32Array(this.a.length);
      product(found, this.tensors["layers.0.cell.weight_ih_l0"], x, this.tensors["layers.0.cell.bias_ih_l0"]);
      this.ofSymbols.set(id, found);
    }
    return this.ofSymbols.get(id);
  }

  // Read one symbol: `state` is changed in place. Returns the logits of the next symbol, which the next step overwrites.
  step(id, state) {
    let x = this.inputOf(id);
    for (let layer = 0; layer < this.config.layers; layer++) {
      const of = (name) => this.tensors[`layers.${layer}.${name}`];
      let a = this.a;
      if (layer) product(a, of("cell.weight_ih_l0"), x, of("cell.bias_ih_l0"));
      else a = this.firstProduct(id, x);
      product(this.b, of("cell.weight_hh_l0"), state[layer].h, of("cell.bias_hh_l0"));
      this.advance(a, this.b, state[layer]);
      x = this.finish(layer, state[layer].h, x, of);
    }
    product(this.logits, this.tensors["head.weight"], x, this.tensors["head.bias"]);
    return this.logits;
  }

  // LayerNorm and the residual connection.
  finish(layer, h, inputs, of) {
    const y = h.slice();
    if (this.config.layer_norm) {
      const mean = y.reduce((sum, each) => sum + each, 0) / y.length;
      const variance = y.reduce((sum, each) => sum + (each - mean) ** 2, 0) / y.length;
      const [scale, shift, root] = [of("norm.weight"), of("norm.bias"), Math.sqrt(variance + 1e-5)];
      for (let k = 0; k < y.length; k++) y[k] = ((y[k] - mean) / root) * scale[k] + shift[k];
    }
    if (this.config.residuals[layer]) for (let k = 0; k < y.length; k++) y[k] += inputs[k];
    return y;
  }
}

// exp(y_i) / sum_j exp(y_j), of the logits divided by a temperature; never chosen are those of `without`.
function softmax(logits, temperature = 1, without = []) {
  const kept = Float64Array.from(logits);
  for (const id of without) kept[id] = -Infinity;
  const most = kept.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (let k = 0; k < kept.length; k++) sum += kept[k] = Math.exp((kept[k] - most) / temperature);
  return kept.map((each) => each / sum);
}

// The place of the symbol that is chosen: the likeliest at temperature 0, else drawn with `uniform` in [0, 1).
// Temperature first, then top-k (0: all), then top-p.
function choose(logits, { temperature, topK, topP }, uniform, without = []) {
  const kept = softmax(logits, temperature || 1, without);
  if (temperature === 0) return kept.indexOf(kept.reduce((a, b) => Math.max(a, b)));
  if (topK && topK < kept.length) {
    const least = Float64Array.from(kept).sort()[kept.length - topK];
    for (let k = 0; k < kept.length; k++) if (kept[k] < least) kept[k] = 0;
  }
  if (topP < 1) {
    const all = kept.reduce((a, b) => a + b);
    const order = [...kept.keys()].sort((a, b) => kept[b] - kept[a] || a - b);
    let before = 0;
    for (const k of order) {
      const share = kept[k] / all;
      if (before >= topP) kept[k] = 0;
      before += share;
    }
  }
  const wanted = uniform * kept.reduce((a, b) => a + b);
  let passed = 0;
  let last = 0;
  for (let k = 0; k < kept.length; k++) {
    if (kept[k] > 0) last = k;
    if ((passed += kept[k]) > wanted) return k;
  }
  return last;
}

// Numbers in [0, 1), the same for the same seed (mulberry32).
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// SHA-256 in hexadecimal: a page from a disk or a mail may have no crypto.subtle.
function sha256(bytes) {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) >>> 0;
  const K = primes.map((p) => fraction(Math.cbrt(p)));
  const H = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0);
  const w = new Int32Array(64);
  const turned = (x, n) => (x >>> n) | (x << (32 - n));
  for (let block = 0; block < padded.length; block += 64) {
    for (let k = 0; k < 16; k++) w[k] = view.getInt32(block + 4 * k);
    for (let k = 16; k < 64; k++) {
      const s0 = turned(w[k - 15], 7) ^ turned(w[k - 15], 18) ^ (w[k - 15] >>> 3);
      const s1 = turned(w[k - 2], 17) ^ turned(w[k - 2], 19) ^ (w[k - 2] >>> 10);
      w[k] = (w[k - 16] + s0 + w[k - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = H;
    for (let k = 0; k < 64; k++) {
      const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[k] + w[k]) | 0;
      const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((each, k) => (H[k] = (H[k] + each) >>> 0));
  }
  return H.map((each) => each.toString(16).padStart(8, "0")).join("");
}
