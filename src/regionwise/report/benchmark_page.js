"use strict";
const at = (id) => document.getElementById(id);
const all = (query, home = document) => [...home.querySelectorAll(query)];
const known = (value) => typeof value === "number";

// A network: its blocks are shown, those of the others are not.
function showModel(name) {
  all(".of-model").forEach((block) => (block.hidden = name !== "" && block.dataset.model !== name));
  fillChoices();
}

// Tables are sorted by a column; a second click turns the order.
function sortBy(head) {
  const table = head.closest("table");
  const column = [...head.parentNode.children].indexOf(head);
  const down = head.dataset.way ? head.dataset.way === "up" : head.dataset.down === "1";
  all("th", head.parentNode).forEach((one) => delete one.dataset.way);
  head.dataset.way = down ? "down" : "up";
  const key = (row) => {
    const given = row.children[column].dataset.value;
    return given ? (down ? -1 : 1) * Number(given) : Infinity;
  };
  const body = table.tBodies[0];
  [...body.rows].sort((a, b) => key(a) - key(b)).forEach((row) => body.append(row));
}

// The gallery: numbers of each picture by network, metric and method.
const numbers = at("numbers") ? JSON.parse(at("numbers").textContent) : {};
const shownModels = () => all("#gallery .of-model").filter((block) => !block.hidden);

function options(select, names) {
  const before = select.value;
  select.replaceChildren(...names.map((name) => new Option(name)));
  if (names.includes(before)) select.value = before;
}

function fillChoices() {
  if (!at("sorting")) return;
  const models = shownModels().map((block) => block.dataset.model);
  const tables = models.flatMap((model) => numbers[model]);
  options(at("by"), [...new Set(tables.map((table) => table.name))]);
  const cells = shownModels().flatMap((block) => all("[data-method]", block));
  const methods = new Set(cells.map((cell) => cell.dataset.method));
  options(at("of"), ["the mean of all but controls", ...methods]);
  sortGallery();
}

// A number is of one class: it is written only where that class is explained.
function showNumbers(card, table) {
  const place = Number(card.dataset.place);
  const judged = table && table.direction !== "none";
  for (const row of all(".class-row", card)) {
    const mine = table && row.dataset.kinds.split(" ").includes(table.target);
    const cells = all("[data-method]", row);
    const values = cells.map((cell) => (mine ? (table.values[cell.dataset.method] || [])[place] : null));
    const best = Math[judged && table.direction === "lower" ? "min" : "max"](...values.filter(known));
    cells.forEach((cell, i) => {
      cell.querySelector(".value").textContent = known(values[i]) ? values[i].toPrecision(3) : "";
      const top = judged && known(values[i]) && Math.abs(values[i] - best) <= 1e-4 * Math.abs(best);
      cell.classList.toggle("top", top);
    });
    row.hidden = at("rows").value !== "all" && row.dataset.row !== at("rows").value;
  }
  const method = at("of").selectedIndex > 0 ? at("of").value : null;
  const value = table ? ((method ? table.values[method] : table.mean) || [])[place] : null;
  card.querySelector(".mean").textContent = known(value) ? `${method || "mean"} ${value.toPrecision(3)}` : "";
  return value;
}

function sortGallery() {
  const chosen = Object.values(numbers).flat().find((one) => one.name === at("by").value);
  const plain = chosen && chosen.direction === "none";
  at("order").options[0].text = plain ? "smallest first" : "worst first";
  at("order").options[1].text = plain ? "largest first" : "best first";
  for (const block of shownModels()) {
    const table = (numbers[block.dataset.model] || []).find((one) => one.name === at("by").value);
    const lower = table && table.direction === "lower";
    const sign = (at("order").value === "best") !== lower ? -1 : 1;
    const cards = all(".card", block).map((card) => [showNumbers(card, table), card]);
    const key = ([value]) => (known(value) ? sign * value : Infinity);
    cards.sort((a, b) => key(a) - key(b) || a[1].dataset.place - b[1].dataset.place);
    cards.forEach(([, card]) => card.parentNode.append(card));
  }
}

// On paper nothing can be unfolded.
addEventListener("beforeprint", () => all("details").forEach((one) => (one.open = true)));

all(".sort").forEach((button) => button.addEventListener("click", () => sortBy(button.closest("th"))));
all("#sorting select").forEach((select) => select.addEventListener("change", sortGallery));
if (at("model")) {
  at("model").addEventListener("change", () => showModel(at("model").value));
  at("model").selectedIndex = 1;
  showModel(at("model").value);
} else fillChoices();
