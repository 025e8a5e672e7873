// The words of a command that can do harm. A reading aid: the sandbox is the wall.

export type ShellKind =
  | "plain"
  | "delete"
  | "discard"
  | "push"
  | "network"
  | "install"
  | "root"
  | "force"
  | "chain"
  | "pipe"
  | "redirect"
  | "substitution"
  | "piped_to_shell";

const DELETERS = new Set(["rm", "rmdir", "unlink", "shred", "truncate", "dd", "mkfs", "wipefs"]);
const ROOT = new Set(["sudo", "su", "doas"]);
const NETWORK = new Set(
  "curl wget http https ssh scp sftp ftp telnet nc ncat netcat socat rsync gh glab aws gcloud az kubectl".split(
    " ",
  ),
);
const SHELLS = new Set(
  "sh bash zsh dash ksh fish python python3 perl ruby node eval source".split(" "),
);
const INSTALLERS = new Set(
  "pip pip3 pipx uv poetry conda npm pnpm yarn bun apt apt-get dnf yum apk brew gem bundle cargo go composer".split(
    " ",
  ),
);
const INSTALLING = new Set("install i ci add get upgrade update require dlx".split(" "));
const PUBLISHING = new Set(["push", "publish", "upload", "send-email"]);
const DISCARDING = new Set(["clean", "reset", "restore", "checkout", "stash"]);
const REMOVING = new Set(["rm", "delete", "rmi", "prune", "destroy", "drop", "terminate"]);
const PREFIXES = new Set(
  "sudo doas env nohup time xargs command exec then do else if while until ! { nice timeout builtin".split(
    " ",
  ),
);
const FORCE = /^(?:--force(?:-.*)?|--hard|--no-verify|--delete|-delete|--mirror|--prune|--yes|-D)$/;
const STRUCTURED =
  /\b(?:drop\s+(?:table|database|schema|column|index|view)|delete\s+from|truncate\s+(?:table\s+)?\w+)\b/i;

/** What is known of the command a word belongs to. */
export interface CommandContext {
  readonly program: string;
  readonly verb: string;
}

export function programOf(word: string): string {
  return word.slice(word.lastIndexOf("/") + 1);
}

/** Whether the word after this one begins a command too. */
export function isPrefix(program: string): boolean {
  return PREFIXES.has(program);
}

export function isAssignment(word: string): boolean {
  return /^[A-Za-z_]\w*\+?=/.test(word);
}

export function isShell(program: string): boolean {
  return SHELLS.has(program);
}

export function isNetwork(program: string): boolean {
  return NETWORK.has(program);
}

/** The kind of a word that begins a command. */
export function programKind(program: string): ShellKind {
  if (DELETERS.has(program) || program.startsWith("mkfs.")) return "delete";
  if (ROOT.has(program)) return "root";
  if (program === "twine") return "push";
  return NETWORK.has(program) ? "network" : "plain";
}

/** The kind of an argument. `verb` of the context is empty for the first that is no option. */
export function argumentKind(word: string, context: CommandContext): ShellKind {
  const { program, verb } = context;
  if (DELETERS.has(programOf(word)) && program !== "git") return "delete";
  if (FORCE.test(word) || isForce(word, context)) return "force";
  if (verb !== "" || word.startsWith("-")) return "plain";
  if (PUBLISHING.has(word) && program !== "mkdir") return "push";
  if (program === "git") return gitKind(word);
  if (INSTALLERS.has(program) && INSTALLING.has(word)) return "install";
  return REMOVING.has(word) && program !== "echo" ? "delete" : "plain";
}

function gitKind(verb: string): ShellKind {
  if (verb === "rm") return "delete";
  if (DISCARDING.has(verb)) return "discard";
  return ["clone", "fetch", "pull", "ls-remote"].includes(verb) ? "network" : "plain";
}

function isForce(word: string, { program, verb }: CommandContext): boolean {
  if (program === "rm") return /^-[a-zA-Z]*[rRf]/.test(word) || word === "--recursive";
  if (program !== "git") return false;
  if (verb === "push") return word === "-f" || /^\+\w/.test(word) || word === "-d";
  return verb === "clean" || verb === "checkout" ? /^-\w*[fdx]/.test(word) : false;
}

/** Whether a quoted text deletes in a database. */
export function isDeletingText(text: string): boolean {
  return STRUCTURED.test(text);
}

export function operatorKind(operator: string): ShellKind {
  if (/^\d*>&\d+$/.test(operator)) return "plain";
  if (operator.includes(">")) return "redirect";
  if (operator === "|" || operator === "|&") return "pipe";
  return ["&&", "||", ";", "&", ";;"].includes(operator) ? "chain" : "plain";
}
