//! The management commands that clients use to find their way: names, tables, columns. Those that change tables are in
//! `kusto_tables`.

use serde_json::{Map, Value, json};
use taffrail_kql::Type;

use super::kusto::DATABASE;
use super::kusto_answer::table_v1;
use crate::api::queries::of_whom;
use crate::api::schema::{SchemaTable, tables};
use crate::app::Context;
use crate::auth::Principal;

const KNOWN: &str = ".show version, .show databases, .show tables, .show table NAME cslschema, \
    .show table NAME schema as json, .show table NAME details, .show tables details, .show table NAME policy retention, .show functions, \
    .show schema, .show database schema, .show database schema as json, .show queries, .show running queries [by user NAME], \
    .cancel query \"ID\", .create table NAME (…), .create-merge table NAME (…), .alter table NAME (…), .alter-merge table NAME (…), \
    .drop table NAME, .alter table NAME policy retention …, .alter-merge table NAME policy retention …, \
    .delete table NAME policy retention";

/// Words; `['a b']`, `["a b"]` and `'a b'` are one word.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = command.trim();
    while let Some(first) = rest.chars().next() {
        let quoted = ["['", "[\"", "'", "\""].into_iter().find(|open| rest.starts_with(open));
        let (word, left) = match quoted {
            Some(open) => {
                let close = match open {
                    "['" => "']",
                    "[\"" => "\"]",
                    same => same,
                };
                let inside = rest.get(open.len()..).unwrap_or_default();
                inside.split_once(close).unwrap_or((inside, ""))
            }
            None if first.is_whitespace() => ("", rest.get(first.len_utf8()..).unwrap_or_default()),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        if !word.is_empty() {
            words.push(word.to_owned());
        }
        rest = left;
    }
    words
}

/// Runs a command; gives its table.
pub(crate) fn run(context: &Context, principal: &Principal, command: &str) -> Result<Value, String> {
    // What is behind the first bar would be a query over the command's table.
    if command.contains('|') {
        return Err("a query over the result of a command is not yet supported".to_owned());
    }
    let words = words(command.trim().trim_end_matches(';'));
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let named = |position: usize| words.get(position).map(String::as_str).unwrap_or_default();
    match lower.as_slice() {
        [".show", "version"] => Ok(version()),
        [".show", "databases"] | [".show", "cluster", "databases"] => Ok(databases()),
        [".show", "queries"] => Ok(queries(context, of_whom(principal), false)),
        [".show", "running", "queries"] => Ok(queries(context, of_whom(principal), true)),
        [".show", "running", "queries", "by", "user", _] => {
            let whose = named(5);
            let allowed = of_whom(principal).is_none_or(|own| own == whose);
            let refused = || "only an administrator sees the queries of others".to_owned();
            allowed.then(|| queries(context, Some(whose), true)).ok_or_else(refused)
        }
        [".cancel", "query", _, rest @ ..] => cancel(context, principal, named(2), if rest.is_empty() { "" } else { command }),
        [".show", "tables"] => Ok(list(context)),
        [".show", "functions"] => Ok(functions(context)),
        [".show", "table", _, "cslschema"] => one(context, named(2), false),
        [".show", "table", _, "schema", "as", "json"] => one(context, named(2), true),
        [".show", "schema"] | [".show", "database", "schema"] => Ok(flat_schema(context)),
        [".show", "database", name, "schema"] => known_database(name).map(|()| flat_schema(context)),
        [".show", "schema", "as", "json"]
        | [".show", "databases", "schema", "as", "json"]
        | [".show", "database", "schema", "as", "json"] => Ok(json_schema(context)),
        [".show", "database", name, "schema", "as", "json"] => known_database(name).map(|()| json_schema(context)),
        _ => Err(format!("the command {:?} is not supported; these are: {KNOWN}", command.trim())),
    }
}

fn known_database(name: &str) -> Result<(), String> {
    match name {
        DATABASE | "default" => Ok(()),
        other => Err(format!("there is no database {other}; it is called {DATABASE}")),
    }
}

const TEXT: Type = Type::String;

/// The columns of `.show queries`; what has no meaning here is empty.
fn queries(context: &Context, user: Option<&str>, running: bool) -> Value {
    let columns = [
        ("ClientActivityId", TEXT),
        ("Text", TEXT),
        ("Database", TEXT),
        ("StartedOn", Type::DateTime),
        ("LastUpdatedOn", Type::DateTime),
        ("Duration", Type::TimeSpan),
        ("State", TEXT),
        ("RootActivityId", Type::Guid),
        ("User", TEXT),
        ("FailureReason", TEXT),
        ("TotalCpu", Type::TimeSpan),
        ("CacheStatistics", Type::Dynamic),
        ("Application", TEXT),
        ("MemoryPeak", Type::Long),
        ("ScannedExtentsStatistics", Type::Dynamic),
        ("Principal", TEXT),
        ("ClientRequestProperties", Type::Dynamic),
        ("ResultSetStatistics", Type::Dynamic),
        ("WorkloadGroup", TEXT),
    ];
    let time = |millis: u64| {
        let (seconds, rest) = (millis / 1000, millis % 1000);
        format!("{:02}:{:02}:{:02}.{rest:03}0000", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    let runs = context.running.list(user).into_iter();
    let rows = runs.filter(|run| (run.state == "InProgress") == running).map(|run| {
        let updated = run.started_at + chrono::Duration::milliseconds(i64::try_from(run.elapsed_ms).unwrap_or(0));
        let at = |moment: chrono::DateTime<chrono::Utc>| moment.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, run.id.as_bytes()).to_string();
        json!([
            run.id,
            run.query,
            DATABASE,
            at(run.started_at),
            at(updated),
            time(run.elapsed_ms),
            run.state,
            id,
            run.user,
            run.failure.unwrap_or_default(),
            run.cpu_ms.map(time),
            null,
            "",
            run.peak_memory,
            null,
            run.user,
            null,
            run.rows.map(|rows| json!({ "RowCount": rows }).to_string()),
            ""
        ])
    });
    table_v1("Table_0", &columns, rows.collect())
}

/// Stops a query, one's own unless one is administrator.
fn cancel(context: &Context, principal: &Principal, id: &str, properties: &str) -> Result<Value, String> {
    let reason = properties.split_once("reason").and_then(|(_, rest)| {
        let rest = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        rest.get(1..)?.split(quote).next()
    });
    let stopped = context.running.cancel(id, of_whom(principal), reason.unwrap_or("by request"));
    if stopped == 0 {
        return Err(format!("no query {id:?} is running; .show running queries lists them"));
    }
    let columns = [("ClientRequestId", TEXT), ("Cancelled", Type::Bool)];
    Ok(table_v1("Table_0", &columns, vec![json!([id, true])]))
}

fn version() -> Value {
    let columns = [
        ("BuildVersion", TEXT),
        ("BuildTime", Type::DateTime),
        ("ServiceType", TEXT),
        ("ProductVersion", TEXT),
    ];
    let product = format!("Taffrail {}", env!("CARGO_PKG_VERSION"));
    let row = json!([env!("CARGO_PKG_VERSION"), null, "Engine", product]);
    table_v1("Table_0", &columns, vec![row])
}

fn databases() -> Value {
    let columns = [
        ("DatabaseName", TEXT),
        ("PersistentStorage", TEXT),
        ("Version", TEXT),
        ("IsCurrent", Type::Bool),
        ("DatabaseAccessMode", TEXT),
        ("PrettyName", TEXT),
        ("DatabaseId", Type::Guid),
    ];
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, DATABASE.as_bytes()).to_string();
    let row = json!([DATABASE, "", "v1.0", true, "ReadOnly", "Taffrail", id]);
    table_v1("Table_0", &columns, vec![row])
}

pub(super) fn list(context: &Context) -> Value {
    let columns = [("TableName", TEXT), ("DatabaseName", TEXT), ("Folder", TEXT), ("DocString", TEXT)];
    let rows = tables(context)
        .into_iter()
        .map(|table| json!([table.name, DATABASE, table.group, table.about]))
        .collect();
    table_v1("Table_0", &columns, rows)
}

fn functions(context: &Context) -> Value {
    let columns = [
        ("Name", TEXT),
        ("Parameters", TEXT),
        ("Body", TEXT),
        ("Folder", TEXT),
        ("DocString", TEXT),
    ];
    let rows = context
        .app
        .schema
        .functions()
        .map(|function| {
            let body = format!("{{\n{}\n}}", function.body.trim());
            json!([function.name, function.parameters, body, "", function.about])
        })
        .collect();
    table_v1("Table_0", &columns, rows)
}

fn ordered_columns(table: &SchemaTable) -> Vec<Value> {
    let view = |name: &str, ty: &str, about: &str| json!({ "Name": name, "Type": net_type(ty), "CslType": ty, "DocString": about });
    table
        .columns
        .iter()
        .map(|column| view(&column.name, &column.ty, &column.about))
        .collect()
}

/// .NET's full name of a type.
fn net_type(ty: &str) -> String {
    match Type::parse(ty) {
        Some(Type::Decimal) => "System.Data.SqlTypes.SqlDecimal".to_owned(),
        Some(other) => format!("System.{}", super::kusto_answer::data_type(other)),
        None => "System.Object".to_owned(),
    }
}

pub(super) fn one(context: &Context, name: &str, as_json: bool) -> Result<Value, String> {
    let mut all = tables(context).into_iter();
    let table = all.find(|table| table.name == name);
    let table = table.ok_or_else(|| format!("there is no table {name}; .show tables lists them"))?;
    let schema = if as_json {
        json!({ "Name": table.name, "OrderedColumns": ordered_columns(&table) }).to_string()
    } else {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| format!("{}:{}", column.name, column.ty))
            .collect();
        columns.join(",")
    };
    let columns = [
        ("TableName", TEXT),
        ("Schema", TEXT),
        ("DatabaseName", TEXT),
        ("Folder", TEXT),
        ("DocString", TEXT),
    ];
    let row = json!([table.name, schema, DATABASE, table.group, table.about]);
    Ok(table_v1("Table_0", &columns, vec![row]))
}

fn flat_schema(context: &Context) -> Value {
    let columns = [
        ("DatabaseName", TEXT),
        ("TableName", TEXT),
        ("ColumnName", TEXT),
        ("ColumnType", TEXT),
        ("IsDefaultTable", Type::Bool),
        ("IsDefaultColumn", Type::Bool),
        ("PrettyName", TEXT),
        ("Version", TEXT),
        ("Folder", TEXT),
        ("DocString", TEXT),
    ];
    let mut rows = vec![json!([DATABASE, null, null, null, false, false, null, "v1.0", null, null])];
    for table in tables(context) {
        rows.push(json!([
            DATABASE,
            table.name,
            null,
            null,
            false,
            false,
            null,
            null,
            table.group,
            table.about
        ]));
        for column in &table.columns {
            let ty = net_type(&column.ty);
            rows.push(json!([
                DATABASE,
                table.name,
                column.name,
                ty,
                false,
                false,
                null,
                null,
                null,
                column.about
            ]));
        }
    }
    table_v1("Table_0", &columns, rows)
}

fn json_schema(context: &Context) -> Value {
    let mut named = Map::new();
    for table in tables(context) {
        let view = json!({
            "Name": table.name,
            "Folder": table.group,
            "DocString": table.about,
            "OrderedColumns": ordered_columns(&table),
        });
        named.insert(table.name, view);
    }
    let mut functions = Map::new();
    for function in context.app.schema.functions() {
        let view = json!({
            "Name": function.name,
            "InputParameters": [],
            "Body": format!("{{\n{}\n}}", function.body.trim()),
            "Folder": "",
            "DocString": function.about,
            "FunctionKind": "Unknown",
            "OutputColumns": [],
        });
        functions.insert(function.name.clone(), view);
    }
    let database = json!({
        "Name": DATABASE,
        "Tables": named,
        "ExternalTables": {},
        "MaterializedViews": {},
        "EntityGroups": {},
        "MajorVersion": 1,
        "MinorVersion": 0,
        "Functions": functions,
        "DatabaseAccessMode": "ReadOnly",
    });
    let mut databases = Map::new();
    databases.insert(DATABASE.to_owned(), database);
    let schema = json!({ "Plugins": [], "Databases": databases }).to_string();
    table_v1("Table_0", &[("DatabaseSchema", TEXT)], vec![json!([schema])])
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quoted_names_are_one_word() {
        let expected = [".show", "table", "My Table", "cslschema"];
        for command in [
            ".show  table ['My Table'] cslschema",
            ".show\ttable [\"My Table\"]\ncslschema",
            ".show table 'My Table' cslschema",
        ] {
            assert_eq!(words(command), expected, "{command}");
        }
    }
}
