// Builds the page's nodes. Words become text nodes; nothing is ever parsed as markup.

import { view } from "./view.js";

const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  menu: "M3 6h14M3 10h14M3 14h14",
  close: "M5 5l10 10M15 5L5 15",
  next: "M5 5l6 5-6 5zM14 5v10",
  send: "M3 10l14-6-5 13-3-5.5z",
  reply: "M8 5L3 10l5 5M3 10h8a6 6 0 0 1 6 6",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  down: "M5 8l5 5 5-5",
  lock: "M5 9h10v8H5zM7 9V7a3 3 0 0 1 6 0v2",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.4 4.4l1 1M14.6 14.6l1 1M15.6 4.4l-1 1M5.4 14.6l-1 1",
  moon: "M16 12.2A6.8 6.8 0 0 1 7.8 4a6.5 6.5 0 1 0 8.200 8.200z",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  waiting: "M6 3h8M6 17h8M7 3c0 4 6 5 6 7s-6 3-6 7M13 3c0 4-6 5-6 7s6 3 6 7",
  acknowledged: "M10 10a3.2 3.2 0 1 0 0-6.400 3.200 3.200 0 0 0 0 6.400zM3.500 17a6.500 6.500 0 0 1 13 0",
  resolved: "M4 10.500l4 4 8-9",
  cancelled: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM5 15L15 5",
  moved: "M4 16h4v-4h4V8h4M12.500 4H16v3.500",
  alarm: "M10 3l7.500 13.500h-15zM10 8v4M10 14.300h.01",
  flag: "M5 17V3.500h9l-2 3.500 2 3.500H5",
  link: "M8 12l4-4M9 6l2-2a3.500 3.500 0 0 1 5 5l-2 2M11 14l-2 2a3.500 3.500 0 0 1-5-5l2-2",
  ladder: "M3 16h4v-4h4V8h4V4",
};

/** An element; `props` are properties, "data-…"/"aria-…" attributes, and `on…` listeners. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && !name.includes("-") && name !== "list") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "glyph");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** A button that shows only an icon; the label is read out and shown as a tooltip. */
export function iconButton(name, label, onclick, props = {}) {
  return el("button", { type: "button", className: "icon", title: label, "aria-label": label, onclick, ...props }, icon(name));
}

export function setIcon(button, name, label) {
  button.replaceChildren(icon(name));
  button.title = label;
  button.setAttribute("aria-label", label);
}

export function byId(id) {
  return document.getElementById(id);
}

/** The letters of a round picture in the person's colour: neighbours in the list of people differ. */
export function avatar(person, name, size = "") {
  if (person === "echelon") {
    return el("span", { className: `avatar bot ${size}`, "aria-hidden": "true" }, icon("ladder"));
  }
  const letters = name.split(/\s+/).map((part) => part[0] ?? "").join("").slice(0, 2).toUpperCase();
  const nth = [...view.people.keys()].indexOf(person);
  return el("span", { className: `avatar hue-${(nth + 9) % 9} ${size}`, "aria-hidden": "true" }, letters);
}

/** A small menu under a button: arrows move, Escape and Tab close, a click elsewhere closes. */
export function menuButton(button, items, className = "") {
  const list = el("div", { className: "menu-list", role: "menu", hidden: true });
  const holder = el("span", { className: `menu ${className}` }, button, list);
  button.setAttribute("aria-haspopup", "menu");
  button.setAttribute("aria-expanded", "false");
  const close = (refocus) => {
    if (list.hidden) return;
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    if (refocus) button.focus();
  };
  const outside = (event) => {
    if (!holder.contains(event.target)) close(false);
  };
  const open = () => {
    list.replaceChildren(
      ...items().map(({ label, act }) =>
        el("button", { type: "button", role: "menuitem", tabIndex: -1, onclick: () => { close(true); act(); } }, label),
      ),
    );
    list.hidden = false;
    list.classList.toggle("up", button.getBoundingClientRect().bottom + list.offsetHeight > innerHeight - 90);
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside, true);
    list.firstElementChild?.focus();
  };
  button.addEventListener("click", () => (list.hidden ? open() : close(true)));
  holder.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const entries = [...list.children];
    const at = entries.indexOf(document.activeElement);
    const go = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (go !== undefined) {
      event.preventDefault();
      entries[(go + entries.length) % entries.length]?.focus();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close(true);
    } else if (event.key === "Tab") close(false);
  });
  return holder;
}
