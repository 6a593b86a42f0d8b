//! Columns that only rows can tell: plugins such as `bag_unpack`, whose query does not say what columns they give.
//!
//! Binding asks the schema; [`Asking`] notes the question and has no answer, so binding fails; the engine runs the plugin's
//! input, and binds again with the answer, until there is no question left.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use sonic_rs::JsonValueTrait;
use taffrail_kql::bound::{Column, ColumnId, Expr, ExprKind, OperatorArg, Rel, RelKind};
use taffrail_kql::catalog::{Entity, Schema};
use taffrail_kql::{Code, Diagnostic, Type};

use crate::plugins::{self, BagUnpack};

/// A plugin whose columns are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) plugin: String,
    pub(crate) input: Rel,
    pub(crate) args: Vec<OperatorArg>,
}

/// A schema that answers what is known and notes the first question that is not.
pub(crate) struct Asking<'a> {
    schema: &'a dyn Schema,
    answers: &'a [Vec<(String, Type)>],
    state: Mutex<(usize, Option<Question>)>,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(schema: &'a dyn Schema, answers: &'a [Vec<(String, Type)>]) -> Asking<'a> {
        Asking {
            schema,
            answers,
            state: Mutex::new((0, None)),
        }
    }

    pub(crate) fn question(self) -> Option<Question> {
        self.state.into_inner().1
    }
}

impl Schema for Asking<'_> {
    fn entity(&self, name: &str) -> Option<Entity> {
        self.schema.entity(name)
    }

    fn names(&self) -> Vec<String> {
        self.schema.names()
    }

    fn plugin_columns(&self, plugin: &str, input: &Rel, args: &[OperatorArg]) -> Option<Vec<(String, Type)>> {
        let mut state = self.state.lock();
        // binding is deterministic: the questions come in the same order every time
        let answer = self.answers.get(state.0).cloned();
        state.0 += 1;
        if answer.is_none() && state.1.is_none() && plugins::can_discover(plugin) {
            state.1 = Some(Question {
                plugin: plugin.to_owned(),
                input: input.clone(),
                args: args.to_vec(),
            });
        }
        answer
    }
}

/// The rows that answer a question about `bag_unpack`: the bags.
pub(crate) fn bags(question: &Question, unpack: &BagUnpack<'_>) -> Rel {
    let column = Column {
        id: ColumnId(u32::MAX),
        name: "bag".to_owned(),
        ty: Type::Dynamic,
    };
    Rel {
        kind: RelKind::Project {
            input: Box::new(question.input.clone()),
            exprs: vec![unpack.bag.clone()],
        },
        columns: vec![column],
        serialized: false,
        open: false,
        span: question.input.span,
    }
}

/// Types of the members seen in bags.
#[derive(Debug, Default)]
pub(crate) struct Members(BTreeMap<String, Option<Type>>);

impl Members {
    pub(crate) fn see(&mut self, bag: &str) {
        if !bag.trim_start().starts_with('{') {
            return;
        }
        for (key, value) in sonic_rs::to_object_iter(bag).flatten() {
            let seen = if value.is_null() {
                None
            } else if value.is_boolean() {
                Some(Type::Bool)
            } else if value.is_i64() {
                Some(Type::Long)
            } else if value.is_number() {
                Some(Type::Real)
            } else if value.is_str() {
                Some(Type::String)
            } else {
                Some(Type::Dynamic)
            };
            let known = self.0.entry(key.to_string()).or_default();
            *known = match (*known, seen) {
                (None, ty) | (ty, None) => ty,
                (Some(a), Some(b)) if a == b => Some(a),
                (Some(Type::Long | Type::Real), Some(Type::Long | Type::Real)) => Some(Type::Real),
                _ => Some(Type::Dynamic),
            };
        }
    }

    /// Columns of the result: those of the input without the bag, then the members by name. A member called as the bag's
    /// column takes its place.
    pub(crate) fn columns(self, question: &Question, unpack: &BagUnpack<'_>) -> Result<Vec<(String, Type)>, Diagnostic> {
        let source = match unpack.bag.kind {
            ExprKind::Column(id) => Some(id),
            _ => None,
        };
        let mut columns: Vec<(String, Type)> = Vec::new();
        let mut members: Vec<(String, Type)> = Vec::new();
        for (key, ty) in self.0 {
            if !unpack.ignored.contains(&key) {
                members.push((format!("{}{key}", unpack.prefix), ty.unwrap_or(Type::Dynamic)));
            }
        }
        for item in &question.input.columns {
            let same = members.iter().position(|(name, _)| *name == item.name);
            if Some(item.id) == source {
                if let Some(position) = same {
                    columns.push(members.remove(position));
                }
                continue;
            }
            if let Some(position) = same {
                if !unpack.keep_source {
                    return Err(conflict(&item.name, &unpack.bag));
                }
                members.remove(position);
            }
            columns.push((item.name.clone(), item.ty));
        }
        columns.append(&mut members);
        Ok(columns)
    }
}

fn conflict(name: &str, bag: &Expr) -> Diagnostic {
    Diagnostic::error(
        Code::Semantic,
        bag.span,
        format!("the bag has a member '{name}', and there is a column of that name"),
    )
    .with_help("give a prefix, bag_unpack(d, 'x_'), or say columnsConflict='keep_source' or 'replace_source'")
}
