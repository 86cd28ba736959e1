// Pictures: tiles of the two sheets.
"use strict";

const sheets = page.sheets.slice(0, 2).map((sheet) => ({ ...sheet, places: new Map(sheet.frames.map((f, i) => [f, i])) }));
function nearest(sheet, frame, start, end) {
  const below = lastAt(sheet.frames, frame);
  const near = [sheet.frames[below], sheet.frames[below + 1]].filter((f) => f !== undefined && f >= start && f < end);
  return near.sort((a, b) => Math.abs(a - frame) - Math.abs(b - frame))[0];
}
// The tile nearest to `frame` within [start, end); the larger picture if both are equally near.
function tileFor(frame, start, end) {
  const found = sheets.map((sheet) => ({ sheet, frame: nearest(sheet, frame, start, end) })).filter((t) => t.frame !== undefined);
  found.sort((a, b) => Math.abs(a.frame - frame) - Math.abs(b.frame - frame));
  return found[0] || null;
}
// A picture of `height` px with the aspect of the video; its tile is stretched to this size.
function picture(tile, height) {
  const made = element("span", { className: "picture" });
  made.style.height = `${height}px`;
  made.style.width = `${height * aspect}px`;
  if (tile) {
    const { sheet } = tile, place = sheet.places.get(tile.frame);
    const rows = Math.ceil(sheet.frames.length / sheet.columns);
    made.style.backgroundImage = `url("${encodeURI(sheet.file)}")`;
    made.style.backgroundSize = `${sheet.columns * height * aspect}px ${rows * height}px`;
    made.style.backgroundPosition = `${-(place % sheet.columns) * height * aspect}px ${-Math.floor(place / sheet.columns) * height}px`;
  }
  return made;
}
