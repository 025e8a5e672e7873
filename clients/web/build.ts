// What the build does after Vite: the service worker's list of files, and compressed twins.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

export const DIST = "dist";
const COMPRESSED = /\.(html|js|css|svg|webmanifest|json)$/;
const MIN_COMPRESSED_BYTES = 512;

function filesOf(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesOf(path) : [path];
  });
}

/** Write into the service worker which files it keeps, and their common digest as its version. */
function nameKeptFiles(): void {
  const kept = filesOf(DIST)
    .map((path) => relative(DIST, path))
    .filter((name) => name !== "sw.js" && !/\.(gz|br)$/.test(name))
    .sort();
  const digest = createHash("sha256");
  for (const name of kept) digest.update(name).update(readFileSync(join(DIST, name)));
  const addresses = kept.map((name) => (name === "index.html" ? "/" : `/${name}`));
  const worker = join(DIST, "sw.js");
  const text = readFileSync(worker, "utf8")
    .replace("__VERSION__", digest.digest("hex").slice(0, 16))
    .replace(/["'`]__FILES__["'`]/, JSON.stringify(JSON.stringify(addresses)));
  writeFileSync(worker, text);
}

/** Write a .gz and a .br beside each text file. */
function compress(): void {
  for (const path of filesOf(DIST)) {
    const content = readFileSync(path);
    if (!COMPRESSED.test(path) || content.length < MIN_COMPRESSED_BYTES) continue;
    writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
    writeFileSync(`${path}.br`, brotliCompressSync(content));
  }
}

/** The last step of the last build. */
export function finish(): Plugin {
  return {
    name: "errand-finish",
    apply: "build",
    enforce: "post",
    closeBundle() {
      nameKeptFiles();
      compress();
    },
  };
}
