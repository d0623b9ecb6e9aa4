// Forms and pages in the one dialog of the page.

import { Failed, newRequest, post } from "./api.js";
import { byId, el, icon, iconButton } from "./dom.js";
import { pageBody, tokens } from "./messages.js";
import { act, view } from "./view.js";
import { t } from "./words.js";

const dialog = byId("dialog");

export function closeDialog() {
  if (dialog.open) dialog.close();
}

function show(...children) {
  dialog.replaceChildren(...children);
  if (!dialog.open) dialog.showModal();
}

function heading(title) {
  return el(
    "header",
    {},
    el("h2", { id: "dialog-title" }, title),
    iconButton("close", t("close"), closeDialog),
  );
}

/** Something to read, with buttons perhaps. A click beside it closes it. */
export function openPage(page, spot) {
  const body = el("div", { className: "page", lang: page.lang }, pageBody(page, spot));
  show(heading(page.title), body);
  dialog.className = "reading";
  dialog.onclick = (event) => event.target === dialog && closeDialog();
}

/** A form: it stays open until it was understood. `spot` is where the answer will be told. */
export function openForm(form, spot, values = {}) {
  const fields = form.inputs.map((input) => new Field(input, values[input.name]));
  const error = el("p", { className: "error", role: "alert" });
  const send = el("button", { type: "submit", className: "button primary" }, form.submit);
  const node = el(
    "form",
    { noValidate: true, lang: form.lang },
    form.intro.map((line) => el("p", { className: "intro" }, tokens(line, form.lang))),
    fields.map((field) => field.node),
    error,
    el(
      "div",
      { className: "buttons" },
      send,
      el("button", { type: "button", className: "button", onclick: closeDialog }, form.cancel),
    ),
  );
  const gathered = () => Object.fromEntries(fields.map((field) => [field.name, field.value]));
  let request = newRequest();
  node.addEventListener("input", () => (request = newRequest()));
  node.addEventListener("change", async (event) => {
    const field = fields.find((one) => one.control === event.target);
    if (!field?.reloads) return;
    const kept = gathered();
    const answer = await act.trying(() =>
      post("/api/change", { ...as(spot), form: form.name, context: form.context, values: kept }),
    );
    if (!answer?.form || !dialog.contains(node)) return;
    openForm(answer.form, spot, kept);
    dialog.querySelector(`[name="${CSS.escape(field.name)}"]`)?.focus();
  });
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.textContent = "";
    if (!complain(fields, missing(fields))) return;
    send.disabled = true;
    try {
      const sent = { ...as(spot), form: form.name, context: form.context, values: gathered(), request };
      const answer = await post("/api/submit", sent);
      if (answer.errors) complain(fields, answer.errors);
      else if (answer.form) openForm(answer.form, spot);
      else if (answer.page) openPage(answer.page, spot);
      else {
        closeDialog();
        act.answered(spot);
      }
    } catch (failed) {
      if (!(failed instanceof Failed)) throw failed;
      error.textContent = failed.message;
    } finally {
      send.disabled = false;
    }
  });
  show(heading(form.title), node);
  dialog.className = "asking";
  dialog.onclick = null;
  (fields[0]?.control ?? send).focus();
}

function as(spot) {
  return { as: view.me, place: spot.place, thread: spot.thread };
}

function missing(fields) {
  return Object.fromEntries(
    fields.filter((field) => field.required && !field.value.trim()).map((field) => [field.name, t("required")]),
  );
}

/** Shows what is wrong beside each field and goes to the first; true when nothing is. */
function complain(fields, errors) {
  fields.forEach((field) => field.complain(errors[field.name] ?? ""));
  fields.find((field) => errors[field.name])?.control.focus();
  return Object.keys(errors).length === 0;
}

class Field {
  constructor(input, kept) {
    Object.assign(this, { name: input.name, kind: input.kind, required: input.required, reloads: input.reloads });
    const id = `field-${input.name}`;
    const initial = usable(input, kept) ?? input.initial;
    this.control = control(input, initial, id);
    this.control.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
    if (input.required) this.control.setAttribute("aria-required", "true");
    this.error = el("p", { id: `${id}-error`, className: "error" });
    this.node = el(
      "div",
      { className: "field" },
      el(
        "label",
        { htmlFor: id },
        input.label,
        !input.required && el("span", { className: "optional" }, ` (${t("optional")})`),
      ),
      this.control,
      el("p", { id: `${id}-hint`, className: "hint" }, input.hint || (input.kind === "when" ? view.zone.replace("_", " ") : "")),
      this.error,
    );
  }

  get value() {
    if (this.kind === "when") return this.control.value ? String(toSeconds(this.control.value, view.zone)) : "";
    return this.control.value;
  }

  complain(sentence) {
    this.error.replaceChildren(...(sentence ? [icon("alarm"), sentence] : []));
    if (sentence) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }
}

/** A value that was typed before is kept, unless it is an option that is no longer there. */
function usable(input, kept) {
  if (kept === undefined) return undefined;
  return input.kind !== "choice" || input.options.some((option) => option.value === kept) ? kept : undefined;
}

function control(input, initial, id) {
  const common = { id, name: input.name };
  switch (input.kind) {
    case "choice":
      return choice(common, input.options, initial, input.required);
    case "person":
      return choice(common, [...view.people.values()].map(({ id: value, name }) => ({ value, label: name })), initial, true);
    case "text":
      return el("textarea", { ...common, rows: 4, value: initial, maxLength: input.longest });
    case "when":
      return el("input", { ...common, type: "datetime-local", value: initial ? toLocal(Number(initial), view.zone) : "" });
    default:
      return el("input", { ...common, type: "text", value: initial, maxLength: input.longest, autocomplete: "off" });
  }
}

function choice(common, options, initial, required) {
  const node = el("select", common);
  if (!initial || !required) node.append(el("option", { value: "" }, required ? t("choose") : "–"));
  node.append(...options.map(({ value, label }) => el("option", { value, selected: value === initial }, label)));
  return node;
}

/** The wall time of an instant in a zone, as the browser's own field writes it. */
function toLocal(seconds, zone) {
  const shown = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
  return shown.format(new Date(seconds * 1000)).replace(" ", "T");
}

/** The instant of a wall time in a zone: guess it as UTC, then correct by what the zone makes of the guess. */
function toSeconds(local, zone) {
  const wanted = Date.parse(`${local}Z`) / 1000;
  let guess = wanted;
  for (let pass = 0; pass < 2; pass += 1) guess += wanted - Date.parse(`${toLocal(guess, zone)}Z`) / 1000;
  return Math.round(guess);
}
