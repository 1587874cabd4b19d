// A browser that fetches nothing: Debian's chromium with a profile of its own.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const BINARIES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Opens a browser, and counts what its pages ask for and complain about. */
export async function browser(options = {}) {
  const executablePath = BINARIES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("no chromium: install it, or name it in CHROMIUM");
  const profile = mkdtempSync(join(tmpdir(), "whitewater-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: ARGUMENTS,
    viewport: { width: 1360, height: 1000 },
    ...options,
  });
  const requests = [];
  const errors = [];
  context.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) requests.push(request.url());
  });
  const listen = (page) => {
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
  };
  context.on("page", listen);
  context.pages().forEach(listen);
  return {
    context,
    requests,
    errors,
    async open(file, ready = true) {
      const page = context.pages()[0] ?? (await context.newPage());
      await page.goto(`file://${file}`);
      if (ready) await page.waitForSelector("html[data-ready=yes]", { timeout: 20_000 });
      return page;
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
