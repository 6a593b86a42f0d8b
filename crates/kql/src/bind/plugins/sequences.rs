//! Plugins that look for rows that follow each other in time.
//!
//! Source: Kusto Query Language reference, "sequence_detect plugin", "funnel_sequence plugin", "funnel_sequence_completion
//! plugin".

use super::{Call, new_parts};
use crate::bind::expr::Ctx;
use crate::bind::{Binder, Bound, Reported};
use crate::bound::{Column, Expr, OperatorArg, Rel, RelKind};
use crate::diagnostic::Code;
use crate::syntax::ast;
use crate::types::{Type, Value};

/// Conditions that a sequence may have.
const MOST_STEPS: usize = 32;

impl Binder<'_> {
    /// Each row of a step is joined with the rows of the next that come soon enough.
    pub(super) fn sequence_detect(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        if call.schema.is_some() {
            return self.not_supported(call.span, "declared columns of sequence_detect");
        }
        let [at, step, span, rest @ ..] = call.arguments else {
            let message = "sequence_detect takes a timeline, the longest time between two steps and for all of them, and conditions";
            return self.error(Code::Arguments, call.name.span, message);
        };
        let mut parts = new_parts(call);
        let timeline = self.plain_column(&at.value, input, call)?;
        let step_type = self.step_type(&timeline, &at.value, call)?;
        let place = self.place(call.span);
        parts.column("at", Expr::column(&timeline, place));
        parts.constant("step", self.constant_of(&step.value, step_type, call)?);
        parts.constant("span", self.constant_of(&span.value, step_type, call)?);
        let mut steps: Vec<String> = Vec::new();
        let mut dims: Vec<String> = Vec::new();
        for argument in rest {
            let value = self.expr(&argument.value, &Ctx::row(call.scope, input))?;
            let named = argument.name.as_ref().map(|name| name.text.clone());
            let name = named.or_else(|| self.name_of(&argument.value));
            if value.ty == Type::Bool && dims.is_empty() {
                let name = name.unwrap_or_else(|| format!("Expr{}", steps.len() + 1));
                parts.column(&format!("s{}", steps.len()), value);
                steps.push(format!("{name}_{}", timeline.name));
            } else {
                parts.column(&format!("d{}", dims.len()), value);
                dims.push(name.unwrap_or_else(|| format!("Column{}", dims.len() + 1)));
            }
        }
        if steps.is_empty() || steps.len() > MOST_STEPS {
            let message = format!("sequence_detect takes 1 to {MOST_STEPS} conditions, and {} are given", steps.len());
            return self.error(Code::Arguments, call.name.span, message);
        }
        let by = super::listed(&dims);
        let any: Vec<String> = (0..steps.len()).map(|index| format!("s{index}")).collect();
        let mut text = format!(
            "let rows = materialize(T | where {}); rows | where s0 | summarize by t0 = at{by}",
            any.join(" or ")
        );
        let mut times = String::from("t0");
        for index in 1..steps.len() {
            let before = format!("t{}", index - 1);
            // Times that are near enough are in the same bucket of the longest step or in the next.
            text.push_str(&format!(
                " | extend bucket = pack_array(bin({before}, step), bin({before}, step) + step) | mv-expand bucket to typeof({ty})
                 | join kind=inner (rows | where s{index} | summarize by t{index} = at, bucket = bin(at, step){by}) on bucket{by}
                 | where t{index} > {before} and t{index} - {before} <= step and t{index} - t0 <= span
                 | project {times}, t{index}{by}",
                ty = timeline.ty,
            ));
            times.push_str(&format!(", t{index}"));
        }
        let sorted: Vec<String> = (0..steps.len()).map(|index| format!("t{index} asc")).collect();
        text.push_str(&format!(
            " | project {own}{times}, duration = t{last} - t0 | sort by {sorted}",
            own = (0..dims.len()).map(|index| format!("d{index}, ")).collect::<String>(),
            last = steps.len() - 1,
            sorted = sorted.join(", "),
        ));
        let names = dims.into_iter().chain(steps).chain(["Duration".to_owned()]).collect();
        self.template(parts, input, &text, names)
    }

    /// The rows of a funnel as the operator takes them: id, time from the begin on, state as text.
    fn funnel_rows(&mut self, call: &Call<'_>, input: &Rel, id: &Column, timeline: &Column, state: &Column) -> Bound<Rel> {
        let place = self.place(call.span);
        let mut parts = new_parts(call);
        parts.column("id", Expr::column(id, place));
        parts.column("at", Expr::column(timeline, place));
        parts.column("state", Expr::column(state, place));
        let text = "T | where isnotnull(at) | project id, at, state, word = tostring(state) | sort by id asc, at asc";
        let names = ["id", "at", "state", "word"].into_iter().map(str::to_owned).collect();
        self.template(parts, input, text, names)
    }

    /// A constant list of states.
    fn states(&mut self, expr: &ast::Expr, call: &Call<'_>) -> Bound<Expr> {
        let value = self.expr(expr, &Ctx::constant(call.scope))?;
        self.assignable(value, Type::Dynamic, &format!("the sequence of {}", call.name.text))
    }

    pub(super) fn funnel_sequence(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 8, 8)?;
        let [id, at, first, last, window, step, state, sequence] = args.as_slice() else {
            return Err(Reported);
        };
        let (id, timeline) = (self.plain_column(id, input, call)?, self.plain_column(at, input, call)?);
        let step_type = self.step_type(&timeline, at, call)?;
        let state = self.plain_column(state, input, call)?;
        let args = vec![
            OperatorArg::Expr(self.constant_of(first, timeline.ty, call)?),
            OperatorArg::Expr(self.constant_of(last, timeline.ty, call)?),
            OperatorArg::Expr(self.constant_of(step, step_type, call)?),
            OperatorArg::Expr(self.states(sequence, call)?),
            OperatorArg::Expr(self.constant_of(window, step_type, call)?),
        ];
        // by both states around the sequence, and in further tables by either alone
        let mut tables = Vec::with_capacity(3);
        for (index, around) in [&["prev", "next"][..], &["prev"], &["next"]].into_iter().enumerate() {
            let source = if index == 0 { input.clone() } else { self.fresh(input) };
            let renamed = |column: &Column| {
                let place = input.columns.iter().position(|own| own.id == column.id);
                place.and_then(|place| source.columns.get(place)).cloned()
            };
            let (Some(id), Some(timeline), Some(state)) = (renamed(&id), renamed(&timeline), renamed(&state)) else {
                return Err(Reported);
            };
            let rows = self.funnel_rows(call, &source, &id, &timeline, &state)?;
            let mut columns = vec![self.column(timeline.name, timeline.ty)];
            for name in around {
                columns.push(self.column(*name, state.ty));
            }
            columns.push(self.column("dcount", Type::Long));
            columns.push(self.column("samples", Type::Dynamic));
            let mut args = args.clone();
            args.push(OperatorArg::Value(Value::Long(i64::try_from(index).unwrap_or(0))));
            tables.push(self.table_operator("funnel_sequence", rows, args, columns, call));
        }
        let first = tables.remove(0);
        self.beside = tables;
        Ok(first)
    }

    pub(super) fn funnel_sequence_completion(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 8, 8)?;
        let [id, at, first, last, step, state, sequence, periods] = args.as_slice() else {
            return Err(Reported);
        };
        let (id, timeline) = (self.plain_column(id, input, call)?, self.plain_column(at, input, call)?);
        let step_type = self.step_type(&timeline, at, call)?;
        let state = self.plain_column(state, input, call)?;
        let args = vec![
            OperatorArg::Expr(self.constant_of(first, timeline.ty, call)?),
            OperatorArg::Expr(self.constant_of(last, timeline.ty, call)?),
            OperatorArg::Expr(self.constant_of(step, step_type, call)?),
            OperatorArg::Expr(self.states(sequence, call)?),
            OperatorArg::Expr(self.states(periods, call)?),
        ];
        let rows = self.funnel_rows(call, input, &id, &timeline, &state)?;
        let columns = vec![
            self.column(timeline.name, timeline.ty),
            self.column(state.name, Type::String),
            self.column("Period", step_type),
            self.column("dcount", Type::Long),
        ];
        Ok(self.table_operator("funnel_sequence_completion", rows, args, columns, call))
    }

    /// An operator over all rows of a table.
    pub(super) fn table_operator(
        &self,
        name: &'static str,
        input: Rel,
        args: Vec<OperatorArg>,
        columns: Vec<Column>,
        call: &Call<'_>,
    ) -> Rel {
        let kind = RelKind::Operator {
            name,
            inputs: vec![input],
            args,
        };
        // what they give is in an order of its own
        self.rel(kind, columns, true, call.span)
    }

    /// `~`: the default, as is leaving an argument out.
    pub(super) fn is_default(&mut self, expr: Option<&&ast::Expr>) -> bool {
        match expr.map(|expr| &expr.kind) {
            None => true,
            Some(ast::ExprKind::Literal(Value::String(text))) => text == "~",
            Some(_) => false,
        }
    }
}
