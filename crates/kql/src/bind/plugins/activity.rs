//! Plugins that follow ids over windows of time: who is new, stays, comes back, goes.
//!
//! Source: Kusto Query Language reference, "active_users_count plugin", "activity_metrics plugin", "activity_engagement
//! plugin", "new_activity_metrics plugin", "session_count plugin".

use std::rc::Rc;

use super::{Call, Parts, listed, named, new_parts};
use crate::bind::expr::Ctx;
use crate::bind::{Binder, Binding, Bound, Reported};
use crate::bound::{Column, Expr, Rel};
use crate::diagnostic::Code;
use crate::syntax::ast;
use crate::types::{Type, Value};

/// How a timeline is cut into windows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Equal ones of `step`, from `begins`
    Step,
    /// Those of the calendar: the function that gives a window's begin
    Calendar(&'static str),
}

impl Cut {
    /// The begin of the window that a time is in.
    pub(super) fn bin(self, at: &str) -> String {
        match self {
            Cut::Step => format!("bin_at({at}, step, begins)"),
            Cut::Calendar(start) => format!("{start}({at})"),
        }
    }

    /// The begin of the n-th window after the one that begins here.
    pub(super) fn next(self, at: &str, n: &str) -> String {
        match self {
            Cut::Step => format!("{at} + {n} * step"),
            Cut::Calendar(start) => format!("{start}({at}, {n})"),
        }
    }
}

/// The columns and windows that these plugins share.
struct Activity<'c> {
    parts: Parts<'c>,
    timeline: Column,
    step_type: Type,
}

impl Binder<'_> {
    /// The bins that an argument asks for; equal ones are the constant `step` of the template.
    pub(super) fn cut(&mut self, step: &ast::Expr, ty: Type, parts: &mut Parts<'_>) -> Bound<Cut> {
        let value = self.expr(step, &Ctx::constant(parts.call.scope))?;
        if let Some(Value::String(word)) = value.as_literal() {
            return match word.as_str() {
                "week" => Ok(Cut::Calendar("startofweek")),
                "month" => Ok(Cut::Calendar("startofmonth")),
                "year" => Ok(Cut::Calendar("startofyear")),
                _ => self.error(
                    Code::Arguments,
                    step.span,
                    "as a text, a window of time is 'week', 'month' or 'year'",
                ),
            };
        }
        let what = format!("the window of {}", parts.call.name.text);
        let value = self.assignable(value, ty, &what)?;
        if let Some(Value::TimeSpan(..=0) | Value::Long(..=0) | Value::Int(..=0)) = value.as_literal() {
            return self.error(Code::Arguments, step.span, "a window of time is longer than nothing");
        }
        parts.constant("step", value);
        Ok(Cut::Step)
    }

    fn activity<'c>(&mut self, call: &'c Call<'c>, id: &ast::Expr, at: &ast::Expr, input: &Rel) -> Bound<Activity<'c>> {
        let mut parts = new_parts(call);
        let id = self.plain_column(id, input, call)?;
        let timeline = self.plain_column(at, input, call)?;
        let step_type = self.step_type(&timeline, at, call)?;
        let place = self.place(call.span);
        parts.column("id", Expr::column(&id, place));
        parts.column("at", Expr::column(&timeline, place));
        Ok(Activity {
            parts,
            timeline,
            step_type,
        })
    }

    fn bounds(&mut self, activity: &mut Activity<'_>, first: &ast::Expr, last: &ast::Expr, call: &Call<'_>) -> Bound<()> {
        let ty = activity.timeline.ty;
        let (first, last) = (self.constant_of(first, ty, call)?, self.constant_of(last, ty, call)?);
        activity.parts.constant("begins", first);
        activity.parts.constant("ends", last);
        Ok(())
    }

    /// Without bounds: windows that begin where `bin()` has them begin.
    fn unbounded(&mut self, activity: &mut Activity<'_>, call: &Call<'_>) {
        let zero = match activity.timeline.ty {
            Type::DateTime => Value::DateTime(0),
            Type::Real => Value::Real(0.0),
            Type::Int => Value::Int(0),
            _ => Value::Long(0),
        };
        let place = self.place(call.span);
        activity.parts.constant("begins", Expr::literal(zero, place));
    }

    /// Ids that were there in enough of the periods up to one of their rows.
    pub(super) fn active_users_count(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 8, usize::MAX)?;
        let [id, at, first, last, lookback, period, least, step, dims @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut activity = self.activity(call, id, at, input)?;
        self.bounds(&mut activity, first, last, call)?;
        let Activity {
            mut parts,
            timeline,
            step_type,
        } = activity;
        parts.constant("width", self.constant_of(lookback, step_type, call)?);
        parts.constant("period", self.constant_of(period, step_type, call)?);
        parts.constant("least", self.constant_of(least, Type::Real, call)?);
        let cut = self.cut(step, step_type, &mut parts)?;
        let dims = self.dimensions(dims, input, &mut parts)?;
        // A period counts for a row when the period's last row is within the lookback of it; each period is laid beside the
        // periods of the rows it may count for.
        let text = format!(
            "let rows = materialize(T | where at between ((begins - width) .. ends) | summarize by id{dims}, at
                 | extend p = bin_at(at, period, begins));
             let seen = rows | summarize lastly = max(at) by id{dims}, own = p
                 | extend p = range(own, lastly + width, period) | mv-expand p to typeof({ty});
             rows | where at >= begins | join kind=inner seen on id, p{dims} | where own == p or at < lastly + width
             | summarize periods = count() by id{dims}, at | where periods >= least
             | summarize answer = dcount(id) by at = {bin}{dims} | project at{dims}, answer | sort by at asc",
            ty = timeline.ty,
            bin = cut.bin("at"),
            dims = listed(&dims)
        );
        let names = named([timeline.name], dims, ["dcount"]);
        self.template(parts, input, &text, names)
    }

    /// Each window beside the one before.
    pub(super) fn activity_metrics(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 3, usize::MAX)?;
        let [id, at, rest @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut activity = self.activity(call, id, at, input)?;
        let bounded = rest.get(1).is_some_and(|second| !self.is_column(second, input));
        let (step, dims) = match rest {
            [first, last, step, dims @ ..] if bounded => {
                self.bounds(&mut activity, first, last, call)?;
                (step, dims)
            }
            [step, dims @ ..] if !bounded => {
                self.unbounded(&mut activity, call);
                (step, dims)
            }
            _ => {
                return self.error(
                    Code::Arguments,
                    call.name.span,
                    "activity_metrics takes an id, a timeline, perhaps a start and an end, and a window",
                );
            }
        };
        let Activity {
            mut parts,
            timeline,
            step_type,
        } = activity;
        let cut = self.cut(step, step_type, &mut parts)?;
        let dims = self.dimensions(dims, input, &mut parts)?;
        let text = format!(
            "let rows = materialize(T{within} | summarize by id{dims}, p = {bin});
             let before = rows | extend p = {next}, back = 1;
             let sizes = before | summarize size = count() by p{dims};
             rows | join kind=leftouter before on id, p{dims}
             | summarize n = count(), kept = countif(isnotnull(back)) by p{dims}
             | join kind=leftouter sizes on p{dims} | extend size = todouble(coalesce(size, 0))
             | project p{dims}, n, fresh = n - kept, stay = kept / size, go = (size - kept) / size | sort by p asc",
            within = if bounded { " | where at between (begins .. ends)" } else { "" },
            bin = cut.bin("at"),
            next = cut.next("p", "1"),
            dims = listed(&dims)
        );
        let names = named(
            [timeline.name],
            dims,
            ["dcount_values", "dcount_newvalues", "retention_rate", "churn_rate"],
        );
        self.template(parts, input, &text, names)
    }

    /// Short windows beside the long ones that end with them.
    pub(super) fn activity_engagement(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 4, usize::MAX)?;
        let [id, at, rest @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut activity = self.activity(call, id, at, input)?;
        let bounded = rest.len() > 3 && rest.get(2).is_some_and(|third| !self.is_column(third, input));
        let (inner, outer, dims) = match rest {
            [first, last, inner, outer, dims @ ..] if bounded => {
                self.bounds(&mut activity, first, last, call)?;
                (inner, outer, dims)
            }
            [inner, outer, dims @ ..] => {
                self.unbounded(&mut activity, call);
                (inner, outer, dims)
            }
            _ => return Err(Reported),
        };
        let Activity {
            mut parts,
            timeline,
            step_type,
        } = activity;
        parts.constant("step", self.constant_of(inner, step_type, call)?);
        parts.constant("width", self.constant_of(outer, step_type, call)?);
        let dims = self.dimensions(dims, input, &mut parts)?;
        let (within, ends) = if bounded {
            (" | where at >= begins - width and at <= ends", "")
        } else {
            ("", "let ends = toscalar(rows | summarize max(p));")
        };
        let text = format!(
            "let rows = materialize(T{within} | summarize by id{dims}, p = bin_at(at, step, begins));
             {ends}
             let inner = rows | summarize i = dcount(id) by w = p{dims};
             rows | extend w = range(p, min_of(p + width - step, ends), step) | mv-expand w to typeof({ty}) | where w >= begins
             | summarize o = dcount(id) by w{dims} | join kind=leftouter inner on w{dims} | extend i = coalesce(i, 0)
             | project w{dims}, i, o, ratio = todouble(i) / o | sort by w asc",
            ty = timeline.ty,
            dims = listed(&dims)
        );
        let names = named(
            [timeline.name],
            dims,
            ["dcount_activities_inner", "dcount_activities_outer", "activity_ratio"],
        );
        self.template(parts, input, &text, names)
    }

    /// What becomes of the ids that are first seen in each window.
    pub(super) fn new_activity_metrics(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 5, usize::MAX)?;
        let [id, at, first, last, step, rest @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut activity = self.activity(call, id, at, input)?;
        self.bounds(&mut activity, first, last, call)?;
        let Activity {
            mut parts,
            timeline,
            step_type,
        } = activity;
        let cut = self.cut(step, step_type, &mut parts)?;
        let (lookback, rest) = match rest.split_last() {
            Some((table, rest)) if self.is_table(table, input, call.scope) => (Some(table), rest),
            _ => (None, rest),
        };
        let (cohort, dims) = match rest.split_first() {
            Some((cohort, dims)) if !self.is_column(cohort, input) => (Some(cohort), dims),
            _ => (None, rest),
        };
        let dims = self.dimensions(dims, input, &mut parts)?;
        let known = match lookback {
            Some(table) => {
                self.earlier_ids(table, id, input, &mut parts)?;
                " | join kind=leftanti K on id"
            }
            None => "",
        };
        let only = match cohort {
            Some(cohort) => {
                parts.constant("cohort", self.constant_of(cohort, timeline.ty, call)?);
                format!(" | where f == {}", cut.bin("cohort"))
            }
            None => String::new(),
        };
        let restart: String = (0..dims.len()).map(|index| format!(" or d{index} != prev(d{index})")).collect();
        let sorted: String = (0..dims.len()).map(|index| format!("d{index} asc, ")).collect();
        let windows = match cut {
            Cut::Step => "range(f, ends, step)".to_owned(),
            // no month is shorter than 28 days, and so on
            Cut::Calendar(_) => "range(0, toint((ends - f) / 7d) + 1, 1)".to_owned(),
        };
        let window = match cut {
            Cut::Step => format!("| mv-expand p to typeof({})", timeline.ty),
            Cut::Calendar(_) => format!(
                "| mv-expand p to typeof(long) | extend p = {} | where p <= ends",
                cut.next("f", "p")
            ),
        };
        // Ids seen at p that were not seen up to f are those of the cohorts after f; at p == f those of f itself.
        let text = format!(
            "let rows = materialize(T | where at between (begins .. ends) | summarize by id{dims}, p = {bin});
             let firsts = rows{known} | summarize f = min(p) by id{dims};
             let kept = materialize(rows | join kind=inner firsts on id{dims} | summarize n = count() by f, p{dims});
             kept | where f == p | project f{dims}, size = n | extend p = {windows} {window}
             | join kind=leftouter kept on f, p{dims} | extend n = coalesce(n, 0)
             | sort by {sorted}p asc, f desc | extend later = row_cumsum(n, p != prev(p){restart}) - n
             | extend fresh = iff(f == p, n, later){only}
             | project f, p{dims}, fresh, n, gone = size - n, stay = todouble(n) / size, go = todouble(size - n) / size
             | sort by f asc, p asc",
            bin = cut.bin("at"),
            dims = listed(&dims)
        );
        let metrics = [
            "dcount_new_values",
            "dcount_retained_values",
            "dcount_churn_values",
            "retention_rate",
            "churn_rate",
        ];
        let mut names = named([format!("from_{}", timeline.name)], dims, metrics);
        names.insert(1, format!("to_{}", timeline.name));
        self.template(parts, input, &text, names)
    }

    /// The ids of a lookback table, as the table `K` of the template: its column that is called as that of the input.
    fn earlier_ids(&mut self, table: &ast::Expr, id: &ast::Expr, input: &Rel, parts: &mut Parts<'_>) -> Bound<()> {
        let call = parts.call;
        let own = self.plain_column(id, input, call)?;
        let rel = self.tabular(table, call.scope)?;
        let found = rel.columns.iter().find(|column| column.name == own.name);
        let Some(column) = found.or_else(|| rel.columns.first()).filter(|column| column.ty == own.ty).cloned() else {
            let message = format!("the lookback table has no column '{}' of type {}", own.name, own.ty);
            return self.error(Code::Arguments, table.span, message);
        };
        let place = self.place(call.span);
        let ids = self.under_names(&rel, vec![("id".to_owned(), Expr::column(&column, place))], call.span);
        parts.scope = parts.scope.with("K", Binding::Table(Rc::new(ids)));
        Ok(())
    }

    /// Sessions that have rows in each bin.
    pub(super) fn session_count(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 6, usize::MAX)?;
        let [id, at, first, last, step, lookback, dims @ ..] = args.as_slice() else {
            return Err(Reported);
        };
        let mut activity = self.activity(call, id, at, input)?;
        self.bounds(&mut activity, first, last, call)?;
        let Activity {
            mut parts,
            timeline,
            step_type,
        } = activity;
        let cut = self.cut(step, step_type, &mut parts)?;
        parts.constant("width", self.constant_of(lookback, step_type, call)?);
        let dims = self.dimensions(dims, input, &mut parts)?;
        let sorted: String = (0..dims.len()).map(|index| format!("d{index} asc, ")).collect();
        let other: String = (0..dims.len()).map(|index| format!(" or d{index} != prev(d{index})")).collect();
        let text = format!(
            "T | where at between (begins .. ends) | sort by id asc, {sorted}at asc
             | extend session = row_cumsum(iff(id != prev(id){other} or at - prev(at) > width, 1, 0))
             | summarize by session, at = {bin}{dims} | summarize answer = count() by at{dims}
             | project at{dims}, answer | sort by at asc",
            bin = cut.bin("at"),
            dims = listed(&dims)
        );
        let names = named([timeline.name], dims, ["count_sessions"]);
        self.template(parts, input, &text, names)
    }
}
