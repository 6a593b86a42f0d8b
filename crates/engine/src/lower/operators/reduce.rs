//! `reduce`: texts by the pattern they have in common.
//!
//! Texts are cut into terms. Those of as many terms are compared place by place: a place that has about as many different
//! terms as there are texts tells them apart and becomes `*`; what is left is the pattern. How many are "about as many" is
//! the threshold: a fraction of different terms above it makes a `*`. Texts of which nothing is left are the `others`.
//!
//! Source: Kusto Query Language reference, "reduce operator".

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Field, Schema};
use taffrail_kql::Value;
use taffrail_kql::bound::{OperatorArg, Rel};

use super::expr_arg;
use crate::error::{LowerError, QueryError};
use crate::kernels;
use crate::lower::Lowering;
use crate::lower::lowered::{column, name};

const NAME: &str = "reduce";
/// What texts without a pattern are called.
const OTHERS: &str = "others";

/// A text as terms; `separators[i]` stands in front of `terms[i]`, the last behind all.
struct Cut<'a> {
    terms: Vec<&'a str>,
    separators: Vec<&'a str>,
}

fn cut<'a>(text: &'a str, characters: &str) -> Cut<'a> {
    let separates = |c: char| !c.is_ascii_alphanumeric() || characters.contains(c);
    let mut cut = Cut {
        terms: Vec::new(),
        separators: Vec::new(),
    };
    let mut rest = text;
    loop {
        let term = rest.find(|c| !separates(c)).unwrap_or(rest.len());
        let (separator, from_term) = rest.split_at(term);
        cut.separators.push(separator);
        if from_term.is_empty() {
            return cut;
        }
        let end = from_term.find(separates).unwrap_or(from_term.len());
        let (term, behind) = from_term.split_at(end);
        cut.terms.push(term);
        rest = behind;
    }
}

/// The pattern of each text.
fn patterns(texts: &[&str], threshold: f64, characters: &str) -> Vec<String> {
    let cuts: Vec<Cut<'_>> = texts.iter().map(|text| cut(text, characters)).collect();
    let mut alike: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, cut) in cuts.iter().enumerate() {
        alike.entry(cut.terms.len()).or_default().push(index);
    }
    let mut out = vec![OTHERS.to_owned(); texts.len()];
    for (places, members) in alike {
        let mut kept = Vec::with_capacity(places);
        for place in 0..places {
            let different: HashSet<&str> = members
                .iter()
                .filter_map(|member| cuts.get(*member)?.terms.get(place).copied())
                .collect();
            #[allow(clippy::cast_precision_loss, reason = "a fraction of counts")]
            let fraction = different.len() as f64 / members.len() as f64;
            kept.push(different.len() == 1 && members.len() > 1 || fraction <= threshold);
        }
        if !kept.contains(&true) {
            continue;
        }
        for member in members {
            if let (Some(cut), Some(pattern)) = (cuts.get(member), out.get_mut(member)) {
                *pattern = pattern_of(cut, &kept);
            }
        }
    }
    out
}

fn pattern_of(cut: &Cut<'_>, kept: &[bool]) -> String {
    let is_kept = |place: usize| kept.get(place).copied().unwrap_or(true);
    let mut pattern = String::new();
    for (place, separator) in cut.separators.iter().enumerate() {
        let beside = place > 0 && !is_kept(place - 1) || place < kept.len() && !is_kept(place);
        // A letter that was made a separator goes into the `*` beside it.
        if !beside || !separator.chars().all(char::is_alphanumeric) {
            pattern.push_str(separator);
        }
        match cut.terms.get(place) {
            Some(term) if is_kept(place) => pattern.push_str(term),
            Some(_) if !pattern.ends_with('*') => pattern.push('*'),
            _ => {}
        }
    }
    pattern
}

impl Lowering {
    /// Runs a `reduce` to its end: its rows, under the names its columns have in plans.
    pub(in crate::lower) async fn run_reduce(&self, rel: &Rel, input: &Rel, args: &[OperatorArg]) -> Result<Vec<RecordBatch>, QueryError> {
        let refused = |error: LowerError| QueryError::from_lower(error.at(rel.span), self.memory);
        let source = matches!(args.get(3), Some(OperatorArg::Value(Value::Bool(true))));
        let (threshold, characters) = self.reduce_arguments(args).map_err(refused)?;
        let plan = (|| {
            let rows = self.rel(input)?.without_markers()?.sorted()?;
            let mut exprs: Vec<_> = Vec::new();
            if source {
                exprs.extend(input.columns.iter().map(|item| column(name(item.id))));
            }
            exprs.push(self.expr(expr_arg(args.first(), NAME)?)?.alias(self.fresh('k')));
            Ok(rows.builder().project(exprs)?.build()?)
        })()
        .map_err(refused)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let batches = self.gather(plan).await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let arrow = |error| refused(LowerError::from_arrow(error));
        let rows = concat_batches(&schema, &batches).map_err(arrow)?;
        let texts = match rows.columns().last() {
            Some(array) => kernels::strings(array.as_ref()).map_err(|error| refused(error.into()))?,
            None => return Ok(vec![]),
        };
        let texts: Vec<&str> = texts.iter().map(Option::unwrap_or_default).collect();
        let patterns = patterns(&texts, threshold, &characters);
        let arrays: Vec<ArrayRef> = if source {
            let mut arrays = rows.columns().to_vec();
            arrays.pop();
            arrays.push(Arc::new(StringViewArray::from_iter_values(&patterns)));
            arrays
        } else {
            grouped(&patterns, &texts)
        };
        let fields: Vec<Field> = rel
            .columns
            .iter()
            .zip(&arrays)
            .map(|(item, array)| Field::new(name(item.id), array.data_type().clone(), true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(arrow)?;
        Ok(vec![batch])
    }

    fn reduce_arguments(&self, args: &[OperatorArg]) -> Result<(f64, String), LowerError> {
        #[allow(clippy::cast_precision_loss, reason = "a fraction between 0 and 1")]
        let threshold = match self.constant_arg(args.get(1))? {
            Value::Real(threshold) => threshold,
            Value::Long(threshold) => threshold as f64,
            Value::Int(threshold) => f64::from(threshold),
            Value::Decimal(text) => text.parse().unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        if !(0.0..=1.0).contains(&threshold) {
            return Err(LowerError::Argument(
                "the threshold of reduce is a number from 0 to 1, e.g. 0.1".to_owned(),
            ));
        }
        match self.constant_arg(args.get(2))? {
            Value::String(characters) => Ok((threshold, characters)),
            _ => Err(LowerError::Argument("the characters of reduce are a text".to_owned())),
        }
    }
}

/// A row for each pattern, the most frequent first, with one of its texts.
fn grouped(patterns: &[String], texts: &[&str]) -> Vec<ArrayRef> {
    let mut groups: HashMap<&str, (i64, &str)> = HashMap::new();
    let mut order: Vec<&str> = Vec::new();
    for (pattern, text) in patterns.iter().zip(texts) {
        let group = groups.entry(pattern).or_insert_with(|| {
            order.push(pattern);
            (0, text)
        });
        group.0 += 1;
    }
    let count = |pattern: &str| groups.get(pattern).map_or(0, |(count, _)| *count);
    order.sort_by_key(|pattern| (*pattern == OTHERS, std::cmp::Reverse(count(pattern))));
    let representative = |pattern: &&str| match groups.get(pattern) {
        Some((_, text)) if *pattern != OTHERS => *text,
        _ => "",
    };
    vec![
        Arc::new(StringViewArray::from_iter_values(order.iter())),
        Arc::new(Int64Array::from_iter_values(order.iter().map(|pattern| count(pattern)))),
        Arc::new(StringViewArray::from_iter_values(order.iter().map(representative))),
    ]
}
