// The box to write in: what can be typed is offered while typing.

import { Failed, newRequest, post } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { act, firstName, isDirect, placeName, view } from "./view.js";
import { t } from "./words.js";

const drafts = new Map();
let boxes = 0;

/** A composer for a place or one of its threads, in place of what stood in `root`. */
export function compose(root, spot) {
  return new Composer(root, spot);
}

class Composer {
  constructor(root, spot) {
    Object.assign(this, { spot, request: newRequest(), chosen: -1, offers: [] });
    this.draft = `${view.me} ${spot.place} ${spot.thread ?? ""}`;
    const list = `offers-${(boxes += 1)}`;
    this.box = el("textarea", {
      id: spot.thread ? "reply-words" : "words",
      rows: 1,
      placeholder: this.placeholder(),
      "aria-label": this.placeholder(),
      "aria-autocomplete": "list",
      "aria-controls": list,
      "aria-haspopup": "listbox",
      "aria-describedby": `${list}-hint`,
      autocomplete: "off",
      value: drafts.get(this.draft) ?? "",
      oninput: () => this.typed(),
      onkeydown: (event) => this.key(event),
      onblur: () => this.offer([]),
    });
    this.list = el("ul", { id: list, className: "offers", role: "listbox", tabIndex: -1, hidden: true, "aria-label": t("suggestions") });
    this.error = el("p", { className: "error", role: "alert" });
    this.sending = el("button", { type: "submit", className: "send", title: t("send"), "aria-label": t("send") }, icon("send"));
    this.form = el(
      "form",
      { className: "composer", onsubmit: (event) => this.send(event) },
      this.list,
      el(
        "div",
        { className: "box" },
        this.box,
        el(
          "div",
          { className: "actions" },
          !spot.thread &&
            el("button", { type: "button", className: "button small", onclick: () => act.openNew(spot) }, icon("flag"), t("escalate")),
          this.sending,
        ),
      ),
      this.error,
      el("p", { className: "hint", id: `${list}-hint` }, this.hint()),
    );
    root.replaceChildren(this.form);
    this.grow();
  }

  placeholder() {
    const about = { place: placeName(this.spot.place), name: firstName(view.me) };
    if (this.spot.thread) return t("reply_to", about);
    return t(isDirect(this.spot.place) ? "message_echelon" : "message_to", about);
  }

  hint() {
    const { place, thread } = this.spot;
    const about = view.messages.get(thread)?.author === "echelon" ? "hint_thread" : "hint_talk";
    const key = isDirect(place) ? "hint_direct" : thread ? about : "hint_channel";
    const codes = { slash: "/escalate", mention: "@Echelon", ...view.keywords };
    return t(key).split(/(\{\w+\})/).map((part) => {
      const code = codes[part.slice(1, -1)];
      return part.startsWith("{") && code ? el("kbd", {}, code) : part;
    });
  }

  typed() {
    this.request = newRequest();
    drafts.set(this.draft, this.box.value);
    this.error.textContent = "";
    this.grow();
    this.offer(this.box.selectionStart === this.box.value.length ? this.fitting(this.box.value) : []);
  }

  grow() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, 180)}px`;
  }

  /** What fits what was typed so far: {word, hint, at (where it goes), sure (Enter takes it)}. */
  fitting(text) {
    const direct = isDirect(this.spot.place);
    const mention = text.match(/(^|\s)@([\p{L}-]*)$/u);
    if (mention) return this.names(mention[2], text.length - mention[2].length - 1, direct);
    if (!direct && !this.spot.thread && /^\/\w*$/.test(text)) {
      return "/escalate".startsWith(text.toLowerCase()) && text !== "/escalate"
        ? [{ word: "/escalate", hint: t("k_slash"), at: 0, sure: true }]
        : [];
    }
    const told = direct ? text.match(/^(?<word>\S*)$/) : text.match(/^(?:\/escalate|.*@echelon[:,]?)\s+(?<word>\S*)$/i);
    if (!told || (direct && !told.groups.word)) return [];
    return this.words(told.groups.word, text.length - told.groups.word.length);
  }

  names(begun, at, direct) {
    const wanted = plain(begun);
    const names = direct ? [] : [{ word: "@Echelon", hint: t("k_mention"), at, sure: true }];
    for (const person of view.people.values()) {
      names.push({ word: `@${person.name}`, hint: person.roles[0] ?? "", at, sure: true });
    }
    return names.filter(({ word }) => plain(word.slice(1)).startsWith(wanted)).slice(0, 6);
  }

  words(begun, at) {
    const wanted = plain(begun);
    return Object.entries(view.keywords)
      .filter(([, word]) => plain(word).startsWith(wanted) && plain(word) !== wanted)
      .map(([key, word]) => ({ word, hint: t(`k_${key}`), at, sure: false }));
  }

  offer(offers) {
    this.offers = offers;
    this.choose(offers[0]?.sure ? 0 : -1);
    this.list.hidden = offers.length === 0;
    this.list.replaceChildren(
      ...offers.map((offer, index) =>
        el(
          "li",
          {
            role: "option",
            id: `${this.list.id}-${index}`,
            "aria-selected": index === this.chosen ? "true" : "false",
            onpointerdown: (event) => {
              event.preventDefault();
              this.take(index);
            },
          },
          el("kbd", {}, offer.word),
          el("span", {}, offer.hint),
        ),
      ),
    );
  }

  choose(index) {
    this.chosen = index;
    [...this.list.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === index)));
    if (index < 0) this.box.removeAttribute("aria-activedescendant");
    else {
      this.box.setAttribute("aria-activedescendant", `${this.list.id}-${index}`);
      this.list.children[index]?.scrollIntoView({ block: "nearest" });
    }
  }

  take(index) {
    const offer = this.offers[index];
    this.box.value = `${this.box.value.slice(0, offer.at)}${offer.word} `;
    this.box.focus();
    this.typed();
  }

  key(event) {
    const open = this.offers.length > 0;
    if (event.isComposing) return;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.choose((this.chosen + step + this.offers.length) % this.offers.length);
    } else if (open && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.take(Math.max(this.chosen, 0));
    } else if (open && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.offer([]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      if (open && this.chosen >= 0) {
        event.preventDefault();
        this.take(this.chosen);
      } else this.send(event);
    }
  }

  async send(event) {
    event.preventDefault();
    const words = this.box.value;
    if (!words.trim() || this.sending.disabled) return;
    if (this.spot.thread && /^\s*\/escalate(\s|$)/i.test(words)) {
      this.error.textContent = t("no_slash");
      return;
    }
    this.sending.disabled = true;
    this.offer([]);
    try {
      const answer = await post("/api/say", { as: view.me, ...this.spot, words, request: this.request });
      this.box.value = "";
      this.typed();
      act.answered(this.spot, answer);
    } catch (failed) {
      if (!(failed instanceof Failed)) throw failed;
      this.error.textContent = failed.message;
    } finally {
      this.sending.disabled = false;
    }
  }
}

function plain(word) {
  return word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Puts the cursor into the box of the place. */
export function focusComposer() {
  byId("words")?.focus({ preventScroll: true });
}
