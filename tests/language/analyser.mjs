// The language's own analyser, as a function: query and schema in, verdict out.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
require('@kusto/language-service-next/bridge.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.js');

/* global Kusto, System */
const Language = Kusto.Language;
const Symbols = Language.Symbols;

/** A list of the analyser as an array. */
function array(list) {
  const items = [];
  for (let i = 0; list && i < list.Count; i += 1) items.push(list.getItem(i));
  return items;
}

/** An array as a list of the analyser. */
function list(type, items) {
  const result = new (System.Collections.Generic.List$1(type).ctor)();
  for (const item of items) result.add(item);
  return result;
}

function column(definition) {
  const type = Symbols.ScalarTypes.GetSymbol(definition.CslType);
  return new Symbols.ColumnSymbol(definition.Name, type);
}

function parameterList(parameters) {
  const one = (parameter) => {
    if (parameter.Columns) {
      const columns = parameter.Columns.map((c) => `${c.Name}:${c.CslType}`).join(', ');
      return `${parameter.Name}:(${columns || '*'})`;
    }
    const value = parameter.CslDefaultValue === undefined ? '' : `=${parameter.CslDefaultValue}`;
    return `${parameter.Name}:${parameter.CslType}${value}`;
  };
  return `(${(parameters ?? []).map(one).join(', ')})`;
}

/** What the analyser knows: the first database of a schema in the form of `.show schema as json`. */
export function globals(schema) {
  const database = Object.values(schema.Databases)[0];
  const symbols = [];
  for (const table of Object.values(database.Tables ?? {})) {
    symbols.push(new Symbols.TableSymbol.$ctor6(table.Name, list(Symbols.ColumnSymbol, table.OrderedColumns.map(column)), null));
  }
  for (const f of Object.values(database.Functions ?? {})) {
    symbols.push(new Symbols.FunctionSymbol.$ctor16(f.Name, parameterList(f.InputParameters), f.Body, null));
  }
  const symbol = new Symbols.DatabaseSymbol.$ctor1(database.Name, list(Symbols.Symbol, symbols), false);
  return Language.GlobalState.Default.WithDatabase(symbol);
}

/** Whether it is a query, and its columns; `open` when there may be more of them. */
export function analyse(query, state) {
  const code = Language.KustoCode.ParseAndAnalyze(query, state);
  const syntax = new Set(array(code.GetSyntaxDiagnostics()).map((d) => `${d.Code} ${d.Start}`));
  const errors = array(code.GetDiagnostics())
    .filter((d) => d.Severity === 'Error')
    .map((d) => ({
      kind: syntax.has(`${d.Code} ${d.Start}`) ? 'syntax' : 'semantic',
      code: d.Code,
      message: d.Message,
      start: d.Start,
      length: d.Length,
    }));
  const result = code.ResultType;
  const columns = array(result?.Columns).map((c) => ({ name: c.Name, type: c.Type?.Name ?? 'unknown' }));
  return { ok: errors.length === 0, errors, columns, open: result?.IsOpen === true };
}
