//! Rules on the stream: all rules over a table compiled into one program, which says for each batch of rows which rules have rows in
//! it, and which.
//!
//! Only over those rows is a rule's query run, planned once. That gives what the query over the whole batch would give, because
//! the rows that are left out are those that cannot change its answer ([`condition`]).

mod bits;
pub mod condition;
mod formula;
mod literal;
mod program;
mod values;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::{DateTime, TimeDelta, Utc};
use taffrail_engine::{Engine, PreparedQuery, QueryError, QueryRequest, QueryResult};
use taffrail_kql::BoundQuery;
use taffrail_kql::bound::{Expr, ExprKind};
use taffrail_schema::Schema;
use tokio::sync::OnceCell;

use crate::alert::Alert;
use crate::evaluate::{Window, evaluate_with};
use crate::overlay::BatchSource;
use crate::rule::{Kind, Rule};
use crate::tables::stored_tables;

use condition::{Condition, condition, nothing_gives_nothing, volatile};
use formula::{ALWAYS, Formula, NodeId, key};
use program::Program;
pub use program::Size;

/// How a rule is evaluated, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Its query works row by row: each batch has its answer
    RowByRow,
    /// Its query gathers rows: over the rows that may concern it, when it runs
    Gathering,
    /// It says something of rows that are not there: its query is run whatever rows there are
    Whole,
}

/// A rule that is compiled.
pub struct CompiledRule {
    /// The rule
    pub rule: Arc<Rule>,
    /// Its query, bound
    pub query: BoundQuery,
    /// How it is evaluated
    pub way: Way,
    /// What stands between the rows and the answer
    pub gathers: Vec<&'static str>,
    /// Whether the query means the same at any time
    pub timeless: bool,
    /// What it asks of the rows of each stored table it reads
    pub conditions: BTreeMap<String, Condition>,
    /// Plans over one table, made when first needed
    prepared: HashMap<String, OnceCell<Option<PreparedQuery>>>,
}

impl CompiledRule {
    /// Compiles a rule.
    ///
    /// # Errors
    /// When its query cannot be bound.
    pub fn new(engine: &Engine, schema: &Schema, rule: Arc<Rule>) -> Result<CompiledRule, QueryError> {
        let now = Utc::now();
        let at = |now: DateTime<Utc>| {
            let request = QueryRequest {
                now: Some(now),
                ..QueryRequest::default()
            };
            engine.compile(&rule.query, &request)
        };
        let query = at(now)?;
        // What differs when the query is bound at another time depends on the time.
        let later = at(now + TimeDelta::days(400))?;
        let timeless = query.root == later.root;
        let mut conditions = BTreeMap::new();
        let mut gathers: Vec<&'static str> = Vec::new();
        for table in stored_tables(&query.root) {
            let Some(definition) = schema.table(&table) else { continue };
            let Some(mut found) = condition(&query.root, definition) else {
                continue;
            };
            if !timeless {
                let other = condition(&later.root, definition).unwrap_or_default();
                let stable: HashSet<String> = other.alternatives.iter().flatten().flat_map(parts).map(|part| key(&part)).collect();
                for alternative in &mut found.alternatives {
                    alternative.retain(|predicate| parts(predicate).iter().all(|part| stable.contains(&key(part))));
                }
            }
            gathers.extend(&found.gathers);
            conditions.insert(table, found);
        }
        gathers.sort_unstable();
        gathers.dedup();
        let way = if !nothing_gives_nothing(&query.root) || rule.triggers(0) {
            Way::Whole
        } else if gathers.is_empty() {
            Way::RowByRow
        } else {
            Way::Gathering
        };
        let prepared = conditions.keys().map(|table| (table.clone(), OnceCell::new())).collect();
        Ok(CompiledRule {
            rule,
            query,
            way,
            gathers,
            timeless,
            conditions,
            prepared,
        })
    }

    /// The answer of the rule's query over rows of one table; other tables are as they are in `engine`.
    ///
    /// # Errors
    /// What the query ends with.
    pub async fn answer(&self, engine: &Engine, table: &str, rows: RecordBatch, window: Window) -> Result<QueryResult, QueryError> {
        if self.timeless
            && window.timespan.is_none()
            && let Some(cell) = self.prepared.get(table)
        {
            let prepared = cell.get_or_try_init(|| engine.prepare(&self.query, table)).await?;
            if let Some(prepared) = prepared {
                return engine.run_prepared(prepared, rows).await;
            }
        }
        let request = QueryRequest {
            now: Some(window.now),
            timespan: window.timespan,
            ..QueryRequest::default()
        };
        let over = over_rows(engine, table, rows)?;
        if self.timeless {
            return over.run(&self.query, &request).await;
        }
        over.query(&self.rule.query, &request).await
    }

    /// The alerts of the rule over rows of one table.
    ///
    /// # Errors
    /// What the query ends with.
    pub async fn evaluate(&self, engine: &Engine, table: &str, rows: RecordBatch, window: Window) -> Result<Vec<Alert>, QueryError> {
        let result = self.answer(engine, table, rows.clone(), window).await?;
        let over = over_rows(engine, table, rows)?;
        evaluate_with(&over, &self.rule, &result, window).await
    }
}

fn over_rows(engine: &Engine, table: &str, rows: RecordBatch) -> Result<Engine, QueryError> {
    let source = BatchSource::new(table, rows, Arc::clone(engine.source())).map_err(|error| QueryError::Execution {
        message: error.to_string(),
    })?;
    Ok(engine.with_source(Arc::new(source)))
}

/// A predicate without its `and`, `or` and `not`.
fn parts(predicate: &Expr) -> Vec<Expr> {
    match &predicate.kind {
        ExprKind::Not(inner) => parts(inner),
        ExprKind::Binary {
            op: taffrail_kql::syntax::ast::BinaryOp::And | taffrail_kql::syntax::ast::BinaryOp::Or,
            left,
            right,
        } => parts(left).into_iter().chain(parts(right)).collect(),
        _ => vec![predicate.clone()],
    }
}

/// Whether an atom may be asked of a row by itself: it gives the same each time and reads no stored table.
fn usable(expr: &Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::InRel { rel, .. } | ExprKind::ScalarQuery(rel) => stored_tables(rel).is_empty(),
        _ => true,
    };
    own && !volatile(expr) && expr.children().into_iter().all(usable)
}

/// All rules that read a table.
pub struct TableProgram {
    program: Program,
    /// Positions among the rules of the stream, by position in the program
    rules: Vec<usize>,
}

/// All rules, by table.
pub struct Stream {
    /// The rules
    pub rules: Vec<CompiledRule>,
    tables: BTreeMap<String, TableProgram>,
}

/// Rows of a batch that concern a rule.
pub struct Concerned {
    /// Position of the rule among the stream's
    pub rule: usize,
    /// Rows, in stored form
    pub rows: RecordBatch,
}

impl Stream {
    /// Compiles rules together. Rules that cannot be bound are given back with why.
    ///
    /// # Errors
    /// When what was bound cannot be compiled, which is an error of ours.
    pub async fn new(
        engine: &Engine,
        schema: &Schema,
        rules: impl IntoIterator<Item = Arc<Rule>>,
    ) -> Result<(Stream, Vec<(Arc<Rule>, QueryError)>), QueryError> {
        let mut compiled = Vec::new();
        let mut failed = Vec::new();
        for rule in rules {
            match CompiledRule::new(engine, schema, Arc::clone(&rule)) {
                Ok(rule) => compiled.push(rule),
                Err(error) => failed.push((rule, error)),
            }
        }
        let mut formulas: BTreeMap<String, (Formula, Vec<NodeId>, Vec<usize>)> = BTreeMap::new();
        for (position, rule) in compiled.iter().enumerate() {
            for (table, condition) in &rule.conditions {
                let (formula, nodes, positions) = formulas.entry(table.clone()).or_default();
                nodes.push(match rule.way {
                    Way::Whole => ALWAYS,
                    Way::RowByRow | Way::Gathering => node(formula, condition),
                });
                positions.push(position);
            }
        }
        let mut tables = BTreeMap::new();
        for (table, (formula, nodes, positions)) in formulas {
            let Some(definition) = schema.table(&table) else { continue };
            let program = Program::new(engine, definition, formula, nodes).await?;
            tables.insert(table, TableProgram { program, rules: positions });
        }
        Ok((Stream { rules: compiled, tables }, failed))
    }

    /// The rules that have rows in a batch, with their rows.
    ///
    /// # Errors
    /// When a predicate fails.
    pub fn concerned(&self, table: &str, batch: &RecordBatch) -> Result<Vec<Concerned>, QueryError> {
        let Some(program) = self.tables.get(table) else {
            return Ok(Vec::new());
        };
        let mut concerned = Vec::new();
        for (position, rows) in program.program.matches(batch)? {
            let Some(rule) = program.rules.get(position) else { continue };
            let rows = if rows.count() == batch.num_rows() {
                batch.clone()
            } else {
                arrow::compute::take_record_batch(batch, &rows.indices()).map_err(|error| QueryError::Execution {
                    message: error.to_string(),
                })?
            };
            concerned.push(Concerned { rule: *rule, rows });
        }
        Ok(concerned)
    }

    /// What the program of a table is made of.
    pub fn size(&self, table: &str) -> Option<Size> {
        self.tables.get(table).map(|table| table.program.size())
    }

    /// Tables that rules read.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }
}

/// The condition of one rule as a node of the formula.
fn node(formula: &mut Formula, condition: &Condition) -> NodeId {
    let ask = |expr: &Expr, _: &str| usable(expr);
    let alternatives: Vec<NodeId> = condition
        .alternatives
        .iter()
        .map(|predicates| {
            let parts: Vec<NodeId> = predicates
                .iter()
                .map(|predicate| formula.predicate(predicate, true, &ask))
                .collect();
            formula.and(parts)
        })
        .collect();
    formula.or(alternatives)
}

impl CompiledRule {
    /// How it is evaluated, in one line.
    pub fn summary(&self) -> String {
        let why = |what: &[&str]| what.join(", ");
        match (self.way, self.rule.kind) {
            (Way::RowByRow, Kind::Nrt) => "on the stream, row by row".to_owned(),
            (Way::RowByRow, Kind::Scheduled) => {
                "on its schedule, over the rows that concern it; it could be NRT, as it works row by row".to_owned()
            }
            (Way::Gathering, Kind::Nrt) => format!("on the stream, over the rows of a batch that concern it ({})", why(&self.gathers)),
            (Way::Gathering, Kind::Scheduled) => format!(
                "on its schedule, over the rows that concern it, kept as they arrive ({})",
                why(&self.gathers)
            ),
            (Way::Whole, Kind::Nrt) => "on the stream, over every batch: it speaks even of rows that are not there".to_owned(),
            (Way::Whole, Kind::Scheduled) => "on its schedule, over all rows: it speaks even of rows that are not there".to_owned(),
        }
    }

    /// How it is evaluated and why, in words.
    pub fn explain(&self) -> String {
        let rule = &self.rule;
        let mut out = format!("{} ({})\n{}\n", rule.name, rule.id, self.summary());
        if rule.kind == Kind::Scheduled {
            out.push_str(&format!(
                "every {} over the last {}; windows without a row that concerns it are not run\n",
                crate::rule::format_duration(rule.frequency()),
                crate::rule::format_duration(rule.period())
            ));
        }
        for (table, condition) in &self.conditions {
            let predicates: usize = condition.alternatives.iter().map(Vec::len).sum();
            if condition.alternatives.iter().any(Vec::is_empty) {
                out.push_str(&format!("{table}: every row concerns it\n"));
            } else if let [_] = condition.alternatives[..] {
                out.push_str(&format!(
                    "{table}: rows that pass {predicates} predicates, which it shares with other rules\n"
                ));
            } else {
                out.push_str(&format!(
                    "{table}: rows that pass any of {} conditions, {predicates} predicates together\n",
                    condition.alternatives.len()
                ));
            }
        }
        for what in &self.gathers {
            out.push_str(&format!("not row by row: {what}\n"));
        }
        out.push_str(if self.timeless {
            "planned once: it means the same at any time\n"
        } else {
            "planned anew for each run: it asks for the time (now, ago)\n"
        });
        out
    }
}
