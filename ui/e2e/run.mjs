// `npm run e2e`: the tests; with SCREENSHOTS=DIRECTORY pictures of every page instead.
import { spawnSync } from 'node:child_process';

const here = new URL('.', import.meta.url).pathname;
const pictures = process.env.SCREENSHOTS;
const given = pictures
  ? { args: [`${here}screenshots.mjs`], env: { ...process.env, OUT: pictures } }
  : { args: ['--test', '--test-concurrency=2', '--test-timeout=600000', '--test-reporter=spec', `${here}portal.test.mjs`, `${here}pages.test.mjs`, `${here}work.test.mjs`], env: process.env };
const { status } = spawnSync(process.execPath, given.args, { stdio: 'inherit', env: given.env });
process.exit(status ?? 1);
