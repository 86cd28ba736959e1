// Shows one title with its candidates. Everything that comes from a site is set as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const state = { title: null, at: 0, busy: false, playing: null };

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

let hiding = 0;
function showStatus(words, isError = false) {
  clearTimeout(hiding);
  $("status").textContent = words;
  $("status").classList.toggle("error", isError);
  hiding = setTimeout(() => { $("status").textContent = ""; }, isError ? 12000 : 1800);
}

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The review program does not respond. Restart it; all decisions are saved.");
  }
  const found = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) throw new Error(found.error);
  return found;
}

const minutes = (seconds) => {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};
const short = new Intl.NumberFormat("en", { notation: "compact" });
const candidate = () => state.title?.candidates[state.at];

function factsOf(item) {
  return [
    item.channel,
    item.duration_s === null ? "" : minutes(item.duration_s),
    item.views === null ? "" : `${short.format(item.views)} views`,
    item.upload_date,
    item.height_px === null ? "" : `${item.height_px}p`,
  ].filter(Boolean).join(" · ");
}

function showProgress(progress) {
  $("count").textContent = `${progress.closed.toLocaleString("en")} of ${progress.total.toLocaleString("en")}`;
  $("rate").textContent = progress.per_hour === null ? "" : `${progress.per_hour} per hour`;
  $("progress").setAttribute("aria-valuenow", progress.closed);
  $("fill").style.transform = `scaleX(${progress.total ? progress.closed / progress.total : 0})`;
}

function showMovie(title) {
  document.title = `${title.title} – review`;
  $("name").textContent = title.title + (title.year === null ? "" : ` (${title.year})`);
  const about = [
    title.original_title && title.original_title !== title.title ? title.original_title : "",
    title.genres.join(", "),
    title.runtime_min === null ? "" : `${title.runtime_min} min`,
    title.rating === null ? "" : `★ ${title.rating}` + (title.votes === null ? "" : ` (${short.format(title.votes)})`),
  ];
  $("about").textContent = about.filter(Boolean).join(" · ");
  $("plot").textContent = title.plot;
  $("poster").hidden = !title.poster;
  if (title.poster) $("poster").src = title.poster;
  else $("poster").removeAttribute("src");
  $("opinions").hidden = !title.opinions.length;
  $("opinions").textContent = title.opinions.map((opinion) => `${opinion.who}: ${opinion.action} ${opinion.url}`).join("; ");
  $("noted").replaceChildren(make("kbd", { textContent: "M" }), title.note ? ` Note: ${title.note.slice(0, 24)}` : " Note");
}

function cardOf(item, index) {
  const picture = make("img", { className: "thumb", alt: "", loading: "lazy", referrerPolicy: "no-referrer" });
  if (item.thumbnail) picture.src = item.thumbnail;
  const meta = make("span", { className: "meta" }, factsOf(item));
  if (item.local) meta.append(make("span", { textContent: " · downloaded" }));
  if (item.url === state.title.url) meta.append(make("span", { className: "taken", textContent: " · accepted" }));
  for (const found of item.measured) meta.append(make("span", { className: "mark", textContent: ` · ${found.flag.replaceAll("_", " ")}` }));
  for (const flag of item.flags) meta.append(make("span", { className: "mark", textContent: ` · ${flag}` }));
  if (item.unavailable) meta.append(make("span", { className: "mark", textContent: ` · ${item.unavailable}` }));
  const score = make("span", { className: `score${item.score >= 75 ? " high" : ""}`, textContent: item.is_scored ? Math.round(item.score) : "–" });
  const button = make("button", { type: "button", "aria-current": String(index === state.at) },
    picture, make("span", { className: "title", textContent: item.title || item.url }), score, meta);
  button.addEventListener("click", () => choose(index));
  return make("li", {}, button);
}

const SHOWN_SPANS = 4; // per flag; a slide show has many
function measuredOf(found) {
  const times = found.spans_s.slice(0, SHOWN_SPANS).map(([start, end]) => {
    const words = `${minutes(start)} to ${minutes(end)}`;
    const button = make("button", { type: "button", className: "time", textContent: words, "aria-label": `Go to ${found.flag.replaceAll("_", " ")}, ${words}` });
    button.addEventListener("click", () => { if (state.playing) state.playing.currentTime = start; button.blur(); });
    return button;
  });
  return make("li", {}, make("b", { textContent: found.flag.replaceAll("_", " ") }), `: ${found.reason} `, ...times);
}

function showCandidate() {
  const item = candidate();
  stopPlaying();
  $("list").replaceChildren(...state.title.candidates.map(cardOf));
  $("listed").textContent = state.title.candidates.length ? `Candidates (${state.title.candidates.length})` : "No candidate was found";
  for (const button of document.querySelectorAll("[data-flag]")) {
    button.setAttribute("aria-pressed", String(Boolean(item?.flags.includes(button.dataset.flag))));
    button.disabled = !item;
  }
  document.querySelector('[data-do="accept"]').disabled = !item;
  $("candidate").textContent = item ? item.title || item.url : "No candidate: paste a link (V) or reject (R)";
  $("facts").textContent = item ? factsOf(item) : "";
  $("warning").hidden = !(item && (item.unavailable || item.is_live));
  $("warning").textContent = item ? [item.unavailable && `Not available on the site: ${item.unavailable}.`, item.is_live && "A live or future broadcast."].filter(Boolean).join(" ") : "";
  $("measured").replaceChildren(...(item ? item.measured : []).map(measuredOf));
  $("parts").replaceChildren(...(item ? item.parts : []).map(([name, points]) =>
    make("li", { className: points < 0 ? "minus" : "plus" }, `${name} `, make("b", { textContent: `${points > 0 ? "+" : "−"}${Math.abs(points)}` }))));
  showStage(item);
}

function showStage(item) {
  const stage = $("stage");
  stage.replaceChildren();
  if (!item) {
    stage.append(make("p", { className: "none", textContent: "The search found no video for this title." }));
    return;
  }
  if (item.local) {
    const video = make("video", { src: item.local, controls: true, preload: "metadata", playsInline: true });
    video.setAttribute("aria-label", `Video: ${item.title}`);
    video.addEventListener("error", () => { if (state.playing === video) showRemote(stage, item); });
    state.playing = video;
    stage.append(video, make("span", { className: "source", textContent: "downloaded" }));
    return;
  }
  showRemote(stage, item);
}

function showRemote(stage, item) {
  state.playing = null;
  stage.replaceChildren();
  if (item.thumbnail) stage.append(make("img", { className: "still", src: item.thumbnail, alt: "", referrerPolicy: "no-referrer" }));
  if (item.player) {
    const play = make("button", { type: "button", className: "play", textContent: "▶", "aria-label": "Play on the site's player (Space)" });
    play.addEventListener("click", playOrPause);
    stage.append(play);
    if (item.pictures.length) {
      stage.append(make("div", { className: "strip" }, ...item.pictures.map((src) => make("img", { src, alt: "", referrerPolicy: "no-referrer" }))));
    }
    return;
  }
  const link = make("a", { href: item.url, target: "_blank", rel: "noopener noreferrer", textContent: "Open it in a new tab" });
  stage.append(make("p", { className: "none" }, "Videos of this site cannot be embedded.", link));
}

function playOrPause() {
  const item = candidate();
  const video = state.playing;
  if (video instanceof HTMLVideoElement) {
    if (video.paused) video.play().catch(() => {}); // the error event reports what cannot be played
    else video.pause();
  } else if (item?.player && !video) {
    const frame = make("iframe", { src: item.player, allow: "autoplay; fullscreen; encrypted-media", title: `Player: ${item.title}`, referrerPolicy: "strict-origin" });
    state.playing = frame;
    $("stage").replaceChildren(frame);
  } else if (item && !item.player) {
    window.open(item.url, "_blank", "noopener,noreferrer");
  }
}

function stopPlaying() {
  if (state.playing instanceof HTMLVideoElement) state.playing.pause();
  state.playing = null;
}

function seek(seconds) {
  if (state.playing instanceof HTMLVideoElement) state.playing.currentTime = Math.max(0, state.playing.currentTime + seconds);
}

function choose(index) {
  const count = state.title?.candidates.length ?? 0;
  if (!count) return;
  state.at = (index + count) % count;
  showCandidate();
  $("list").children[state.at].scrollIntoView({ block: "nearest" });
}

function showDone(progress) {
  $("done").hidden = false;
  $("main").classList.add("empty");
  document.title = "Review of trailers";
  const more = progress.disagreements ? ` Reviewers disagree on ${progress.disagreements}.` : "";
  $("doneWords").textContent = `${progress.closed} of ${progress.total} titles are decided, ${progress.mine} of them by you.${more}`;
}
