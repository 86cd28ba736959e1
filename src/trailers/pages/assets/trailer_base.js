// The data of the page, the state of the view, and small helpers. Time is frames; spans are [start, end).
"use strict";

const page = JSON.parse(document.getElementById("page").textContent);
const more = globalThis.trailerData && globalThis.trailerData.trailer === page.trailer ? globalThis.trailerData : {};
const $ = (id) => document.getElementById(id);
const STRIP_PX = 72;
const UNIT = 1000; // contributions and probabilities are whole numbers of thousandths
const LONGEST_PX = 400000; // maximum width of the strip; browsers cannot place anything beyond some millions of pixels
const aspect = page.size[0] / page.size[1];
const video = $("video"), scroller = $("scroller"), strip = $("strip"), tracks = $("tracks"), overview = $("overview");
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const curves = { single: bytes(page.single.values), many: bytes(page.many.values) };
const barcode = { frames: page.colours.frames, values: bytes(page.colours.values) };
const state = { frame: 0, scale: 1, shot: -1, experiment: 0, genre: 0, contributing: -1, hasVideo: true, drawn: null };

function element(kind, properties = {}, ...children) {
  const { dataset, ...plain } = properties;
  const made = Object.assign(document.createElement(kind), plain);
  Object.assign(made.dataset, dataset || {});
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const seconds = (frame, digits = 2) => `${(frame / page.fps).toFixed(digits)} s`;
const clock = (frame) => {
  const whole = Math.round(frame / page.fps);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const percent = (probability) => `${Math.round(100 * probability)} %`;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const experiment = () => (more.experiments || [])[state.experiment];
// Index of the last value that is not above `wanted`; values are ascending.
function lastAt(values, wanted) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
const starts = page.shots.map(([start]) => start);
const shotAt = (frame) => clamp(lastAt(starts, frame), 0, page.shots.length - 1);
