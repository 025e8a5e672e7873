// The scrubber: any version of the history, ticks for what is worth a look, and a film of it.
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { StoredEvent } from "../../model/generated/events.gen.ts";
import {
  type Film,
  filmOf,
  nextStop,
  type TickKind,
  ticksOf,
  timeOf,
  versionAt,
} from "../../model/past/playback.ts";
import { exactTime } from "../../model/words/words.ts";
import { IconButton } from "../../parts/controls/button.tsx";
import { announce } from "../../parts/frame/announcer.tsx";

interface ScrubberProps {
  events: readonly StoredEvent[];
  version: Signal<number>;
}

export function Scrubber({ events, version }: ScrubberProps) {
  const film = useMemo(() => filmOf(events), [events]);
  const isPlaying = useFilm(film, version);
  const last = events.length;
  const at = events[version.value - 1]?.at;
  const step = (by: number) => {
    isPlaying.value = false;
    version.value = Math.min(last, Math.max(1, version.value + by));
  };
  return (
    <div class="scrubber">
      <Ticks events={events} />
      <input
        type="range"
        min={1}
        max={last}
        value={version.value}
        aria-label="Version"
        aria-valuetext={at ? `#${version.value}, ${exactTime(at)}` : `#${version.value}`}
        onInput={(event) => {
          isPlaying.value = false;
          version.value = Number(event.currentTarget.value);
        }}
      />
      <div class="scrubber-buttons">
        <IconButton icon="back" label="One step back" onPress={() => step(-1)} />
        <IconButton
          icon={isPlaying.value ? "pause" : "play"}
          label={isPlaying.value ? "Pause" : "Play"}
          look="plain"
          onPress={() => {
            if (!isPlaying.value && version.value >= last) version.value = 1;
            isPlaying.value = !isPlaying.value;
          }}
        />
        <IconButton icon="next" label="One step forward" onPress={() => step(1)} />
        <span class="scrubber-place soft small numbers">
          #{version.value} of {last}
        </span>
      </div>
    </div>
  );
}

/** Move the version along the film while it plays; it stops by itself where a person decided. */
function useFilm(film: Film, version: Signal<number>): Signal<boolean> {
  const isPlaying = useSignal(false);
  useEffect(() => {
    if (!isPlaying.value) return;
    const from = version.peek();
    const stop = nextStop(film, from);
    const until = stop?.version ?? film.frames.length;
    const began = performance.now() - timeOf(film, from);
    let request = requestAnimationFrame(function frame(now) {
      const shown = Math.min(until, versionAt(film, now - began));
      version.value = shown;
      if (shown < until) {
        request = requestAnimationFrame(frame);
        return;
      }
      isPlaying.value = false;
      announce(stop === null ? "The end." : `Stopped at #${until}.`);
    });
    return () => cancelAnimationFrame(request);
  }, [film, isPlaying.value]);
  return isPlaying;
}

const COLOURS: Readonly<Record<TickKind, string>> = {
  person: "var(--accent)",
  asked: "var(--attention)",
  money: "var(--attention)",
  plan: "var(--line-strong)",
  files: "var(--line)",
  failure: "var(--bad)",
  delivery: "var(--good)",
};

function Ticks({ events }: { events: readonly StoredEvent[] }) {
  const ticks = useMemo(() => ticksOf(events), [events]);
  const width = Math.max(1, events.length - 1);
  return (
    <svg class="scrubber-ticks" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
      {ticks.map(({ version, kind }) => (
        <rect
          key={version}
          x={((version - 1) / width) * 996}
          y={kind === "files" || kind === "plan" ? 5 : 0}
          width="4"
          height={kind === "files" || kind === "plan" ? 5 : 10}
          style={{ fill: COLOURS[kind] }}
        />
      ))}
    </svg>
  );
}
