// The budget: what a browser loads before the shell shows, compressed. Counts the scripts that index.html
// names and everything they import statically.
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

const BUDGET = 250 * 1024;
const dist = new URL('../dist/', import.meta.url).pathname;
const html = await readFile(join(dist, 'index.html'), 'utf8');

const scripts = new Set();
async function follow(path) {
  if (scripts.has(path)) return;
  scripts.add(path);
  const text = await readFile(path, 'utf8');
  for (const [, found] of text.matchAll(/(?:^|[;}\s])(?:import|export)\s*(?:[^'"();]*?from\s*)?["'](\.\/[^"']+\.js)["']/g)) {
    await follow(resolve(dirname(path), found));
  }
}
for (const [, source] of html.matchAll(/<(?:script|link)[^>]+(?:src|href)="\/([^"]+\.js)"/g)) await follow(join(dist, source));
const styles = [...html.matchAll(/<link[^>]+href="\/([^"]+\.css)"/g)].map(([, path]) => join(dist, path));

const size = async (path) => (await stat(`${path}.br`).catch(() => stat(path))).size;
const total = async (paths) => (await Promise.all(paths.map(size))).reduce((a, b) => a + b, 0);
const js = await total([...scripts]);
const css = await total(styles);
const kib = (n) => `${(n / 1024).toFixed(1)} KiB`;
console.log(`shell: ${kib(js)} of scripts (budget ${kib(BUDGET)}), ${kib(css)} of styles, compressed`);
if (js + css > BUDGET) {
  console.error('The shell is over its budget: load something later, or leave it out.');
  process.exit(1);
}
