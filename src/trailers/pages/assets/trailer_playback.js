// Time: the frame that is shown, the video, and the still picture in its place.
"use strict";

function show(frame, { isFollowing = false } = {}) {
  state.frame = clamp(Math.round(frame), 0, page.frames - 1);
  const number = shotAt(state.frame);
  $("time").textContent = `${seconds(state.frame)} · frame ${state.frame.toLocaleString("en")} · shot ${number + 1}`;
  showShot(number);
  if (!state.hasVideo) drawStill();
  const at = state.frame * state.scale - scroller.scrollLeft, width = scroller.clientWidth;
  if (at < width * 0.1 || at > width * (isFollowing ? 0.75 : 0.9)) {
    const wanted = clamp(state.frame * state.scale - width * (isFollowing ? 0.25 : 0.5), 0, page.frames * state.scale);
    scroller.scrollLeft = wanted;
  }
  draw();
}
function seek(frame) {
  show(frame);
  // The middle of the frame, so that rounding cannot show the previous one.
  if (state.hasVideo) video.currentTime = (state.frame + 0.5) / page.fps;
}
function drawStill() {
  const [start, end] = page.shots[shotAt(state.frame)], tile = tileFor(state.frame, start, end);
  const canvas = $("still"), context = canvas.getContext("2d");
  canvas.width = 640;
  canvas.height = Math.round(640 / aspect);
  if (!tile) return;
  const image = images.get(tile.sheet.file) || new Image();
  if (!images.has(tile.sheet.file)) {
    images.set(tile.sheet.file, image);
    image.addEventListener("load", drawStill);
    image.src = encodeURI(tile.sheet.file);
  }
  if (!image.complete) return;
  const place = tile.sheet.places.get(tile.frame), [width, height] = tile.sheet.tile;
  context.drawImage(image, (place % tile.sheet.columns) * width, Math.floor(place / tile.sheet.columns) * height, width, height, 0, 0, canvas.width, canvas.height);
}
const images = new Map();
function withoutVideo() {
  state.hasVideo = false;
  video.hidden = true;
  $("still").hidden = $("no-video").hidden = false;
  drawStill();
}
function follow() {
  if (state.hasVideo) show(Math.floor(video.currentTime * page.fps + 0.01), { isFollowing: !video.paused });
  if (!video.paused && !video.ended) requestAnimationFrame(follow);
}
function play() {
  if (!state.hasVideo) return;
  if (video.paused) video.play().catch(() => {}); // if it is refused or interrupted, the controls show it
  else video.pause();
}
