import type { Column, Database, EngineSchema, InputParameter } from '@kusto/monaco-kusto';
import type { SchemaAnswer } from '../api/types';

const CLR: Record<string, string> = {
  bool: 'System.SByte',
  datetime: 'System.DateTime',
  decimal: 'System.Data.SqlTypes.SqlDecimal',
  dynamic: 'System.Object',
  guid: 'System.Guid',
  int: 'System.Int32',
  long: 'System.Int64',
  real: 'System.Double',
  string: 'System.String',
  timespan: 'System.TimeSpan',
};

/** The parameters in `Name(user: string, since: datetime = ago(1d))`; tables as parameters are left untyped. */
function parameters(usage: string): InputParameter[] {
  const inside = /\((.*)\)\s*$/s.exec(usage)?.[1] ?? '';
  return [...inside.matchAll(/(\w+)\s*:\s*(\w+)(?:\s*=\s*([^,]+))?/g)].map(([, name = '', type = 'string', value]) => ({
    name,
    type: CLR[type] ?? 'System.Object',
    cslType: type,
    ...(value === undefined ? {} : { cslDefaultValue: value.trim() }),
  }));
}

/** The server's schema in the form the Kusto language service takes. */
export function toKustoSchema(schema: SchemaAnswer): EngineSchema {
  const database: Database = {
    name: 'taffrail',
    majorVersion: 1,
    minorVersion: 0,
    entityGroups: [],
    functions: [...new Map(schema.functions.filter((f) => f.kind === 'stored').map((f) => [f.name, f])).values()].map((f) => ({
      name: f.name,
      body: '',
      docstring: f.summary,
      inputParameters: parameters(f.usage),
    })),
    tables: schema.tables.map((table) => ({
      name: table.name,
      docstring: table.about,
      entityType: table.kind === 'view' ? ('MaterializedViewTable' as const) : ('Table' as const),
      columns: table.columns.map(
        (column): Column => ({
          name: column.name,
          type: CLR[column.type] ?? 'System.Object',
          docstring: column.about,
        }),
      ),
    })),
  };
  return {
    clusterType: 'Engine',
    cluster: { connectionString: 'https://taffrail.invalid', databases: [database] },
    database,
  };
}
