//! Paths into dynamics and JSON texts that a stored column answers.
//!
//! Decoders keep what is asked for most as typed columns. A query that takes the same value by its path,
//! `tostring(User.username)` or `parse_json(log_s).objectRef.resource`, means that column: here such paths are followed through
//! projections, unions and views to the stored table, and the column takes their place. What the table has no column for
//! is read from the dynamic column that holds the beginning of the path, rather than from the whole event.

use std::sync::Arc;

use taffrail_kql::BoundQuery;
use taffrail_kql::Type;
use taffrail_kql::bound::{Column, ColumnId, Expr, ExprKind, PathStep, Rel, RelKind};
use taffrail_kql::catalog::Schema;
use taffrail_kql::diagnostic::Span;

/// Identifiers of columns that are added begin here; the binder counts from zero.
const FIRST: u32 = 1 << 30;

/// Lets typed columns answer paths where they can.
pub(crate) fn resolve(query: &mut BoundQuery, schema: &dyn Schema) {
    let mut resolver = Resolver { schema, next: FIRST };
    resolver.rel(&mut query.root);
    for table in &mut query.further {
        resolver.rel(&mut table.rel);
    }
}

struct Resolver<'a> {
    schema: &'a dyn Schema,
    next: u32,
}

/// A path into a column, as far as an expression is nothing else.
struct Path {
    column: ColumnId,
    steps: Vec<PathStep>,
    /// Steps behind which the value was made text and parsed again. An object stays what it is; a text that holds JSON does not,
    /// so only a column that leads at least there answers
    parsed: usize,
}

impl Path {
    fn admits(&self, found: &Found) -> bool {
        found.steps >= self.parsed
    }
}

/// A column that answers a path.
#[derive(Clone)]
struct Found {
    column: Column,
    steps: usize,
}

impl Resolver<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        match &mut rel.kind {
            RelKind::Table { .. } | RelKind::Values(_) | RelKind::Unit | RelKind::Outer | RelKind::Range { .. } | RelKind::External(_) => {}
            // Nodes and edges are what their tables give, and no more.
            RelKind::Graph { .. } => {}
            RelKind::Shared { input, .. } => self.rel(Arc::make_mut(input)),
            RelKind::Filter { input, predicate } => {
                self.rel(input);
                self.expr(predicate, input);
            }
            RelKind::Project { input, exprs } => {
                self.rel(input);
                for expr in exprs {
                    self.expr(expr, input);
                }
            }
            RelKind::Aggregate { input, keys, aggregates } => {
                self.rel(input);
                for key in keys {
                    self.expr(key, input);
                }
                for aggregate in aggregates {
                    for arg in &mut aggregate.args {
                        self.expr(arg, input);
                    }
                }
            }
            RelKind::Sort { input, keys } => {
                self.rel(input);
                for key in keys {
                    self.expr(&mut key.expr, input);
                }
            }
            RelKind::MvExpand { input, items, .. } => {
                self.rel(input);
                for item in items {
                    self.expr(&mut item.source, input);
                }
            }
            RelKind::Limit { input, .. } | RelKind::Sample { input, .. } | RelKind::Parse { input, .. } => self.rel(input),
            RelKind::MvApply { input, body, .. } | RelKind::Partition { input, body, .. } => {
                self.rel(input);
                self.rel(body);
            }
            RelKind::Join { left, right, .. } => {
                self.rel(left);
                self.rel(right);
            }
            RelKind::Union { inputs } | RelKind::Operator { inputs, .. } => {
                for input in inputs {
                    self.rel(input);
                }
            }
        }
    }

    /// Replaces the paths of an expression over the rows of `input`.
    fn expr(&mut self, expr: &mut Expr, input: &mut Rel) {
        if let Some(inner) = converted(expr)
            && let Some(path) = path(inner)
            && let Some(found) = self.find(input, path.column, &path.steps)
            && found.steps == path.steps.len()
            && path.admits(&found)
            && let Some(replacement) = typed(expr, &found.column)
        {
            *expr = replacement;
            return;
        }
        if expr.ty == Type::Dynamic
            && let Some(path) = path(expr)
            && !path.steps.is_empty()
            && let Some(found) = self.find(input, path.column, &path.steps)
            && found.column.ty == Type::Dynamic
            && path.admits(&found)
        {
            let column = Expr::column(&found.column, expr.span);
            let rest: Vec<PathStep> = path.steps.into_iter().skip(found.steps).collect();
            *expr = if rest.is_empty() { column } else { path_of(column, rest) };
            return;
        }
        match &mut expr.kind {
            ExprKind::Literal(_) | ExprKind::Column(_) => {}
            ExprKind::Call { args, .. } => args.iter_mut().for_each(|arg| self.expr(arg, input)),
            ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => self.expr(inner, input),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left, input);
                self.expr(right, input);
            }
            ExprKind::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    self.expr(condition, input);
                    self.expr(value, input);
                }
                self.expr(otherwise, input);
            }
            ExprKind::List { value, items, .. } => {
                self.expr(value, input);
                items.iter_mut().for_each(|item| self.expr(item, input));
            }
            ExprKind::InRel { value, rel, .. } => {
                self.expr(value, input);
                self.rel(Arc::make_mut(rel));
            }
            ExprKind::Path { base, steps } => {
                self.expr(base, input);
                for step in steps {
                    if let PathStep::Expr(step) = step {
                        self.expr(step, input);
                    }
                }
            }
            ExprKind::ScalarQuery(rel) => self.rel(Arc::make_mut(rel)),
        }
    }

    /// A column that answers a path into `column`; it is added to the columns of `rel` and of what is below.
    fn find(&mut self, rel: &mut Rel, column: ColumnId, steps: &[PathStep]) -> Option<Found> {
        if steps.iter().any(|step| matches!(step, PathStep::Expr(_))) {
            return None;
        }
        let place = rel.columns.iter().position(|known| known.id == column)?;
        match &mut rel.kind {
            RelKind::Table { name, source } => {
                let found = self.schema.path_column(name, source.get(place)?, steps)?;
                if let Some(known) = source.iter().position(|stored| *stored == found.column) {
                    let column = rel.columns.get(known).filter(|column| column.ty == found.ty)?.clone();
                    return Some(Found {
                        column,
                        steps: found.steps,
                    });
                }
                source.push(found.column.clone());
                let column = self.column(found.column, found.ty);
                rel.columns.push(column.clone());
                Some(Found {
                    column,
                    steps: found.steps,
                })
            }
            RelKind::Project { input, exprs } => {
                let expr = exprs.get(place)?;
                // A text has members only after it was parsed.
                let inner = path(if expr.ty == Type::String { text_of(expr)? } else { expr })?;
                let before = inner.steps.len();
                let all: Vec<PathStep> = inner.steps.into_iter().chain(steps.iter().cloned()).collect();
                let found = self.find(input, inner.column, &all)?;
                // A column for less than this projection gives already is of no use above it.
                if found.steps <= before {
                    return None;
                }
                let steps = found.steps - before;
                let same = |expr: &Expr| matches!(expr.kind, ExprKind::Column(id) if id == found.column.id);
                if let Some(known) = exprs.iter().position(same) {
                    let column = rel.columns.get(known)?.clone();
                    return Some(Found { column, steps });
                }
                exprs.push(Expr::column(&found.column, Span::default()));
                let column = self.column(found.column.name, found.column.ty);
                rel.columns.push(column.clone());
                Some(Found { column, steps })
            }
            RelKind::Filter { input, .. } | RelKind::Sort { input, .. } | RelKind::Limit { input, .. } | RelKind::Sample { input, .. } => {
                let found = self.find(input, column, steps)?;
                if rel.columns.iter().all(|known| known.id != found.column.id) {
                    rel.columns.push(found.column.clone());
                }
                Some(found)
            }
            RelKind::Union { inputs } => {
                let from: Vec<Column> = inputs
                    .iter()
                    .map(|input| input.columns.get(place).cloned())
                    .collect::<Option<_>>()?;
                let width = rel.columns.len();
                // Every input has these columns and no others, whatever was added below meanwhile.
                if inputs.iter().any(|input| input.columns.len() != width) {
                    return None;
                }
                let mut found: Vec<Option<Found>> = Vec::with_capacity(inputs.len());
                for (input, from) in inputs.iter_mut().zip(&from) {
                    found.push(self.find(input, from.id, steps));
                }
                let best = found.iter().flatten().next()?.clone();
                let alike = |found: &Option<Found>| {
                    found
                        .as_ref()
                        .is_none_or(|found| found.steps == best.steps && found.column.ty == best.column.ty)
                };
                if !found.iter().all(alike) || !convertible(best.column.ty) {
                    for input in inputs.iter_mut() {
                        restrict(input, width);
                    }
                    return None;
                }
                let taken: Vec<PathStep> = steps.iter().take(best.steps).cloned().collect();
                for ((input, from), found) in inputs.iter_mut().zip(&from).zip(found) {
                    self.append(input, width, from, found, &taken, best.column.ty);
                }
                let column = self.column(best.column.name, best.column.ty);
                rel.columns.push(column.clone());
                Some(Found { column, steps: best.steps })
            }
            _ => None,
        }
    }

    /// Makes the found column, or the path itself, the last column of one input of a union.
    fn append(&mut self, input: &mut Rel, width: usize, from: &Column, found: Option<Found>, steps: &[PathStep], ty: Type) {
        let value = match &found {
            Some(found) => Expr::column(&found.column, Span::default()),
            None => {
                let mut base = Expr::column(from, Span::default());
                if from.ty == Type::String {
                    base = Expr {
                        kind: ExprKind::Call {
                            function: "parse_json",
                            args: vec![base],
                        },
                        ty: Type::Dynamic,
                        span: Span::default(),
                    };
                }
                let value = path_of(base, steps.to_vec());
                match ty {
                    Type::Dynamic => value,
                    ty => Expr {
                        kind: ExprKind::Cast(Box::new(value)),
                        ty,
                        span: Span::default(),
                    },
                }
            }
        };
        let last = self.column(from.name.clone(), ty);
        let mut columns: Vec<Column> = input.columns.iter().take(width).cloned().collect();
        let mut exprs: Vec<Expr> = columns.iter().map(|column| Expr::column(column, Span::default())).collect();
        columns.push(last);
        exprs.push(value);
        project(input, columns, exprs);
    }

    fn column(&mut self, name: String, ty: Type) -> Column {
        let id = ColumnId(self.next);
        self.next += 1;
        Column { id, name, ty }
    }
}

/// Puts a projection over a relation.
fn project(rel: &mut Rel, columns: Vec<Column>, exprs: Vec<Expr>) {
    let (serialized, span, open) = (rel.serialized, rel.span, rel.open);
    let placeholder = Rel {
        kind: RelKind::Unit,
        columns: Vec::new(),
        serialized: false,
        open: false,
        span,
    };
    let input = std::mem::replace(rel, placeholder);
    *rel = Rel {
        kind: RelKind::Project {
            input: Box::new(input),
            exprs,
        },
        columns,
        serialized,
        open,
        span,
    };
}

/// Leaves a relation with its first columns only.
fn restrict(rel: &mut Rel, width: usize) {
    if rel.columns.len() == width {
        return;
    }
    let columns: Vec<Column> = rel.columns.iter().take(width).cloned().collect();
    let exprs = columns.iter().map(|column| Expr::column(column, Span::default())).collect();
    project(rel, columns, exprs);
}

/// Types for which a path can be cast where no column answers it.
fn convertible(ty: Type) -> bool {
    matches!(ty, Type::Dynamic | Type::String | Type::Int | Type::Long)
}

fn path_of(base: Expr, steps: Vec<PathStep>) -> Expr {
    let span = base.span;
    Expr {
        kind: ExprKind::Path {
            base: Box::new(base),
            steps,
        },
        ty: Type::Dynamic,
        span,
    }
}

/// What an explicit or implicit conversion converts.
fn converted(expr: &Expr) -> Option<&Expr> {
    let inner = match &expr.kind {
        ExprKind::Cast(inner) => inner.as_ref(),
        ExprKind::Call { function, args } if matches!(*function, "tostring" | "toint" | "tolong" | "isempty" | "isnotempty") => {
            args.first()?
        }
        _ => return None,
    };
    (inner.ty == Type::Dynamic).then_some(inner)
}

/// The conversion of a path, with the column that answers it in its place.
fn typed(expr: &Expr, column: &Column) -> Option<Expr> {
    let read = Expr::column(column, expr.span);
    let cast = |ty: Type| Expr {
        kind: ExprKind::Cast(Box::new(Expr::column(column, expr.span))),
        ty,
        span: expr.span,
    };
    match (&expr.kind, column.ty, expr.ty) {
        (
            ExprKind::Call {
                function: function @ ("isempty" | "isnotempty"),
                ..
            },
            Type::String,
            _,
        ) => Some(Expr {
            kind: ExprKind::Call {
                function: *function,
                args: vec![read],
            },
            ty: expr.ty,
            span: expr.span,
        }),
        (
            ExprKind::Call {
                function: "isempty" | "isnotempty",
                ..
            },
            _,
            _,
        ) => None,
        (_, Type::String, Type::String) | (_, Type::Int, Type::Int) | (_, Type::Long, Type::Long) => Some(read),
        (_, Type::Int, Type::Long) => Some(cast(Type::Long)),
        _ => None,
    }
}

/// An expression that is a path into one column: `x.a[0]`, `parse_json(x).a`, `parse_json(tostring(parse_json(x).a)).b`. The
/// column may be a text: only a stored column of whole events, which are valid JSON, answers then.
fn path(expr: &Expr) -> Option<Path> {
    match &expr.kind {
        ExprKind::Column(column) => Some(Path {
            column: *column,
            steps: Vec::new(),
            parsed: 0,
        }),
        ExprKind::Path { base, steps } => {
            let mut inner = path(base)?;
            inner.steps.extend(steps.iter().cloned());
            Some(inner)
        }
        ExprKind::Call {
            function: "parse_json",
            args,
        } => match args.as_slice() {
            [text] => {
                let mut inner = path(text_of(text)?)?;
                inner.parsed = inner.steps.len();
                Some(inner)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The dynamic that a text is made of, or the text itself when it is a column.
fn text_of(text: &Expr) -> Option<&Expr> {
    match &text.kind {
        ExprKind::Cast(inner) if inner.ty == Type::Dynamic => Some(inner),
        ExprKind::Call {
            function: "tostring",
            args,
        } => args.first().filter(|inner| inner.ty == Type::Dynamic),
        _ => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
    use taffrail_kql::Type;
    use taffrail_schema::{ColumnDef, Schema, Step, TableDef, stored_schema};

    use crate::{Engine, EngineOptions, MemorySource, QueryRequest};

    /// A table whose typed columns say something else than its event, so that an answer tells where it comes from.
    fn engine() -> Engine {
        let column = |name: &str, ty: Type, path: &[&str]| ColumnDef {
            name: name.to_owned(),
            ty,
            about: String::new(),
            path: path.iter().map(|step| Step::Key((*step).to_owned())).collect(),
        };
        let table = TableDef {
            name: "Audit".to_owned(),
            about: String::new(),
            group: String::new(),
            columns: vec![
                column("TimeGenerated", Type::DateTime, &[]),
                column("User", Type::Dynamic, &["user"]),
                column("Username", Type::String, &["user", "username"]),
                column("Code", Type::Int, &["status", "code"]),
                column("Event", Type::String, &[]),
                column("_TimeReceived", Type::DateTime, &[]),
            ],
            unique: vec![],
            sort: vec![],
            bloom: vec![],
            plain: vec![],
            event: Some("Event".to_owned()),
        };
        let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"));
        let text = |text: &str| -> ArrayRef { Arc::new(StringViewArray::from(vec![text])) };
        let columns = vec![
            Arc::clone(&time),
            text(r#"{"username":"in User","groups":["a"]}"#),
            text("in Username"),
            Arc::new(Int32Array::from(vec![201])),
            text(r#"{"user":{"username":"in Event","groups":["e"]},"status":{"code":"200"},"note":"{\"user\":{\"username\":\"text\"}}"}"#),
            time,
        ];
        let batch = RecordBatch::try_new(stored_schema(&table), columns).unwrap();
        let mut schema = Schema::default();
        schema.add_table(table);
        let schema = Arc::new(schema);
        let source = MemorySource::new(Arc::clone(&schema), [("Audit".to_owned(), vec![batch])]).unwrap();
        Engine::new(schema, Arc::new(source), EngineOptions::default())
    }

    #[tokio::test]
    async fn typed_columns_answer_paths() {
        let engine = engine();
        for (query, wanted) in [
            ("Audit | project x = tostring(parse_json(Event).user.username)", "in Username"),
            (
                "Audit | where parse_json(Event).user.username == 'in Username' | project x = 1",
                "1",
            ),
            ("Audit | project x = tostring(User.username)", "in Username"),
            ("Audit | project x = User.username", "in User"),
            (
                "Audit | extend e = parse_json(Event) | extend u = e.user | project x = tostring(u['username'])",
                "in Username",
            ),
            (
                "Audit | extend e = parse_json(tostring(parse_json(Event).user)) | project x = tostring(e.username)",
                "in Username",
            ),
            ("Audit | project x = toint(parse_json(Event).status.code)", "201"),
            ("Audit | project x = tostring(parse_json(Event).user.groups[0])", "a"),
            // a text that holds JSON is no object of the event
            (
                "Audit | project x = tostring(parse_json(tostring(parse_json(Event).note)).user.username)",
                "text",
            ),
            ("Audit | project x = tostring(parse_json(Event).none.username)", ""),
            (
                "union (Audit | project log = Event), (print log = '{\"user\":{\"username\":\"printed\"}}') \
                 | where tostring(parse_json(log).user.username) != '' | summarize x = strcat_array(array_sort_asc(make_list(tostring(parse_json(log).user.username))), '+')",
                "in Username+printed",
            ),
        ] {
            let result = engine.query(query, &QueryRequest::default()).await.unwrap();
            let got: Vec<serde_json::Value> = result.rows().map(|row| row.into_iter().next().unwrap()).collect();
            let got = got
                .first()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            assert_eq!(got.as_deref(), Some(wanted), "{query}");
            assert_eq!(result.columns.len(), 1, "{query}");
        }
    }

    #[tokio::test]
    async fn the_same_question_is_answered_once() {
        let engine = engine();
        let ask = |text: &'static str, fresh: bool| {
            let engine = engine.clone();
            async move {
                let request = QueryRequest {
                    fresh,
                    ..QueryRequest::default()
                };
                let result = engine.query(text, &request).await.unwrap();
                (result.rows().collect::<Vec<_>>(), result.statistics.from_cache)
            }
        };
        let text = "Audit | summarize n = count() by Username | join kind=inner (Audit) on Username | project n";
        let (first, cached) = ask(text, false).await;
        assert!(!cached && first == [[serde_json::json!(1)]]);
        assert_eq!(ask(text, false).await, (first.clone(), true));
        assert_eq!(ask(text, true).await, (first.clone(), false), "by the plan that was kept");
        assert_eq!(ask(text, true).await, (first, false));
        assert!(!ask("print rand()", false).await.1);
        assert!(!ask("print rand()", false).await.1);
        let now = "Audit | project x = now() > datetime(2000-01-01)";
        assert!(!ask(now, false).await.1);
        assert!(!ask("Audit | project x = now()", false).await.1);
        assert!(!ask("Audit | project x = now()", false).await.1, "now() is another time");
    }
}
