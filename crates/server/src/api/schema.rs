//! Tables and functions, for editors.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::Context;
use crate::auth::Reader;
use crate::ports::FunctionInfo;

/// A column.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SchemaColumn {
    pub name: String,
    /// KQL type
    #[serde(rename = "type")]
    pub ty: String,
    pub about: String,
}

/// A table or view.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SchemaTable {
    pub name: String,
    pub about: String,
    /// Heading it is listed under
    pub group: String,
    /// `table` or `view`
    pub kind: String,
    pub columns: Vec<SchemaColumn>,
}

/// What queries can name.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SchemaAnswer {
    tables: Vec<SchemaTable>,
    functions: Vec<FunctionInfo>,
}

/// Tables and views by name.
pub(crate) fn tables(context: &Context) -> Vec<SchemaTable> {
    let schema = &context.app.schema;
    let stored = schema.tables().map(|table| SchemaTable {
        name: table.name.clone(),
        about: table.about.clone(),
        group: table.group.clone(),
        kind: "table".to_owned(),
        columns: table
            .columns
            .iter()
            .map(|column| SchemaColumn {
                name: column.name.clone(),
                ty: column.ty.name().to_owned(),
                about: column.about.clone(),
            })
            .collect(),
    });
    let views = schema.views().map(|view| SchemaTable {
        name: view.name.clone(),
        about: view.about.clone(),
        group: view.group.clone(),
        kind: "view".to_owned(),
        columns: context
            .app
            .queries
            .columns(&format!("['{}']", view.name.replace('\'', "\\'")))
            .into_iter()
            .map(|column| SchemaColumn {
                name: column.name,
                ty: column.ty.name().to_owned(),
                about: String::new(),
            })
            .collect(),
    });
    let mut tables: Vec<SchemaTable> = stored.chain(views).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}

/// Tables, views and functions.
#[utoipa::path(get, path = "/api/v1/schema", tag = "query", responses(
    (status = 200, description = "What queries can name", body = SchemaAnswer)))]
pub(crate) async fn show(State(context): State<Context>, _: Reader) -> Json<SchemaAnswer> {
    Json(SchemaAnswer {
        tables: tables(&context),
        functions: context.app.queries.functions(),
    })
}
