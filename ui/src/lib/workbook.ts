// A workbook: a document of text, parameters and queries, kept as YAML under content/workbooks or by people.
//
// Parameters reach the queries as `let` statements before them: a choice and a text as a string, several choices as a
// dynamic array that is empty when nothing is chosen; `Bin` is the width of bins that fits the page's range. Nothing is
// pasted into the text of a query, so no value can change what a query is.
import type { Json } from '../api/types';
import { literal } from './kql';
import { VISUALS, type VisualKind } from './visuals';

export interface Parameter {
  name: string;
  label: string;
  kind: 'choice' | 'choices' | 'text';
  /** Its first column is what can be chosen */
  query?: string;
  options?: string[];
  default?: string[];
}

export interface TextPart {
  kind: 'text';
  text: string;
}

export interface QueryPart {
  kind: 'query';
  title: string;
  about?: string;
  query: string;
  visual?: VisualKind;
  /** Columns of twelve */
  width?: number;
  /** Pixels */
  height?: number;
  empty?: string;
}

export interface TabsPart {
  kind: 'tabs';
  tabs: { name: string; parts: Part[] }[];
}

export type Part = TextPart | QueryPart | TabsPart;

export interface Workbook {
  name: string;
  description: string;
  category: string;
  parameters: Parameter[];
  parts: Part[];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const string = (value: unknown): string => (typeof value === 'string' ? value : '');
const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : typeof value === 'string' ? [value] : []);

/** Reads a document; throws in words when it is not one. */
export function readWorkbook(body: unknown): Workbook {
  if (!isObject(body)) throw new Error('A workbook is a document with name and parts.');
  const parts = body['parts'];
  if (!Array.isArray(parts)) throw new Error('The workbook has no list of parts.');
  return {
    name: string(body['name']),
    description: string(body['description']).trim(),
    category: string(body['category']) || 'Other',
    parameters: (Array.isArray(body['parameters']) ? body['parameters'] : []).map(readParameter),
    parts: parts.map((part, i) => readPart(part, `part ${i + 1}`)),
  };
}

function readParameter(value: unknown): Parameter {
  if (!isObject(value) || !/^[A-Za-z_]\w*$/.test(string(value['name']))) throw new Error('Every parameter has a name of letters, digits and _.');
  const kind = string(value['kind']) || 'choice';
  if (kind !== 'choice' && kind !== 'choices' && kind !== 'text') throw new Error(`The parameter ${string(value['name'])} is of kind ${kind}; kinds are choice, choices and text.`);
  return {
    name: string(value['name']),
    label: string(value['label']) || string(value['name']),
    kind,
    ...(value['query'] === undefined ? {} : { query: string(value['query']).trim() }),
    ...(value['options'] === undefined ? {} : { options: strings(value['options']) }),
    ...(value['default'] === undefined ? {} : { default: strings(value['default']) }),
  };
}

function readPart(value: unknown, where: string): Part {
  if (!isObject(value)) throw new Error(`${where} is not an object.`);
  const kind = string(value['kind']) || (value['query'] === undefined ? 'text' : 'query');
  if (kind === 'text') return { kind, text: string(value['text']) };
  if (kind === 'tabs') {
    const tabs = Array.isArray(value['tabs']) ? value['tabs'] : [];
    return {
      kind,
      tabs: tabs.map((tab, i) => {
        const inside = isObject(tab) && Array.isArray(tab['parts']) ? tab['parts'] : [];
        return { name: isObject(tab) ? string(tab['name']) : `${i + 1}`, parts: inside.map((part, j) => readPart(part, `${where}, tab ${i + 1}, part ${j + 1}`)) };
      }),
    };
  }
  if (kind !== 'query') throw new Error(`${where} is of kind ${kind}; kinds are text, query and tabs.`);
  const visual = value['visual'] === undefined ? undefined : string(value['visual']);
  if (visual !== undefined && !(VISUALS as readonly string[]).includes(visual)) throw new Error(`${where} is shown as ${visual}; there are ${VISUALS.join(', ')}.`);
  const width = Number(value['width'] ?? 12);
  const height = Number(value['height'] ?? 0);
  return {
    kind,
    title: string(value['title']),
    ...(value['about'] === undefined ? {} : { about: string(value['about']) }),
    query: string(value['query']).trim(),
    ...(visual === undefined ? {} : { visual: visual as VisualKind }),
    width: Number.isFinite(width) ? Math.min(12, Math.max(2, Math.round(width))) : 12,
    ...(height > 0 ? { height: Math.min(1200, height) } : {}),
    ...(value['empty'] === undefined ? {} : { empty: string(value['empty']) }),
  };
}

/** What the address says of parameters: `p-NAME`. */
export type Chosen = Record<string, string[]>;

export function chosen(parameters: Parameter[], search: Record<string, unknown>): Chosen {
  return Object.fromEntries(
    parameters.map((parameter) => {
      const given = search[`p-${parameter.name}`];
      return [parameter.name, given === undefined ? (parameter.default ?? []) : strings(given).filter((v) => v !== '')];
    }),
  );
}

/** The query with what is chosen before it. */
export function withParameters(query: string, parameters: Parameter[], values: Chosen, bin: string): string {
  const lets: string[] = [];
  const used = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(query);
  if (used('Bin')) lets.push(`let Bin = ${bin};`);
  for (const parameter of parameters) {
    if (!used(parameter.name)) continue;
    const value = values[parameter.name] ?? [];
    lets.push(`let ${parameter.name} = ${parameter.kind === 'choices' ? `dynamic([${value.map(literal).join(', ')}])` : literal(value[0] ?? '')};`);
  }
  return lets.length === 0 ? query : `${lets.join('\n')}\n${query}`;
}

/** The document as it is kept: without what is default. */
export function writeWorkbook(workbook: Workbook): Record<string, Json> {
  return JSON.parse(JSON.stringify({ ...workbook, parameters: workbook.parameters.length === 0 ? undefined : workbook.parameters })) as Record<string, Json>;
}

/**
 * Reads the format of Azure workbooks: `Notebook/1.0` with items of text (type 1), queries (type 3, `KqlItem/1.0`),
 * parameters (type 9) and groups (type 12).
 */
export function fromAzure(document: unknown, name: string): Workbook {
  if (!isObject(document) || !Array.isArray(document['items'])) throw new Error('This is no Azure workbook: there is no list of items.');
  const parameters: Parameter[] = [];
  const visuals: Record<string, VisualKind> = { timechart: 'timechart', linechart: 'timechart', areachart: 'areachart', barchart: 'columnchart', categoricalbar: 'barchart', piechart: 'piechart', scatterchart: 'scatterchart', table: 'table', tiles: 'tiles', card: 'tiles' };
  const plain = (query: string): string =>
    query
      .replace(/\{(\w+):label\}|\{(\w+):value\}/g, (_, a?: string, b?: string) => a ?? b ?? '')
      .replace(/(["'])\{(\w+)\}\1/g, '$2')
      .replace(/\{(\w+):grain\}/g, 'Bin')
      .replace(/\{(\w+)\}/g, '$1');
  const read = (items: unknown[]): Part[] =>
    items.flatMap((item): Part[] => {
      if (!isObject(item) || !isObject(item['content'])) return [];
      const content = item['content'];
      switch (item['type']) {
        case 1:
          return [{ kind: 'text', text: string(content['json']) }];
        case 3: {
          const width = Number(item['customWidth'] ?? 100);
          const visual = visuals[string(content['visualization'])];
          return [{ kind: 'query', title: string(content['title']) || string(item['name']), query: plain(string(content['query'])), ...(visual === undefined ? {} : { visual }), width: Math.min(12, Math.max(2, Math.round((12 * (width || 100)) / 100))) }];
        }
        case 9: {
          for (const parameter of Array.isArray(content['parameters']) ? content['parameters'] : []) {
            // The range of the page takes the place of a range of the workbook.
            if (!isObject(parameter) || parameter['type'] === 4 || !/^[A-Za-z_]\w*$/.test(string(parameter['name']))) continue;
            parameters.push({
              name: string(parameter['name']),
              label: string(parameter['label']) || string(parameter['name']),
              kind: parameter['type'] === 2 ? (parameter['multiSelect'] === true ? 'choices' : 'choice') : 'text',
              ...(typeof parameter['query'] === 'string' ? { query: plain(parameter['query']) } : {}),
              ...(typeof parameter['value'] === 'string' ? { default: [parameter['value']] } : {}),
            });
          }
          return [];
        }
        case 12:
          return read(Array.isArray(content['items']) ? content['items'] : []);
        default:
          return [];
      }
    });
  const parts = read(document['items']);
  if (parts.length === 0) throw new Error('The workbook has no text and no query that can be taken over.');
  return { name, description: 'Taken over from an Azure workbook.', category: 'Imported', parameters, parts };
}
