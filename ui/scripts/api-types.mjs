// The types of the API from its OpenAPI document (`openapi.json`, which a test of the server keeps current):
//   node scripts/api-types.mjs           writes src/api/schema.ts
//   node scripts/api-types.mjs --check   fails when it is not what would be written
import { readFile, writeFile } from 'node:fs/promises';

const here = new URL('..', import.meta.url).pathname;
const document = JSON.parse(await readFile(`${here}openapi.json`, 'utf8'));
const target = `${here}src/api/schema.ts`;

const key = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
const comment = (text, indent) => (text ? `${indent}/** ${text.replaceAll('*/', '* /').replace(/\s+/g, ' ').trim()} */\n` : '');

function type(schema, indent = '') {
  if (schema === true || schema === undefined) return 'unknown';
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  for (const [word, sign] of [['oneOf', ' | '], ['anyOf', ' | '], ['allOf', ' & ']]) {
    if (schema[word]) {
      const parts = [...new Set(schema[word].map((one) => type(one, indent)))];
      const own = schema.properties ? [object(schema, indent)] : [];
      return [...parts, ...own].map((part) => (part.includes(' ') && !part.startsWith('{') ? `(${part})` : part)).join(sign);
    }
  }
  const kinds = Array.isArray(schema.type) ? schema.type : [schema.type];
  return kinds
    .map((kind) => {
      switch (kind) {
        case 'string':
          return 'string';
        case 'integer':
        case 'number':
          return 'number';
        case 'boolean':
          return 'boolean';
        case 'null':
          return 'null';
        case 'array': {
          const item = type(schema.items, indent);
          return /[ |&]/.test(item) && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
        }
        case 'object':
          return object(schema, indent);
        default:
          return 'unknown';
      }
    })
    .join(' | ');
}

function object(schema, indent) {
  const more = schema.additionalProperties;
  const members = Object.entries(schema.properties ?? {});
  if (members.length === 0) return more && more !== true ? `Record<string, ${type(more, indent)}>` : 'Record<string, unknown>';
  const inside = `${indent}  `;
  const lines = members.map(([name, member]) => `${comment(member.description, inside)}${inside}${key(name)}${schema.required?.includes(name) ? '' : '?'}: ${type(member, inside)};`);
  if (more) lines.push(`${inside}[name: string]: unknown;`);
  return `{\n${lines.join('\n')}\n${indent}}`;
}

let out = "// Made from openapi.json by `npm run types`; not to be edited.\n";
for (const [name, schema] of Object.entries(document.components.schemas).sort(([a], [b]) => (a < b ? -1 : 1))) {
  out += `\n${comment(schema.description, '')}export type ${name} = ${type(schema)};\n`;
}
out += '\n/** Every path with its methods. */\nexport interface Paths {\n';
for (const [path, item] of Object.entries(document.paths)) {
  out += `  ${JSON.stringify(path)}: ${Object.keys(item).map((method) => JSON.stringify(method.toUpperCase())).join(' | ')};\n`;
}
out += '}\n';

if (process.argv.includes('--check')) {
  const kept = await readFile(target, 'utf8').catch(() => '');
  if (kept !== out) {
    console.error('src/api/schema.ts is not what openapi.json says: run `npm run types` and commit it.');
    process.exit(1);
  }
} else {
  await writeFile(target, out);
}
