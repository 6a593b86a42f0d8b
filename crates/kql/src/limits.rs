//! What one query may use, by Kusto's names: what its text sets and what its client asks for, the lower of the two.
//!
//! Source: Kusto documentation, "Query limits" and "Request properties".

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::types::Value;

/// Longest that anybody may let a query run.
const LONGEST: Duration = Duration::from_secs(3600);

/// Limits of one query. What is not given is the engine's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `truncationmaxrecords`: rows of an answer; one with more is cut and says so
    pub records: Option<usize>,
    /// `truncationmaxsize`: bytes of an answer; one with more is refused
    pub bytes: Option<usize>,
    /// `notruncation`: as many rows as there are, unless another limit is given
    pub not_truncated: bool,
    /// `query_take_max_records`: rows of an answer; what is behind them is not missed
    pub take: Option<usize>,
    /// `maxmemoryconsumptionperiterator`, `max_memory_consumption_per_query_per_node`: bytes that the query may hold
    pub memory: Option<usize>,
    /// `servertimeout`: how long it may run
    pub time: Option<Duration>,
}

impl Limits {
    /// With what a query sets in its text.
    ///
    /// # Errors
    /// When a value is none of its option's.
    pub fn with(mut self, options: &[(String, Option<Value>)]) -> Result<Limits, Diagnostic> {
        for (name, value) in options {
            self.set(name, value.as_ref())
                .map_err(|why| Diagnostic::error(Code::Semantic, Span::default(), format!("set {name}: {why}")))?;
        }
        Ok(self)
    }

    /// Takes an option by its name; names that are no limits are left alone.
    ///
    /// # Errors
    /// In words, when the value is none of the option's.
    pub fn set(&mut self, name: &str, value: Option<&Value>) -> Result<(), String> {
        match name.to_ascii_lowercase().as_str() {
            "truncationmaxrecords" => lower(&mut self.records, number(value)?),
            "truncationmaxsize" => lower(&mut self.bytes, number(value)?),
            "query_take_max_records" => lower(&mut self.take, number(value)?),
            "maxmemoryconsumptionperiterator" | "max_memory_consumption_per_query_per_node" => {
                lower(&mut self.memory, number(value)?);
            }
            "notruncation" => self.not_truncated |= switch(value)?,
            "servertimeout" => lower(&mut self.time, span(value)?.min(LONGEST)),
            "norequesttimeout" => {
                if switch(value)? && self.time.is_none() {
                    self.time = Some(LONGEST);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Rows of an answer, and whether those behind them are missed.
    pub fn rows(&self, most: usize) -> (usize, bool) {
        let lifted = self.not_truncated && self.records.is_none() && self.bytes.is_none() && self.take.is_none();
        let records = match self.records {
            Some(records) => records.min(most),
            None if lifted => usize::MAX,
            None => most,
        };
        match self.take {
            Some(take) if take <= records => (take, false),
            _ => (records, true),
        }
    }
}

fn lower<T: Ord>(limit: &mut Option<T>, given: T) {
    if limit.as_ref().is_none_or(|known| given < *known) {
        *limit = Some(given);
    }
}

fn number(value: Option<&Value>) -> Result<usize, String> {
    let given = match value {
        Some(Value::Int(number)) => i64::from(*number),
        Some(Value::Long(number)) => *number,
        Some(Value::String(text)) => text.trim().parse().map_err(|_| format!("{text:?} is no number"))?,
        _ => return Err("a number is needed".to_owned()),
    };
    usize::try_from(given).map_err(|_| format!("{given} is negative"))
}

fn switch(value: Option<&Value>) -> Result<bool, String> {
    match value {
        None => Ok(true),
        Some(Value::Bool(on)) => Ok(*on),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("true or false is needed".to_owned()),
    }
}

fn span(value: Option<&Value>) -> Result<Duration, String> {
    match value {
        Some(Value::TimeSpan(ticks)) if *ticks > 0 => Ok(Duration::from_nanos(u64::try_from(*ticks).unwrap_or(0).saturating_mul(100))),
        _ => Err("a length of time is needed, such as 4m".to_owned()),
    }
}
