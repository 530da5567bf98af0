"use strict";
// What a page gains where scripts run: a slider through the ladder, alternatives on hovering, any unit of the network.
// Texts enter the page as text only (textContent), never as markup.
document.documentElement.classList.add("js");

const LEVELS = "0123456789abcde";

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function ladder(box) {
  const rungs = [...box.querySelectorAll(".rungs > li")];
  const slider = box.querySelector("input");
  const label = box.querySelector("output");
  const show = () => {
    rungs.forEach((rung, place) => rung.classList.toggle("shown", place === Number(slider.value)));
    label.textContent = `${Number(slider.value) + 1} of ${rungs.length}`;
    slider.setAttribute("aria-valuetext", rungs[slider.value].querySelector("h4").textContent);
  };
  slider.max = rungs.length - 1;
  slider.value = 0;
  slider.addEventListener("input", show);
  show();
}

function surprisal(box, symbols) {
  const marks = [...box.querySelectorAll("pre i")];
  const panel = box.querySelector(".panel");
  const passage = box.querySelector("pre");
  let here = -1;
  const show = (place) => {
    if (place < 0 || place >= marks.length) return;
    if (here >= 0) marks[here].classList.remove("here");
    here = place;
    marks[here].classList.add("here");
    const [text, bits, ...likeliest] = symbols[here];
    const found = bits === null ? "not scored" : `${bits.toFixed(2)} bits`;
    const table = element("table");
    for (let k = 0; k < likeliest.length; k += 2) {
      const row = table.insertRow();
      const meter = element("span", "meter");
      meter.style.width = `${100 * likeliest[k + 1]}%`;
      row.insertCell().append(element("code", "", likeliest[k]));
      const number = element("td", "number", `${(100 * likeliest[k + 1]).toFixed(2)} %`);
      number.dataset.probability = likeliest[k + 1];
      row.append(number);
      row.insertCell().append(meter);
    }
    const head = element("div");
    head.append(element("code", "", text), ` ${found}; the likeliest were`);
    panel.replaceChildren(head, table);
  };
  marks.forEach((mark) => mark.removeAttribute("title"));
  passage.tabIndex = 0;
  passage.addEventListener("pointerover", (event) => show(marks.indexOf(event.target)));
  passage.addEventListener("pointerdown", (event) => show(marks.indexOf(event.target)));
  passage.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) {
      event.preventDefault();
      show(here + by);
    }
  });
  show(symbols.reduce((best, symbol, place) => (symbol[1] > symbols[best][1] ? place : best), 0));
}

function cells(box, levels, hidden) {
  const marks = [...box.querySelectorAll(".live pre i")];
  const caption = box.querySelector(".live figcaption");
  const picker = box.querySelector("input");
  const buttons = [...box.querySelectorAll("button")];
  const show = (unit) => {
    if (!(unit in levels)) return;
    marks.forEach((mark, place) => { mark.className = `u${levels[unit][place]}`; });
    const known = buttons.find((button) => Number(button.value) === unit);
    const layer = levels.length > hidden ? `layer ${Math.floor(unit / hidden) + 1}, ` : "";
    caption.textContent = `${layer}unit ${unit % hidden + 1}${known ? `: ${known.title}` : ""}`;
    picker.value = unit + 1;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === known)));
  };
  picker.max = levels.length;
  picker.addEventListener("input", () => show(Number(picker.value) - 1));
  buttons.forEach((button) => button.addEventListener("click", () => show(Number(button.value))));
  show(buttons.length ? Number(buttons[0].value) : 0);
}

for (const box of document.querySelectorAll(".ladder")) ladder(box);
for (const box of document.querySelectorAll("[data-of]")) {
  const data = JSON.parse(document.getElementById(box.dataset.of).textContent);
  if (box.classList.contains("surprisal")) surprisal(box, data);
  if (box.classList.contains("cells")) cells(box, data.levels, data.hidden);
}
