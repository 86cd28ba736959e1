// Experiments: genres, and the clips that contribute to them.
"use strict";

function fillExperiments() {
  if (!(more.experiments || []).length) return;
  $("experiments").hidden = false;
  more.experiments.forEach((found, index) => $("experiment").append(element("option", { value: String(index), textContent: `${found.name}, split ${found.split} (${found.subset})` })));
  $("experiment").addEventListener("change", () => chooseExperiment(Number($("experiment").value)));
  chooseExperiment(0);
}
function chooseExperiment(index) {
  state.experiment = index;
  const found = experiment();
  $("method").textContent = found.method;
  $("genre-choice").replaceChildren(...found.genres.map((genre, number) => {
    const isTrue = (more.genres || []).includes(genre);
    const made = element("button", { type: "button", dataset: { genre: String(number) } },
      element("span", { textContent: `${isTrue ? "● " : ""}${genre}` }), element("b", { textContent: percent(found.probabilities[number]) }));
    made.title = isTrue ? "one of the trailer's genres" : "not one of the trailer's genres";
    made.addEventListener("click", () => chooseGenre(number));
    return made;
  }));
  const order = found.probabilities.map((p, i) => [p, i]).sort((a, b) => b[0] - a[0]);
  chooseGenre(order[0][1]);
}
function chooseGenre(number) {
  const found = experiment();
  state.genre = (number + found.genres.length) % found.genres.length;
  state.contributing = -1;
  for (const button of $("genre-choice").children) button.setAttribute("aria-pressed", String(Number(button.dataset.genre) === state.genre));
  $("telling").replaceChildren(...contributing().map(({ index, value }) => {
    const [, start, end] = page.clips[found.clips][index];
    const made = element("button", { type: "button" }, picture(tileFor(page.clips[found.clips][index][4], start, end), 40),
      element("span", {}, element("b", { textContent: signed(value) }), element("small", { textContent: ` ${seconds(start, 1)}, clip ${index + 1}` })));
    made.addEventListener("click", () => seek(start));
    return element("li", {}, made);
  }));
  if (state.shot >= 0) fillShot();
  draw();
}
// The clips that raise the genre's probability most, largest contribution first.
function contributing() {
  const found = experiment();
  if (!found || !found.contributions || !page.clips[found.clips]) return [];
  const all = found.contributions.map((row, index) => ({ index, value: row[state.genre] / UNIT })).filter(({ index, value }) => value > 0 && page.clips[found.clips][index]);
  return all.sort((a, b) => b.value - a.value).slice(0, 5);
}
function nextContributing() {
  const found = contributing();
  if (!found.length) return;
  state.contributing = (state.contributing + 1) % found.length;
  seek(page.clips[experiment().clips][found[state.contributing].index][1]);
}
