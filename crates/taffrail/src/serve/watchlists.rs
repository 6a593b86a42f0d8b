//! Watchlists: what people keep in the portal is what queries and rules read, from the next query on.
//!
//! The shipped lists are functions of `content/functions/watchlists.yaml`, each a list of texts. A list that people changed
//! takes the place of its function, and every list, theirs and ours, is read by `_GetWatchlist('alias')` as in Sentinel. Queries
//! are bound each time they run, and the engine's cache compares what they were bound to: a changed list needs no restart.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value, json};
use taffrail_content::Content;
use taffrail_kql::bound::PathStep;
use taffrail_kql::catalog::{self, Entity, PathColumn};
use taffrail_schema::Schema;
use taffrail_server::ports::Shipped;
use taffrail_state::{State, StateError};

/// File of the shipped lists.
const FILE: &str = "functions/watchlists.yaml";
/// Function that gives the rows of any list.
const GET: &str = "_GetWatchlist";

/// The stored schema with the lists of now.
pub struct LiveSchema {
    stored: Arc<Schema>,
    lists: RwLock<HashMap<String, Entity>>,
}

impl LiveSchema {
    /// With the shipped lists only, until [`Watchlists::reload`].
    pub fn new(stored: Arc<Schema>) -> LiveSchema {
        LiveSchema {
            stored,
            lists: RwLock::default(),
        }
    }

    fn list(&self, name: &str) -> Option<Entity> {
        // A writer only swaps a map: one that panicked left it whole.
        self.lists.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl catalog::Schema for LiveSchema {
    fn entity(&self, name: &str) -> Option<Entity> {
        self.list(name).or_else(|| self.stored.entity(name))
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.stored.names();
        names.push(GET.to_owned());
        names
    }

    fn path_column(&self, table: &str, column: &str, path: &[PathStep]) -> Option<PathColumn> {
        self.stored.path_column(table, column, path)
    }
}

/// A list: texts by column, found by one of them.
struct List {
    alias: String,
    key: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl List {
    fn read(alias: &str, body: &Value) -> List {
        let texts = |value: Option<&Value>| -> Vec<String> {
            let values = value.and_then(Value::as_array).into_iter().flatten();
            values
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect()
        };
        let columns = texts(body.get("columns"));
        let first = columns.first().cloned().unwrap_or_default();
        let rows = body.get("rows").and_then(Value::as_array).into_iter().flatten();
        List {
            alias: alias.to_owned(),
            key: body.get("searchKey").and_then(Value::as_str).map_or(first, str::to_owned),
            rows: rows.map(|row| texts(Some(row))).collect(),
            columns,
        }
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        let at = self.columns.iter().position(|column| *column == self.key).unwrap_or_default();
        self.rows.iter().filter_map(move |row| row.get(at)).map(String::as_str)
    }
}

/// A text as a KQL literal; JSON's escapes are among KQL's.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

fn function(parameters: &str, body: String) -> Entity {
    Entity::Function {
        parameters: parameters.to_owned(),
        body,
    }
}

/// What [`GET`] is over these lists.
fn get(lists: &[List]) -> Entity {
    let mut cells = Vec::new();
    for list in lists {
        for (row, key) in list.rows.iter().zip(list.keys()) {
            let item: Map<String, Value> = list.columns.iter().cloned().zip(row.iter().map(|cell| json!(cell))).collect();
            let item = Value::Object(item);
            cells.push(format!("{}, {}, dynamic({item})", literal(&list.alias), literal(key)));
        }
    }
    let table = format!(
        "datatable(WatchlistAlias: string, SearchKey: string, WatchlistItem: dynamic) [{}]",
        cells.join(",\n")
    );
    function(
        "(watchlistAlias: string)",
        format!("{table}\n| where WatchlistAlias =~ watchlistAlias\n| project SearchKey, WatchlistItem"),
    )
}

/// The lists that are shipped and those that people keep.
pub struct Watchlists {
    /// Where queries find them
    pub schema: Arc<LiveSchema>,
    /// What people keep
    pub state: State,
    /// The shipped ones, as the library shows them
    pub shipped: Vec<Shipped>,
}

impl Watchlists {
    /// Takes the lists as they are now.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn reload(&self) -> Result<(), StateError> {
        let kept = self.state.documents("watchlists", "").await?;
        let mut functions = HashMap::new();
        let mut lists = Vec::new();
        for shipped in &self.shipped {
            let name = shipped.body.get("name").and_then(Value::as_str).unwrap_or_default();
            match kept.iter().find(|document| document.id == shipped.id) {
                Some(changed) => {
                    let list = List::read(name, &changed.body);
                    let keys: Vec<Value> = list.keys().map(Value::from).collect();
                    functions.insert(name.to_owned(), function("()", format!("dynamic({})", Value::Array(keys))));
                    lists.push(list);
                }
                None => lists.push(List::read(name, &shipped.body)),
            }
        }
        let own = kept
            .iter()
            .filter(|document| self.shipped.iter().all(|shipped| shipped.id != document.id));
        lists.extend(own.map(|document| List::read(&document.name, &document.body)));
        functions.insert(GET.to_owned(), get(&lists));
        *self.schema.lists.write().unwrap_or_else(PoisonError::into_inner) = functions;
        Ok(())
    }
}

/// `TrustedIdentities` → `trusted-identities`.
fn id(name: &str) -> String {
    let mut id = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !id.is_empty() {
            id.push('-');
        }
        id.push(c.to_ascii_lowercase());
    }
    id
}

/// The shipped lists as documents: those functions whose body is a list of texts. Each says which functions read it, so that
/// its rules can be found.
pub fn shipped(content: &Content, schema: &Schema) -> Vec<Shipped> {
    let files = content.files("functions").unwrap_or_default();
    let Some(file) = files.iter().find(|file| file.path.ends_with(FILE)) else {
        return Vec::new();
    };
    let text = file.text().unwrap_or_default();
    let parsed: Value = serde_yaml_ng::from_str(text).unwrap_or(Value::Null);
    let functions = parsed.get("functions").and_then(Value::as_array).into_iter().flatten();
    functions
        .filter_map(|function| {
            let name = function.get("name")?.as_str()?;
            let values = function.get("body")?.as_str()?.trim().strip_prefix("dynamic(")?.strip_suffix(')')?;
            let Ok(Value::Array(values)) = serde_json::from_str(values) else {
                return None;
            };
            let rows: Vec<Value> = values.into_iter().map(|value| json!([value])).collect();
            let body = json!({
                "name": name,
                "description": function.get("about").and_then(Value::as_str).unwrap_or_default(),
                "searchKey": "Value",
                "columns": ["Value"],
                "rows": rows,
                "readBy": readers(name, schema),
            });
            Some(Shipped { id: id(name), body })
        })
        .collect()
}

/// Functions and views that read the list, directly or through others.
fn readers(name: &str, schema: &Schema) -> Vec<String> {
    let bodies: Vec<(&str, &str)> = schema
        .functions()
        .map(|function| (function.name.as_str(), function.body.as_str()))
        .chain(schema.views().map(|view| (view.name.as_str(), view.query.as_str())))
        .collect();
    let mut found = vec![name.to_owned()];
    let mut at = 0;
    while let Some(read) = found.get(at).cloned() {
        at += 1;
        for (reader, body) in &bodies {
            let names = || body.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            if !found.iter().any(|known| known == reader) && names().any(|word| word == read) {
                found.push((*reader).to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::Utc;
    use taffrail_engine::{Engine, EngineOptions, MemorySource, QueryRequest};
    use taffrail_state::documents::NewDocument;

    use super::*;

    #[tokio::test]
    async fn a_changed_list_is_what_the_next_query_reads() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path().join("state.sqlite")).await.unwrap();
        let content = Content::embedded();
        let stored = crate::local::schema(&content).unwrap();
        let lists = Watchlists {
            schema: Arc::new(LiveSchema::new(Arc::clone(&stored))),
            state: state.clone(),
            shipped: shipped(&content, &stored),
        };
        lists.reload().await.unwrap();
        let source = Arc::new(MemorySource::new(Arc::clone(&stored), HashMap::new()).unwrap());
        let engine = Engine::new(
            Arc::clone(&lists.schema) as Arc<dyn catalog::Schema>,
            source,
            EngineOptions::default(),
        );
        let ask = async |query: &str| -> Value {
            let answer = engine.query(query, &QueryRequest::default()).await.unwrap();
            let rows: Vec<Value> = answer.rows().map(Value::from).collect();
            Value::from(rows)
        };
        let question = "print Trusted = array_index_of(TrustedRegistries(), 'registry.example') >= 0";
        assert_eq!(ask(question).await, json!([[false]]));

        let keep = async |id: &str, name: &str, body: Value| {
            let new = NewDocument {
                kind: "watchlists",
                id,
                owner: "",
                name,
                body: &body,
                based_on: None,
            };
            state.keep_document(&new, "ann", Utc::now()).await.unwrap();
            lists.reload().await.unwrap();
        };
        let body = json!({ "searchKey": "Value", "columns": ["Value"], "rows": [["registry.example"]] });
        keep("trusted-registries", "TrustedRegistries", body).await;
        assert_eq!(ask(question).await, json!([[true]]));

        let body = json!({ "searchKey": "Account", "columns": ["Account", "Team"], "rows": [["bob \"b\" o'x", "ops"], ["eve", "none"]] });
        keep("people", "People", body).await;
        let rows =
            ask("_GetWatchlist('people') | extend Team = tostring(WatchlistItem.Team) | project SearchKey, Team | sort by Team asc").await;
        assert_eq!(rows, json!([["eve", "none"], ["bob \"b\" o'x", "ops"]]));
        assert_eq!(
            ask("print x = 'eve' | where x in ((_GetWatchlist('People') | project SearchKey))").await,
            json!([["eve"]])
        );
    }
}
