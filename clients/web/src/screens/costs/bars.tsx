// Money per day as bars; the same is said in words for those who do not see them.
import { type Day, dayName } from "../../model/usage.ts";
import { money } from "../../model/words/words.ts";

const HEIGHT = 96;
const WIDTH = 320;

export function Bars({ days }: { days: readonly Day[] }) {
  const most = Math.max(1, ...days.map((day) => day.microusd));
  const step = WIDTH / days.length;
  const total = days.reduce((sum, day) => sum + day.microusd, 0);
  return (
    <figure class="bars">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${money(total)} in ${days.length} days; at most ${money(most)} on one day.`}
      >
        {days.map((day, place) => {
          const height = Math.max(day.microusd > 0 ? 2 : 0, (day.microusd / most) * HEIGHT);
          return (
            <rect
              key={day.date}
              x={place * step + step * 0.15}
              y={HEIGHT - height}
              width={step * 0.7}
              height={height}
              rx="2"
            />
          );
        })}
      </svg>
      <figcaption class="soft small numbers">
        <span>{dayName(days[0]?.date ?? "")}</span>
        <span>{dayName(days.at(-1)?.date ?? "")}</span>
      </figcaption>
    </figure>
  );
}
