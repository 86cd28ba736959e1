// Words that depend on other trailers: heading, stages, nearest trailers.
"use strict";

function fillHeading() {
  const title = more.title || page.trailer;
  document.title = title;
  $("title").textContent = more.year ? `${title} (${more.year})` : title;
  const parts = [title === page.trailer ? null : page.trailer, `${clock(page.frames)} min`, plural(page.shots.length, "shot")];
  for (const [split, subset] of (more.splits || []).entries()) if (subset) parts.push(`split ${split}: ${subset}`);
  $("about").textContent = parts.filter(Boolean).join(" · ");
  for (const genre of more.genres || []) $("genres").append(element("li", { textContent: genre }));
  if (more.index) $("home").href = more.index;
  for (const side of ["previous", "next"]) {
    const other = more[side];
    if (other) Object.assign($(side), { hidden: false, href: other.href, title: other.title || other.trailer, rel: side === "next" ? "next" : "prev" });
  }
}
function fillStages() {
  const list = $("stages");
  for (const stage of more.stages || []) {
    const words = [...stage.told];
    const own = list.querySelector(`[data-stage="${CSS.escape(stage.name)}"]`);
    if (own) continue; // the page already has sentences about this stage
    const place = element("dd", { dataset: { stage: stage.name }, textContent: words.join(" ") || stage.status });
    if (stage.link) place.append(" ", element("a", { href: stage.link, textContent: stage.link, rel: "noreferrer noopener" }));
    if (stage.first) list.prepend(element("dt", { textContent: stage.name }), place);
    else list.append(element("dt", { textContent: stage.name }), place);
    for (const text of stage.warnings || []) $("warnings").append(element("li", { textContent: text }));
  }
  const shown = new Set([...$("warnings").children].map((line) => line.textContent));
  for (const { told: text } of more.flags || []) if (!shown.has(text)) $("warnings").append(element("li", { textContent: text }));
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
