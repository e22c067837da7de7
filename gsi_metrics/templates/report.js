"use strict";
(() => {
  const cards = [...document.querySelectorAll(".card")];
  const toolbar = document.querySelector(".toolbar");
  const shown = { op: "", why: "" };

  function press(buttons, chosen) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(chosen(button)));
  }

  function filter() {
    for (const card of cards) {
      card.hidden = Object.entries(shown).some(([name, value]) => value && card.dataset[name] !== value);
    }
    for (const name of Object.keys(shown)) {
      press(toolbar.querySelectorAll(`[data-${name}]`), (button) => button.dataset[name] === shown[name]);
    }
  }

  function setBoxes(card, on) {
    card.toggleAttribute("data-boxes", on);
    press(card.querySelectorAll("button[data-boxes]"), () => on);
    document.body.classList.toggle("boxes-on", cards.some((other) => other.hasAttribute("data-boxes")));
  }

  document.addEventListener("input", ({ target }) => {
    if (target.type !== "range") return;
    const stage = target.closest(".stage");
    stage.style.setProperty("--at", `${target.value}%`);
    stage.classList.toggle("all-after", target.value < 18);
    stage.classList.toggle("all-before", target.value > 82);
  });

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    const card = button.closest(".card");
    if (!card) {
      if ("boxes" in button.dataset) {
        const on = button.getAttribute("aria-pressed") !== "true";
        press([button], () => on);
        for (const each of cards) setBoxes(each, on);
      }
      for (const name of Object.keys(shown)) if (name in button.dataset) shown[name] = button.dataset[name];
      filter();
    } else if ("boxes" in button.dataset) {
      setBoxes(card, !card.hasAttribute("data-boxes"));
    } else if (button.dataset.layer) {
      for (const layer of card.querySelectorAll(".layer")) layer.hidden = layer.dataset.layer !== button.dataset.layer;
      press(card.querySelectorAll("button[data-layer]"), (other) => other === button);
      card.querySelector(".tag.after").textContent = button.textContent;
    }
  });

  document.body.classList.toggle("boxes-on", cards.length > 0);
})();
