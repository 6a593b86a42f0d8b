//! Tabular expressions: a source, then operators.

use std::rc::Rc;

use super::expr::Ctx;
use super::{Binder, Binding, Bound, Reported, Scope};
use crate::bound::{Rel, RelKind, Visualization};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast, OperatorKind as Op};
use crate::types::Value;

impl Binder<'_> {
    /// Binds a tabular expression.
    pub(crate) fn tabular(&mut self, expr: &ast::Expr, scope: &Scope) -> Bound<Rel> {
        self.deeper(expr.span, |binder| binder.tabular_inner(expr, scope))
    }

    fn tabular_inner(&mut self, expr: &ast::Expr, scope: &Scope) -> Bound<Rel> {
        match &expr.kind {
            Ast::Pipe { source, operators } => {
                let mut rel = match source {
                    Some(source) => self.tabular(source, scope)?,
                    None => self.outer_rows(expr.span)?,
                };
                let mut scope = scope.clone();
                for operator in operators {
                    rel = self.operator(operator, rel, &mut scope)?;
                }
                Ok(rel)
            }
            Ast::Name(name) => self.table_by_name(name, expr.span, scope),
            Ast::Member { base, member } => self.referenced_table(base, member, scope),
            Ast::Call { name, arguments } => self.table_call(name, arguments, expr.span, scope),
            Ast::MethodCall { base, name, arguments } => {
                self.local_reference(base)?;
                self.table_call(name, arguments, expr.span, scope)
            }
            Ast::DataTable { columns, values } => self.datatable(columns, values, expr.span, scope),
            Ast::ExternalData { .. } => self.not_supported(expr.span, "externaldata"),
            Ast::Source(operator) => self.source(operator, scope),
            Ast::Wildcard(_) => self.error(
                Code::Syntax,
                expr.span,
                "tables by wildcard can stand only in union, search and find",
            ),
            _ => self.error(Code::Type, expr.span, "a table is wanted here, and this is a value"),
        }
    }

    /// The rows that a body without a source works on.
    fn outer_rows(&mut self, span: Span) -> Bound<Rel> {
        match self.outer.last().cloned() {
            Some(columns) => Ok(self.rel(RelKind::Outer, columns, false, span)),
            None => self.error(Code::Syntax, span, "there is no table in front of this operator"),
        }
    }

    /// An operator that makes rows by itself.
    fn source(&mut self, operator: &ast::Operator, scope: &Scope) -> Bound<Rel> {
        match &operator.kind {
            Op::Print { items } => self.print(items, operator.span, scope),
            Op::Range { column, from, to, step } => self.range(column, from, to, step, operator.span, scope),
            Op::Union { items } => self.union(operator, items, None, scope),
            Op::Search { r#in, predicate } => self.search(operator, r#in, predicate, None, scope),
            Op::Find {
                r#in,
                predicate,
                project,
                project_smart,
            } => self.find(operator, r#in, predicate.as_deref(), project, *project_smart, scope),
            Op::Evaluate { call, schema } => {
                let unit = self.rel(RelKind::Unit, Vec::new(), true, operator.span);
                self.evaluate(call, schema.as_deref(), unit, operator, scope)
            }
            Op::Unsupported { name } => self.not_supported(operator.keyword, name),
            _ => self.error(Code::Syntax, operator.keyword, "this operator needs a table in front: TABLE | ..."),
        }
    }

    /// An operator over rows. `as` adds a name for the operators behind it.
    fn operator(&mut self, operator: &ast::Operator, input: Rel, scope: &mut Scope) -> Bound<Rel> {
        let span = operator.span;
        match &operator.kind {
            Op::As { name } => {
                let binding = Binding::Table(Rc::new(input.clone()));
                *scope = scope.with(name.text.clone(), binding);
                Ok(input)
            }
            Op::Consume => Ok(self.consume(input, span)),
            Op::Count { name } => self.count(name.as_ref(), input, span),
            Op::Distinct { items } => self.distinct(items, input, span, scope),
            Op::Evaluate { call, schema } => self.evaluate(call, schema.as_deref(), input, operator, scope),
            Op::Extend { items } => self.extend(items, input, span, scope, true),
            Op::Facet { .. } => self.not_supported(operator.keyword, "facet"),
            Op::Find { .. } => self.error(Code::Syntax, operator.keyword, "find stands at the start of a query"),
            Op::Fork { .. } => self.not_supported(operator.keyword, "fork"),
            Op::GetSchema => Ok(self.get_schema(&input, span)),
            Op::Invoke { call } => self.invoke(call, input, span, scope),
            Op::Join { right, on } => self.join(operator, right, on, input, scope),
            Op::Lookup { right, on } => self.lookup(operator, right, on, input, scope),
            Op::MakeSeries {
                items,
                on,
                from,
                to,
                step,
                in_range,
                by,
            } => {
                let range = super::series::Bounds {
                    from: from.as_ref(),
                    to: to.as_ref(),
                    step: step.as_ref(),
                    in_range: in_range.as_ref(),
                };
                self.make_series(items, on.as_ref(), &range, by, input, operator, scope)
            }
            Op::MvApply { items, limit, id, body } => {
                if let Some(id) = id {
                    return self.not_supported(id.span, "mv-apply id");
                }
                self.mv_apply(operator, items, limit.as_ref(), body, input, scope)
            }
            Op::MvExpand { items, limit } => self.mv_expand(operator, items, limit.as_ref(), input, scope),
            Op::Parse { source, pattern, filter } => self.parse(operator, source, pattern, *filter, input, scope),
            Op::ParseKv { source, columns } => self.parse_kv(operator, source, columns, input, scope),
            Op::Partition { by, body } => self.partition(by, body, input, span, scope),
            Op::Print { .. } | Op::Range { .. } => {
                self.error(Code::Syntax, operator.keyword, "print and range stand at the start of a query")
            }
            Op::Project { items } => self.project(items, input, span, scope),
            Op::ProjectAway { patterns } => self.project_away(patterns, input, span),
            Op::ProjectKeep { patterns } => self.project_keep(patterns, input, span),
            Op::ProjectRename { items } => self.project_rename(items, input, span),
            Op::ProjectReorder { items } => self.project_reorder(items, input, span),
            Op::ProjectByNames { items } => self.project_by_names(items, input, span, scope),
            Op::Reduce { by } => self.reduce(operator, by, input, scope),
            Op::Render { chart } => {
                self.render(chart, &operator.properties, scope);
                Ok(input)
            }
            Op::Sample { count } => self.sample(count, input, span, scope),
            Op::SampleDistinct { count, of } => self.sample_distinct(count, of, input, span, scope),
            Op::Scan {
                partition_by,
                declare,
                match_id,
                steps,
            } => self.scan(partition_by, declare, match_id.as_ref(), steps, input, span, scope),
            Op::Search { r#in, predicate } => self.search(operator, r#in, predicate, Some(input), scope),
            Op::Serialize { items } => {
                let mut rel = input;
                rel.serialized = true;
                if items.is_empty() {
                    return Ok(rel);
                }
                self.extend(items, rel, span, scope, true)
            }
            Op::Sort { keys } => self.sort(keys, input, span, scope),
            Op::Summarize { aggregates, by } => self.summarize(aggregates, by, input, span, scope),
            Op::Take { count } => self.take(count, input, span, scope),
            Op::Top { count, by } => self.top(count, by, input, span, scope),
            Op::TopHitters { count, of, by } => self.top_hitters(count, of, by.as_ref(), input, span, scope),
            Op::TopNested { levels } => self.top_nested(levels, input, span, scope),
            Op::Union { items } => self.union(operator, items, Some(input), scope),
            Op::Where { predicate } => self.filter(predicate, input, span, scope),
            Op::Unsupported { name } => self.not_supported(operator.keyword, name),
        }
    }

    fn invoke(&mut self, call: &ast::Expr, input: Rel, span: Span, scope: &Scope) -> Bound<Rel> {
        let Ast::Call { name, arguments } = &call.kind else {
            return self.error(Code::Syntax, call.span, "invoke wants a function call");
        };
        let ctx = Ctx::constant(scope);
        if let Some(Binding::Function(function)) = scope.get(&name.text) {
            let function = function.clone();
            return self.apply_tabular(&function, arguments, Some(input), span, &ctx);
        }
        match self.stored_function(&name.text, span)? {
            Some(function) => self.apply_tabular(&function, arguments, Some(input), span, &ctx),
            None => {
                let names: Vec<String> = scope.names().into_iter().map(|(name, _)| name.to_owned()).collect();
                let problem = super::suggest::unknown("function", &name.text, name.span, names.iter().map(String::as_str));
                Err(self.report(problem))
            }
        }
    }

    fn render(&mut self, chart: &ast::Name, properties: &[(ast::Name, ast::Expr)], scope: &Scope) {
        const CHARTS: &[&str] = RENDER_KINDS;
        if !CHARTS.contains(&chart.text.as_str()) {
            let problem = super::suggest::unknown("visualization", &chart.text, chart.span, CHARTS.iter().copied());
            self.report(problem);
            return;
        }
        let mut values = Vec::with_capacity(properties.len());
        for (name, value) in properties {
            if let Some(text) = self.render_value(value, scope) {
                values.push((name.text.clone(), text));
            }
        }
        self.visualization = Some(Visualization {
            kind: chart.text.clone(),
            properties: values,
        });
    }

    fn render_value(&mut self, value: &ast::Expr, scope: &Scope) -> Option<String> {
        match &value.kind {
            Ast::Name(name) => Some(name.clone()),
            Ast::NameTuple(names) => {
                let names: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
                Some(names.join(","))
            }
            _ => match self.constant(value, scope, "a property of render") {
                Ok(Value::String(text) | Value::Decimal(text) | Value::Dynamic(text)) => Some(text),
                Ok(Value::Long(n)) => Some(n.to_string()),
                Ok(Value::Int(n)) => Some(n.to_string()),
                Ok(Value::Real(n)) => Some(n.to_string()),
                Ok(Value::Bool(flag)) => Some(flag.to_string()),
                Ok(_) => {
                    let problem = Diagnostic::error(Code::Arguments, value.span, "this cannot be a property of render");
                    self.report(problem);
                    None
                }
                Err(Reported) => None,
            },
        }
    }
}

/// What `render` knows.
pub(crate) const RENDER_KINDS: &[&str] = &[
    "anomalychart",
    "areachart",
    "barchart",
    "card",
    "columnchart",
    "graph",
    "ladderchart",
    "linechart",
    "piechart",
    "pivotchart",
    "plotly",
    "scatterchart",
    "stackedareachart",
    "table",
    "timechart",
    "timepivot",
    "treemap",
];
