// One trailer: film strip, curves, clips and predictions on one time axis. Time is frames; spans are [start, end).
// The page's own numbers stand in it as JSON; trailerData is what crosses trailers. Text is only ever set as text.
(() => {
  "use strict";
  const page = JSON.parse(document.getElementById("page").textContent);
  const more = globalThis.trailerData && globalThis.trailerData.trailer === page.trailer ? globalThis.trailerData : {};
  const $ = (id) => document.getElementById(id);
  const STRIP_PX = 72;
  const UNIT = 1000; // contributions and probabilities are whole numbers of thousandths
  const LONGEST_PX = 400000; // of the strip; browsers place nothing beyond some millions of pixels
  const aspect = page.size[0] / page.size[1];
  const video = $("video"), scroller = $("scroller"), strip = $("strip"), tracks = $("tracks"), overview = $("overview");
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const curves = { single: bytes(page.single.values), many: bytes(page.many.values) };
  const barcode = { frames: page.colours.frames, values: bytes(page.colours.values) };
  const state = { frame: 0, scale: 1, shot: -1, experiment: 0, genre: 0, told: -1, hasVideo: true, drawn: null };

  // ---- small helpers

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
  // Index of the last value that is not above `wanted`; values ascend.
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

  // ---- pictures: tiles of the two sheets

  const sheets = page.sheets.slice(0, 2).map((sheet) => ({ ...sheet, places: new Map(sheet.frames.map((f, i) => [f, i])) }));
  function nearest(sheet, frame, start, end) {
    const below = lastAt(sheet.frames, frame);
    const near = [sheet.frames[below], sheet.frames[below + 1]].filter((f) => f !== undefined && f >= start && f < end);
    return near.sort((a, b) => Math.abs(a - frame) - Math.abs(b - frame))[0];
  }
  // The tile nearest to `frame` within [start, end): the larger picture where both are as near.
  function tileFor(frame, start, end) {
    const found = sheets.map((sheet) => ({ sheet, frame: nearest(sheet, frame, start, end) })).filter((t) => t.frame !== undefined);
    found.sort((a, b) => Math.abs(a.frame - frame) - Math.abs(b.frame - frame));
    return found[0] || null;
  }
  // A picture of `height` px, in the shape of the video; its tile is stretched to it.
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

  // ---- words that cross trailers

  function fillHeading() {
    const title = more.title || page.trailer;
    document.title = title;
    $("title").textContent = more.year ? `${title} (${more.year})` : title;
    const parts = [title === page.trailer ? null : page.trailer, `${clock(page.frames)} min`, plural(page.shots.length, "shot")];
    for (const [split, subset] of (more.splits || []).entries()) if (subset) parts.push(`split ${split}: ${subset}`);
    $("about").textContent = parts.filter(Boolean).join(" · ");
    for (const genre of more.genres || []) $("genres").append(element("li", { textContent: genre }));
    if (more.index) $("home").href = more.index;
    for (const way of ["previous", "next"]) {
      const other = more[way];
      if (other) Object.assign($(way), { hidden: false, href: other.href, title: other.title || other.trailer, rel: way === "next" ? "next" : "prev" });
    }
  }
  function fillStages() {
    const list = $("stages");
    for (const stage of more.stages || []) {
      const words = [...stage.told];
      const own = list.querySelector(`[data-stage="${CSS.escape(stage.name)}"]`);
      if (own) continue; // the page says it itself
      const place = element("dd", { dataset: { stage: stage.name }, textContent: words.join(" ") || stage.status });
      if (stage.link) place.append(" ", element("a", { href: stage.link, textContent: stage.link, rel: "noreferrer noopener" }));
      if (stage.first) list.prepend(element("dt", { textContent: stage.name }), place);
      else list.append(element("dt", { textContent: stage.name }), place);
      for (const text of stage.warnings || []) $("warnings").append(element("li", { textContent: text }));
    }
    const said = new Set([...$("warnings").children].map((line) => line.textContent));
    for (const { told } of more.flags || []) if (!said.has(told)) $("warnings").append(element("li", { textContent: told }));
  }
  function fillNear() {
    if (!(more.near || []).length) return;
    $("near").hidden = false;
    $("near-method").textContent = more.near_method || "";
    for (const other of more.near) {
      const image = other.thumb
        ? element("img", { src: other.thumb, alt: "", loading: "lazy" })
        : element("span", { className: "blank" });
      const words = element("span", { className: "words" }, element("b", { textContent: other.title || other.trailer }),
        element("small", { textContent: `${other.similarity.toFixed(3)}${other.genres ? ` · ${other.genres}` : ""}` }));
      $("near-list").append(element("li", {}, element("a", { href: other.href }, image, words)));
    }
  }

  // ---- film strip

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
  // Pictures only where the strip is seen: a long trailer has thousands.
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

  // ---- one shot: every clip of it

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

  // ---- tracks: one canvas as wide as the window onto the strip, redrawn where that moves

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
  // The ground of a lane, as long as the trailer.
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

  // ---- time

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
    // The middle of the frame, so that rounding cannot show the one before.
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
    if (video.paused) video.play().catch(() => {}); // refused or interrupted: the controls say so
    else video.pause();
  }

  // ---- experiments

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
    state.told = -1;
    for (const button of $("genre-choice").children) button.setAttribute("aria-pressed", String(Number(button.dataset.genre) === state.genre));
    $("telling").replaceChildren(...telling().map(({ index, value }) => {
      const [, start, end] = page.clips[found.clips][index];
      const made = element("button", { type: "button" }, picture(tileFor(page.clips[found.clips][index][4], start, end), 40),
        element("span", {}, element("b", { textContent: signed(value) }), element("small", { textContent: ` ${seconds(start, 1)}, clip ${index + 1}` })));
      made.addEventListener("click", () => seek(start));
      return element("li", {}, made);
    }));
    if (state.shot >= 0) fillShot();
    draw();
  }
  // The clips that raise the genre's probability most.
  function telling() {
    const found = experiment();
    if (!found || !found.contributions || !page.clips[found.clips]) return [];
    const all = found.contributions.map((row, index) => ({ index, value: row[state.genre] / UNIT })).filter(({ index, value }) => value > 0 && page.clips[found.clips][index]);
    return all.sort((a, b) => b.value - a.value).slice(0, 5);
  }
  function nextTelling() {
    const found = telling();
    if (!found.length) return;
    state.told = (state.told + 1) % found.length;
    seek(page.clips[experiment().clips][found[state.told].index][1]);
  }

  // ---- keys, pointer

  const go = (link) => !$(link).hidden && $(link).href && location.assign($(link).href);
  const jump = (step) => seek(page.shots[clamp(shotAt(state.frame) + step, 0, page.shots.length - 1)][0]);
  const KEYS = {
    j: () => go("next"), k: () => go("previous"), Escape: () => go("home"),
    ArrowLeft: () => jump(-1), ArrowRight: () => jump(1), Home: () => jump(-page.shots.length), End: () => jump(page.shots.length),
    ",": () => seek(state.frame - 1), ".": () => seek(state.frame + 1), " ": play,
    "+": () => setScale(state.scale * 1.6), "=": () => setScale(state.scale * 1.6), "-": () => setScale(state.scale / 1.6), 0: () => setScale(0),
    g: () => experiment() && chooseGenre(state.genre + 1), G: () => experiment() && chooseGenre(state.genre - 1), c: nextTelling,
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
})();
