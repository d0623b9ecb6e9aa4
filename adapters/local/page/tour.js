// The running example: an issue is opened, climbs two levels and is solved, through the same calls as a click or a word.

import { post } from "./api.js";
import { byId, el } from "./dom.js";
import { act, firstName, messagesIn, view } from "./view.js";
import { spoken, t } from "./words.js";

const panel = byId("tour");
const PATIENCE = 8000;
let running = null;

export function stopTour() {
  running = null;
  panel.hidden = true;
  panel.replaceChildren();
}

/** Starts from the beginning, in the language of the page at this moment. */
export async function startTour() {
  const story = view.story;
  const lang = spoken();
  const [a, b, c] = story.climb;
  const about = {
    opener: firstName(story.opener),
    words: story.words[lang],
    a: firstName(a.owner),
    b: firstName(b.owner),
    c: firstName(c.owner),
  };
  const tour = { lang, about, issue: null };
  running = tour;
  const steps = [
    () => act.actAs(story.opener, story.channel),
    async () => {
      const before = newest(await opened(a.owner));
      await act.actAs(story.opener, story.channel);
      await post("/api/say", { as: story.opener, place: story.channel, words: `/escalate new ${story.words[lang]}` });
      await act.actAs(a.owner, a.owner);
      const card = await awaited(() => cards(a.owner).filter((one) => one.id !== before?.id && fresh(one, before)).at(-1));
      tour.issue = issueOf(card);
    },
    () => {},
    () => climbs(tour, b.owner, b.channel),
    () => {},
    () => climbs(tour, c.owner, c.owner),
    () => pressed(tour, c.owner, "acknowledge"),
    async () => {
      const { form } = await pressed(tour, c.owner, "resolve");
      const values = Object.fromEntries(form.inputs.map((input) => [input.name, input.initial]));
      const text = form.inputs.find((input) => input.kind === "text") ?? form.inputs[0];
      values[text.name] = story.solution[lang];
      await post("/api/submit", { as: c.owner, place: c.owner, form: form.name, context: form.context, values });
      await act.actAs(story.opener, story.opener);
      const told = await awaited(() => cards(story.opener).findLast((card) => issueOf(card) === tour.issue));
      if (matchMedia("(min-width: 1081px)").matches) act.openThread(told.id);
    },
  ];
  for (const [index, step] of steps.entries()) {
    busy();
    try {
      await step();
    } catch (failed) {
      if (running === tour) caption(tour, t("tour_lost", { why: failed.message }, lang), index, steps.length, true);
      return;
    }
    if (running !== tour) return;
    const last = index === steps.length - 1;
    await caption(tour, t(`tour_${index + 1}`, about, lang), index, steps.length, last);
    if (running !== tour) return;
  }
  stopTour();
}

function caption(tour, words, index, of, last) {
  return new Promise((resolve) => {
    const go = el("button", { type: "button", className: "button primary", onclick: () => (last ? stopTour() : null, resolve()) },
      t(last ? "tour_done" : "tour_next", {}, tour.lang));
    const stop = el("button", { type: "button", className: "button", onclick: () => (stopTour(), resolve()) }, t("tour_stop", {}, tour.lang));
    panel.hidden = false;
    panel.lang = tour.lang;
    panel.dataset.step = index + 1;
    panel.replaceChildren(
      el("p", { className: "count" }, t("tour_n", { n: index + 1, m: of }, tour.lang)),
      el("p", { className: "caption", role: "status" }, words),
      el("div", { className: "buttons" }, go, !last && stop),
    );
    go.focus({ preventScroll: true });
  });
}

function busy() {
  for (const button of panel.querySelectorAll(".primary")) button.disabled = true;
}

function cards(place) {
  return messagesIn(place).filter((message) => message.content.kind === "card");
}

function newest(list) {
  return list.at(-1);
}

function fresh(card, before) {
  return !before || Number(card.id.slice(1)) > Number(before.id.slice(1));
}

async function opened(person) {
  await act.actAs(person, person);
  return cards(person);
}

function issueOf(card) {
  return card.content.subject.slice(0, card.content.subject.lastIndexOf(":"));
}

/** Lets deadlines pass, whoever's they are, until this issue has reached `person`; then shows `place`. */
async function climbs(tour, person, place) {
  for (let jumps = 0; jumps < 12; jumps += 1) {
    await post("/api/clock", { as: view.me, jump: "deadline" });
    await act.actAs(person, place);
    const arrived = await awaited(() => cards(place).find((card) => issueOf(card) === tour.issue), 1200).catch(() => null);
    if (arrived) return;
  }
  throw new Error(t("gone", { name: firstName(person) }, tour.lang));
}

async function pressed(tour, person, press) {
  const card = await awaited(() =>
    cards(person).findLast((one) => issueOf(one) === tour.issue && one.content.buttons.some((button) => button.press === press)),
  );
  return post("/api/press", { as: person, place: person, press, subject: card.content.subject });
}

/** Waits until the stream of changes has brought what is looked for. */
async function awaited(look, patience = PATIENCE) {
  const until = performance.now() + patience;
  while (performance.now() < until) {
    const found = look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  throw new Error(t("away"));
}
