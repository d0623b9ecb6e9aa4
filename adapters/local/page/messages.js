// Messages, cards and pages as nodes.

import { avatar, el, icon, iconButton, menuButton } from "./dom.js";
import { act, isDirect, messagesIn, nameOf, placeName, view } from "./view.js";
import { instant, t } from "./words.js";

/** Typed tokens as nodes: words become text, and only http(s) becomes a link. `zoned` instants name their zone. */
export function tokens(list, lang, { zoned = false } = {}) {
  return list.map((token) => {
    switch (token.t) {
      case "mention":
        return el("span", { className: token.who === view.me ? "mention me" : "mention" }, `@${token.name}`);
      case "group":
        return el("span", { className: "mention" }, `@${token.name}`);
      case "room":
        return room(token);
      case "when":
        return el(
          "time",
          { dateTime: token.at, title: token.full },
          zoned ? token.full : instant(token.at, token.zone, token.shown, lang),
        );
      case "link":
        return link(token);
      case "strong":
        return el("strong", {}, token.text);
      default:
        return document.createTextNode(token.text ?? "");
    }
  });
}

function room(token) {
  if (!view.channels.has(token.channel)) return el("span", { className: "mention" }, `#${token.name}`);
  return el("button", { type: "button", className: "room-link", onclick: () => act.openPlace(token.channel) }, `#${token.name}`);
}

function link(token) {
  let url;
  try {
    url = new URL(token.url);
  } catch {
    return document.createTextNode(token.text);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return document.createTextNode(token.text);
  if (url.pathname === "/" && /^#m\d+$/.test(url.hash)) {
    const onclick = (event) => {
      event.preventDefault();
      act.openMessage(url.hash.slice(1));
    };
    return el("a", { href: url.hash, onclick }, token.text);
  }
  return el("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, token.text);
}

/** One message in a list. `inThread` leaves out the thread's own summary. */
export function messageNode(message, { inThread = false } = {}) {
  const name = nameOf(message.author);
  const bot = message.author === "echelon";
  const at = instant(message.at, view.zone, "time");
  const head = el(
    "div",
    { className: "head" },
    el("span", { className: "author" }, name),
    bot && el("span", { className: "badge" }, t("app")),
    el("time", { dateTime: message.at, title: instant(message.at, view.zone) }, at),
    message.private && !isDirect(message.place) && el("span", { className: "private" }, icon("lock"), t("only_you")),
  );
  return el(
    "li",
    {
      className: `message ${message.private && !isDirect(message.place) ? "whisper" : ""}`,
      id: inThread ? `in-thread-${message.id}` : message.id,
      "data-change": message.change,
      tabIndex: -1,
    },
    avatar(message.author, name),
    el("div", { className: "main" }, head, content(message), !inThread && summary(message)),
    tools(message, inThread),
  );
}

function content(message) {
  const { content: said } = message;
  const spot = { place: message.place, thread: message.thread };
  switch (said.kind) {
    case "card":
      return card(said, spot);
    case "line":
      return el(
        "div",
        { className: said.tone ? `line tone-${said.tone}` : "line", lang: said.lang },
        el("p", {}, tokens(said.text, said.lang)),
        said.items?.length > 0 &&
          el("ul", { className: "items" }, said.items.map((item) => el("li", {}, tokens(item, said.lang)))),
        buttonRow(said, spot),
      );
    case "reply":
      return reply(said, spot);
    default:
      return el("p", { className: "words" }, said.text.flatMap((token) => marked(token.text)));
  }
}

const MARKS = /(^\s*\/escalate(?=\s|$)|(?<![\w@])@[\p{L}][\p{L}-]*)/giu;

/** What a person typed: the command and the mentions stand out, all else is plain. */
function marked(words) {
  return words.split(MARKS).map((part, index) =>
    index % 2
      ? el("span", { className: part.trim().startsWith("/") ? "command" : "mention" }, part)
      : document.createTextNode(part),
  );
}

function reply(said, spot) {
  return el(
    "div",
    { className: "line", lang: said.lang },
    said.text.length > 0 && el("p", {}, tokens(said.text, said.lang)),
    said.typed && el("p", { className: "typed" }, `${t("you_typed")} `, el("q", {}, said.typed)),
    said.page && el("section", { className: "page inline" }, el("h2", {}, said.page.title), pageBody(said.page, spot)),
    buttonRow(said, spot),
  );
}

function card(said, spot) {
  return el(
    "article",
    { className: `card tone-${said.tone}`, lang: said.lang },
    el(
      "header",
      {},
      el("h2", {}, said.headline),
      el("span", { className: "tone" }, icon(said.tone), t(`tone_${said.tone}`, {}, said.lang)),
    ),
    said.status.length > 0 && el("p", { className: "status" }, tokens(said.status, said.lang)),
    said.lead.length > 0 && el("p", { className: "lead" }, tokens(said.lead, said.lang)),
    said.expected &&
      el("div", { className: "expected" }, el("h3", {}, said.expected_label), el("p", {}, said.expected)),
    said.body && el("blockquote", {}, said.body),
    said.fields.length > 0 &&
      el(
        "dl",
        {},
        said.fields.map((field) =>
          el("div", {}, el("dt", {}, field.label), el("dd", {}, tokens(field.text, said.lang, { zoned: true }))),
        ),
      ),
    buttonRow(said, spot),
    said.footer.length > 0 && el("p", { className: "footer" }, tokens(said.footer, said.lang)),
  );
}

function buttonRow(said, spot) {
  if (!said.subject || (!said.buttons?.length && !said.menu?.length)) return null;
  const row = said.buttons.map((button) => pressable(button, said.subject, spot));
  if (said.menu?.length) {
    const opener = el("button", { type: "button", className: "button", "data-press": "menu" }, said.menu_label, icon("down"));
    const items = () =>
      said.menu.map((button) => ({
        label: button.label,
        act: () => act.press(opener, button.press, said.subject, spot),
      }));
    row.push(menuButton(opener, items));
  }
  return el("div", { className: "buttons" }, row);
}

function pressable(button, subject, spot) {
  const node = el("button", { type: "button", className: `button ${button.style}`, "data-press": button.press }, button.label);
  node.addEventListener("click", () => act.press(node, button.press, subject, spot));
  return node;
}

/** The sections of a page: headings, lines, and what can be done about each. */
export function pageBody(page, spot) {
  return page.sections.map((section) =>
    el(
      "div",
      { className: "section", lang: page.lang },
      section.heading && el("h3", {}, section.heading),
      el("ul", {}, section.lines.map((line) => el("li", {}, tokens(line, page.lang)))),
      buttonRow(section, spot),
    ),
  );
}

function summary(message) {
  const replies = messagesIn(message.place, message.id);
  if (!replies.length) return null;
  const last = instant(replies.at(-1).at, view.zone);
  const faces = [...new Set(replies.map((one) => one.author))].slice(0, 3).map((who) => avatar(who, nameOf(who), "tiny"));
  const count = replies.length === 1 ? t("replies_one") : t("replies_n", { n: replies.length });
  return el(
    "button",
    { type: "button", className: "summary", "data-press": "thread", onclick: () => act.openThread(message.id) },
    faces,
    el("span", { className: "count" }, count),
    el("span", { className: "last" }, t("last_reply", { time: last })),
  );
}

function tools(message, inThread) {
  const more = iconButton("more", t("more"), null, { "data-press": "more" });
  const items = () => [
    { label: t("escalate_this"), act: () => act.escalateThis(message) },
    { label: t("copy_link"), act: () => act.copyLink(message) },
  ];
  return el(
    "div",
    { className: "tools" },
    !inThread && !message.private && iconButton("reply", t("reply"), () => act.openThread(message.id), { "data-press": "reply" }),
    menuButton(more, items, "right"),
  );
}

/** "In #support-l2" and the like, for the reader of the thread. */
export function threadPlace(message) {
  return t("thread_in", { place: placeName(message.place) });
}
