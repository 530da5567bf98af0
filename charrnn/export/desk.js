"use strict";
// The writing desk: a text field whose text is read as it is typed, and gone on with. Texts enter the page as text
// only (textContent, value), never as markup.

const at = (id) => document.getElementById(id);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const BURST = 12; // milliseconds of work between two looks at the keyboard
const LIKELIEST = 5;

class Desk {
  constructor(about, network) {
    this.about = about;
    this.alphabet = new Alphabet(about.alphabet);
    this.network = network;
    this.reading = new Reading(network, this.alphabet);
    this.field = at("text");
    this.ink = at("ink");
    this.writing = null;
    this.shown = 0; // tokens whose colours stand
    this.unit = 0;
    for (const name of ["input", "select", "keyup", "pointerup", "focus"]) this.field.addEventListener(name, () => this.typed());
    this.field.addEventListener("scroll", () => this.scrolled());
    this.field.addEventListener("keydown", (event) => this.key(event));
    at("write").addEventListener("click", () => this.write());
    at("stop").addEventListener("click", () => this.stop("stopped"));
    at("ask").hidden = !this.alphabet.answer;
    at("ask").addEventListener("click", () => this.ask());
    for (const name of ["temperature", "top-p"]) at(name).addEventListener("input", () => this.dials());
    at("unit").addEventListener("input", () => this.colour(Number(at("unit").value) - 1));
    at("unit").max = network.config.hidden * network.config.layers;
    for (const [unit, meaning] of about.units) {
      const button = element("button", "", meaning);
      button.type = "button";
      button.addEventListener("click", () => this.colour(unit));
      button.dataset.unit = unit;
      at("named").append(button);
    }
    this.dials();
    this.colour(about.units.length ? about.units[0][0] : 0);
    this.typed();
  }

  // What stands before the cursor.
  get prompt() {
    return this.field.value.slice(0, this.field.selectionStart);
  }

  typed() {
    const text = this.field.value;
    if (text !== this.text) {
      const same = this.reading.set(text);
      this.text = text;
      this.shown = Math.min(this.shown, same);
      while (this.ink.childNodes.length > same) this.ink.lastChild.remove();
      for (const { from, to } of this.reading.tokens.slice(same)) this.ink.append(element("i", "", text.slice(from, to)));
      this.ink.classList.toggle("open", text.endsWith("\n")); // an empty last line is a line in a field
    }
    this.scrolled();
    if (!this.writing) this.soon();
  }

  scrolled() {
    this.ink.scrollTop = this.field.scrollTop;
  }

  // Read and colour a little, and go on later if something is left.
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    setTimeout(() => {
      this.waiting = false;
      const whole = this.reading.work(performance.now() + BURST);
      this.colourFrom(this.shown);
      if (!whole) this.soon();
      else if (!this.writing) this.next();
    });
  }

  colourFrom(first) {
    const { bits, units, done } = this.reading;
    for (let k = first; k < done; k++) {
      const mark = this.ink.childNodes[k];
      const level = Math.round(7 * (units[k][this.unit] / 127)) + 7;
      mark.className = `u${level}` + (bits[k] === null ? "" : ` s${Math.min(9, Math.floor(bits[k]))}`);
    }
    this.shown = done;
    const counted = bits.filter((each) => each !== null);
    const mean = counted.reduce((a, b) => a + b, 0) / Math.max(1, counted.length);
    const unknown = this.reading.tokens.filter(({ id }) => id < 0).length;
    at("score").textContent = (counted.length ? `${mean.toFixed(2)} bits per symbol` : "") + (unknown ? `; ${unknown} unknown` : "");
  }

  colour(unit) {
    const { hidden, layers } = this.network.config;
    if (!(unit >= 0 && unit < hidden * layers)) return;
    this.unit = unit;
    at("unit").value = unit + 1;
    for (const button of at("named").children) button.setAttribute("aria-pressed", String(Number(button.dataset.unit) === unit));
    this.colourFrom(0);
  }

  // The likeliest next symbols behind the cursor.
  next() {
    const { logits } = this.reading.behind(this.prompt);
    const found = logits ? softmax(logits, 1, this.alphabet.unwritten) : [];
    const best = [...found.keys()].sort((a, b) => found[b] - found[a] || a - b).slice(0, LIKELIEST);
    at("next").replaceChildren(...best.map((id) => {
      const item = element("li");
      const button = element("button");
      button.type = "button";
      const bar = element("span", "bar");
      bar.style.width = `${100 * found[id]}%`;
      button.append(element("code", "", this.alphabet.named(id)), element("span", "number", `${(100 * found[id]).toFixed(1)} %`), bar);
      button.disabled = this.alphabet.unit === "byte" && id > 127; // a part of a character
      button.addEventListener("click", () => this.put(this.alphabet.texts[id]));
      item.append(button);
      return item;
    }));
    this.best = best.length && this.alphabet.unit !== "byte" ? this.alphabet.texts[best[0]] : best.length && best[0] < 128 ? String.fromCharCode(best[0]) : "";
  }

  key(event) {
    if (event.key === "Escape") this.leaving = true; // then Tab leaves the field, as everywhere
    else if (event.key === "Tab" && !event.shiftKey && !this.leaving && this.best) {
      event.preventDefault();
      this.put(this.best);
    } else if (event.key !== "Shift") this.leaving = false;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.write();
    }
  }

  // Text behind the cursor.
  put(text) {
    const place = this.field.selectionStart;
    this.field.setRangeText(text, place, this.field.selectionEnd, "end");
    this.field.focus();
    this.typed();
  }

  dials() {
    at("temperature-is").textContent = Number(at("temperature").value).toFixed(2);
    at("top-p-is").textContent = Number(at("top-p").value).toFixed(2);
  }

  // A question's end, then its answer.
  ask() {
    if (!this.writing) this.put(this.alphabet.answer);
    this.write();
  }

  write() {
    if (this.writing) return;
    const drawn = at("again").checked ? Number(at("seed").value) >>> 0 : Math.floor(Math.random() * 2 ** 32);
    at("seed").value = drawn;
    const choice = { temperature: Number(at("temperature").value), topP: Number(at("top-p").value), topK: Math.max(0, Math.floor(Number(at("top-k").value))) };
    this.writing = new Writing(this.reading, this.prompt, choice, drawn);
    this.left = Math.max(1, Math.floor(Number(at("length").value)) || 500);
    this.field.readOnly = true;
    document.body.classList.add("writing");
    at("status").textContent = "writing";
    this.began = performance.now();
    this.symbols = 0;
    this.burst();
  }

  burst() {
    const writing = this.writing;
    if (!writing) return;
    const deadline = performance.now() + BURST;
    let text = "";
    while (!writing.ended && this.left > 0 && performance.now() < deadline) {
      const more = writing.next();
      this.left -= Math.max(1, [...more].length);
      this.symbols++;
      text += more;
    }
    const before = this.prompt + text;
    this.field.value = before + this.field.value.slice(this.field.selectionEnd);
    this.field.setSelectionRange(before.length, before.length);
    this.typed();
    this.field.scrollTop = this.field.scrollHeight * (before.length / Math.max(1, this.field.value.length));
    this.scrolled();
    if (writing.ended || this.left <= 0) this.stop("written");
    else setTimeout(() => this.burst());
  }

  stop(how) {
    if (!this.writing) return;
    this.writing = null;
    this.field.readOnly = false;
    document.body.classList.remove("writing");
    const rate = this.symbols / Math.max(1e-3, (performance.now() - this.began) / 1000);
    at("status").textContent = `${how}; ${this.symbols} symbols, ${Math.round(rate)} a second, seed ${at("seed").value}`;
    this.soon();
  }
}

function openDesk() {
  const data = at("model").textContent;
  const weights = at("weights").textContent;
  if (sha256(new TextEncoder().encode(data + weights)) !== document.body.dataset.sha256) {
    at("status").textContent = "This page is damaged: what it holds is not what was exported. Get it again.";
    return;
  }
  const about = JSON.parse(data);
  const network = new Network(about.config, about.alphabet.symbols.length + (about.alphabet.folds ? 1 : 0), tensorsOf(bytesOf(weights), about.tensors));
  at("desk").hidden = false;
  at("status").textContent = "";
  window.desk = new Desk(about, network);
}

openDesk();
