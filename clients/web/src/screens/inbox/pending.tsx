// Tasks that were sent from here and are not in the log yet, or were refused.

import { sentTasks } from "../../model/inbox/sent.ts";
import { plain } from "../../model/plain.ts";
import { Button } from "../../parts/controls/button.tsx";
import { useApp } from "../../state/app.ts";

export function Pending() {
  const { commands, inbox } = useApp();
  const known = new Set(inbox.lines.value.map((line) => line.task));
  const sent = sentTasks(commands.receipts.value, known);
  if (sent.length === 0) return null;
  return (
    <section class="inbox-section" aria-labelledby="inbox-pending">
      <h2 id="inbox-pending">On its way</h2>
      <ul>
        {sent.map((task) => (
          <li key={task.id} class="task-row">
            <div class="task-row-link">
              <span class="task-row-title">{plain(task.title)}</span>
              <span class={task.isRefused ? "task-row-sentence bad" : "task-row-sentence"}>
                {plain(task.sentence)}
              </span>
            </div>
            {task.canWithdraw && (
              <Button look="quiet" onPress={() => void commands.withdraw(task.id)}>
                Withdraw
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
