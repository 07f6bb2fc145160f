import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { control } from "./control.js";

const BROWSER = "/usr/bin/chromium";
const OPTIONS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

let browser;
const problems = [];

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: BROWSER, args: OPTIONS });
});
afterAll(() => browser?.close());
beforeEach(() => control.reset());

async function open(options = {}) {
  const page = await browser.newPage(options);
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(`${process.env.GAM_URL}/`);
  return page;
}

test.runIf(existsSync(BROWSER))("the buttons of the page steer the server", async () => {
  const page = await open();
  await page.getByRole("button", { name: "Stop the clock" }).click();
  await page.getByText("(stopped)").waitFor();
  await page.getByLabel("Step of the clock").fill("91d");
  await page.getByRole("button", { name: "Move the clock" }).click();
  await page.getByText("expired").first().waitFor();
  await page.getByLabel("Fault").fill("healthz=503:1x");
  await page.getByRole("button", { name: "Add the fault" }).click();
  await page.getByText("Faults: healthz=503:1x").waitFor();
  expect((await fetch(`${process.env.GAM_URL}/healthz`)).status).toBe(503);
  await page.getByText("fault healthz=503:1x").waitFor(); // the page refreshes itself
  await page.getByRole("button", { name: "Reset the server" }).click();
  await page.getByText("No request yet.").waitFor();
  expect(problems).toEqual([]);
  await page.getByLabel("Fault").fill("healthz=777");
  await page.getByRole("button", { name: "Add the fault" }).click();
  await page.getByText("invalid fault '777'").waitFor();
});

test.runIf(existsSync(BROWSER))("the page fits a phone", async () => {
  const page = await open({ viewport: { width: 360, height: 700 }, colorScheme: "dark" });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(360);
  const colors = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(colors).toBe("rgb(18, 22, 28)");
});
