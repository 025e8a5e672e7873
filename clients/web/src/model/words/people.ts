// Who did something, in words.
import { ENGLISH } from "./english.ts";

/** What is known of people: my own id, and the names of the account's members. */
export interface People {
  readonly me: string;
  readonly names?: ReadonlyMap<string, string>;
  /** Who looks has no account: everybody is a person to them. */
  readonly isStranger?: boolean;
}

const PERSON = "person:";

/** Whether an event's `by` is the person who looks at it. */
export function isMe(by: string, people: People): boolean {
  return people.me !== "" && by === `${PERSON}${people.me}`;
}

/** `You`, a member's name, or `Another member`; to a stranger `A person`. */
export function who(by: string, people: People): string {
  if (isMe(by, people)) return ENGLISH.you;
  if (by.startsWith(PERSON)) {
    if (people.isStranger) return ENGLISH.aPerson;
    return people.names?.get(by.slice(PERSON.length)) ?? ENGLISH.someone;
  }
  if (by === "operator") return ENGLISH.operator;
  return ENGLISH.agent;
}
