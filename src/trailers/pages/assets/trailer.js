// One trailer: film strip, curves, clips and predictions on one time axis.
// The page contains its own numbers as JSON; trailerData has those that depend on other trailers. Text from outside is
// only ever set as text. Pages opened from a disk cannot load modules, so the parts are scripts that share one scope.
(() => {
  "use strict";

  const PARTS = ["base", "pictures", "words", "strip", "tracks", "playback", "experiments", "start"];
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  for (const part of PARTS) {
    const script = document.createElement("script");
    script.src = `${folder}trailer_${part}.js`;
    script.async = false; // the parts run in this order
    document.head.append(script);
  }
})();
