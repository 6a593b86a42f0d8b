// What is chosen on a page lives in its address: repeated parameters, readable, no JSON.

export type Search = Record<string, string | string[] | undefined>;

/** Reads `?a=1&b=2&b=3`. */
export function parseSearch(text: string): Search {
  const found: Record<string, string | string[]> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const before = found[name];
    if (before === undefined) found[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else found[name] = [before, value];
  }
  return found;
}

/** Writes it again; what is undefined or empty is left out, except inside a list. */
export function stringifySearch(search: Record<string, unknown>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value === undefined || value === null || value === '') continue;
    for (const item of Array.isArray(value) ? value : [value]) parameters.append(name, String(item));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

export const list = (value: unknown): string[] =>
  Array.isArray(value) ? value.map(String).filter((v) => v !== '') : value === undefined || value === '' ? [] : [String(value)];

export const text = (value: unknown): string | undefined => {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return first === undefined || first === null || first === '' ? undefined : String(first);
};
