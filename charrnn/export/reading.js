"use strict";
// Text -> ids, and a text that is being typed -> what the network makes of each of its symbols. Nothing here knows a page.

const WORD = / ?[\p{L}\p{N}_]{1,64}|[^]/gu;
const OPEN = /^(?: | ?[\p{L}\p{N}_]{1,63})$/u; // a word that may go on

// What a model reads and writes, and how that stands in a text.
class Alphabet {
  constructor({ unit, symbols, texts, end, endId, answer, answerId, unwritten, folds }) {
    Object.assign(this, { unit, symbols, texts, end, endId, answer, answerId, unwritten });
    this.unknown = folds ? symbols.length : -1;
    this.size = symbols.length + (folds ? 1 : 0);
    this.places = new Map(symbols.map((symbol, place) => [symbol, place]));
    this.utf8 = new TextEncoder();
    const newline = this.places.get("\n");
    this.opening = endId ?? newline ?? null; // what a text begins behind
  }

  // The tokens of a text: {id, from, to}, places in UTF-16 units; id is -1 where a symbol is unknown.
  encode(text) {
    const found = [];
    if (this.endId !== null) found.push({ id: this.endId, from: 0, to: 0 });
    let place = 0;
    for (;;) {
      const next = this.end ? text.indexOf(this.end, place) : -1;
      this.record(text.slice(place, next < 0 ? text.length : next), place, found);
      if (next < 0) return found;
      found.push({ id: this.endId, from: next, to: next + this.end.length });
      place = next + this.end.length;
    }
  }

  // A text, or one record, which holds at most one answer.
  record(text, place, found) {
    const asked = this.answer ? text.indexOf(this.answer) : -1;
    if (asked < 0) return this.plain(text, place, found);
    this.plain(text.slice(0, asked), place, found);
    found.push({ id: this.answerId, from: place + asked, to: place + asked + this.answer.length });
    this.plain(text.slice(asked + this.answer.length), place + asked + this.answer.length, found);
  }

  plain(text, place, found) {
    for (const piece of this.unit === "word" ? text.match(WORD) ?? [] : [text]) {
      const id = this.unit === "word" ? this.places.get(piece) : undefined;
      if (id !== undefined) {
        found.push({ id, from: place, to: place + piece.length });
        place += piece.length;
        continue;
      }
      for (const symbol of piece) {
        const to = place + symbol.length;
        if (this.unit === "byte") for (const byte of this.utf8.encode(symbol)) found.push({ id: byte, from: place, to });
        else found.push({ id: this.places.get(symbol) ?? this.unknown, from: place, to });
        place = to;
      }
    }
  }

  // The end of a prompt within which a word may go on; "" where there is none, or it cannot be taken back.
  unfinished(text) {
    if (this.unit !== "word") return "";
    const last = (text.match(WORD) ?? []).pop() ?? "";
    const known = last && [...last].every((character) => this.places.has(character));
    return known && OPEN.test(last) && (last.length < text.length || this.opening !== null) ? last : "";
  }

  // Ids as they are spoken of.
  named(id) {
    const text = this.texts[id];
    if (id === this.endId) return "\u23ce";
    if (this.unit === "byte" && id > 127) return `\\x${id.toString(16)}`;
    return { "\n": "\u21b5", " ": "\u2423", "\t": "\u21e5" }[text] ?? (/^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Cn}]/u.test(text) ? `U+${text.codePointAt(0).toString(16).padStart(4, "0")}` : text);
  }
}

// A text that grows and changes: each token's bits, what every unit is behind it, and states to go on from.
class Reading {
  constructor(network, alphabet) {
    Object.assign(this, { network, alphabet, tokens: [], done: 0, bits: [], units: [], kept: new Map() });
    this.every = 32; // tokens between two states that are kept
    this.rewind(0);
  }

  // The text is now another; what it begins with need not be read again. Returns the first token that differs.
  set(text) {
    const tokens = this.alphabet.encode(text);
    let same = 0;
    while (same < tokens.length && same < this.tokens.length && tokens[same].id === this.tokens[same].id && tokens[same].to === this.tokens[same].to) same++;
    this.tokens = tokens;
    if (same < this.done) this.rewind(same);
    return same;
  }

  // Back to where so many tokens have been read.
  rewind(count) {
    const from = Math.floor(count / this.every) * this.every;
    for (const place of [...this.kept.keys()]) if (place > count) this.kept.delete(place);
    const { state, logits } = this.kept.get(from) ?? { state: this.network.start(), logits: null };
    this.state = this.network.copy(state);
    this.logits = logits && logits.slice();
    this.done = from;
    this.bits.length = this.units.length = from;
    while (this.done < count) this.advance();
  }

  // Read one more token.
  advance() {
    const { id } = this.tokens[this.done];
    if (this.done % this.every === 0) this.kept.set(this.done, { state: this.network.copy(this.state), logits: this.logits && this.logits.slice() });
    this.bits.push(this.logits === null || id < 0 || this.tokens[this.done].to === 0 ? null : bitsOf(this.logits, id));
    if (id >= 0) {
      if (id === this.alphabet.endId) this.state = this.network.start();
      this.logits = this.network.step(id, this.state);
    }
    const H = this.network.config.hidden;
    const shown = new Int8Array(H * this.state.length); // of each unit tanh(c), its memory, where it has one
    this.state.forEach(({ h, c }, layer) => {
      for (let k = 0; k < H; k++) shown[layer * H + k] = Math.round(127 * (c ? Math.tanh(c[k]) : h[k]));
    });
    this.units.push(shown);
    this.done++;
  }

  // Read on until `deadline` on the clock of `performance.now`; whether everything is read.
  work(deadline) {
    while (this.done < this.tokens.length && performance.now() < deadline) this.advance();
    return this.done === this.tokens.length;
  }

  // {state, logits} behind a text, which need not be the one that is read: what both begin with is not read again.
  // Behind nothing, a text begins as a line or a record does. Without logits there is nothing to go on from.
  behind(text) {
    const tokens = this.alphabet.encode(text);
    let same = 0;
    while (same < Math.min(tokens.length, this.done) && tokens[same].id === this.tokens[same].id) same++;
    same -= same % this.every;
    while (same > 0 && !this.kept.has(same)) same -= this.every;
    const { state, logits } = this.kept.get(same) ?? { state: this.network.start(), logits: null };
    const found = { state: this.network.copy(state), logits: logits && logits.slice() };
    const rest = tokens.slice(same).map(({ id }) => id).filter((id) => id >= 0);
    if (!found.logits && !rest.length && this.alphabet.opening !== null) rest.push(this.alphabet.opening);
    for (const id of rest) this.follow(found, id);
    return found;
  }

  // `found` behind one more symbol.
  follow(found, id) {
    if (id === this.alphabet.endId) found.state = this.network.start();
    found.logits = this.network.step(id, found.state).slice();
  }

  // The ways to write the rest of a word: [id, probability] of every symbol that begins with it, and of its spelling.
  ways(found, rest) {
    const { symbols, unwritten } = this.alphabet;
    const known = softmax(found.logits, 1, unwritten);
    const ways = [];
    symbols.forEach((symbol, id) => symbol.startsWith(rest) && ways.push([[id], known[id]]));
    const spelling = [...rest].map((character) => this.alphabet.places.get(character));
    if (spelling.length > 1) {
      const along = { state: this.network.copy(found.state), logits: found.logits };
      let probability = 1;
      spelling.forEach((id, k) => {
        probability *= softmax(along.logits, 1, unwritten)[id];
        if (k + 1 < spelling.length) this.follow(along, id);
      });
      ways.push([spelling, probability]);
    }
    const all = ways.reduce((sum, way) => sum + way[1], 0);
    return ways.map(([ids, probability]) => [ids, probability / all]);
  }
}

function bitsOf(logits, id) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = logits.reduce((a, b) => a + Math.exp(b - most), 0);
  return (Math.log(sum) + most - logits[id]) / Math.LN2;
}

// A text on its way, symbol by symbol, from behind a prompt. `next` gives the text of one more, null at its end.
class Writing {
  constructor(reading, prompt, choice, seed) {
    const rest = reading.alphabet.unfinished(prompt);
    Object.assign(this, { reading, choice, rest, uniform: generator(seed) });
    this.found = reading.behind(rest ? prompt.slice(0, prompt.length - rest.length) : prompt);
    this.utf8 = new TextDecoder("utf-8");
    this.ended = !this.found.logits;
  }

  next() {
    const { alphabet } = this.reading;
    const ids = this.rest ? this.heal() : [choose(this.found.logits, this.choice, this.uniform(), alphabet.unwritten)];
    let text = "";
    for (const id of ids) {
      this.reading.follow(this.found, id);
      text += alphabet.unit === "byte" ? this.utf8.decode(Uint8Array.of(id), { stream: true }) : alphabet.texts[id];
      if (id === alphabet.endId && alphabet.answer) this.ended = true;
    }
    const covered = this.rest;
    this.rest = "";
    return text.slice(covered.length);
  }

  // The first choice of a word that the prompt has begun.
  heal() {
    const ways = this.reading.ways(this.found, this.rest);
    return ways[choose(ways.map(([, probability]) => Math.log(probability)), this.choice, this.uniform())][0];
  }
}
