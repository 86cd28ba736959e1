// The tracks: one canvas as wide as the visible part of the strip, redrawn when that part changes.
"use strict";

const LANE = { ruler: 18, curve: 72, clips: 22, flags: 16, contribution: 56, genre: 13, gap: 8 };
function lanes() {
  let top = 0;
  const found = [];
  const add = (kind, height, what) => {
    found.push({ kind, top, height, what });
    top += height + LANE.gap;
  };
  const shown = experiment();
  if (shown && shown.contributions) add("contribution", LANE.contribution, shown);
  add("ruler", LANE.ruler);
  add("curve", LANE.curve);
  for (const name of Object.keys(page.clips)) add("clips", LANE.clips, name);
  for (const flag of (more.flags || []).filter((flag) => (flag.spans || []).length)) add("flags", LANE.flags, flag);
  if (shown) add("genres", LANE.genre * shown.genres.length, shown);
  return { found, height: top };
}
function sized(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  return context;
}
function draw() {
  if (state.drawn) return;
  state.drawn = requestAnimationFrame(() => {
    state.drawn = null;
    fillStrip();
    drawTracks();
    drawOverview();
    $("playhead").style.transform = `translateX(${(state.frame + 0.5) * state.scale}px)`;
  });
}
function drawTracks() {
  const { found, height } = lanes(), width = scroller.clientWidth;
  const context = sized(tracks, width, height);
  const view = { context, width, left: scroller.scrollLeft, first: Math.max(0, Math.floor(scroller.scrollLeft / state.scale)),
    last: Math.min(page.frames, Math.ceil((scroller.scrollLeft + width) / state.scale)), x: (frame) => frame * state.scale - scroller.scrollLeft };
  const painters = { ruler: drawRuler, curve: drawCurves, clips: drawClips, flags: drawFlags, contribution: drawContributions, genres: drawGenres };
  for (const lane of found) painters[lane.kind](view, lane);
  $("film").style.height = `${STRIP_PX + height + 10}px`;
  $("playhead").style.height = `${STRIP_PX + height + 4}px`;
}
function label(view, text, y, isBold = false) {
  const { context } = view;
  context.font = `${isBold ? "600 " : ""}11px ${getComputedStyle(document.body).fontFamily}`;
  const width = context.measureText(text).width + 8;
  context.fillStyle = colour("label");
  context.beginPath();
  context.roundRect(3, y - 7, width, 14, 3);
  context.fill();
  context.fillStyle = colour("text");
  context.textAlign = "left";
  context.fillText(text, 7, y + 0.5);
}
// The background of a lane, as long as the trailer.
function drawWell({ context, width, x }, lane) {
  context.fillStyle = colour("well");
  context.fillRect(Math.max(0, x(0)), lane.top, Math.min(width, x(page.frames)) - Math.max(0, x(0)), lane.height);
}
function drawRuler(view, lane) {
  const { context, x } = view;
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((s) => s * page.fps * state.scale >= 64) || 3600;
  context.fillStyle = colour("quiet");
  context.strokeStyle = colour("line");
  context.textAlign = "left";
  for (let s = Math.floor(view.first / page.fps / step) * step; s * page.fps < view.last; s += step) {
    const at = Math.round(x(s * page.fps)) + 0.5;
    context.beginPath();
    context.moveTo(at, lane.top);
    context.lineTo(at, lane.top + 6);
    context.stroke();
    context.fillText(clock(s * page.fps), at + 3, lane.top + 9);
  }
}
function drawCurves(view, lane) {
  const { context, x } = view, bottom = lane.top + lane.height;
  const y = (probability) => bottom - 1 - probability * (lane.height - 2);
  drawWell(view, lane);
  for (const name of ["many", "single"]) {
    const values = curves[name], step = page[name].step;
    context.fillStyle = colour(name);
    context.globalAlpha = name === "many" ? 0.55 : 1;
    const size = Math.max(1, state.scale * step - (state.scale > 3 ? 1 : 0));
    for (let i = Math.floor(view.first / step); i * step < view.last; i++) {
      if (values[i] > 1) context.fillRect(x(i * step), y(values[i] / 255), size, bottom - y(values[i] / 255));
    }
  }
  context.globalAlpha = 1;
  context.strokeStyle = colour("text");
  context.setLineDash([4, 4]);
  context.beginPath();
  context.moveTo(Math.max(0, x(0)), Math.round(y(page.threshold)) + 0.5);
  context.lineTo(Math.min(view.width, x(page.frames)), Math.round(y(page.threshold)) + 0.5);
  context.stroke();
  context.setLineDash([]);
  drawCuts(view, lane);
  label(view, "transition", lane.top + 9);
}
function drawCuts(view, lane) {
  const { context, x } = view;
  context.fillStyle = colour("cut");
  for (const start of starts) {
    if (start === 0 || start < view.first || start > view.last) continue;
    const at = x(start);
    context.beginPath();
    context.moveTo(at - 4, lane.top);
    context.lineTo(at + 4, lane.top);
    context.lineTo(at, lane.top + 7);
    context.fill();
  }
}
function drawClips(view, lane) {
  const { context, x } = view;
  for (const [, start, end, padding, frame] of page.clips[lane.what]) {
    if (end < view.first || start > view.last) continue;
    const left = x(start), width = Math.max(1, (end - start) * state.scale - 1), share = padding / (end - start + padding);
    context.fillStyle = colour("clip");
    context.fillRect(left, lane.top, width, lane.height);
    context.fillStyle = colour("padding");
    context.fillRect(left, lane.top, width, lane.height * share);
    if (width < 5) continue;
    context.fillStyle = colour("representative");
    context.beginPath();
    context.arc(x(frame + 0.5), lane.top + lane.height - 5, 2.5, 0, 7);
    context.fill();
  }
  label(view, lane.what, lane.top + lane.height / 2);
}
function drawFlags(view, lane) {
  const { context, x } = view;
  drawWell(view, lane);
  context.fillStyle = colour("flag");
  for (const [start, end] of lane.what.spans) {
    if (end >= view.first && start <= view.last) context.fillRect(x(start), lane.top, Math.max(2, (end - start) * state.scale), lane.height);
  }
  label(view, lane.what.name, lane.top + lane.height / 2);
}
function drawContributions(view, lane) {
  const { context, x } = view, shown = lane.what, clips = page.clips[shown.clips] || [];
  const values = shown.contributions.map((row) => row[state.genre]);
  const largest = Math.max(1, ...values.map(Math.abs)), middle = lane.top + lane.height / 2, half = lane.height / 2 - 2;
  drawWell(view, lane);
  for (const [index, [, start, end]] of clips.entries()) {
    if (end < view.first || start > view.last || values[index] === undefined) continue;
    const height = (Math.abs(values[index]) / largest) * half;
    context.fillStyle = colour(values[index] >= 0 ? "more" : "less");
    context.fillRect(x(start), values[index] >= 0 ? middle - height : middle, Math.max(1, (end - start) * state.scale - 1), height);
  }
  context.fillStyle = colour("line");
  context.fillRect(Math.max(0, x(0)), middle, view.width, 1);
  label(view, `clips for ${shown.genres[state.genre]}, ±${signed(largest / UNIT).slice(1)} log-odds`, lane.top + 9, true);
}
function drawGenres(view, lane) {
  const { context, x } = view, shown = lane.what;
  for (const [row, genre] of shown.genres.entries()) {
    const top = lane.top + row * LANE.genre;
    for (const [start, end, probabilities] of shown.snippets) {
      if (end < view.first || start > view.last) continue;
      context.fillStyle = colour("well");
      context.fillRect(x(start), top, (end - start) * state.scale - 1, LANE.genre - 1);
      context.fillStyle = colour("heat");
      context.globalAlpha = probabilities[row] / UNIT;
      context.fillRect(x(start), top, (end - start) * state.scale - 1, LANE.genre - 1);
      context.globalAlpha = 1;
    }
    const isTrue = (more.genres || []).includes(genre);
    label(view, `${isTrue ? "● " : ""}${genre}`, top + LANE.genre / 2 - 0.5, isTrue);
  }
}
function drawOverview() {
  const width = overview.clientWidth || overview.parentElement.clientWidth;
  const context = sized(overview, width, 28), per = width / page.frames;
  for (let i = 0; i < barcode.frames.length; i++) {
    const start = i ? barcode.frames[i] : 0, end = barcode.frames[i + 1] ?? page.frames;
    context.fillStyle = `rgb(${barcode.values[3 * i]},${barcode.values[3 * i + 1]},${barcode.values[3 * i + 2]})`;
    context.fillRect(start * per, 0, (end - start) * per + 0.6, 28);
  }
  const left = (scroller.scrollLeft / state.scale) * per, size = (scroller.clientWidth / state.scale) * per;
  if (size < width - 1) {
    context.fillStyle = colour("veil");
    context.fillRect(0, 0, left, 28);
    context.fillRect(left + size, 0, width - left - size, 28);
    context.strokeStyle = colour("accent");
    context.lineWidth = 2;
    context.strokeRect(left + 1, 1, Math.max(4, size - 2), 26);
  }
  context.fillStyle = colour("playhead");
  context.fillRect(state.frame * per - 1, 0, 2, 28);
}
