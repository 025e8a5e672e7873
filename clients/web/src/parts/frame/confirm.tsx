// A question before what cannot be taken back.
import type { ComponentChildren } from "preact";
import { Button } from "../controls/button.tsx";
import { Sheet } from "./sheet.tsx";

interface ConfirmProps {
  title: string;
  children?: ComponentChildren;
  /** The words on the button that does it. */
  action: string;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm({ title, children, action, onConfirm, onClose }: ConfirmProps) {
  const buttons = (
    <>
      <Button onPress={onClose}>Keep it</Button>
      <Button
        look="bad"
        onPress={() => {
          onClose();
          onConfirm();
        }}
      >
        {action}
      </Button>
    </>
  );
  return (
    <Sheet title={title} onClose={onClose} actions={buttons}>
      {children}
    </Sheet>
  );
}
