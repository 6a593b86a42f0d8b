//! Ids that go through states in a given order.
//!
//! A sequence begins at every row of the first state within the period of analysis, and takes for each further state the next
//! row of it that is later, and early enough.
//!
//! Source: Kusto Query Language reference, "funnel_sequence plugin", "funnel_sequence_completion plugin".

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use taffrail_kql::{Type, Value};

use super::encode::longs;
use super::{Answer, Failure, Job, Rows};
use crate::functions;

/// Ids that a row of the result lists.
const SAMPLES: usize = 128;

/// A row of the input.
struct Event {
    at: i64,
    /// Number among the states
    state: u32,
}

/// The rows, by id in order of time.
struct Funnel {
    ids: Vec<(String, Vec<Event>)>,
    /// Texts and values of states
    states: Vec<(String, ScalarValue)>,
    begins: i64,
    ends: i64,
    step: i64,
    /// The sequence in numbers of states; none for one that does not occur
    sequence: Vec<Option<u32>>,
    words: Vec<String>,
}

impl Funnel {
    fn new(job: &Job) -> Answer<Funnel> {
        let ty = job.inputs.get(1).copied().unwrap_or(Type::Dynamic);
        if ty == Type::Real {
            return Err(Failure::Argument(format!(
                "{} wants a timeline of type datetime, int or long",
                job.name
            )));
        }
        let mut ids: Vec<(String, Vec<Event>)> = Vec::new();
        let mut states: Vec<(String, ScalarValue)> = Vec::new();
        let mut known: BTreeMap<String, u32> = BTreeMap::new();
        let id_type = job.inputs.first().copied().unwrap_or(Type::Dynamic);
        let mut bytes = 0;
        for batch in &job.batches {
            bytes += read(batch, id_type, &mut ids, &mut states, &mut known)?;
            job.limits.check(bytes, "the rows of the funnel")?;
        }
        let words = list(job.args.get(3))?;
        let words: Vec<String> = words.iter().map(text_of).collect();
        if words.is_empty() {
            return Err(Failure::Argument(format!("the sequence of {} has no states", job.name)));
        }
        let step = number(job.args.get(2));
        if step <= 0 {
            return Err(Failure::Argument(format!("the bins of {} must be longer than nothing", job.name)));
        }
        Ok(Funnel {
            ids,
            states,
            begins: number(job.args.first()),
            ends: number(job.args.get(1)),
            step,
            sequence: words.iter().map(|word| known.get(word).copied()).collect(),
            words,
        })
    }

    fn bin(&self, at: i64) -> i64 {
        let apart = i128::from(at) - i128::from(self.begins);
        let bin = i128::from(self.begins) + apart.div_euclid(i128::from(self.step)) * i128::from(self.step);
        i64::try_from(bin).unwrap_or(at)
    }

    fn within(&self, at: i64) -> bool {
        (self.begins..=self.ends).contains(&at)
    }

    /// The rows of a sequence that begins with one; `None` where the next is missing, too late after the one before or, when
    /// `whole` is given, after the first.
    fn follow(&self, events: &[Event], first: usize, between: Option<i64>, whole: Option<i64>) -> Vec<usize> {
        let mut taken = vec![first];
        let Some(start) = events.get(first).map(|event| event.at) else {
            return taken;
        };
        for state in self.sequence.iter().skip(1) {
            let last = taken.last().copied().unwrap_or(first);
            let before = events.get(last).map_or(start, |event| event.at);
            let next = (events.iter().enumerate().skip(last + 1))
                .take_while(|(_, event)| between.is_none_or(|limit| event.at.saturating_sub(before) <= limit))
                .take_while(|(_, event)| whole.is_none_or(|limit| event.at.saturating_sub(start) <= limit))
                .find(|(_, event)| event.at > before && Some(event.state) == *state);
            match next {
                Some((index, _)) => taken.push(index),
                None => break,
            }
        }
        taken
    }

    fn starts<'a>(&'a self, events: &'a [Event]) -> impl Iterator<Item = usize> + 'a {
        let first = self.sequence.first().copied().flatten();
        let starts = events
            .iter()
            .enumerate()
            .filter(move |(_, event)| Some(event.state) == first && self.within(event.at));
        starts.map(|(index, _)| index)
    }
}

/// Adds a batch's rows; gives about how many bytes they take.
fn read(
    batch: &RecordBatch,
    id_type: Type,
    ids: &mut Vec<(String, Vec<Event>)>,
    states: &mut Vec<(String, ScalarValue)>,
    known: &mut BTreeMap<String, u32>,
) -> Answer<usize> {
    let [id, at, state, word] = batch.columns() else {
        return Ok(0);
    };
    let words = word
        .as_string_view_opt()
        .ok_or_else(|| Failure::Argument("states are read as text".to_owned()))?;
    let mut bytes = 0;
    for (row, at) in longs(at)?.into_iter().enumerate() {
        let id = functions::to_json(id.as_ref(), row, id_type).to_string();
        let word = if words.is_null(row) { "" } else { words.value(row) };
        let code = match known.get(word) {
            Some(code) => *code,
            None => {
                let code = u32::try_from(states.len()).unwrap_or(u32::MAX);
                known.insert(word.to_owned(), code);
                states.push((word.to_owned(), ScalarValue::try_from_array(state, row)?));
                code
            }
        };
        let event = Event { at, state: code };
        bytes += 16;
        match ids.last_mut() {
            Some((last, events)) if *last == id => events.push(event),
            _ => {
                bytes += id.len() + 96;
                ids.push((id, vec![event]));
            }
        }
    }
    Ok(bytes)
}

/// `funnel_sequence`: by bin of time, and by the state before and the state after, or one of them alone.
pub(super) fn sequence(job: &Job) -> Answer<Rows> {
    let funnel = Funnel::new(job)?;
    let window = number(job.args.get(4));
    let alone = number(job.args.get(5));
    let (by_prev, by_next) = (alone != 2, alone != 1);
    let mut found: BTreeMap<(i64, Option<u32>, Option<u32>), BTreeSet<usize>> = BTreeMap::new();
    for (number, (_, events)) in funnel.ids.iter().enumerate() {
        if number.is_multiple_of(1024) {
            job.limits.check(found.len() * 128, "the sequences found")?;
        }
        for start in funnel.starts(events) {
            let taken = funnel.follow(events, start, Some(window), None);
            let (Some(end), true) = (taken.last(), taken.len() == funnel.sequence.len()) else {
                continue;
            };
            let own = |index: usize| events.get(index).map(|event| event.state);
            let before = events.get(..start).unwrap_or_default();
            let prev = before
                .iter()
                .rev()
                .map(|event| event.state)
                .find(|state| Some(*state) != own(start));
            let after = events.get(*end + 1..).unwrap_or_default();
            let next = after.iter().map(|event| event.state).find(|state| Some(*state) != own(*end));
            let at = events.get(start).map_or(funnel.begins, |event| event.at);
            let (prev, next) = (prev.filter(|_| by_prev), next.filter(|_| by_next));
            found.entry((funnel.bin(at), prev, next)).or_default().insert(number);
        }
    }
    let state_type = job.outputs.get(1).copied().unwrap_or(Type::String);
    let shown = |state: Option<u32>| {
        let state = state.and_then(|code| funnel.states.get(code as usize));
        state.map_or_else(
            || functions::scalar_value(&crate::value::empty(state_type)),
            |(_, value)| value.clone(),
        )
    };
    let mut order: Vec<_> = found.into_iter().collect();
    order.sort_by_key(|((bin, ..), ids)| (*bin, std::cmp::Reverse(ids.len())));
    let rows = order.into_iter().map(|((bin, prev, next), ids)| {
        let samples: Vec<&str> = (ids.iter().take(SAMPLES))
            .filter_map(|number| funnel.ids.get(*number).map(|(id, _)| id.as_str()))
            .collect();
        let mut row = vec![time(job, bin)];
        if by_prev {
            row.push(shown(prev));
        }
        if by_next {
            row.push(shown(next));
        }
        row.push(ScalarValue::Int64(i64::try_from(ids.len()).ok()));
        row.push(ScalarValue::Utf8View(Some(format!("[{}]", samples.join(",")))));
        row
    });
    Ok(rows.collect())
}

/// `funnel_sequence_completion`: by period, how many ids came to each state.
pub(super) fn completion(job: &Job) -> Answer<Rows> {
    let funnel = Funnel::new(job)?;
    let mut rows = Rows::new();
    for period in periods(job.args.get(4), job.outputs.get(2).copied())? {
        let mut reached: BTreeMap<(i64, usize), usize> = BTreeMap::new();
        for (number, (_, events)) in funnel.ids.iter().enumerate() {
            if number.is_multiple_of(1024) {
                job.limits.check(reached.len() * 64, "the sequences found")?;
            }
            let mut own: BTreeSet<(i64, usize)> = BTreeSet::new();
            for start in funnel.starts(events) {
                let bin = events.get(start).map_or(funnel.begins, |event| funnel.bin(event.at));
                let steps = funnel.follow(events, start, None, Some(period)).len();
                own.extend((0..steps).map(|step| (bin, step)));
            }
            for key in own {
                *reached.entry(key).or_default() += 1;
            }
        }
        for ((bin, step), count) in reached {
            rows.push(vec![
                time(job, bin),
                ScalarValue::Utf8View(funnel.words.get(step).cloned()),
                ScalarValue::Int64(Some(period)),
                ScalarValue::Int64(i64::try_from(count).ok()),
            ]);
        }
    }
    if job.outputs.get(2) == Some(&Type::Int) {
        for row in &mut rows {
            if let Some(period) = row.get_mut(2) {
                *period = period.cast_to(&DataType::Int32)?;
            }
        }
    }
    Ok(rows)
}

/// A time as the type of the timeline.
fn time(job: &Job, at: i64) -> ScalarValue {
    match job.outputs.first() {
        Some(Type::Int) => ScalarValue::Int32(i32::try_from(at).ok()),
        _ => ScalarValue::Int64(Some(at)),
    }
}

fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Long(value) | Value::DateTime(value) | Value::TimeSpan(value)) => *value,
        Some(Value::Int(value)) => i64::from(*value),
        _ => 0,
    }
}

fn list(value: Option<&Value>) -> Answer<Vec<serde_json::Value>> {
    let Some(Value::Dynamic(json)) = value else {
        return Err(Failure::Argument("a funnel takes a dynamic array of states".to_owned()));
    };
    serde_json::from_str(json).map_err(|_| Failure::Argument("a funnel takes a dynamic array".to_owned()))
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Lengths of time, in the unit of the timeline.
fn periods(value: Option<&Value>, ty: Option<Type>) -> Answer<Vec<i64>> {
    let wrong = |item: &serde_json::Value| Failure::Argument(format!("{item} is no length of time"));
    let read = |item: serde_json::Value| match (ty, &item) {
        (Some(Type::TimeSpan), serde_json::Value::String(text)) => functions::parse::timespan(text).ok_or_else(|| wrong(&item)),
        _ => item.as_i64().ok_or_else(|| wrong(&item)),
    };
    list(value)?.into_iter().map(read).collect()
}
