// An amount spent of a limit: the figures, and a bar where there is a limit.
import { money, limit as shortMoney } from "../../model/words/words.ts";
import "./meter.css";

interface MeterProps {
  label: string;
  spent: number;
  limit: number | null | undefined;
}

export function Meter({ label, spent, limit }: MeterProps) {
  const share = limit ? Math.min(1, spent / limit) : 0;
  return (
    <div>
      <p class="meter-line numbers">
        <span>{label}</span>
        <span>
          <strong>{money(spent)}</strong>
          <span class="soft">{limit ? ` of ${shortMoney(limit)}` : ", no limit"}</span>
        </span>
      </p>
      {limit ? (
        <div class={share >= 1 ? "meter full" : "meter"}>
          <div style={{ width: `${share * 100}%` }} />
        </div>
      ) : null}
    </div>
  );
}
