// Loads titles, and turns keys and clicks into decisions. Needs review_show.js.
"use strict";

async function load(query) {
  const found = await ask(`api/show?${new URLSearchParams({ shown: $("shown").value, ...query })}`);
  showProgress(found.progress);
  state.title = found.title;
  $("main").setAttribute("aria-busy", "false");
  if (!found.title) {
    stopPlaying();
    showDone(found.progress);
    return;
  }
  $("done").hidden = true;
  $("main").classList.remove("empty");
  const accepted = found.title.candidates.findIndex((item) => item.url === found.title.url);
  state.at = Math.max(0, accepted);
  showMovie(found.title);
  showCandidate();
  window.scrollTo(0, 0);
}

// Runs one action at a time, so that a key that is held down decides only one title.
async function once(work) {
  if (state.busy) return;
  state.busy = true;
  try {
    await work();
  } catch (problem) {
    showStatus(problem.message, true);
  } finally {
    state.busy = false;
  }
}

async function decide(action, more, words) {
  const trailer = state.title.id;
  await ask("api/decide", { trailer, action, ...more });
  showStatus(words);
  await load({ after: trailer });
}

const actions = {
  accept: () => candidate() && decide("accept", { url: candidate().url, flags: candidate().flags }, `Accepted for ${state.title.title}`),
  reject: () => state.title && decide("reject", {}, `No trailer for ${state.title.title}`),
  next: () => choose(state.at + 1),
  previous: () => choose(state.at - 1),
  skip: () => state.title && load({ after: state.title.id }),
  play: playOrPause,
  back: () => seek(-10),
  on: () => seek(10),
  paste: () => state.title && openDialog("pasting", "link", ""),
  note: () => state.title && openDialog("noting", "note", state.title.note),
  help: () => $("keys").showModal(),
  undo: async () => {
    const { title } = await ask("api/undo", {});
    if (!title) return showStatus("There is nothing to undo");
    await load({ title });
    showStatus("The decision was undone");
  },
};

async function flag(name) {
  const item = candidate();
  if (!item) return;
  const flags = item.flags.includes(name) ? item.flags.filter((known) => known !== name) : [...item.flags, name];
  await ask("api/decide", { trailer: state.title.id, action: "flag", url: item.url, flags });
  item.flags = flags;
  document.querySelector(`[data-flag="${name}"]`).setAttribute("aria-pressed", String(flags.includes(name)));
  $("list").replaceChildren(...state.title.candidates.map(cardOf));
}

function openDialog(dialog, field, value) {
  $(field).value = value;
  $(dialog).returnValue = "cancel";
  $(dialog).showModal();
  $(field).focus();
}

$("pasting").addEventListener("close", () => {
  const url = $("link").value.trim();
  if ($("pasting").returnValue === "ok" && url) once(() => decide("accept", { url }, `Accepted for ${state.title.title}`));
});
$("noting").addEventListener("close", () => {
  if ($("noting").returnValue !== "ok") return;
  const note = $("note").value.trim();
  once(async () => {
    await ask("api/decide", { trailer: state.title.id, action: "note", note });
    state.title.note = note;
    showMovie(state.title);
    showStatus("Note saved");
  });
});
for (const [dialog, field] of [["pasting", "link"], ["noting", "note"]]) {
  // Enter in the field must press the second button of the form, not the first.
  $(field).addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    $(dialog).close("ok");
  });
}
$("search").addEventListener("click", () => {
  const words = [state.title.title, state.title.year ?? "", "trailer"].join(" ");
  window.open(`https://www.youtube.com/results?search_query=${encodeURIComponent(words)}`, "_blank", "noopener,noreferrer");
});

const keys = {
  a: "accept", Enter: "accept", n: "next", j: "next", ArrowRight: "next", ArrowDown: "next", p: "previous", k: "previous",
  ArrowLeft: "previous", ArrowUp: "previous", v: "paste", r: "reject", s: "skip", u: "undo", m: "note", " ": "play",
  ",": "back", ".": "on", "?": "help",
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
  const on = event.target;
  if (on instanceof HTMLInputElement || on instanceof HTMLSelectElement) return;
  // A focused button handles Enter and Space itself.
  if (on instanceof HTMLButtonElement && (event.key === "Enter" || event.key === " ")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const flags = [...document.querySelectorAll("[data-flag]")];
  if (/^[1-9]$/.test(key) && flags[Number(key) - 1]) {
    event.preventDefault();
    once(() => flag(flags[Number(key) - 1].dataset.flag));
  } else if (keys[key]) {
    event.preventDefault();
    once(async () => actions[keys[key]]());
  }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], [data-flag]");
  if (!button) return;
  // Without focus on the button, Enter and Space work as keys of the page again.
  button.blur();
  once(async () => (button.dataset.do ? actions[button.dataset.do]() : flag(button.dataset.flag)));
});
$("help").addEventListener("click", actions.help);
$("shown").addEventListener("change", () => { $("shown").blur(); once(() => load({})); });
// After a click into a player the page would no longer get the keys.
window.addEventListener("blur", () => setTimeout(() => {
  if (document.activeElement instanceof HTMLIFrameElement) document.activeElement.blur();
}));
once(() => load({}));
