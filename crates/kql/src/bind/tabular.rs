//! Tabular expressions: a source, then operators.

use std::rc::Rc;

use super::expr::Ctx;
use super::{Binder, Binding, Bound, Outer, Reported, Scope};
use crate::bound::{Graph, Rel, RelKind, Visualization};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast, OperatorKind as Op};
use crate::types::Value;

/// What stands between two pipes.
pub(crate) enum Piped {
    /// Rows
    Table(Rel),
    /// A graph
    Graph(Box<Graph>),
}

impl Binder<'_> {
    /// Binds a tabular expression.
    pub(crate) fn tabular(&mut self, expr: &ast::Expr, scope: &Scope) -> Bound<Rel> {
        self.deeper(expr.span, |binder| binder.tabular_inner(expr, scope))
    }

    fn tabular_inner(&mut self, expr: &ast::Expr, scope: &Scope) -> Bound<Rel> {
        match &expr.kind {
            Ast::Pipe { source, operators } => {
                let mut scope = scope.clone();
                match self.pipe(source.as_deref(), operators, expr.span, &mut scope)? {
                    Piped::Table(rel) => Ok(rel),
                    Piped::Graph(_) => self.error(
                        Code::Semantic,
                        expr.span,
                        "this is a graph, not a table: end it in graph-match or graph-to-table",
                    ),
                }
            }
            Ast::Name(name) => self.table_by_name(name, expr.span, scope),
            _ if let Some(call) = super::patterns::pattern_call(expr, scope) => self.pattern_table(&call, expr.span),
            Ast::Member { base, member } => self.referenced_table(base, member, scope),
            Ast::Call { name, arguments } => self.table_call(name, arguments, expr.span, scope),
            Ast::MethodCall { base, name, arguments } => {
                self.local_reference(base)?;
                self.table_call(name, arguments, expr.span, scope)
            }
            Ast::DataTable { columns, values } => self.datatable(columns, values, expr.span, scope),
            Ast::ExternalData { columns, uris, properties } => self.external_data(columns, uris, properties, expr.span, scope),
            Ast::Source(operator) => self.source(operator, scope),
            Ast::Wildcard(_) => self.error(
                Code::Syntax,
                expr.span,
                "tables by wildcard can stand only in union, search and find",
            ),
            _ => self.error(Code::Type, expr.span, "a table is wanted here, and this is a value"),
        }
    }

    /// A source and the operators behind it.
    pub(crate) fn pipe(&mut self, source: Option<&ast::Expr>, operators: &[ast::Operator], span: Span, scope: &mut Scope) -> Bound<Piped> {
        let mut value = match source {
            Some(source) => self.pipe_source(source, scope)?,
            None => match self.outer.last().cloned() {
                Some(Outer::Graph(graph)) => Piped::Graph(Box::new((*graph).clone())),
                _ => Piped::Table(self.outer_rows(span)?),
            },
        };
        let mut name = None;
        for operator in operators {
            value = match value {
                Piped::Graph(graph) if Self::gives_graph(operator) && Self::wants_graph(operator) => {
                    Piped::Graph(Box::new(self.graph_step(operator, *graph, scope)?))
                }
                Piped::Graph(graph) => Piped::Table(self.graph_table(operator, *graph, scope)?),
                Piped::Table(rel) => match &operator.kind {
                    Op::MakeGraph { partition, .. } => {
                        let graph = self.make_graph(operator, rel, scope)?;
                        match partition {
                            None => Piped::Graph(Box::new(graph)),
                            Some((_, body)) => {
                                self.outer.push(Outer::Graph(Rc::new(graph)));
                                let table = self.tabular(body, scope);
                                self.outer.pop();
                                Piped::Table(table?)
                            }
                        }
                    }
                    _ if Self::wants_graph(operator) => {
                        return self.error(
                            Code::Semantic,
                            operator.keyword,
                            "this operator works on a graph: put 'make-graph source --> target' in front",
                        );
                    }
                    _ => {
                        self.piped_name = name.take();
                        let (known, known_open) = (rel.columns.len(), rel.open);
                        let outer = self.inferred.take();
                        let mut rel = self.operator(operator, rel, scope)?;
                        let inferred = self.inferred.replace(outer);
                        if known_open && keeps_columns(&operator.kind) {
                            self.add_inferred(&mut rel, inferred, known);
                        }
                        Piped::Table(rel)
                    }
                },
            };
            if let Op::As { name: given } = &operator.kind {
                name = Some(given.text.clone());
            }
        }
        Ok(value)
    }

    fn pipe_source(&mut self, source: &ast::Expr, scope: &Scope) -> Bound<Piped> {
        match &source.kind {
            Ast::Name(name) if let Some(Binding::Graph(graph)) = scope.get(name) => {
                let graph = graph.clone();
                Ok(Piped::Graph(Box::new(self.fresh_graph(&graph))))
            }
            Ast::Pipe { source, operators } if self.is_graph(operators, source.as_deref(), scope) => {
                self.pipe(source.as_deref(), operators, Span::default(), &mut scope.clone())
            }
            _ => self.tabular(source, scope).map(Piped::Table),
        }
    }

    fn is_graph(&self, operators: &[ast::Operator], source: Option<&ast::Expr>, scope: &Scope) -> bool {
        match operators.last() {
            Some(last) => Self::gives_graph(last),
            None => source.is_some_and(|source| self.is_graph_expr(source, scope)),
        }
    }

    /// Whether an expression gives a graph.
    pub(crate) fn is_graph_expr(&self, expr: &ast::Expr, scope: &Scope) -> bool {
        match &expr.kind {
            Ast::Name(name) => matches!(scope.get(name), Some(Binding::Graph(_))),
            Ast::Pipe { source, operators } => self.is_graph(operators, source.as_deref(), scope),
            _ => false,
        }
    }

    /// A graph.
    pub(crate) fn graph(&mut self, expr: &ast::Expr, scope: &Scope) -> Bound<Graph> {
        match self.pipe_source(expr, scope)? {
            Piped::Graph(graph) => Ok(*graph),
            Piped::Table(_) => self.error(Code::Type, expr.span, "a graph is wanted here, and this is a table"),
        }
    }

    /// Gives rows a name for what stands behind.
    pub(crate) fn name_table(&mut self, name: &ast::Name, rel: &Rel, scope: &mut Scope) {
        *scope = scope.with(name.text.clone(), Binding::Table(Rc::new(rel.clone())));
    }

    /// Columns that a query uses, though nobody can know them, are columns of its rows.
    fn add_inferred(&mut self, rel: &mut Rel, inferred: Vec<String>, known: usize) {
        let mut at = known.min(rel.columns.len());
        for name in inferred {
            if !rel.columns.iter().any(|column| column.name == name) {
                let column = self.poisoned_column(name);
                rel.columns.insert(at, column);
                at += 1;
            }
        }
    }

    /// The rows that a body without a source works on.
    fn outer_rows(&mut self, span: Span) -> Bound<Rel> {
        match self.outer.last().cloned() {
            Some(Outer::Rows(columns)) => Ok(self.rel(RelKind::Outer, columns, false, span)),
            Some(Outer::Table(rel)) => Ok(self.fresh(&rel)),
            Some(Outer::Graph(_)) => self.error(Code::Semantic, span, "a graph stands in front of this operator, not a table"),
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
                let once = match operator.property("hint.materialized") {
                    Some(value) => self.word(value, scope, "hint.materialized")? == "true",
                    None => false,
                };
                let input = if once { self.shared(input, span) } else { input };
                self.name_table(name, &input, scope);
                Ok(input)
            }
            Op::Consume => Ok(self.consume(input, span)),
            Op::Count { name } => self.count(name.as_ref(), input, span),
            Op::Distinct { items } => self.distinct(items, input, span, scope),
            Op::Evaluate { call, schema } => self.evaluate(call, schema.as_deref(), input, operator, scope),
            Op::Extend { items } => self.extend(items, input, span, scope, true),
            Op::Facet { .. } | Op::Fork { .. } => {
                let problem = Diagnostic::error(Code::Semantic, operator.keyword, "this operator gives several tables")
                    .with_help("it stands at the end of a statement, outside of brackets");
                Err(self.report(problem))
            }
            Op::GraphMarkComponents
            | Op::GraphMatch { .. }
            | Op::GraphShortestPaths { .. }
            | Op::GraphToTable { .. }
            | Op::GraphWhere { .. }
            | Op::MakeGraph { .. } => Err(Reported),
            Op::Find { .. } => self.error(Code::Syntax, operator.keyword, "find stands at the start of a query"),
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
                // The name of a context for functions of the engine itself: it changes nothing of the rows.
                let _ = id;
                self.mv_apply(operator, items, limit.as_ref(), body, input, scope)
            }
            Op::MvExpand { items, limit } => self.mv_expand(operator, items, limit.as_ref(), input, scope),
            Op::Parse { source, pattern, filter } => self.parse(operator, source, pattern, *filter, input, scope),
            Op::ParseKv { source, columns } => self.parse_kv(operator, source, columns, input, scope),
            Op::Partition { .. } => self.partition(operator, input, scope),
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
        for (name, value) in properties.iter().filter(|(name, _)| !name.text.starts_with("hint.")) {
            if self.lenient() && !RENDER_PROPERTIES.contains(&name.text.as_str()) {
                let mut problem = super::suggest::unknown("property of render", &name.text, name.span, RENDER_PROPERTIES.iter().copied());
                problem.code = Code::Syntax;
                self.report(problem);
            }
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

/// An operator whose result starts with the columns of its input.
fn keeps_columns(operator: &Op) -> bool {
    matches!(
        operator,
        Op::Where { .. } | Op::Extend { .. } | Op::Parse { .. } | Op::Sort { .. } | Op::Top { .. } | Op::Serialize { .. }
    )
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

/// Properties of `render`.
const RENDER_PROPERTIES: &[&str] = &[
    "accumulate",
    "anomalycolumns",
    "kind",
    "legend",
    "series",
    "title",
    "xaxis",
    "xcolumn",
    "xmax",
    "xmin",
    "xtitle",
    "yaxis",
    "ycolumns",
    "ymax",
    "ymin",
    "ysplit",
    "ytitle",
];
