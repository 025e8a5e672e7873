// The service worker: one file at the root, built after the app, because it names the app's files.
import { defineConfig } from "vite";
import { DIST, finish } from "./build.ts";

export default defineConfig({
  publicDir: false,
  build: {
    outDir: DIST,
    emptyOutDir: false,
    target: "es2022",
    lib: { entry: "src/worker/sw.ts", formats: ["iife"], name: "sw", fileName: () => "sw.js" },
  },
  plugins: [finish()],
});
