"use strict";
(() => {
  const images = JSON.parse(document.getElementById("images").textContent);
  const cards = [...document.querySelectorAll("#triplets > .card")];
  const toolbar = document.querySelector(".toolbar");
  const search = document.getElementById("search");
  const LAYERS = ["photo", "depth", "instances", "background"];
  const PARAMETERS = { op: "", q: "", layer: "photo", boxes: "", at: "50" };
  const state = { ...PARAMETERS };

  // Only pictures that are about to be seen, of layers that are shown, are decoded.
  const near = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      near[entry.isIntersecting ? "add" : "delete"](entry.target);
      if (entry.isIntersecting) load(entry.target);
    }
  }, { rootMargin: "800px" });

  function load(card) {
    for (const img of card.querySelectorAll("img[data-image]")) {
      if (img.className !== "photo" && img.className !== card.dataset.layer) continue;
      img.src = images[img.dataset.image];
      delete img.dataset.image;
    }
  }

  function press(buttons, chosen) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(chosen(button)));
  }

  function setLayer(card, layer) {
    card.dataset.layer = layer;
    press(card.querySelectorAll("[data-layer]"), (button) => button.dataset.layer === layer);
    if (near.has(card)) load(card);
  }

  function setBoxes(card, on) {
    card.toggleAttribute("data-boxes", on);
    press(card.querySelectorAll(".layers [data-boxes]"), () => on);
    document.body.classList.toggle("boxes-on", on || cards.some((other) => other.hasAttribute("data-boxes")));
  }

  function setAt(card, at) {
    const stage = card.querySelector(".stage");
    stage.style.setProperty("--at", `${at}%`);
    stage.querySelector("input").value = at;
    stage.classList.toggle("all-after", at < 18);
    stage.classList.toggle("all-before", at > 82);
  }

  function filter() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      card.hidden = (state.op && card.dataset.op !== state.op) || !words.every((word) => card.dataset.text.includes(word));
      shown += !card.hidden;
    }
    document.getElementById("count").textContent =
      shown === cards.length ? `${shown} triplets` : `${shown} of ${cards.length} triplets`;
    press(toolbar.querySelectorAll("[data-op]"), (button) => button.dataset.op === state.op);
  }

  function layers() {
    for (const card of cards) setLayer(card, state.layer);
    press(toolbar.querySelectorAll("[data-layer]"), (button) => button.dataset.layer === state.layer);
  }

  function boxes() {
    for (const card of cards) setBoxes(card, state.boxes === "1");
    press(toolbar.querySelectorAll("[data-boxes]"), () => state.boxes === "1");
  }

  // The address holds what is shown (#op=CM&layer=depth&boxes=1&q=mug&at=30), so it can be sent or bookmarked.
  function read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    for (const [name, usual] of Object.entries(PARAMETERS)) state[name] = hash.get(name) ?? usual;
    if (!LAYERS.includes(state.layer)) state.layer = PARAMETERS.layer;
    const at = Number(state.at);
    state.at = at >= 0 && at <= 100 ? at : 50;
    search.value = state.q;
    filter();
    layers();
    boxes();
    for (const card of cards) setAt(card, state.at);
  }

  function write() {
    const hash = new URLSearchParams();
    for (const [name, usual] of Object.entries(PARAMETERS)) {
      if (String(state[name]) !== usual) hash.set(name, state[name]);
    }
    history.replaceState(null, "", `#${hash}`);
  }

  document.addEventListener("input", ({ target }) => {
    if (target === search) {
      state.q = search.value;
      filter();
      write();
    } else if (target.type === "range") {
      setAt(target.closest(".card"), target.value);
    }
  });

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    const card = button.closest(".card");
    if (card) {
      if (button.dataset.layer) setLayer(card, button.dataset.layer);
      if ("boxes" in button.dataset) setBoxes(card, !card.hasAttribute("data-boxes"));
      if ("wide" in button.dataset) {
        const wide = card.classList.toggle("wide");
        press([button], () => wide);
        card.scrollIntoView({ block: "nearest" });
      }
    } else if ("copy" in button.dataset) {
      copy(button);
    } else {
      if ("op" in button.dataset) state.op = button.dataset.op;
      if (button.dataset.layer) state.layer = button.dataset.layer;
      if ("boxes" in button.dataset) state.boxes = state.boxes === "1" ? "" : "1";
      if ("op" in button.dataset) filter();
      if (button.dataset.layer) layers();
      if ("boxes" in button.dataset) boxes();
      write();
    }
  });

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      // Pages opened from a folder may not write to the clipboard everywhere: select it for the reader instead.
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === search) return;
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
    } else if (LAYERS[event.key - 1]) {
      state.layer = LAYERS[event.key - 1];
      layers();
      write();
    } else if (event.key === "b") {
      state.boxes = state.boxes === "1" ? "" : "1";
      boxes();
      write();
    }
  });

  addEventListener("hashchange", read);
  for (const card of document.querySelectorAll(".card")) watcher.observe(card);
  read();
})();
