// What became of a notification, in a sentence. Pure.
import type { SentPush } from "../generated/api.gen.ts";

const ABOUT: Readonly<Record<SentPush["class"], string>> = {
  needs_input: "A task needs you",
  done: "A task is done",
  failed: "A task failed",
  withdrawn: "Nothing to do any more",
  test: "Test",
};

const BECAME: Readonly<Record<SentPush["state"], string>> = {
  waiting: "waits to be sent",
  accepted: "accepted by the push service",
  seen: "not sent: you had seen it already",
  overtaken: "not sent: something newer took its place",
  declined: "refused by the push service",
  expired: "too late: its time was over",
  given_up: "given up after several tries",
  dead: "not sent: the device is not reached any more",
  signed_out: "not sent: the device was signed out",
  withheld: "not sent: this device would only have shown one card more",
};

export function pushWords(sent: SentPush): string {
  const tries = sent.attempts.length;
  const last = sent.attempts.at(-1);
  const reason = last?.reason && sent.state !== "accepted" ? ` (${last.reason})` : "";
  const times = tries > 1 ? `, ${tries} tries` : "";
  return `${ABOUT[sent.class]}: ${BECAME[sent.state]}${reason}${times}.`;
}
