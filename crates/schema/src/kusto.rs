//! A schema as Kusto prints it (`.show schema as json`, `.show database schema as json`): read, so that queries can be checked
//! against any cluster's tables, and written, so that Kusto's tools can check against ours.
//!
//! Only names, types and bodies are read; what is missing is empty.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use taffrail_kql::Type;
use taffrail_kql::catalog::Entity;

use crate::Schema;

/// Tables and functions of a schema in Kusto's JSON.
#[derive(Debug, Clone, Default)]
pub struct KustoSchema {
    entities: BTreeMap<String, Entity>,
}

/// Why a schema in Kusto's JSON cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KustoSchemaError {
    /// It is not JSON, or not of the form
    #[error("the schema is not what `.show schema as json` prints: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither databases nor tables are in it
    #[error("the schema names neither `Databases` nor `Tables`")]
    Empty,
    /// A type that the language does not have
    #[error("column {column} of {table} is of type {ty:?}, which is no KQL type")]
    Type {
        /// Table or function
        table: String,
        /// Column or parameter
        column: String,
        /// As written
        ty: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    databases: Option<BTreeMap<String, Database>>,
    #[serde(flatten)]
    alone: Database,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Database {
    tables: Option<BTreeMap<String, Table>>,
    external_tables: Option<BTreeMap<String, Table>>,
    materialized_views: Option<BTreeMap<String, Table>>,
    functions: Option<BTreeMap<String, Function>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Table {
    ordered_columns: Option<Vec<Column>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Column {
    name: String,
    csl_type: Option<String>,
    /// .NET's name, when the other is missing
    #[serde(rename = "Type")]
    net_type: Option<String>,
    /// The same, in other commands
    data_type: Option<String>,
    csl_default_value: Option<String>,
    columns: Option<Vec<Column>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Function {
    input_parameters: Option<Vec<Column>>,
    body: Option<String>,
}

impl Column {
    fn written(&self) -> Option<&str> {
        let net = || self.net_type.as_deref().or(self.data_type.as_deref());
        self.csl_type.as_deref().or_else(net)
    }

    fn ty(&self, table: &str) -> Result<Type, KustoSchemaError> {
        let written = self.written().unwrap_or_default();
        let plain = written.rsplit('.').next().unwrap_or_default().to_lowercase();
        let ty = match plain.as_str() {
            "sbyte" | "boolean" => Some(Type::Bool),
            "object" => Some(Type::Dynamic),
            "sqldecimal" => Some(Type::Decimal),
            name => Type::parse(name),
        };
        ty.ok_or_else(|| KustoSchemaError::Type {
            table: table.to_owned(),
            column: self.name.clone(),
            ty: written.to_owned(),
        })
    }
}

impl KustoSchema {
    /// Reads the schema of a cluster or of one database. Of several databases, the first to define a name wins.
    ///
    /// # Errors
    /// When the text is not such a schema.
    pub fn parse(text: &str) -> Result<KustoSchema, KustoSchemaError> {
        let cluster: Cluster = serde_json::from_str(text)?;
        let databases = match cluster.databases {
            Some(databases) => databases.into_values().collect(),
            None if cluster.alone.tables.is_some() || cluster.alone.functions.is_some() => vec![cluster.alone],
            None => return Err(KustoSchemaError::Empty),
        };
        let mut schema = KustoSchema::default();
        for database in databases {
            let tables = [database.tables, database.materialized_views, database.external_tables];
            for (name, table) in tables.into_iter().flatten().flatten() {
                let columns = table.ordered_columns.iter().flatten();
                let columns = columns.map(|column| Ok((column.name.clone(), column.ty(&name)?)));
                let columns = columns.collect::<Result<Vec<_>, KustoSchemaError>>()?;
                schema.entities.entry(name).or_insert(Entity::Table { columns });
            }
            for (name, function) in database.functions.into_iter().flatten() {
                let parameters = parameter_list(&name, function.input_parameters.as_deref().unwrap_or_default())?;
                let body = function.body.as_deref().unwrap_or_default().trim();
                let body = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or(body);
                let body = body.to_owned();
                schema.entities.entry(name).or_insert(Entity::Function { parameters, body });
            }
        }
        Ok(schema)
    }
}

fn parameter_list(function: &str, parameters: &[Column]) -> Result<String, KustoSchemaError> {
    let mut written = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let name = quoted(&parameter.name);
        let columns = parameter.columns.as_deref().unwrap_or_default();
        if parameter.written().is_none() || !columns.is_empty() {
            let declared = columns;
            let mut columns = Vec::with_capacity(declared.len());
            for column in declared {
                columns.push(format!("{}:{}", quoted(&column.name), column.ty(function)?));
            }
            let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
            written.push(format!("{name}:({columns})"));
            continue;
        }
        let default = parameter
            .csl_default_value
            .as_ref()
            .map_or_else(String::new, |value| format!("={value}"));
        written.push(format!("{name}:{}{default}", parameter.ty(function)?));
    }
    Ok(format!("({})", written.join(", ")))
}

fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
    }
}

impl taffrail_kql::catalog::Schema for KustoSchema {
    fn entity(&self, name: &str) -> Option<Entity> {
        self.entities.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.entities.keys().cloned().collect()
    }

    fn open(&self) -> bool {
        true
    }
}

/// Our own schema in Kusto's JSON. A view is a function without parameters, which queries name in the same way.
pub fn show(schema: &Schema) -> Value {
    let mut tables = Map::new();
    for table in schema.tables() {
        let columns = table.columns.iter();
        let columns: Vec<Value> = columns
            .map(|column| json!({ "Name": column.name, "CslType": column.ty.name() }))
            .collect();
        tables.insert(
            table.name.clone(),
            json!({ "Name": table.name, "Folder": table.group, "OrderedColumns": columns }),
        );
    }
    let mut functions = Map::new();
    for view in schema.views() {
        let body = format!("{{\n{}\n}}", view.query.trim());
        functions.insert(view.name.clone(), json!({ "Name": view.name, "InputParameters": [], "Body": body }));
    }
    for function in schema.functions() {
        let (parameters, _) = taffrail_kql::syntax::parse_parameters(&function.parameters);
        let parameters: Vec<Value> = parameters.iter().map(parameter).collect();
        let body = format!("{{\n{}\n}}", function.body.trim());
        functions.insert(
            function.name.clone(),
            json!({ "Name": function.name, "InputParameters": parameters, "Body": body }),
        );
    }
    json!({ "Databases": { "taffrail": { "Name": "taffrail", "Tables": tables, "Functions": functions } } })
}

fn parameter(parameter: &taffrail_kql::syntax::ast::Parameter) -> Value {
    use taffrail_kql::syntax::ast::ParameterType;
    let name = &parameter.name.text;
    match &parameter.ty {
        ParameterType::Scalar(ty) => match &parameter.default {
            Some(default) => {
                let default = taffrail_kql::syntax::print_expression(default);
                json!({ "Name": name, "CslType": ty.name(), "CslDefaultValue": default })
            }
            None => json!({ "Name": name, "CslType": ty.name() }),
        },
        ParameterType::Table { columns, .. } => {
            let columns: Vec<Value> = columns
                .iter()
                .map(|(column, ty)| json!({ "Name": column.text, "CslType": ty.name() }))
                .collect();
            json!({ "Name": name, "Columns": columns })
        }
    }
}

#[cfg(test)]
mod tests {
    use taffrail_kql::catalog::Schema as _;

    use super::*;

    #[test]
    fn a_database_is_read_with_its_tables_and_functions() {
        let text = r#"{"Databases":{"d":{"Name":"d","Tables":{"T":{"Name":"T","OrderedColumns":[
            {"Name":"At","Type":"System.DateTime","CslType":"datetime"},{"Name":"Ok","CslType":"bool"}]}},
            "Functions":{"F":{"Name":"F","InputParameters":[{"Name":"n","CslType":"long","CslDefaultValue":"5"},
            {"Name":"t","Columns":[{"Name":"x","CslType":"real"}]}],"Body":"{ T | take n }"}}}}}"#;
        let schema = KustoSchema::parse(text).unwrap();
        let columns = vec![("At".to_owned(), Type::DateTime), ("Ok".to_owned(), Type::Bool)];
        assert_eq!(schema.entity("T"), Some(Entity::Table { columns }));
        assert_eq!(
            schema.entity("F"),
            Some(Entity::Function {
                parameters: "(n:long=5, t:(x:real))".to_owned(),
                body: " T | take n ".to_owned()
            })
        );
        assert!(KustoSchema::parse("{}").is_err());
    }

    #[test]
    fn our_own_schema_is_written_as_it_is_read() {
        let ours = Schema::load(&taffrail_content::Content::embedded()).unwrap();
        let read = KustoSchema::parse(&show(&ours).to_string()).unwrap();
        assert_eq!(read.names().len(), ours.names().len());
        for table in ours.tables() {
            assert_eq!(read.entity(&table.name), ours.entity(&table.name));
        }
    }
}
