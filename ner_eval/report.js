"use strict";
(() => {
  const PAGE = 20; // sentences shown at once
  const CORRECT = 0;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const state = { kind: "errors", type: -1, pair: null, text: "", order: "file" };
  let found = [];
  let shown = 0;

  function placeOf(file, row) {
    if (row === null) return file ?? "";
    return file === null ? `row ${row}` : `${file}:${row}`;
  }

  // Sentences as they lie in the page (see browser_data in report.py) -> objects.
  const sentences = data.sentences.map(([text, file, row, entities]) => ({
    words: typeof text === "string" ? text.split(" ") : text,
    text: (typeof text === "string" ? text : text.join(" ")).toLowerCase(),
    place: placeOf(data.files[file], row),
    entities: entities.map(([kind, confidence, gold, predicted = gold]) => ({ kind, confidence, gold, predicted })),
  }));

  const typeOf = (span) => (span ? span[0] : -1);
  const hasType = ({ gold, predicted }) =>
    (state.type < 0 || typeOf(gold) === state.type || typeOf(predicted) === state.type) &&
    (!state.pair || (typeOf(gold) === state.pair[0] && typeOf(predicted) === state.pair[1]));
  const hasKind = ({ kind }, wanted) =>
    wanted === "all" || (wanted === "errors" ? kind !== CORRECT : data.kinds[kind] === wanted);
  const matches = (entity) => hasType(entity) && hasKind(entity, state.kind);
  const isFree = () => state.kind === "all" && state.type < 0 && !state.pair; // sentences without entities, too

  // What a sentence is sorted by: the most confident of its matching errors, or the least confident matching entity.
  function rank(sentence) {
    const sure = (entities) => entities.map((entity) => entity.confidence).filter((value) => value !== null);
    const matching = sentence.entities.filter(matches);
    if (state.order === "low") return Math.min(Infinity, ...sure(matching));
    return -Math.max(-1, ...sure(state.kind === "correct" ? matching : matching.filter(({ kind }) => kind !== CORRECT)));
  }

  function update() {
    const text = state.text.trim().toLowerCase();
    const withText = sentences.filter((sentence) => sentence.text.includes(text));
    found = withText.filter((sentence) => isFree() || sentence.entities.some(matches));
    if (state.order !== "file") {
      const ranks = new Map(found.map((sentence) => [sentence, rank(sentence)]));
      found.sort((a, b) => ranks.get(a) - ranks.get(b) || 0); // stable: then as in the file
    }
    const entities = withText.flatMap((sentence) => sentence.entities).filter(hasType);
    for (const input of byId("kinds").querySelectorAll("input")) {
      input.checked = input.value === state.kind;
      const count = entities.filter((entity) => hasKind(entity, input.value)).length;
      input.parentElement.querySelector("b").textContent = count.toLocaleString("en");
    }
    byId("type").value = state.type;
    byId("text").value = state.text;
    byId("order").value = state.order;
    const matching = entities.filter((entity) => hasKind(entity, state.kind)).length;
    tell(matching, found.length);
    byId("list").replaceChildren();
    shown = 0;
    showMore();
  }

  function tell(matching, there) {
    const of = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
    const noun = state.kind === "all" ? "entity" : state.kind === "correct" ? "correct entity" : "error";
    const many = matching === 1 ? `1 ${noun}` : of(matching, noun).replace(/ys$/, "ies");
    byId("found").textContent = `${many} in ${there.toLocaleString("en")} of ${of(sentences.length, "sentence")}`;
    if (!state.pair) return;
    const [gold, predicted] = state.pair.map((type) => data.types[type]);
    const what = !gold ? `spurious ${predicted}` : !predicted ? `missed ${gold}` : `gold ${gold}, predicted ${predicted}`;
    const button = make("button", { type: "button", id: "unpair", title: "Show all pairs of types" }, `${what} ×`);
    byId("found").append(button);
  }

  function showMore() {
    byId("list").append(...found.slice(shown, shown + PAGE).map(card));
    shown = Math.min(shown + PAGE, found.length);
    const rest = found.length - shown;
    byId("more").hidden = rest === 0;
    byId("more").textContent = `Show ${Math.min(PAGE, rest)} more of ${rest.toLocaleString("en")}`;
  }

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function typed(tag, name, type, ...children) {
    const element = make(tag, { class: `${name} typed` }, ...children);
    element.style.setProperty("--hue", data.hues[type]);
    return element;
  }

  // One sentence: its words, then its place and its errors in words.
  function card(sentence) {
    const item = make("li", {}, make("p", { class: "words", dir: "auto" }, ...pieces(sentence)));
    const beneath = make("div", { class: "beneath" }, make("span", { class: "place" }, sentence.place));
    const errors = sentence.entities.filter(({ kind }) => kind !== CORRECT);
    beneath.append(make("ul", {}, ...errors.map((entity) => described(sentence, entity))));
    item.append(beneath);
    return item;
  }

  function described({ words }, { kind, confidence, gold, predicted }) {
    const text = (span) => words.slice(span[1], span[2]).join(" ");
    const type = (span) => data.types[span[0]];
    const change = (before, after) => (before === after ? before : `${before} → ${after}`);
    const spans = [gold, predicted].filter(Boolean);
    const first = spans[0];
    const last = spans[spans.length - 1];
    const what = `${change(text(first), text(last))} · ${change(type(first), type(last))}`;
    const sure = confidence === null ? "" : ` · ${(confidence / 1000).toFixed(2)}`;
    return make("li", {}, make("b", {}, data.kinds[kind]), ` ${what}${sure}`);
  }

  // The words of a sentence as nodes: plain text, correct entities, and words of wrong ones with what is above and below.
  function pieces({ words, entities }) {
    const gold = new Array(words.length);
    const predicted = new Array(words.length);
    const correct = new Map();
    for (const entity of entities) {
      if (entity.kind === CORRECT) correct.set(entity.gold[1], entity.gold);
      else {
        if (entity.gold) gold.fill(entity.gold, entity.gold[1], entity.gold[2]);
        if (entity.predicted) predicted.fill(entity.predicted, entity.predicted[1], entity.predicted[2]);
      }
    }
    const nodes = [];
    for (let place = 0; place < words.length; ) {
      const span = correct.get(place);
      if (span) {
        const label = make("span", { class: "label" }, data.types[span[0]]);
        nodes.push(typed("span", "right", span[0], words.slice(span[1], span[2]).join(" "), label));
        place = span[2];
      } else {
        nodes.push(gold[place] || predicted[place] ? marked(words, place, gold[place], predicted[place]) : words[place]);
        place += 1;
      }
      const goesOn = [gold, predicted].some((spans) => spans[place] && spans[place] === spans[place - 1]);
      if (place < words.length && !goesOn) nodes.push(" ");
    }
    return nodes;
  }

  function marked(words, place, gold, predicted) {
    const goesOn = [gold, predicted].some((span) => span && span[2] > place + 1);
    const word = make("span", { class: "word" });
    const label = (span) => (span && span[1] === place ? data.types[span[0]] : "");
    const ends = (span) => (span[1] === place ? " first" : "") + (span[2] === place + 1 ? " last" : "");
    word.dataset.wide = label(predicted);
    if (gold) word.append(typed("span", "gold" + ends(gold), gold[0], label(gold)));
    word.append(words[place] + (goesOn ? "\u00a0" : ""));
    if (predicted) word.append(typed("span", "predicted" + ends(predicted), predicted[0], label(predicted)));
    return word;
  }

  function set(change, jump) {
    Object.assign(state, change);
    update();
    if (jump) byId("sentences").scrollIntoView();
  }

  function listen() {
    byId("kinds").addEventListener("change", (event) => set({ kind: event.target.value }));
    byId("type").addEventListener("change", (event) => set({ type: Number(event.target.value), pair: null }));
    byId("order").addEventListener("change", (event) => set({ order: event.target.value }));
    byId("text").addEventListener("input", (event) => set({ text: event.target.value }));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("more").addEventListener("click", showMore);
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const { kind, type, gold, predicted } = button.dataset;
      const fresh = { type: -1, pair: null, text: "" };
      if (button.id === "unpair") set({ pair: null });
      else if (kind) set({ ...fresh, kind }, true);
      else if (type !== undefined) set({ ...fresh, kind: "errors", type: data.types.indexOf(type) }, true);
      else if (gold !== undefined)
        set({ ...fresh, kind: "all", pair: [gold, predicted].map((name) => data.types.indexOf(name)) }, true);
    });
    byId("theme").addEventListener("click", () => {
      const root = document.documentElement;
      const now = root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
      root.style.colorScheme = now === "dark" ? "light" : "dark";
    });
  }

  // The link of the section that is being read.
  function follow() {
    const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
    const observer = new IntersectionObserver(
      (entries) => {
        const entry = entries.find(({ isIntersecting }) => isIntersecting);
        if (!entry) return;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id).setAttribute("aria-current", "true");
      },
      { rootMargin: "-20% 0px -75%" },
    );
    for (const id of links.keys()) observer.observe(byId(id));
  }

  for (const kind of ["errors", "missed", "spurious", "boundary", "type", "both", "correct", "all"]) {
    const input = make("input", { type: "radio", name: "kind", value: kind });
    byId("kinds").append(make("label", {}, input, make("span", {}, kind, make("b", {}))));
  }
  data.types.forEach((type, place) => byId("type").append(make("option", { value: place }, type)));
  byId("filters").hidden = byId("theme").hidden = false;
  listen();
  follow();
  update();
})();
