// The app: one entry, hashed names, screens as chunks of their own.
import { defineConfig } from "vite";
import { DIST } from "./build.ts";

export default defineConfig({
  build: {
    outDir: DIST,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
