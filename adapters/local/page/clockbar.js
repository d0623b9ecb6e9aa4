// The clock above: what time it is in the demo, how fast it runs, and where it can jump.

import { post } from "./api.js";
import { byId, el, setIcon } from "./dom.js";
import { act, view } from "./view.js";
import { instant, t } from "./words.js";

let received = 0;
let moving = false;

/** Takes over what the server says of the clock. */
export function setClock(clock) {
  view.clock = clock;
  received = performance.now();
  drawClock();
}

function now() {
  return view.clock.now + (performance.now() - received) * view.clock.speed;
}

export function tick() {
  if (!view.clock) return;
  const at = now();
  const seconds = String(new Date(at).getUTCSeconds()).padStart(2, "0");
  const city = view.zone.split("/").at(-1).replaceAll("_", " ");
  byId("now-time").textContent = `${instant(at, view.zone, "time")}:${seconds}`;
  byId("now-day").textContent = `${instant(at, view.zone, "day")} · ${city}`;
}

function said(stop) {
  return `${instant(stop.at, view.zone)} · ${t(`stop_${stop.what}`, stop)}`;
}

export function drawClock() {
  if (!view.clock) return;
  const { deadline, next, speed } = view.clock;
  const goal = deadline ?? next;
  const jump = byId("jump");
  jump.disabled = !goal || moving;
  jump.querySelector(".what").textContent = moving ? t("jumping") : t(deadline || !next ? "jump" : "jump_reminder");
  byId("jump-to").textContent = goal ? said(goal) : t("jump_none");
  const step = byId("step");
  const apart = Boolean(next && deadline && next.at !== deadline.at);
  step.disabled = !apart || moving;
  setIcon(step, "next", apart ? t("step", { what: said(next) }) : t("step_none"));
  drawSpeeds(speed);
  tick();
}

/** The buttons stay, so that the focus does. */
function drawSpeeds(speed) {
  const holder = byId("speeds");
  if (holder.childElementCount !== view.speeds.length) {
    holder.replaceChildren(
      ...view.speeds.map((n) => el("button", { type: "button", onclick: () => move({ speed: n }) }, `${n}×`)),
    );
  }
  view.speeds.forEach((n, index) => {
    const button = holder.children[index];
    button.setAttribute("aria-pressed", String(n === speed));
    button.setAttribute("aria-label", t("speed_n", { n }));
    button.title = t("speed_n", { n });
  });
}

/** Moves the clock and waits until all that was due has happened. */
export async function move(how) {
  if (moving) return;
  const focused = document.activeElement;
  moving = true;
  drawClock();
  const status = await act.trying(() => post("/api/clock", { as: view.me, ...how }));
  moving = false;
  if (status) act.takeStatus(status);
  drawClock();
  if (focused === byId("jump") || focused === byId("step")) focused.focus();
}

export function startClock() {
  byId("jump").addEventListener("click", () => move({ jump: view.clock.deadline ? "deadline" : "next" }));
  byId("step").addEventListener("click", () => move({ jump: "next" }));
  setInterval(tick, 250);
}
