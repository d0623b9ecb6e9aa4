// The page: who acts, where they are, what they see. The parts are in the modules beside this one.

import { Failed, get, onUnreachable, post } from "./api.js";
import { drawClock, setClock, startClock } from "./clockbar.js";
import { compose, focusComposer } from "./composer.js";
import { closeDialog, openForm, openPage } from "./dialogs.js";
import { avatar, byId, el, icon, iconButton, setIcon } from "./dom.js";
import { messageNode, threadPlace } from "./messages.js";
import { startTour } from "./tour.js";
import { act, firstName, isDirect, messagesIn, nameOf, numberOf, placeName, rungsOf, view } from "./view.js";
import { label, speak, spoken, t } from "./words.js";

const NARROW = matchMedia("(max-width: 760px)");
const lists = {
  messages: { scroller: byId("scroller"), list: byId("messages") },
  replies: { scroller: byId("thread-scroller"), list: byId("replies") },
};
const marked = new Map();
let events = null;
let drawing = 0;

// ---- who and where

async function load(person) {
  const state = await get(`/api/state?as=${encodeURIComponent(person ?? "")}`);
  Object.assign(view, {
    me: state.you,
    people: new Map(state.people.map((one) => [one.id, one])),
    channels: new Map(state.channels.map((one) => [one.id, one])),
    ladders: state.ladders,
    messages: new Map(state.messages.map((one) => [one.id, one])),
    zone: state.zone,
    speeds: state.speeds,
    keywords: state.keywords,
    story: state.story,
    changed: state.changed,
  });
  speak(state.lang);
  byId("workspace").textContent = state.workspace;
  takeStatus(state);
  listen();
}

function listen() {
  events?.close();
  const source = new EventSource(`/api/events?as=${encodeURIComponent(view.me)}&since=${view.changed}`);
  events = source;
  source.addEventListener("message", (event) => events === source && takeMessage(JSON.parse(event.data)));
  source.addEventListener("status", (event) => {
    if (events !== source) return;
    if (byId("toast").dataset.away) toast(t("back"));
    takeStatus(JSON.parse(event.data));
  });
  source.addEventListener("error", () => {
    if (events !== source) return;
    toast(t("away"), { away: true });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => events === source && listen(), 3000);
  });
}

async function actAs(person, place = null) {
  if (person !== view.me) {
    closeDialog();
    view.thread = null;
    await load(person);
    label(document);
    drawClock();
  }
  const readable = place && (view.channels.has(place) || place === view.me);
  const stays = view.channels.has(view.place) ? view.place : view.me;
  openPlace(readable ? place : stays);
}

function openPlace(place, { focus = false } = {}) {
  if (view.place !== place) view.thread = null;
  view.place = place;
  view.shown = 300;
  remember();
  closeDrawer();
  lists.messages.list.replaceChildren();
  draw({ bottom: true });
  compose(byId("composer"), { place, thread: null });
  drawThread();
  if (focus && !NARROW.matches) focusComposer();
}

function openThread(id) {
  view.thread = id;
  lists.replies.list.replaceChildren();
  drawThread({ bottom: true });
  byId("reply-words")?.focus();
}

function closeThread() {
  const from = view.thread;
  view.thread = null;
  drawThread();
  byId(from)?.focus();
}

function openMessage(id) {
  const message = view.messages.get(id);
  if (!message) return toast(t("gone", { name: nameOf(view.me) }));
  if (view.place !== message.place) openPlace(message.place);
  if (message.thread) openThread(message.thread);
  view.shown = Infinity;
  draw({});
  const node = byId(message.thread ? `in-thread-${id}` : id);
  node?.scrollIntoView({ block: "center" });
  node?.focus({ preventScroll: true });
  node?.classList.add("found");
  setTimeout(() => node?.classList.remove("found"), 2000);
}

function remember() {
  sessionStorage.setItem("echelon", JSON.stringify({ me: view.me, place: view.place }));
}

// ---- what arrives

function takeMessage(message) {
  const known = view.messages.has(message.id);
  view.messages.set(message.id, message);
  view.changed = Math.max(view.changed, message.change);
  if (!known && message.author !== view.me) announce(message);
  soon();
}

function takeStatus(status) {
  const other = status.lang !== spoken() || status.latest < view.changed;
  if (other && events && view.place) return trying(startAfresh);
  view.unread = status.unread;
  view.pings = status.pings;
  setClock(status.clock);
  soon();
}

/** The person has chosen another language, or the demo was started with empty files: ask for everything again. */
async function startAfresh() {
  const { me, place } = view;
  view.place = null;
  await load(me).catch(() => load(null));
  marked.clear();
  openPlace(view.channels.has(place) || place === view.me ? place : view.me);
}

function announce(message) {
  const about = { who: nameOf(message.author), place: placeName(message.place), words: message.content.fallback };
  byId("live").append(el("p", {}, t("new_message", about)));
  while (byId("live").childElementCount > 5) byId("live").firstElementChild.remove();
}

/** Several changes at once are drawn once. */
function soon() {
  if (!drawing && view.place) drawing = setTimeout(() => draw({}), 16);
}

// ---- drawing

function draw({ bottom = false }) {
  clearTimeout(drawing);
  drawing = 0;
  if (!view.place) return;
  drawSide();
  drawPlace();
  const roots = messagesIn(view.place);
  drawList("messages", roots, { bottom });
  byId("start").hidden = roots.length > 0;
  if (!roots.length && byId("start").dataset.of !== `${view.me} ${view.place}`) drawStart();
  if (view.thread) drawThread();
  markRead();
  drawTitle();
}

/** Draws what is new or changed, leaves the rest, and keeps the reader's place and focus. */
function drawList(name, messages, { bottom = false, inThread = false } = {}) {
  const { scroller, list } = lists[name];
  const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
  const follow = bottom || left < 80 || Math.abs(scroller.scrollTop - scroller.dataset.led) < 2;
  const focused = document.activeElement?.closest?.(".message");
  const pressed = focused && list.contains(focused) ? [focused.id, document.activeElement.dataset.press] : null;
  const shown = messages.slice(-view.shown);
  const there = new Map([...list.children].map((node) => [node.id, node]));
  const nodes = shown.map((message) => {
    const known = there.get(inThread ? `in-thread-${message.id}` : message.id);
    const stamp = `${message.change}/${messagesIn(message.place, message.id).length}`;
    if (known?.dataset.stamp === stamp) return known;
    const node = messageNode(message, { inThread });
    node.dataset.stamp = stamp;
    return node;
  });
  if (nodes.length !== list.children.length || nodes.some((node, index) => list.children[index] !== node)) {
    list.replaceChildren(...nodes);
  }
  if (pressed && !list.contains(document.activeElement)) {
    const node = byId(pressed[0]);
    (node?.querySelector(`[data-press="${CSS.escape(pressed[1] ?? "")}"]`) ?? node)?.focus({ preventScroll: true });
  }
  if (follow) leadToEnd(scroller);
}

/** To the newest message: its end, or its beginning where it is taller than the room for it. */
function leadToEnd(scroller) {
  const last = scroller.querySelector("ol:last-child").lastElementChild;
  const end = scroller.scrollHeight - scroller.clientHeight;
  const tall = last && last.offsetHeight > scroller.clientHeight - 20;
  scroller.scrollTop = tall ? Math.min(end, last.offsetTop - scroller.offsetTop) : end;
  scroller.dataset.led = scroller.scrollTop;
}

function drawThread({ bottom = false } = {}) {
  const panel = byId("thread");
  const root = view.thread && view.messages.get(view.thread);
  panel.hidden = !root;
  document.body.classList.toggle("threaded", Boolean(root));
  if (!root) {
    panel.dataset.of = "";
    return;
  }
  byId("thread-place").textContent = threadPlace(root);
  setIcon(byId("thread-close"), "close", t("close"));
  drawList("replies", [root, ...messagesIn(root.place, root.id)], { inThread: true, bottom });
  const of = `${view.me} ${root.id} ${document.documentElement.lang}`;
  if (panel.dataset.of !== of) {
    panel.dataset.of = of;
    compose(byId("thread-composer"), { place: root.place, thread: root.id });
  }
}

function drawPlace() {
  const place = view.place;
  const stamp = `${view.me} ${place} ${document.documentElement.lang}`;
  const node = byId("place");
  if (node.dataset.of === stamp) return;
  node.dataset.of = stamp;
  const holders = [...new Set(rungsOf(place).flatMap(({ level }) => level.owners))];
  node.replaceChildren(
    el("div", {}, el("h1", {}, placeName(place)), el("p", {}, topic(place))),
    el(
      "div",
      { className: "holders", hidden: holders.length === 0 },
      el("span", {}, t("held_by")),
      holders.map((person) => el("span", { className: "holder" }, avatar(person, nameOf(person), "tiny"), nameOf(person))),
    ),
  );
}

function topic(place) {
  if (isDirect(place)) return t("direct_topic", { name: nameOf(place) });
  const rungs = rungsOf(place);
  if (rungs.length) {
    return rungs
      .map(({ ladder, level }) => {
        const where = t("level_of", { n: level.n, m: ladder.levels.length, role: level.role });
        return `${where} · ${t("time_limit", { window: level.window })}`;
      })
      .join(" — ");
  }
  const channel = view.channels.get(place);
  if (channel?.admins) return t("admin_channel");
  return channel?.matrix ? t("follows", { matrix: channel.matrix }) : t("open_channel");
}

function drawStart() {
  const node = byId("start");
  node.dataset.of = `${view.me} ${view.place}`;
  const rung = rungsOf(view.place)[0]?.level;
  if (view.place !== view.story?.channel) {
    const words = rung
      ? t("empty_level", { n: rung.n, who: rung.owners.map(firstName).join(", ") })
      : isDirect(view.place)
        ? t("empty_direct", { name: nameOf(view.me) })
        : t(view.channels.get(view.place)?.admins ? "admin_channel" : "empty_channel");
    node.replaceChildren(el("div", { className: "quiet" }, icon("ladder"), el("h2", {}, t("empty_title")), el("p", {}, words)));
    return;
  }
  const step = (n) => el("li", {}, el("strong", {}, t(`start_${n}`)), el("span", {}, t(`start_${n}_text`)));
  node.replaceChildren(
    el(
      "div",
      { className: "hero" },
      el("h2", {}, t("start_title")),
      el("p", {}, t("start_text")),
      el("ol", {}, step(1), step(2), step(3)),
      el(
        "div",
        { className: "buttons" },
        view.story && el("button", { type: "button", className: "button primary large", onclick: startTour }, t("start_watch")),
        el(
          "button",
          { type: "button", className: "button large", onclick: () => openNew({ place: view.place, thread: null }) },
          t("start_own"),
        ),
      ),
    ),
  );
}

function drawSide() {
  const stamp = JSON.stringify([view.me, view.place, view.unread, view.pings, document.documentElement.lang]);
  const side = byId("side");
  if (side.dataset.of === stamp) return;
  side.dataset.of = stamp;
  const focused = side.contains(document.activeElement) ? document.activeElement.dataset.go : null;
  drawPeople();
  const rungs = new Set(view.ladders.flatMap((ladder) => ladder.levels.map((level) => level.channel)));
  const others = [...view.channels.values()].filter((channel) => !rungs.has(channel.id));
  byId("rooms").replaceChildren(
    group(t("direct"), el("ul", {}, entry(view.me, el("span", { className: "hash" }, avatar("echelon", "", "tiny")), "Echelon"))),
    group(t("channels"), el("ul", {}, others.map(channelEntry))),
    ...view.ladders.map((ladder) => group(ladder.title, el("ol", { className: "ladder" }, ladder.levels.map(rungEntry)))),
  );
  if (focused) side.querySelector(`[data-go="${CSS.escape(focused)}"]`)?.focus();
}

function group(title, list) {
  return el("section", {}, el("h2", {}, title), list);
}

function channelEntry(channel) {
  const sign = el("span", { className: "hash", "aria-hidden": "true" }, channel.admins ? icon("lock") : "#");
  return entry(channel.id, sign, channel.name, channel.admins ? t("admins_only") : "");
}

function rungEntry(level) {
  const number = el("span", { className: "rung", "aria-hidden": "true" }, String(level.n));
  const name = level.channel ? placeName(level.channel).slice(1) : level.role;
  if (!level.channel || !view.channels.has(level.channel)) {
    return el("li", {}, el("span", { className: "entry" }, number, el("span", { className: "label" }, name)));
  }
  return entry(level.channel, number, name, t("level_of", { n: level.n, m: "", role: level.role }).replace(/ (of|sur)  /, " "));
}

function entry(place, sign, name, title = "") {
  const count = view.unread[place] ?? 0;
  const button = el(
    "button",
    {
      type: "button",
      className: count ? "entry unread" : "entry",
      "aria-current": view.place === place ? "page" : null,
      "data-go": `place ${place}`,
      title,
      onclick: () => openPlace(place, { focus: true }),
    },
    sign,
    el("span", { className: "label" }, name),
    count > 0 && pill(count),
  );
  return el("li", {}, button);
}

function pill(count) {
  return el("span", { className: "pill" }, String(count), el("span", { className: "unseen" }, ` ${t("unread_n", { n: "" }).trim()}`));
}

function drawPeople() {
  const me = view.people.get(view.me);
  const switcher = byId("switcher");
  const roles = (person) => (person.roles.length ? person.roles : [t("no_role")]).map((role) => el("span", {}, role));
  switcher.replaceChildren(
    avatar(me.id, me.name),
    el("span", { className: "who" }, el("strong", {}, me.name), roles(me)),
    icon("down"),
  );
  switcher.setAttribute("aria-label", t("switch", { name: me.name }));
  byId("people").replaceChildren(
    ...[...view.people.values()].map((person) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            "aria-current": person.id === view.me ? "true" : null,
            "data-go": `person ${person.id}`,
            onclick: () => choose(person.id),
          },
          avatar(person.id, person.name, "small"),
          el("span", { className: "who" }, el("strong", {}, person.name), roles(person)),
          view.pings[person.id] && pill(view.pings[person.id]),
        ),
      ),
    ),
  );
  const waiting = Object.entries(view.pings).filter(([person]) => person !== view.me);
  drawDrawer(waiting.reduce((total, [, count]) => total + count, 0) + (view.unread[view.me] ?? 0));
  byId("pinged").replaceChildren(
    el("span", {}, t(waiting.length ? "pinged" : "pinged_none")),
    ...waiting.map(([person, count]) =>
      el(
        "button",
        {
          type: "button",
          className: "chip",
          "aria-label": `${t("act_as", { name: nameOf(person) })} (${t("unread_n", { n: count })})`,
          "data-go": `ping ${person}`,
          title: t("act_as", { name: nameOf(person) }),
          onclick: () => trying(() => actAs(person, person)),
        },
        avatar(person, nameOf(person), "tiny"),
        waiting.length < 3 && firstName(person),
        el("span", { className: "pill" }, String(count)),
      ),
    ),
  );
}

function drawDrawer(count) {
  const drawer = byId("drawer");
  setIcon(drawer, "menu", count ? t("open_side_unread", { n: count }) : t("open_side"));
  if (count) drawer.append(el("span", { className: "pill", "aria-hidden": "true" }, String(count)));
}

function choose(person) {
  togglePeople(false);
  byId("switcher").focus();
  trying(() => actAs(person, view.pings[person] ? person : null));
}

function togglePeople(open) {
  byId("people").hidden = !open;
  byId("switcher").setAttribute("aria-expanded", String(open));
  if (open) byId("people").querySelector("[aria-current]")?.focus();
}

function drawTitle() {
  const waiting = Object.values(view.unread).reduce((total, count) => total + count, 0);
  document.title = `${waiting ? `(${waiting}) ` : ""}${placeName(view.place)} · Echelon`;
}

// ---- what people do

async function press(button, pressedName, subject, spot) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  const body = { as: view.me, ...spot, press: pressedName, subject };
  const answer = await trying(() => post("/api/press", body));
  button.removeAttribute("aria-busy");
  if (answer) answered(spot, answer);
}

/** Shows what came back: a form or a page at once; a sentence is already on its way into the conversation. */
function answered(spot, answer = {}) {
  if (answer.form) return openForm(answer.form, spot);
  if (answer.page) return openPage(answer.page, spot);
  closeDialog();
  const { scroller } = spot.thread ? lists.replies : lists.messages;
  leadToEnd(scroller);
  setTimeout(() => leadToEnd(scroller), 120);
}

async function openNew(spot) {
  const answer = await trying(() => post("/api/new", { as: view.me, place: spot.place }));
  if (answer) answered(spot, answer);
}

async function escalateThis(message) {
  const answer = await trying(() => post("/api/shortcut", { as: view.me, message: message.id }));
  if (answer) answered({ place: message.place, thread: message.thread }, answer);
}

async function copyLink(message) {
  await navigator.clipboard?.writeText(`${location.origin}/#${message.id}`);
  toast(t("copied"));
}

async function markRead() {
  const last = [...view.messages.values()]
    .filter((message) => message.place === view.place)
    .reduce((most, message) => Math.max(most, numberOf(message.id)), 0);
  const key = `${view.me} ${view.place}`;
  if (!last || document.hidden || (marked.get(key) ?? 0) >= last) return;
  marked.set(key, last);
  await trying(() => post("/api/read", { as: view.me, place: view.place, upto: `m${last}` }));
}

/** Runs something that asks the server; a failure is told and gives undefined. */
async function trying(ask) {
  try {
    return await ask();
  } catch (failed) {
    if (!(failed instanceof Failed)) throw failed;
    toast(failed.message);
    return undefined;
  }
}

function toast(words, { away = false } = {}) {
  const node = byId("toast");
  if (away && node.dataset.away) return;
  node.replaceChildren(el("span", {}, words), iconButton("close", t("close"), () => node.replaceChildren()));
  node.dataset.away = away ? "yes" : "";
  clearTimeout(node.timer);
  if (!away) node.timer = setTimeout(() => node.replaceChildren(), 6000);
}

// ---- the frame

const THEMES = ["auto", "light", "dark"];
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function setTheme(chosen) {
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("echelon-theme", chosen);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  drawFrame();
}

function drawFrame() {
  setIcon(byId("theme"), THEME_ICONS[theme()], t(`theme_${theme()}`));
}

function closeDrawer() {
  document.body.classList.remove("drawn");
  byId("drawer").setAttribute("aria-expanded", "false");
}

function startFrame() {
  byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % 3]));
  byId("drawer").addEventListener("click", () => {
    const open = document.body.classList.toggle("drawn");
    byId("drawer").setAttribute("aria-expanded", String(open));
    if (open) {
      byId("side").scrollTop = 0;
      byId("switcher").focus();
    }
  });
  byId("switcher").addEventListener("click", () => togglePeople(byId("people").hidden));
  byId("thread-close").addEventListener("click", closeThread);
  byId("main").addEventListener("pointerdown", closeDrawer);
  document.addEventListener("pointerdown", (event) => {
    if (!byId("people").hidden && !event.target.closest(".acting")) togglePeople(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || byId("dialog").open) return;
    if (!byId("people").hidden) {
      togglePeople(false);
      byId("switcher").focus();
    } else if (document.body.classList.contains("drawn")) {
      closeDrawer();
      byId("drawer").focus();
    } else if (view.thread) closeThread();
  });
  document.addEventListener("visibilitychange", () => !document.hidden && soon());
  addEventListener("pagehide", () => events?.close());
  addEventListener("pageshow", (event) => event.persisted && listen());
  addEventListener("hashchange", () => /^#m\d+$/.test(location.hash) && openMessage(location.hash.slice(1)));
  new MutationObserver(() => {
    label(document);
    drawFrame();
  }).observe(document.documentElement, { attributeFilter: ["lang"] });
}

Object.assign(act, {
  actAs,
  openPlace: (place) => openPlace(place, { focus: true }),
  openThread,
  openMessage,
  openNew,
  press,
  answered,
  escalateThis,
  copyLink,
  trying,
  takeStatus,
});

async function start() {
  onUnreachable(() => t("away"));
  startFrame();
  startClock();
  label(document);
  drawFrame();
  const kept = JSON.parse(sessionStorage.getItem("echelon") ?? "{}");
  const wanted = new URLSearchParams(location.search).get("as") ?? kept.me;
  try {
    await load(wanted).catch(() => load(null));
  } catch (failed) {
    toast(failed.message);
    return;
  }
  if (!wanted && view.story && view.me !== view.story.opener) await load(view.story.opener);
  label(document);
  drawFrame();
  drawClock();
  const home = view.story?.channel ?? view.me;
  const place = kept.me === view.me && (view.channels.has(kept.place) || kept.place === view.me) ? kept.place : home;
  openPlace(place);
  if (/^#m\d+$/.test(location.hash)) openMessage(location.hash.slice(1));
}

start();
