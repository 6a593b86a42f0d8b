//! How an engine tells the language what functions it has.
//!
//! A function is declared once, where it is implemented: a [`Function`] says its name, its parameters and its result, and
//! the binder, the diagnostics, completion and the generated reference all read it from there.

use crate::bound::{OperatorArg, PathStep, Rel};
use crate::types::{Type, Value};

/// What kind of function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    /// One value a row
    Scalar,
    /// One value a group (`summarize`)
    Aggregate,
    /// One value a row that depends on its neighbours (`row_number`, `prev`): needs a serialized input
    Window,
    /// `evaluate` plugin
    Plugin,
}

/// An argument as the binder knows it. `typeof(long)` is the constant string `long`.
#[derive(Debug, Clone, Copy)]
pub struct Argument<'a> {
    /// Its type
    pub ty: Type,
    /// Its value, when constant
    pub literal: Option<&'a Value>,
    /// The column's name, when it is a plain column
    pub column: Option<&'a str>,
}

/// What a function takes and gives for the arguments at hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Type each argument is cast to
    pub params: Vec<Type>,
    /// Type of the result; of aggregates with several outputs, of each
    pub returns: Vec<Type>,
}

impl Resolved {
    /// One result.
    pub fn one(params: Vec<Type>, returns: Type) -> Resolved {
        Resolved {
            params,
            returns: vec![returns],
        }
    }
}

/// Why arguments do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError {
    /// Which argument (from 0); `None`: their number
    pub argument: Option<usize>,
    /// One sentence
    pub message: String,
}

/// Decides types for arguments.
pub type Resolve = fn(&[Argument<'_>]) -> Result<Resolved, ArgumentError>;

/// A parameter type in a plain signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// Exactly this type after the implicit conversions (int → long → real → decimal; dynamic → string, long, … where the reference allows)
    Is(Type),
    /// int, long, real or decimal, kept as it is
    Number,
    /// int or long, as long
    Integer,
    /// Any type, kept as it is
    Any,
    /// Any type, read as text: like `tostring()` before the call
    Text,
}

/// How a function's types are decided.
#[derive(Debug, Clone, Copy)]
pub enum Signature {
    /// Required parameters, optional ones behind them, then any number of `rest`; the result
    Plain {
        /// Required
        required: &'static [Param],
        /// Optional
        optional: &'static [Param],
        /// Repeated
        rest: Option<Param>,
        /// Result
        returns: Type,
    },
    /// By code
    Custom(Resolve),
}

/// How result columns without a name are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Scalar functions: `Column1`, or the argument's name for conversions such as `tostring(x)`, `bin(x, 1h)`
    Positional,
    /// Named after the first column argument: `tostring(x)` → `x`, `bin(x, 1h)` → `x`
    Argument,
    /// Aggregates: `sum(x)` → `sum_x`, `count()` → `count_`
    Prefix(&'static str),
    /// `arg_max`, `arg_min`, `take_any`: outputs keep their columns' names (aggregate of one: prefix for `by` per the reference)
    Columns,
    /// `percentile_x_50`
    Percentile,
    /// Scalar functions with several results (`series_stats`, `array_sort_asc` of several arrays): one column each, named by
    /// these templates, in which `{}` is the name of the first argument; of one template only, `{}` is that of the argument
    /// with the result's number (`{}_sorted`). As a value, such a call is one dynamic array of all results
    Tuple(&'static [&'static str]),
}

/// A function of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Name
    pub name: &'static str,
    /// Other names with the same meaning
    pub aliases: &'static [&'static str],
    /// Kind
    pub kind: FunctionKind,
    /// As the reference prints it: `strlen(source) → long`
    pub usage: &'static str,
    /// One sentence
    pub summary: &'static str,
    /// Types
    pub signature: Signature,
    /// Names of result columns
    pub naming: Naming,
}

/// The functions an engine has.
pub trait Catalog: Send + Sync {
    /// By name (or alias) and kind; names are case-sensitive.
    fn function(&self, kind: FunctionKind, name: &str) -> Option<&'static Function>;
    /// All of them, for completion and documentation.
    fn functions(&self) -> Vec<&'static Function>;
    /// A function that only rewritten operators and plugins use.
    fn internal(&self, _name: &str) -> Option<&'static Function> {
        None
    }
    /// Whether the reference has a function of this name that is not here yet.
    fn is_planned(&self, _name: &str) -> bool {
        false
    }
    /// Why a function of the reference has no meaning here, when that is so.
    fn refusal(&self, _name: &str) -> Option<&'static str> {
        None
    }
}

/// A stored table, view or function as the binder sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum Entity {
    /// Rows in storage
    Table {
        /// Name, type
        columns: Vec<(String, Type)>,
    },
    /// A table by query: KQL text, bound when used
    View {
        /// KQL
        query: String,
    },
    /// A stored function: `parameters` as KQL text (`(T: (*), n: long = 5)`), `body` KQL text
    Function {
        /// With parentheses
        parameters: String,
        /// Without braces
        body: String,
    },
}

/// See [`Schema::path_column`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathColumn {
    /// Stored name
    pub column: String,
    /// Its type. A dynamic is the value itself; any other type is the value converted to it, a string as `tostring()` does
    pub ty: Type,
    /// Steps of the path that lead to it
    pub steps: usize,
}

/// What names there are besides the query's own.
pub trait Schema: Send + Sync {
    /// By name; case-sensitive.
    fn entity(&self, name: &str) -> Option<Entity>;
    /// All names, for wildcards, suggestions and completion.
    fn names(&self) -> Vec<String>;
    /// Columns that a plugin of `evaluate` gives for this input, when its query does not declare them. Plugins such as
    /// `bag_unpack` and `pivot` read them from the rows: an engine may run the input, note the answer, and bind again
    /// (binding is deterministic: the same text and answers give the same ids).
    fn plugin_columns(&self, _plugin: &str, _input: &Rel, _args: &[OperatorArg]) -> Option<Vec<(String, Type)>> {
        None
    }
    /// Whether this is for checking queries only, where there are no rows: what only running them can tell is not refused.
    /// Columns that only the rows have are taken as the query uses them (so are those of tables that a fuzzy union may leave
    /// out), the order of rows is not asked for, and values are compared whatever their types. In return, what a query
    /// defines is looked at even where nothing uses it.
    fn open(&self) -> bool {
        false
    }

    /// The column of a stored table that holds what is at a path into another column of it: of a dynamic, or of a text that is
    /// a JSON document. An engine may read that column instead of taking the path. Where there is no column for the whole
    /// path, one for its beginning.
    fn path_column(&self, _table: &str, _column: &str, _path: &[PathStep]) -> Option<PathColumn> {
        None
    }
}
