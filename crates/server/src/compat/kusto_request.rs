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
}

/// Reads options and parameters; options that are not known here are not needed for the answer to be right.
pub(crate) fn wanted(body: &KustoBody) -> Result<Wanted, String> {
    let properties = properties(&body.properties)?;
    let mut wanted = Wanted {
        request: Request::default(),
        wait: DEFAULT_WAIT,
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
        if switched_on(options, "norequesttimeout") {
            wanted.wait = Duration::MAX;
        }
        let given = options.iter().filter(|(name, given)| !given.is_null() && *name != "servertimeout");
        for (name, given) in given {
            let value = match given {
                Json::Bool(on) => Some(Value::Bool(*on)),
                Json::Number(number) => number.as_i64().map(Value::Long),
                Json::String(text) => Some(Value::String(text.clone())),
                _ => None,
            };
            wanted
                .request
                .limits
                .set(name, value.as_ref())
                .map_err(|why| format!("{name}: {why}"))?;
        }
        wanted.request.limits.time = wanted.request.limits.time.filter(|_| !switched_on(options, "norequesttimeout"));
    }
    if let Some(parameters) = object(&properties, "Parameters")? {
        for (name, given) in parameters {
            wanted.request.parameters.push((name.clone(), parameter(name, given)?));
        }
    }
    Ok(wanted)
}
