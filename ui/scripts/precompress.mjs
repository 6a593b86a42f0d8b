// Compresses what was built once, so that the server never has to.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !/\.(js|css|html|svg|json|txt|ttf)$/.test(path)) continue;
  const data = await readFile(path);
  if (data.length < 512) continue;
  // The last two steps of quality cost minutes on the ten megabytes of the worker and win little.
  const quality = data.length > 4_000_000 ? 9 : 11;
  await writeFile(`${path}.br`, await brotli(data, { params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: data.length, [constants.BROTLI_PARAM_LGWIN]: 24 } }));
  await writeFile(`${path}.gz`, await zip(data, { level: 9 }));
}
