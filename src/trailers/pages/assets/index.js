// All trailers: search, filters, sorting, pages. trailerList has columns of short values; text from outside is only ever
// set as text. The address contains the choices, so that "back" from a trailer restores the list.
(() => {
  "use strict";
  const list = globalThis.trailerList;
  const $ = (id) => document.getElementById(id);
  const SHOWN = 40; // rows of one page
  const FPS = 24;
  const columns = list.columns, count = columns.trailer.length;
  const FILTERS = ["q", "status", "reason", "genre", "split", "flag", "experiment", "sort"];
  const words = columns.trailer.map((id, i) => `${id}\n${columns.title[i]}`.toLocaleLowerCase());
  const state = { page: 0, chosen: [], cursor: -1 };

  function element(kind, properties = {}, ...children) {
    const made = Object.assign(document.createElement(kind), properties);
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }
  const number = (value) => value.toLocaleString("en");
  const has = (mask, bit) => Math.floor(mask / 2 ** bit) % 2 === 1; // masks may have more bits than `&` takes
  const names = (all, mask) => all.filter((_, bit) => has(mask, bit));
  const clock = (frames) => `${Math.floor(frames / FPS / 60)}:${String(Math.floor(frames / FPS) % 60).padStart(2, "0")}`;
  const pageOf = (id) => `${list.root}${encodeURIComponent(id)}${id.toLowerCase() === "index" ? ".trailer" : ""}.html`;
  const chosenExperiment = () => list.experiments[Number($("experiment").value) || 0];

  // ---- filters

  function fill(id, all, entries) {
    $(id).replaceChildren(...(all === null ? [] : [element("option", { value: "", textContent: all })]),
      ...entries.map(([value, text]) => element("option", { value, textContent: text })));
    $(id).closest("label").hidden = entries.length === 0;
  }
  function counted(values, pick) {
    const found = new Map();
    for (let i = 0; i < count; i++) for (const value of pick(i)) found.set(value, (found.get(value) || 0) + 1);
    return values.map((text, value) => [String(value), `${text} (${number(found.get(value) || 0)})`, found.get(value) || 0]).filter((entry) => entry[2] > 0);
  }
  const bits = (all, mask) => all.map((_, bit) => bit).filter((bit) => has(mask, bit));
  function fillFilters() {
    fill("status", "all", counted(list.statuses, (i) => [columns.status[i]]));
    fill("reason", "all", counted(list.reasons, (i) => [columns.reason[i]]));
    fill("genre", "all", counted(list.genres, (i) => bits(list.genres, columns.genres[i])));
    fill("flag", "all", counted(list.flags, (i) => bits(list.flags, columns.flags[i])));
    const subsets = [0, 1, 2].flatMap((split) => list.subsets.map((subset, code) => ({ split, code, subset })));
    fill("split", "all", subsets.filter(({ split, code }) => columns.splits.some((text) => text[split] === String(code)))
      .map(({ split, code, subset }) => [`${split}${code}`, `split ${split}: ${subset}`]));
    fill("experiment", null, list.experiments.map((found, i) => [String(i), found.name]));
    fill("sort", null, [["", "manifest"], ["title", "title"], ...(list.experiments.length ? [["wrong", "most wrong first"]] : []),
      ["shots", "most shots"], ["fewshots", "fewest shots"], ["long", "longest"], ["short", "shortest"]]);
  }
  function choose() {
    const asked = $("q").value.trim().toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const value = (id) => ($(id).value === "" ? null : Number($(id).value));
    const status = value("status"), reason = value("reason"), genre = value("genre"), flag = value("flag"), split = $("split").value;
    const found = [];
    for (let i = 0; i < count; i++) {
      if (status !== null && columns.status[i] !== status) continue;
      if (reason !== null && columns.reason[i] !== reason) continue;
      if (genre !== null && !has(columns.genres[i], genre)) continue;
      if (flag !== null && !has(columns.flags[i], flag)) continue;
      if (split && columns.splits[i][Number(split[0])] !== split[1]) continue;
      if (!asked.every((word) => words[i].includes(word))) continue;
      found.push(i);
    }
    return sorted(found);
  }
  function sorted(found) {
    const by = (values, sign) => found.filter((i) => values[i] >= 0).sort((a, b) => sign * (values[a] - values[b])).concat(found.filter((i) => values[i] < 0));
    const orders = {
      title: () => found.sort((a, b) => (columns.title[a] || columns.trailer[a]).localeCompare(columns.title[b] || columns.trailer[b])),
      wrong: () => by(chosenExperiment().errors, -1), shots: () => by(columns.shots, -1), fewshots: () => by(columns.shots, 1),
      long: () => by(columns.frames, -1), short: () => by(columns.frames, 1),
    };
    const order = orders[$("sort").value];
    return order ? order() : found;
  }
  function apply({ keepPage = false } = {}) {
    const started = performance.now();
    state.chosen = choose();
    if (!keepPage) state.page = 0;
    show();
    remember();
    document.body.dataset.ms = String(Math.round(performance.now() - started));
  }

  // ---- rows

  function show() {
    const pages = Math.max(1, Math.ceil(state.chosen.length / SHOWN));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    const first = state.page * SHOWN, shown = state.chosen.slice(first, first + SHOWN);
    $("rows").replaceChildren(...shown.map(row));
    $("found").textContent = state.chosen.length === count ? `${number(count)} trailers` : `${number(state.chosen.length)} of ${number(count)} trailers`;
    $("place").textContent = `${number(state.chosen.length ? first + 1 : 0)} to ${number(first + shown.length)}`;
    $("pager").hidden = pages < 2;
    $("back").disabled = state.page === 0;
    $("on").disabled = state.page === pages - 1;
    state.cursor = -1;
  }
  function row(i) {
    const id = columns.trailer[i], title = columns.title[i] || id, status = list.statuses[columns.status[i]];
    const thumb = columns.page[i] ? element("img", { src: `${list.root}${encodeURIComponent(id)}.thumb.jpg`, alt: "", loading: "lazy", decoding: "async" }) : element("span", { className: "blank" });
    const name = columns.page[i] ? element("a", { href: pageOf(id), className: "name", textContent: title }) : element("span", { className: "name", textContent: title, tabIndex: -1 });
    const facts = [title === id ? null : id];
    if (columns.frames[i] >= 0) facts.push(clock(columns.frames[i]));
    if (columns.shots[i] >= 0) facts.push(`${number(columns.shots[i])} shot${columns.shots[i] === 1 ? "" : "s"}`);
    if (columns.clips[i] >= 0) facts.push(`${number(columns.clips[i])} clip${columns.clips[i] === 1 ? "" : "s"}`);
    const line = element("span", { className: "words" }, name, element("small", { className: "quiet", textContent: facts.filter(Boolean).join(" · ") }), tags(i));
    if (list.told[i]) line.append(element("small", { className: "told", textContent: list.told[i] }));
    const pill = status === "ok" ? null : element("span", { className: `status ${status}`, textContent: status });
    const side = element("span", { className: "side" }, pill, verdict(i));
    return element("li", {}, thumb, line, side);
  }
  function tags(i) {
    const genres = names(list.genres, columns.genres[i]).map((text) => element("li", { textContent: text }));
    const flags = names(list.flags, columns.flags[i]).map((text) => element("li", { className: "flagged", textContent: text }));
    return genres.length + flags.length ? element("ul", { className: "chips" }, ...genres, ...flags) : null;
  }
  // The genre with the largest error of the experiment, if it was not trained on the trailer.
  function verdict(i) {
    const found = chosenExperiment();
    if (!found || found.errors[i] < 0) return null;
    const genre = found.worst[i], isTrue = has(columns.genres[i], genre), error = found.errors[i] / 1000;
    const probability = Math.round(100 * (isTrue ? 1 - error : error));
    const kind = error <= 0.5 ? "largest error" : isTrue ? "missed" : "wrong";
    return element("small", { className: error > 0.5 ? "wrong" : "quiet", textContent: `${kind}: ${list.genres[genre]} at ${probability} %` });
  }

  // ---- the choices, in the address

  function remember() {
    const kept = new URLSearchParams();
    for (const id of FILTERS) if ($(id).value && !(id === "experiment" && $(id).value === "0")) kept.set(id, $(id).value);
    if (state.page) kept.set("page", String(state.page));
    const text = kept.toString();
    history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
  }
  function recall() {
    const text = decodeURIComponent(location.hash.slice(1));
    const kept = text && !text.includes("=") ? new URLSearchParams([["q", text]]) : new URLSearchParams(location.hash.slice(1));
    for (const id of FILTERS) {
      const value = kept.get(id) || "";
      const isKnown = id === "q" || [...$(id).options].some((option) => option.value === value);
      $(id).value = isKnown ? value : $(id).options[0]?.value || "";
    }
    state.page = Number(kept.get("page")) || 0;
  }

  // ---- keys

  function move(step) {
    const names = [...document.querySelectorAll("#rows .name")];
    if (!names.length) return;
    const now = names.indexOf(document.activeElement);
    names[Math.min(Math.max(now + step, 0), names.length - 1)].focus();
  }
  function turn(step) {
    state.page += step;
    show();
    remember();
    scrollTo(0, 0);
  }
  function clear() {
    for (const id of FILTERS) if (id !== "experiment") $(id).value = "";
    apply();
  }
  const KEYS = { "/": () => $("q").focus(), j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1), "]": () => turn(1), "[": () => turn(-1), Escape: clear };
  function onKey(event) {
    const field = event.target instanceof Element && event.target.closest("input, select");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isLeaving = field && field.id === "q" && ["ArrowDown", "Escape", "Enter"].includes(event.key);
    if (field && !isLeaving) return;
    const act = isLeaving && event.key === "Enter" ? () => move(1) : Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    if (!act) return;
    event.preventDefault();
    act();
  }
  function fillCounts() {
    const found = list.statuses.map((status, value) => [status, columns.status.filter((other) => other === value).length]);
    $("counts").textContent = found.map(([status, total]) => `${number(total)} ${status}`).join(" · ");
  }

  fillFilters();
  fillCounts();
  recall();
  apply({ keepPage: true });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", () => apply());
  $("more").addEventListener("click", () => {
    const isOpen = $("filters").classList.toggle("open");
    $("more").setAttribute("aria-expanded", String(isOpen));
  });
  $("clear").addEventListener("click", clear);
  $("back").addEventListener("click", () => turn(-1));
  $("on").addEventListener("click", () => turn(1));
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => {
    recall();
    apply({ keepPage: true });
  });
  document.body.dataset.ready = "true";
})();
