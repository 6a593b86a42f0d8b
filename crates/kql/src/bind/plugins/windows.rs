//! Plugins that count over windows of a timeline.
//!
//! Source: Kusto Query Language reference, pages of the plugins.

use super::activity::Cut;
use super::{Call, listed, named, new_parts};
use crate::bind::expr::Ctx;
use crate::bind::{Binder, Bound, Reported};
use crate::bound::{Expr, Rel};
use crate::diagnostic::Code;
use crate::types::Value;

impl Binder<'_> {
    /// Counts in a window that slides over the bins of a timeline.
    pub(super) fn sliding_window_counts(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 6, usize::MAX)?;
        let [id, at, first, last, window, step, dims @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut parts = new_parts(call);
        let id = self.plain_column(id, input, call)?;
        let timeline = self.plain_column(at, input, call)?;
        let step_type = self.step_type(&timeline, at, call)?;
        let place = self.place(call.span);
        parts.column("id", Expr::column(&id, place));
        parts.column("at", Expr::column(&timeline, place));
        parts.constant("begins", self.constant_of(first, timeline.ty, call)?);
        parts.constant("ends", self.constant_of(last, timeline.ty, call)?);
        parts.constant("width", self.constant_of(window, step_type, call)?);
        let cut = self.cut(step, step_type, &mut parts)?;
        let dims = self.dimensions(dims, input, &mut parts)?;
        let bins = match cut {
            Cut::Step => format!(
                "bins = range(at, min_of(at + width - step, ends), step) | mv-expand bins to typeof({}) | where bins >= begins",
                timeline.ty
            ),
            // no window of the calendar is shorter than a week
            Cut::Calendar(_) => format!(
                "n = range(0, tolong(width / 7d) + 1, 1) | mv-expand n to typeof(long) | extend bins = {}
                 | where bins >= {} and bins <= ends and bins < at + width",
                cut.next("at", "n"),
                cut.bin("begins")
            ),
        };
        let text = format!(
            "T | where at >= begins - width | extend at = {bin} | extend {bins}
             | summarize n = count(), ids = dcount(id) by bins{dims}
             | project bins{dims}, n, ids | sort by bins asc",
            bin = cut.bin("at"),
            dims = listed(&dims)
        );
        let names = named([timeline.name], dims, ["Count", "dcount"]);
        self.template(parts, input, &text, names)
    }

    /// A percentile in a window of bins that ends at each bin.
    pub(super) fn rolling_percentile(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 5, usize::MAX)?;
        let [value, percent, at, step, bins, dims @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut parts = new_parts(call);
        let value = self.plain_column(value, input, call)?;
        let timeline = self.plain_column(at, input, call)?;
        let step_type = self.step_type(&timeline, at, call)?;
        let count = self.whole_number(bins, call)?;
        if count == 0 {
            return self.error(Code::Arguments, bins.span, "a window has at least one bin");
        }
        let place = self.place(call.span);
        parts.column("value", Expr::column(&value, place));
        parts.column("at", Expr::column(&timeline, place));
        parts.constant("step", self.constant_of(step, step_type, call)?);
        parts.constant("behind", Expr::literal(Value::Long(count - 1), place));
        let percentile = self.expr(percent, &Ctx::constant(call.scope))?;
        let shown = match percentile.as_literal() {
            Some(Value::Long(n)) => n.to_string(),
            Some(Value::Int(n)) => n.to_string(),
            Some(Value::Real(n)) => n.to_string(),
            _ => return self.error(Code::Arguments, percent.span, "the percentile must be a constant number"),
        };
        let dims = self.dimensions(dims, input, &mut parts)?;
        let text = format!(
            "let rows = materialize(T | where isnotnull(at) | extend at = bin(at, step));
             let ends = toscalar(rows | summarize max(at));
             rows | extend bins = range(at, min_of(at + behind * step, ends), step)
             | mv-expand bins to typeof({ty})
             | summarize answer = percentile(value, {shown}) by bins{dims}
             | project bins{dims}, answer | sort by {sorted}bins asc",
            ty = timeline.ty,
            dims = listed(&dims),
            sorted = dims
                .iter()
                .enumerate()
                .map(|(index, _)| format!("d{index} asc, "))
                .collect::<String>()
        );
        let answer = format!("rolling_{count}_percentile_{}_{shown}", value.name.replace(' ', "_"));
        let names = named([timeline.name], dims, [answer.as_str()]);
        self.template(parts, input, &text, names)
    }

    /// The rows around those for which a condition is true.
    pub(super) fn rows_near(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 2, 3)?;
        let [condition, before, after @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        if !input.serialized {
            return self.error(
                Code::Semantic,
                call.span,
                "rows_near needs rows in a defined order: put '| sort by ...' or '| serialize' in front",
            );
        }
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        let condition = self.expr(condition, &Ctx::row(call.scope, input))?;
        let condition = self.condition(condition)?;
        parts.column("hit", condition);
        let place = self.place(call.span);
        let before_rows = self.whole_number(before, call)?;
        let after_rows = match after.first() {
            Some(after) => self.whole_number(after, call)?,
            None => before_rows,
        };
        parts.constant("before", Expr::literal(Value::Long(before_rows), place));
        parts.constant("after", Expr::literal(Value::Long(after_rows), place));
        let columns: Vec<String> = (0..input.columns.len()).map(|index| format!("c{index}")).collect();
        let text = format!(
            "let rows = materialize(T | extend n = row_number());
             let near = rows | where hit | extend n = range(n - before, n + after, 1) | mv-expand n to typeof(long) | distinct n;
             rows | where n in (near) | sort by n asc | project {}",
            columns.join(", ")
        );
        let names = input.columns.iter().map(|column| column.name.clone()).collect();
        self.template(parts, input, &text, names)
    }

    /// Counts of records, of ids, of new ids and of all ids until then, for each window of a timeline.
    pub(super) fn activity_counts_metrics(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 5, usize::MAX)?;
        let [id, at, first, last, step, dims @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut parts = new_parts(call);
        let id = self.plain_column(id, input, call)?;
        let timeline = self.plain_column(at, input, call)?;
        let step_type = self.step_type(&timeline, at, call)?;
        let place = self.place(call.span);
        parts.column("id", Expr::column(&id, place));
        parts.column("at", Expr::column(&timeline, place));
        parts.constant("begins", self.constant_of(first, timeline.ty, call)?);
        parts.constant("ends", self.constant_of(last, timeline.ty, call)?);
        let cut = self.cut(step, step_type, &mut parts)?;
        let dims = self.dimensions(dims, input, &mut parts)?;
        let mut sorted = String::new();
        let mut other = String::from("false");
        for index in 0..dims.len() {
            sorted.push_str(&format!("d{index} asc, "));
            other.push_str(&format!(" or d{index} != prev(d{index})"));
        }
        let text = format!(
            "let rows = materialize(T | where at between (begins .. ends) | extend at = {bin});
             let beginners = rows | summarize at = min(at) by id{dims} | summarize begun = count() by at{dims};
             rows | summarize n = count(), ids = dcount(id) by at{dims}
             | lookup kind=leftouter beginners on at{dims} | extend begun = coalesce(begun, 0)
             | sort by {sorted}at asc | extend all = row_cumsum(begun, {other})
             | project at{dims}, n, ids, begun, all",
            bin = cut.bin("at"),
            dims = listed(&dims)
        );
        let names = named([timeline.name], dims, ["count", "dcount", "new_dcount", "aggregated_dcount"]);
        self.template(parts, input, &text, names)
    }
}
