// A short message at the bottom, with at most one thing to do about it; it leaves by itself.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Button } from "../controls/button.tsx";
import { announce } from "./announcer.tsx";
import "./toast.css";

interface Toast {
  text: string;
  action?: string;
  onAction?: () => void;
  seconds?: number;
  isBad?: boolean;
}

const shown = signal<Toast | null>(null);
const SECONDS = 6;

/** Show a message; it takes the place of the last one. */
export function toast(message: Toast): void {
  shown.value = message;
  announce(message.text);
}

export function Toasts() {
  const message = shown.value;
  useEffect(() => {
    if (message === null) return;
    const timer = setTimeout(
      () => {
        if (shown.value === message) shown.value = null;
      },
      (message.seconds ?? SECONDS) * 1000,
    );
    return () => clearTimeout(timer);
  }, [message]);
  if (message === null) return null;
  const close = () => {
    shown.value = null;
  };
  return (
    <div class={message.isBad ? "toast bad" : "toast"}>
      <p class="wrap">{message.text}</p>
      <Button
        look="quiet"
        onPress={() => {
          close();
          message.onAction?.();
        }}
      >
        {message.action ?? "Close"}
      </Button>
    </div>
  );
}
