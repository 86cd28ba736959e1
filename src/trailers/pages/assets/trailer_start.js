// Keys, pointer, legend, and the start of the page.
"use strict";

const go = (link) => !$(link).hidden && $(link).href && location.assign($(link).href);
const jump = (step) => seek(page.shots[clamp(shotAt(state.frame) + step, 0, page.shots.length - 1)][0]);
const KEYS = {
  j: () => go("next"), k: () => go("previous"), Escape: () => go("home"),
  ArrowLeft: () => jump(-1), ArrowRight: () => jump(1), Home: () => jump(-page.shots.length), End: () => jump(page.shots.length),
  ",": () => seek(state.frame - 1), ".": () => seek(state.frame + 1), " ": play,
  "+": () => setScale(state.scale * 1.6), "=": () => setScale(state.scale * 1.6), "-": () => setScale(state.scale / 1.6), 0: () => setScale(0),
  g: () => experiment() && chooseGenre(state.genre + 1), G: () => experiment() && chooseGenre(state.genre - 1), c: nextContributing,
};
function onKey(event) {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("select, input, textarea, video")) return;
  if (event.key === " " && target.closest("button, a, summary")) return;
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act();
}
function listen() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("themechange", draw);
  scroller.addEventListener("scroll", draw, { passive: true });
  strip.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) seek(page.shots[Number(button.dataset.shot)][0]);
  });
  tracks.addEventListener("click", (event) => seek(Math.floor((event.offsetX + scroller.scrollLeft) / state.scale)));
  const scrub = (event) => seek((event.offsetX / overview.clientWidth) * page.frames);
  overview.addEventListener("pointerdown", (event) => {
    overview.setPointerCapture(event.pointerId);
    scrub(event);
  });
  overview.addEventListener("pointermove", (event) => event.buttons && scrub(event));
  $("zoom-in").addEventListener("click", () => setScale(state.scale * 1.6));
  $("zoom-out").addEventListener("click", () => setScale(state.scale / 1.6));
  $("zoom-fit").addEventListener("click", () => setScale(0));
  video.addEventListener("play", follow);
  video.addEventListener("seeked", () => video.paused && follow());
  video.addEventListener("error", withoutVideo);
  new ResizeObserver(() => setScale(state.scale)).observe(scroller);
}
function fillLegend() {
  const entries = [["single", "head “single”"], ["many", "head “many”"], ["cut", "cut"], ["clip", "clip"], ["padding", "share of padding"], ["representative", "representative frame"]];
  if ((more.experiments || []).length) entries.push(["more", "raises the genre"], ["less", "lowers it"], ["heat", "probability per snippet"]);
  const text = `- - threshold ${page.threshold}`;
  $("legend").append(...entries.map(([name, words]) => {
    const swatch = element("i", { className: "swatch" });
    swatch.style.background = `var(--${name})`;
    return element("li", {}, swatch, words);
  }), element("li", { textContent: text }));
}
function begin() {
  fillHeading();
  fillStages();
  fillNear();
  fillLegend();
  const lengths = page.shots.map(([start, end]) => end - start).sort((a, b) => a - b);
  const comfortable = (STRIP_PX * aspect * 0.9) / lengths[lengths.length >> 1];
  state.scale = clamp(comfortable, fitScale(), 6);
  listen();
  if (video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) withoutVideo();
  const asked = /^#frame=(\d+)$/.exec(location.hash);
  fillExperiments();
  setScale(state.scale);
  if (asked) seek(Number(asked[1]));
  else show(0);
  document.body.dataset.ready = "true";
}
begin();
