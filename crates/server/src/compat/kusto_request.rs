//! What a Kusto client sends: <https://learn.microsoft.com/kusto/api/rest/request>.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use taffrail_kql::Value;

use super::timespan;
use crate::ports::Request;

/// Kusto gives a query four minutes unless told otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(240);

/// A query or command.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub(crate) struct KustoBody {
    /// Database: `taffrail` or `default`
    #[serde(default)]
    pub db: Option<String>,
    /// KQL, or a command that begins with a dot
    pub csl: String,
    /// `{"Options":{…},"Parameters":{…}}`, or that as text
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub properties: Json,
}

fn properties(given: &Json) -> Result<Map<String, Json>, String> {
    let parsed = match given {
        Json::Null => return Ok(Map::new()),
        Json::String(text) if text.is_empty() => return Ok(Map::new()),
        Json::String(text) => serde_json::from_str(text).map_err(|error| format!("properties: {error}"))?,
        other => other.clone(),
    };
    match parsed {
        Json::Object(properties) => Ok(properties),
        Json::Null => Ok(Map::new()),
        _ => Err("properties: must be an object, or one as text".to_owned()),
    }
}

fn object<'a>(properties: &'a Map<String, Json>, name: &str) -> Result<Option<&'a Map<String, Json>>, String> {
    match properties.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("properties: {name} must be an object")),
    }
}

/// Values of parameters are literals in text (`datetime(2026-01-01)`, `5`), or plain text for strings.
fn parameter(name: &str, given: &Json) -> Result<Value, String> {
    Ok(match given {
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Long(value),
            None => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text.clone()),
        _ => return Err(format!("properties: the parameter {name} must be text, a number or a boolean")),
    })
}

fn whole(options: &Map<String, Json>, name: &str) -> Option<usize> {
    let value = options.get(name)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    usize::try_from(number).ok()
}

fn switched_on(options: &Map<String, Json>, name: &str) -> bool {
    match options.get(name) {
        Some(Json::Bool(on)) => *on,
        Some(Json::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// What a client wants to be done with a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub request: Request,
    pub wait: Duration,
    /// More rows than allowed are no failure: the client asked for at most so many
    pub may_cut: bool,
}

/// Reads options and parameters; options that are not known here are not needed for the answer to be right.
pub(crate) fn wanted(body: &KustoBody) -> Result<Wanted, String> {
    let properties = properties(&body.properties)?;
    let mut wanted = Wanted {
        request: Request::default(),
        wait: DEFAULT_WAIT,
        may_cut: false,
    };
    if let Some(options) = object(&properties, "Options")? {
        if let Some(given) = options.get("servertimeout").filter(|given| !given.is_null()) {
            let read = given.as_str().and_then(timespan::kusto);
            wanted.wait = read.ok_or_else(|| format!("servertimeout: {given} is no timespan such as \"00:04:00\""))?;
        }
        if let Some(given) = options.get("query_now").and_then(Json::as_str) {
            let read = timespan::moment(given);
            wanted.request.now = Some(read.ok_or_else(|| format!("query_now: {given:?} is no time"))?);
        }
        if !switched_on(options, "notruncation") {
            wanted.request.max_rows = whole(options, "truncationmaxrecords");
        }
        if let Some(most) = whole(options, "query_take_max_records") {
            wanted.may_cut = wanted.request.max_rows.is_none_or(|truncation| most <= truncation);
            wanted.request.max_rows = Some(wanted.request.max_rows.map_or(most, |truncation| truncation.min(most)));
        }
    }
    if let Some(parameters) = object(&properties, "Parameters")? {
        for (name, given) in parameters {
            wanted.request.parameters.push((name.clone(), parameter(name, given)?));
        }
    }
    Ok(wanted)
}
