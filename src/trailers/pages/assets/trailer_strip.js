// The film strip, and the clips of the chosen shot.
"use strict";

const fitScale = () => scroller.clientWidth / page.frames;
function setScale(scale, anchor = state.frame) {
  const before = anchor * state.scale - scroller.scrollLeft;
  state.scale = clamp(scale, fitScale(), Math.max(fitScale(), Math.min(24, LONGEST_PX / page.frames)));
  $("film").style.width = `${Math.max(scroller.clientWidth, page.frames * state.scale)}px`;
  layOutStrip();
  scroller.scrollLeft = anchor * state.scale - clamp(before, 0, scroller.clientWidth);
  draw();
}
function layOutStrip() {
  const tile = STRIP_PX * aspect;
  strip.replaceChildren(...page.shots.map(([start, end], number) => {
    const width = (end - start) * state.scale;
    const made = element("button", { type: "button", className: "shot", tabIndex: -1, dataset: { shot: String(number) } });
    made.setAttribute("aria-label", `Shot ${number + 1}, ${seconds(start)} to ${seconds(end)}, ${plural(end - start, "frame")}`);
    made.style.left = `${start * state.scale}px`;
    made.style.width = `${Math.max(1, width - (width > 6 ? 2 : 0))}px`;
    made.filled = false;
    return made;
  }));
  fillStrip();
  markShot();
}
// Pictures are added only near the visible part of the strip, because a long trailer has thousands.
function fillStrip() {
  const left = scroller.scrollLeft - scroller.clientWidth, right = scroller.scrollLeft + 2 * scroller.clientWidth;
  for (const button of strip.children) {
    const [start, end] = page.shots[Number(button.dataset.shot)];
    if (button.filled || end * state.scale < left || start * state.scale > right) continue;
    button.filled = true;
    const width = (end - start) * state.scale, tile = STRIP_PX * aspect;
    const count = clamp(Math.round(width / tile), 1, 60);
    for (let i = 0; i < count; i++) {
      const wanted = start + Math.floor(((i + 0.5) / count) * (end - start));
      const first = count === 1 ? nearest(sheets[0], wanted, start, end) : undefined;
      const shown = first === undefined ? tileFor(wanted, start, end) : { sheet: sheets[0], frame: first };
      const height = Math.max(STRIP_PX, width / count / aspect); // no gap beside a picture
      const slot = element("span", { className: "slot" }, picture(shown, height));
      button.append(slot);
    }
  }
}
function markShot() {
  for (const button of strip.children) {
    const isChosen = Number(button.dataset.shot) === state.shot;
    button.classList.toggle("chosen", isChosen);
    button.tabIndex = isChosen ? 0 : -1;
    if (isChosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// The clips of one shot.

function showShot(number) {
  if (number === state.shot) return;
  state.shot = number;
  markShot();
  fillShot();
}
function fillShot() {
  const [start, end] = page.shots[state.shot];
  $("shot-heading").textContent = `Shot ${state.shot + 1} of ${page.shots.length}: ${seconds(start)} to ${seconds(end)}, ${plural(end - start, "frame")}`;
  const groups = Object.entries(page.clips).map(([name, clips]) => {
    const own = clips.map((clip, index) => ({ clip, index })).filter(({ clip }) => clip[1] < end && clip[2] > start);
    return element("div", { className: "strategy" }, element("h3", { textContent: `${name}: ${plural(own.length, "clip")}` }),
      element("div", { className: "cards" }, ...own.map(({ clip, index }) => clipCard(name, clip, index))));
  });
  $("clips").replaceChildren(...groups);
}
function clipCard(name, [, start, end, padding, frame], index) {
  const frames = [["first", start], ["representative", frame], ["last", end - 1]];
  const figures = frames.map(([what, wanted]) => {
    const [from, to] = page.shots[shotAt(start)]; // a clip's last frame may be shown by the next clip's first
    const made = element("button", { type: "button", className: "frame" }, picture(tileFor(wanted, from, to), 62),
      element("small", { textContent: what }), element("small", { className: "quiet", textContent: `${wanted} · ${seconds(wanted)}` }));
    made.addEventListener("click", () => seek(wanted));
    return made;
  });
  if (padding) {
    const black = picture(null, 62);
    black.classList.add("black");
    figures.push(element("span", { className: "frame" }, black, element("small", { textContent: "padding" }),
      element("small", { className: "quiet", textContent: `${plural(padding, "black frame")}` })));
  }
  const heading = element("h4", { textContent: `Clip ${index + 1}` });
  const found = experiment();
  if (found && found.clips === name && found.contributions && found.contributions[index]) {
    const value = found.contributions[index][state.genre] / UNIT;
    heading.append(element("span", { className: value >= 0 ? "more" : "less", textContent: ` ${signed(value)} ${found.genres[state.genre]}` }));
  }
  heading.append(element("small", { className: "quiet", textContent: ` frames ${start} to ${end - 1}` }));
  return element("article", { className: "clip" }, heading, element("div", { className: "frames" }, ...figures));
}
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(Math.abs(value) < 0.1 ? 3 : 2)}`;
