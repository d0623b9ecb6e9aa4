// What this page knows at the moment, and the few questions that every part asks of it.

export const view = {
  me: null,
  place: null,
  thread: null,
  shown: 300,
  people: new Map(),
  channels: new Map(),
  ladders: [],
  messages: new Map(),
  unread: {},
  pings: {},
  clock: null,
  zone: "UTC",
  speeds: [1],
  keywords: {},
  story: null,
  changed: 0,
};

/** What the parts of the page ask of each other; filled in by `chat.js`. */
export const act = {};

export function nameOf(author) {
  return author === "echelon" ? "Echelon" : (view.people.get(author)?.name ?? author.replace(/^\w+:/, ""));
}

export function firstName(person) {
  return nameOf(person).split(" ")[0];
}

export function isDirect(place) {
  return !place.startsWith("local:#");
}

export function placeName(place) {
  return isDirect(place) ? "Echelon" : place.replace("local:", "");
}

/** The rungs that a channel belongs to: [{ladder, level}]. */
export function rungsOf(channel) {
  return view.ladders.flatMap((ladder) =>
    ladder.levels.filter((level) => level.channel === channel).map((level) => ({ ladder, level })),
  );
}

export function numberOf(id) {
  return Number(id.slice(1));
}

/** Root messages of a place or the replies of a thread, oldest first. */
export function messagesIn(place, thread = null) {
  return [...view.messages.values()]
    .filter((message) => message.place === place && message.thread === thread)
    .sort((one, other) => numberOf(one.id) - numberOf(other.id));
}
