// Instructions that the agent has not read yet: each can be edited and withdrawn.
import { useId } from "preact/hooks";
import { IconButton } from "../controls/button.tsx";

export interface QueuedInstruction {
  readonly key: string;
  readonly text: string;
}

interface QueuedProps {
  readonly instructions: readonly QueuedInstruction[];
  readonly onEdit: (key: string) => void;
  readonly onWithdraw: (key: string) => void;
}

export function Queued({ instructions, onEdit, onWithdraw }: QueuedProps) {
  const title = useId();
  if (instructions.length === 0) return null;
  return (
    <section class="queued" aria-labelledby={title}>
      <h2 id={title} class="soft small">
        Waits until Claude is done
      </h2>
      <ul>
        {instructions.map(({ key, text }) => (
          <li key={key}>
            <span class="queued-text wrap">{text}</span>
            <IconButton icon="edit" label={`Edit “${text}”`} onPress={() => onEdit(key)} />
            <IconButton icon="trash" label={`Withdraw “${text}”`} onPress={() => onWithdraw(key)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
