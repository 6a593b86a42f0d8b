//! The bound query: every name resolved, every expression typed, every function looked up, operators that
//! are sugar rewritten into the few that are not. This is what an engine lowers; it holds no text of the
//! language and nothing of how rows are stored.
//!
//! Columns are identified by [`ColumnId`], unique in a query, so that a plan never has to care for equal names:
//! names matter only in the columns of the outermost [`Rel`].

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span};
use crate::syntax::ast::{BinaryOp, EdgeDirection, ListOp};
use crate::types::{Type, Value};

/// Identifies a column within one bound query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// A column of a relation.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Unique in the query
    pub id: ColumnId,
    /// What people see
    pub name: String,
    /// Its type
    pub ty: Type,
}

/// A query, ready to be lowered.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundQuery {
    /// The answer: of the first expression statement
    pub root: Rel,
    /// What the query calls its answer (`as`, a branch of `fork`)
    pub name: Option<String>,
    /// Answers behind the first: of further statements, `fork`, `facet`
    pub further: Vec<BoundTable>,
    /// `render`, when the query ends in one
    pub visualization: Option<Visualization>,
    /// `set` options, in order: name and value (`None`: just switched on)
    pub options: Vec<(String, Option<Value>)>,
    /// Warnings; errors make binding fail instead
    pub warnings: Vec<Diagnostic>,
}

/// A further answer of a query that has several.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundTable {
    /// What the query calls it
    pub name: Option<String>,
    /// Its rows
    pub rel: Rel,
    /// `render`, when it ends in one
    pub visualization: Option<Visualization>,
}

/// What `render` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Visualization {
    /// `timechart`, `piechart`, …
    pub kind: String,
    /// `with (name = value, …)`, values as text (`xcolumn`, `ycolumns`, `series`, `title`, `kind`, …)
    pub properties: Vec<(String, String)>,
}

/// A relation: rows with columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rel {
    /// What makes the rows
    pub kind: RelKind,
    /// The columns it gives, in order
    pub columns: Vec<Column>,
    /// The rows have an order that window functions may rely on (after `sort`, `serialize`, `range`, `top`)
    pub serialized: bool,
    /// There may be further columns, which only the rows tell (see [`crate::catalog::Schema::open`])
    pub open: bool,
    /// Where in the text
    pub span: Span,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// What to sort by
    pub expr: Expr,
    /// Descending
    pub descending: bool,
    /// Nulls before the others
    pub nulls_first: bool,
}

/// Kinds of join; names as in the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the language's own")]
pub enum JoinKind {
    InnerUnique,
    Inner,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    LeftAnti,
    RightSemi,
    RightAnti,
}

/// One aggregate of an [`RelKind::Aggregate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Name in the catalogue
    pub function: &'static str,
    /// Arguments, already cast to what the function takes
    pub args: Vec<Expr>,
    /// What it gives: one column; several for `arg_max`, `arg_min`, `take_any`, `percentiles`.
    /// `arg_max(by, a, b)` gives `by, a, b` in this order, all of the same row; `percentiles(x, 5, 50)` one each
    pub outputs: Vec<Column>,
}

/// One column of an `mv-expand`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpandItem {
    /// A dynamic
    pub source: Expr,
    /// The expanded column (new id; its type is dynamic or that of `to typeof()`)
    pub output: Column,
}

/// `bagexpansion=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BagExpansion {
    /// A bag of one member each
    Bag,
    /// `[key, value]`
    Array,
}

/// How `parse` matches.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseMode {
    /// Whole text must match; typed columns must convert
    Simple,
    /// A column that does not convert becomes null, the row stays matched
    Relaxed,
    /// Texts are regular expressions; `flags=Ui…`
    Regex(String),
}

/// A step of a `parse` pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseStep {
    /// `*`
    Skip,
    /// Text (or pattern)
    Text(String),
    /// Output column by position in `outputs`
    Column(usize),
}

/// Kinds of relation.
#[derive(Debug, Clone, PartialEq)]
pub enum RelKind {
    /// Rows of a stored table. `source[i]` is the stored name of `columns[i]`
    Table {
        /// Stored table
        name: String,
        /// Stored names of the columns
        source: Vec<String>,
    },
    /// Constant rows
    Values(Vec<Vec<Value>>),
    /// One row without columns (under `print`)
    Unit,
    /// `range`: one column (long, real, datetime or timespan), constants
    Range {
        /// First
        from: Expr,
        /// Last, included
        to: Expr,
        /// Step
        step: Expr,
    },
    /// Rows for which the predicate is true (null is not)
    Filter {
        /// Rows
        input: Box<Rel>,
        /// bool
        predicate: Expr,
    },
    /// Exactly these columns: `columns[i]` is `exprs[i]`. Also `extend`, `project-*`, renames.
    /// Window functions ([`ExprKind::Call`] of kind window) appear only here, over a serialized input, perhaps nested
    /// in one another (`row_number(1, x != prev(x))`)
    Project {
        /// Rows
        input: Box<Rel>,
        /// One for each column
        exprs: Vec<Expr>,
    },
    /// `summarize`, `distinct` (no aggregates), `count`. Columns: the keys, then every output
    Aggregate {
        /// Rows
        input: Box<Rel>,
        /// Keys; `columns[i]` is `keys[i]`
        keys: Vec<Expr>,
        /// Aggregates
        aggregates: Vec<Aggregate>,
    },
    /// `sort`
    Sort {
        /// Rows
        input: Box<Rel>,
        /// Keys, first decides
        keys: Vec<SortKey>,
    },
    /// `take`, `limit`; with `Sort` below: `top`
    Limit {
        /// Rows
        input: Box<Rel>,
        /// long, constant or a scalar query
        count: Expr,
    },
    /// `sample`: that many rows by chance
    Sample {
        /// Rows
        input: Box<Rel>,
        /// long
        count: Expr,
    },
    /// `join`. Columns: those of left then right (by their ids); of one side only for semi and anti joins.
    /// `lookup` is this with a projection above. Null keys match null keys. Strings of the side without a match are ''
    Join {
        /// Kind
        kind: JoinKind,
        /// `$left`
        left: Box<Rel>,
        /// `$right`
        right: Box<Rel>,
        /// Equalities, both sides cast to one type
        keys: Vec<(Expr, Expr)>,
    },
    /// `union`: every input has the same number and types of columns as the union itself, in order
    Union {
        /// Tables
        inputs: Vec<Rel>,
    },
    /// `mv-expand`. Columns: those of the input that are not replaced, with the outputs in their places or behind, then the index
    MvExpand {
        /// Rows
        input: Box<Rel>,
        /// Expanded side by side, the shorter padded with null
        items: Vec<ExpandItem>,
        /// `with_itemindex` (long, from 0)
        index: Option<Column>,
        /// Rows of one input row at most
        limit: Option<u64>,
        /// What a bag becomes
        bag: BagExpansion,
    },
    /// `mv-apply`: the body over the expanded rows of each input row. Columns, by their ids: those of the input that no item
    /// replaces, then those of the body that are not the input's own. In the body the expanded rows are
    /// [`RelKind::Outer`], whose columns are those of the input (same ids), the items' outputs and the index
    MvApply {
        /// Rows
        input: Box<Rel>,
        /// Expanded
        items: Vec<ExpandItem>,
        /// Index column
        index: Option<Column>,
        /// Rows of one input row at most
        limit: Option<u64>,
        /// Applied to each input row's expansion
        body: Box<Rel>,
    },
    /// `partition by key (body)`: the body over the rows of each key. In the body the rows are [`RelKind::Outer`]
    Partition {
        /// Rows
        input: Box<Rel>,
        /// Key
        key: Expr,
        /// Applied to the rows of each key
        body: Box<Rel>,
    },
    /// The rows that the surrounding `mv-apply` or `partition` hands to its body
    Outer,
    /// `parse`, `parse-where`. Columns: those of the input that are not replaced, then the outputs
    Parse {
        /// Rows
        input: Box<Rel>,
        /// string
        source: Expr,
        /// Mode
        mode: ParseMode,
        /// Pattern
        pattern: Vec<ParseStep>,
        /// Columns the pattern fills
        outputs: Vec<Column>,
        /// `parse-where`: rows without a match go
        filter: bool,
    },
    /// An operator that is a function of whole relations and has no node of its own. Where an argument is left out, its
    /// place holds a null [`OperatorArg::Value`].
    ///
    /// | name | args, in order |
    /// |---|---|
    /// | `make-series` | Expr axis; Expr (or null) from; Expr (or null) to; Expr step; List of Expr keys; List of List(Aggregate, Expr default); Value bool: the end is included (`in range`); Value bool: `kind=nonempty`. Columns: keys, one dynamic array for each aggregate output, the axis as a dynamic array |
    /// | `top-nested` | for each level List(Expr count or null, Expr key, Expr value for others or null, Aggregate, Value bool ascending). Columns: key and aggregate outputs of each level |
    /// | `scan` | List of Expr partition keys; List of List(Expr column, Expr default) of declared columns; Expr column of `with_match_id` or null; List of steps: List(Name step, Value bool optional, Name `all`/`last`/`none`, Expr condition, List of List(Expr column, Expr value), List of Expr state). A step's state has a column for each column of the input and each declared one: `s1.x` in any expression is that column. Columns: input, declared, match id |
    /// | `reduce` | Expr text; Value threshold; Value characters; Value bool: `kind=source`. Columns: Pattern, Count, Representative; of `kind=source` those of the input, then Pattern |
    /// | `parse-kv` | Expr text; List of List(Name property, Value); List of Expr output columns. Columns: those of the input that are not replaced, then the outputs |
    /// | a plugin of `evaluate` | its arguments: Expr, or List(Name, Expr) for `name=value`. Columns: as declared by `: (schema)` |
    Operator {
        /// Name, e.g. `make-series`, `pivot`
        name: &'static str,
        /// Inputs
        inputs: Vec<Rel>,
        /// Arguments in the operator's own order
        args: Vec<OperatorArg>,
    },
    /// What a graph operator gives of a graph
    Graph {
        /// The graph
        graph: Box<Graph>,
        /// What is asked of it
        query: GraphQuery,
    },
    /// `externaldata`: rows of files outside of the tables
    External(External),
    /// A relation used in several places and computed once (`materialize`)
    Shared {
        /// The same for every use
        id: u32,
        /// The rows; its columns are in the same order as those of this relation (which have ids of their own)
        input: Arc<Rel>,
    },
}

/// Files that `externaldata` reads.
#[derive(Debug, Clone, PartialEq)]
pub struct External {
    /// Addresses, without what stands behind `;` in them
    pub uris: Vec<String>,
    /// `format`, or what the first address ends in; lower case
    pub format: String,
    /// The first line of a file are names
    pub skip_first: bool,
}

/// A graph, as `make-graph` makes it of tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Edges; their columns are the properties of edges
    pub edges: Rel,
    /// The node an edge comes from: its name, then what it is partitioned by
    pub source: Vec<Expr>,
    /// The node an edge goes to
    pub target: Vec<Expr>,
    /// Tables of nodes. What edges name and no table has is a node too
    pub nodes: Vec<GraphNodes>,
    /// Properties of nodes
    pub properties: Vec<Column>,
    /// Positions among `properties` that hold the name of a node (and what it is partitioned by), for nodes that no table has:
    /// position, index into `source`
    pub keys: Vec<(usize, usize)>,
    /// What was done to the graph, in order
    pub steps: Vec<GraphStep>,
}

/// A table of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphNodes {
    /// Rows
    pub rel: Rel,
    /// The name of the node, then what it is partitioned by
    pub key: Vec<Expr>,
    /// For each column of `rel`, which property it is
    pub properties: Vec<usize>,
}

/// A graph made of a graph.
#[derive(Debug, Clone, PartialEq)]
pub enum GraphStep {
    /// `graph-mark-components`: a number for each component, a property of nodes
    Components {
        /// Directions count
        strong: bool,
        /// Position among the properties (long)
        property: usize,
    },
    /// `graph-where-nodes`: over [`Graph::properties`]
    WhereNodes(Expr),
    /// `graph-where-edges`: over the columns of the edges
    WhereEdges(Expr),
}

/// What is asked of a graph.
#[derive(Debug, Clone, PartialEq)]
pub enum GraphQuery {
    /// Its nodes. Columns: the hash of the node's name, when wanted, then its properties
    Nodes {
        /// `with_node_id`
        id: bool,
    },
    /// Its edges. Columns: the hashes of the names of their nodes, as wanted, then their properties
    Edges {
        /// `with_source_id`
        source: bool,
        /// `with_target_id`
        target: bool,
    },
    /// `graph-match`, `graph-shortest-paths`: a row for each occurrence of a pattern. `columns[i]` is `outputs[i]`
    Match(GraphMatch),
}

/// A pattern to look for in a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphMatch {
    /// Its nodes
    pub nodes: Vec<GraphNodePattern>,
    /// Its edges, in the order of the text
    pub edges: Vec<GraphEdgePattern>,
    /// What may come twice
    pub cycles: Cycles,
    /// `graph-shortest-paths`: only the shortest between each pair of ends; `Some(true)`: all that are as short
    pub shortest: Option<bool>,
    /// What is wanted of each occurrence
    pub outputs: Vec<GraphValue>,
}

/// What may come twice in an occurrence of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cycles {
    /// Anything
    All,
    /// Nodes
    UniqueEdges,
    /// Nothing
    None,
}

/// A node of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphNodePattern {
    /// Its properties, then its degrees in and out; ids of its own
    pub columns: Vec<Column>,
    /// Conditions on them
    pub conditions: Vec<Expr>,
}

/// An edge of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphEdgePattern {
    /// Node on its left
    pub from: usize,
    /// Node on its right
    pub to: usize,
    /// Which way it goes
    pub direction: EdgeDirection,
    /// How many edges it stands for
    pub range: Option<(u32, u32)>,
    /// Properties of its edges; ids of its own
    pub columns: Vec<Column>,
    /// Conditions on them, which hold for each edge
    pub conditions: Vec<Expr>,
    /// Properties and degrees of the nodes between its edges; ids of their own
    pub inner_columns: Vec<Column>,
    /// Conditions on them, which hold for each node between
    pub inner_conditions: Vec<Expr>,
}

/// Something of an occurrence of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum GraphValue {
    /// A column of a node of the pattern: node, position
    Node(usize, usize),
    /// A column of an edge of the pattern: edge, position
    Edge(usize, usize),
    /// A value of each edge, or of each node between them, together
    Fold {
        /// Edge of the pattern, of variable length
        edge: usize,
        /// The nodes between its edges
        inner: bool,
        /// What becomes of them
        fold: GraphFold,
        /// Over the edge's columns (its inner ones); dynamic for `map`, else bool
        expr: Expr,
    },
}

/// What becomes of the values along an edge of variable length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFold {
    /// An array (dynamic)
    Map,
    /// All are true (bool)
    All,
    /// One is true (bool)
    Any,
}

impl RelKind {
    /// Whether one of the inputs may have further columns.
    pub(crate) fn inputs_open(&self) -> bool {
        match self {
            RelKind::Table { .. }
            | RelKind::Values(_)
            | RelKind::Unit
            | RelKind::Range { .. }
            | RelKind::Outer
            | RelKind::Graph { .. }
            | RelKind::External(_) => false,
            RelKind::Filter { input, .. }
            | RelKind::Project { input, .. }
            | RelKind::Aggregate { input, .. }
            | RelKind::Sort { input, .. }
            | RelKind::Limit { input, .. }
            | RelKind::Sample { input, .. }
            | RelKind::MvExpand { input, .. }
            | RelKind::Parse { input, .. } => input.open,
            RelKind::MvApply { input, body, .. } | RelKind::Partition { input, body, .. } => input.open || body.open,
            RelKind::Join { left, right, .. } => left.open || right.open,
            RelKind::Union { inputs } | RelKind::Operator { inputs, .. } => inputs.iter().any(|input| input.open),
            RelKind::Shared { input, .. } => input.open,
        }
    }
}

/// An argument of [`RelKind::Operator`].
#[derive(Debug, Clone, PartialEq)]
pub enum OperatorArg {
    /// Expression over the first input
    Expr(Expr),
    /// Constant
    Value(Value),
    /// Sort key
    Sort(SortKey),
    /// Aggregate
    Aggregate(Aggregate),
    /// A name as written
    Name(String),
    /// Several
    List(Vec<OperatorArg>),
}

/// A typed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is
    pub kind: ExprKind,
    /// Its type
    pub ty: Type,
    /// Where in the text
    pub span: Span,
}

/// A step of a path into a dynamic.
#[derive(Debug, Clone, PartialEq)]
pub enum PathStep {
    /// `.member`, `["member"]`
    Key(String),
    /// `[0]`; negative counts from the end
    Index(i64),
    /// `[expression]`: string (member) or long (index)
    Expr(Box<Expr>),
}

/// Kinds of typed expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// Constant
    Literal(Value),
    /// Column of the input
    Column(ColumnId),
    /// Function of the catalogue, scalar or window; arguments are cast to what it takes. Of a function with several results
    /// ([`crate::catalog::Naming::Tuple`]) the value is one dynamic array of all results
    Call {
        /// Name in the catalogue
        function: &'static str,
        /// In order
        args: Vec<Expr>,
    },
    /// Implicit conversion to `ty` of this expression: among the numbers, bool → int or long, string ↔ guid, anything →
    /// dynamic, dynamic → anything, anything → string (of arguments that are read as text).
    /// From dynamic to string it is `tostring()`: text as it is, anything else as JSON text, null as ''. To other types it
    /// gives null when the value is not of that type: `1.5` is no long, `"5"` no number.
    /// Explicit ones (`tostring`, `tolong`) are calls
    Cast(Box<Expr>),
    /// Operator; both sides have one type, except datetime and timespan arithmetic, and timespan by number
    Binary {
        /// Which
        op: BinaryOp,
        /// Left
        left: Box<Expr>,
        /// Right
        right: Box<Expr>,
    },
    /// `-x`
    Negate(Box<Expr>),
    /// `not(x)`
    Not(Box<Expr>),
    /// `iff`, `case`
    Case {
        /// condition, value
        branches: Vec<(Expr, Expr)>,
        /// else
        otherwise: Box<Expr>,
    },
    /// `x in (1, 2)`, `has_any`, `has_all`: a list of expressions, cast to the type of the value; or one dynamic array
    List {
        /// Which
        op: ListOp,
        /// Value
        value: Box<Expr>,
        /// Items
        items: Vec<Expr>,
    },
    /// `x in (tabular)`: compared with the first column
    InRel {
        /// In, NotIn, InTilde, NotInTilde, HasAny or HasAll
        op: ListOp,
        /// Value
        value: Box<Expr>,
        /// Rows of one column
        rel: Arc<Rel>,
    },
    /// `between` is rewritten to comparisons. Path into a dynamic
    Path {
        /// dynamic
        base: Box<Expr>,
        /// At least one step
        steps: Vec<PathStep>,
    },
    /// `toscalar(...)`: first column of the first row; null when there is none
    ScalarQuery(Arc<Rel>),
}

impl Graph {
    /// The relations it is made of.
    pub fn inputs(&self) -> Vec<&Rel> {
        std::iter::once(&self.edges)
            .chain(self.nodes.iter().map(|nodes| &nodes.rel))
            .collect()
    }

    /// Its expressions, and those of what is asked of it.
    pub fn exprs<'a>(&'a self, query: &'a GraphQuery) -> Vec<&'a Expr> {
        let mut all: Vec<&Expr> = self.source.iter().chain(&self.target).collect();
        all.extend(self.nodes.iter().flat_map(|nodes| &nodes.key));
        for step in &self.steps {
            if let GraphStep::WhereNodes(condition) | GraphStep::WhereEdges(condition) = step {
                all.push(condition);
            }
        }
        if let GraphQuery::Match(query) = query {
            all.extend(query.nodes.iter().flat_map(|node| &node.conditions));
            for edge in &query.edges {
                all.extend(edge.conditions.iter().chain(&edge.inner_conditions));
            }
            for output in &query.outputs {
                if let GraphValue::Fold { expr, .. } = output {
                    all.push(expr);
                }
            }
        }
        all
    }
}

impl Expr {
    /// A constant.
    pub fn literal(value: Value, span: Span) -> Expr {
        Expr {
            ty: value.ty(),
            kind: ExprKind::Literal(value),
            span,
        }
    }

    /// A column.
    pub fn column(column: &Column, span: Span) -> Expr {
        Expr {
            kind: ExprKind::Column(column.id),
            ty: column.ty,
            span,
        }
    }

    /// The expressions directly inside of this one, relations excluded.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Column(_) | ExprKind::ScalarQuery(_) => vec![],
            ExprKind::Call { args, .. } => args.iter().collect(),
            ExprKind::Cast(inner) | ExprKind::Negate(inner) | ExprKind::Not(inner) => vec![inner],
            ExprKind::Binary { left, right, .. } => vec![left, right],
            ExprKind::Case { branches, otherwise } => branches
                .iter()
                .flat_map(|(condition, value)| [condition, value])
                .chain([otherwise.as_ref()])
                .collect(),
            ExprKind::List { value, items, .. } => std::iter::once(value.as_ref()).chain(items).collect(),
            ExprKind::InRel { value, .. } => vec![value],
            ExprKind::Path { base, steps } => std::iter::once(base.as_ref())
                .chain(steps.iter().filter_map(|step| match step {
                    PathStep::Expr(expr) => Some(expr.as_ref()),
                    PathStep::Key(_) | PathStep::Index(_) => None,
                }))
                .collect(),
        }
    }

    /// The columns it reads, each as often as it is named.
    pub fn columns(&self) -> Vec<ColumnId> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(expr) = open.pop() {
            if let ExprKind::Column(id) = expr.kind {
                found.push(id);
            }
            open.extend(expr.children());
        }
        found
    }

    /// What is joined by `and`, each part by itself.
    pub fn conjuncts(self) -> Vec<Expr> {
        match self.kind {
            ExprKind::Binary {
                op: BinaryOp::And,
                left,
                right,
            } => {
                let mut parts = left.conjuncts();
                parts.extend(right.conjuncts());
                parts
            }
            _ => vec![self],
        }
    }

    /// The constant this is, if it is one.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.kind {
            ExprKind::Literal(value) => Some(value),
            _ => None,
        }
    }
}
