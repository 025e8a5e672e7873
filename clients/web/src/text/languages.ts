// The languages that code is coloured in: the rules of each are loaded when it is first shown.
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { ParseOptions } from "sugar-high/core";

export type Rules = ParseOptions;

interface Language {
  /** As it is called after the three ticks of a block, and the endings of its files. */
  readonly names: string;
  readonly load: () => Promise<object>;
}

const LANGUAGES: readonly Language[] = [
  { names: "c h", load: () => import("sugar-high/lang/c") },
  { names: "cpp c++ cc cxx hpp", load: () => import("sugar-high/lang/cpp") },
  { names: "csharp c# cs dotnet", load: () => import("sugar-high/lang/csharp") },
  { names: "css scss", load: () => import("sugar-high/lang/css") },
  { names: "diff patch", load: () => import("sugar-high/lang/diff") },
  { names: "dockerfile docker", load: () => import("sugar-high/lang/dockerfile") },
  { names: "go golang", load: () => import("sugar-high/lang/go") },
  { names: "graphql gql", load: () => import("sugar-high/lang/graphql") },
  { names: "hcl terraform tf", load: () => import("sugar-high/lang/hcl") },
  { names: "html htm xml svg", load: () => import("sugar-high/lang/html") },
  { names: "java", load: () => import("sugar-high/lang/java") },
  { names: "javascript js jsx node mjs cjs", load: () => import("sugar-high/lang/javascript") },
  { names: "json jsonc", load: () => import("sugar-high/lang/json") },
  { names: "kotlin kt kts", load: () => import("sugar-high/lang/kotlin") },
  { names: "lua", load: () => import("sugar-high/lang/lua") },
  { names: "markdown md mdx", load: () => import("sugar-high/lang/markdown") },
  { names: "php", load: () => import("sugar-high/lang/php") },
  { names: "powershell pwsh ps1", load: () => import("sugar-high/lang/powershell") },
  { names: "python py python3 pyi", load: () => import("sugar-high/lang/python") },
  { names: "ruby rb", load: () => import("sugar-high/lang/ruby") },
  { names: "rust rs", load: () => import("sugar-high/lang/rust") },
  { names: "shell sh bash zsh", load: () => import("sugar-high/lang/shell") },
  { names: "sql", load: () => import("sugar-high/lang/sql") },
  { names: "swift", load: () => import("sugar-high/lang/swift") },
  { names: "toml", load: () => import("sugar-high/lang/toml") },
  { names: "typescript ts tsx mts cts", load: () => import("sugar-high/lang/typescript") },
  { names: "yaml yml", load: () => import("sugar-high/lang/yaml") },
  { names: "zig", load: () => import("sugar-high/lang/zig") },
];

const byName = new Map(LANGUAGES.flatMap((each) => each.names.split(" ").map((n) => [n, each])));
const loaded = new Map<Language, Signal<Rules | null>>();
const NONE: ReadonlySignal<Rules | null> = signal(null);

/**
 * Return the rules of a language; `name`: as it is called, or the ending of a file's name. null:
 * they are on their way, could not be loaded, or there are none.
 */
export function rulesOf(name: string): ReadonlySignal<Rules | null> {
  const language = byName.get(name.toLowerCase());
  if (language === undefined) return NONE;
  let rules = loaded.get(language);
  if (rules === undefined) {
    rules = signal(null);
    loaded.set(language, rules);
    void load(language, rules);
  }
  return rules;
}

async function load(language: Language, rules: Signal<Rules | null>): Promise<void> {
  try {
    rules.value = (await language.load()) as Rules;
  } catch {
    loaded.delete(language); // off line: it is tried again with the next code
  }
}

/** The ending of a path, by which a language is found. */
export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1) : name;
}
