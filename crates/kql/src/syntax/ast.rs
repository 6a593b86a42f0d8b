//! The tree the parser makes: what was written, before anything is known about names and types.
//!
//! Scalar and tabular expressions share one [`Expr`], because the language does not tell them apart by
//! syntax (`let x = 5; let t = T | count;`). The binder decides.

use crate::diagnostic::Span;
use crate::types::{Type, Value};

/// A whole query: statements separated by `;`.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// In order; the last expression statement is the answer
    pub statements: Vec<Statement>,
}

/// A name as written; brackets and quotes (`['my column']`) are gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// Text without quoting
    pub text: String,
    /// Where
    pub span: Span,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What it is
    pub kind: StatementKind,
    /// Where
    pub span: Span,
}

/// Kinds of statement.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `let name = expression`
    Let {
        /** bound name */
        name: Name,
        /** value */
        value: Expr,
    },
    /// `let name = (parameters) { body }`
    LetFunction {
        /** bound name */
        name: Name,
        /** `view (...)`: wildcards of `union` and its like find it */
        view: bool,
        /** parameters */
        parameters: Vec<Parameter>,
        /** body */
        body: Box<Query>,
    },
    /// `set option [= value]`
    Set {
        /** option */
        name: Name,
        /** value */
        value: Option<Expr>,
    },
    /// `declare query_parameters(name:type [= default], ...)`
    DeclareParameters(Vec<Parameter>),
    /// `declare pattern name = (argument: string)[path: string] { ("value").["path"] = { query }; }`
    DeclarePattern(Pattern),
    /// `alias database name = cluster("x").database("y")`
    AliasDatabase {
        /** the other name */
        name: Name,
        /** what it stands for */
        target: Expr,
    },
    /// `restrict access to (tables)`
    RestrictAccess {
        /** what may still be named */
        entities: Vec<Expr>,
    },
    /// An expression: the answer
    Expression(Expr),
}

/// A pattern: tuples of texts and the query that each stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Name
    pub name: Name,
    /// Arguments
    pub arguments: Vec<(Name, Type)>,
    /// `[path: string]`
    pub path: Option<(Name, Type)>,
    /// Empty when the pattern is only declared
    pub cases: Vec<PatternCase>,
}

/// One tuple of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct PatternCase {
    /// Values of the arguments
    pub values: Vec<Expr>,
    /// Value of the path
    pub path: Option<Expr>,
    /// What it stands for
    pub body: Box<Query>,
}

/// A parameter of a function or query.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name
    pub name: Name,
    /// Type
    pub ty: ParameterType,
    /// `= default`
    pub default: Option<Expr>,
}

/// The type of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterType {
    /// `x: long`
    Scalar(Type),
    /// `T: (a: long, b: string)`; `(*)` is an empty list with `open`
    Table {
        /** named columns */
        columns: Vec<(Name, Type)>,
        /** further columns allowed */
        open: bool,
    },
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is
    pub kind: ExprKind,
    /// Where
    pub span: Span,
}

/// Binary operators of scalar expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the language's own")]
pub enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    EqualTilde,
    NotEqualTilde,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Has,
    NotHas,
    HasCs,
    NotHasCs,
    HasPrefix,
    NotHasPrefix,
    HasPrefixCs,
    NotHasPrefixCs,
    HasSuffix,
    NotHasSuffix,
    HasSuffixCs,
    NotHasSuffixCs,
    Contains,
    NotContains,
    ContainsCs,
    NotContainsCs,
    StartsWith,
    NotStartsWith,
    StartsWithCs,
    NotStartsWithCs,
    EndsWith,
    NotEndsWith,
    EndsWithCs,
    NotEndsWithCs,
    MatchesRegex,
    /// `:` inside `search`
    Colon,
}

/// Operators with a list on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the language's own")]
pub enum ListOp {
    In,
    NotIn,
    InTilde,
    NotInTilde,
    HasAny,
    HasAll,
}

/// An argument of a call, perhaps named (`format=json`, `withsource=T`).
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// `name =`
    pub name: Option<Name>,
    /// Value
    pub value: Expr,
}

/// Kinds of expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A constant; `dynamic(...)` too
    Literal(Value),
    /// A column, table, variable
    Name(String),
    /// `*`
    Star,
    /// A name with wildcards: `Kube*`, `*_s`
    Wildcard(String),
    /// `base.member`, also `base.["member"]`
    Member {
        /** of */
        base: Box<Expr>,
        /** which */
        member: Name,
    },
    /// `base[index]`, also `base.[index]`
    Element {
        /** of */
        base: Box<Expr>,
        /** which */
        index: Box<Expr>,
    },
    /// `name(arguments)`
    Call {
        /** function */
        name: Name,
        /** in order */
        arguments: Vec<Argument>,
    },
    /// `base.name(arguments)`: `cluster('c').database('d')`
    MethodCall {
        /** of */
        base: Box<Expr>,
        /** function */
        name: Name,
        /** in order */
        arguments: Vec<Argument>,
    },
    /// `-x`
    Negate(Box<Expr>),
    /// `+x`
    Plus(Box<Expr>),
    /// `not` is a function in KQL; this does not exist as an operator. `left op right`
    Binary {
        /** operator */
        op: BinaryOp,
        /** left */
        left: Box<Expr>,
        /** right */
        right: Box<Expr>,
    },
    /// `left between (low .. high)`
    Between {
        /** value */
        value: Box<Expr>,
        /** from */
        low: Box<Expr>,
        /** to */
        high: Box<Expr>,
        /** `!between` */
        negated: bool,
    },
    /// `left in (a, b)`, `left in (T | project x)`
    List {
        /** operator */
        op: ListOp,
        /** value */
        value: Box<Expr>,
        /** list; one tabular expression allowed */
        items: Vec<Expr>,
    },
    /// `toscalar(tabular)`, `materialize(tabular)`, `totable(...)` are calls; see [`ExprKind::Call`]
    /// `source | operator | operator`; `None` where the input is implied (`(take 1)` in `fork`, `partition`, `mv-apply`)
    Pipe {
        /** first */
        source: Option<Box<Expr>>,
        /** then */
        operators: Vec<Operator>,
    },
    /// `datatable(a: long) [1, 2]`
    DataTable {
        /** schema */
        columns: Vec<(Name, Type)>,
        /** row by row */
        values: Vec<Expr>,
    },
    /// `externaldata(a: string) [uri] with (...)`
    ExternalData {
        /** schema */
        columns: Vec<(Name, Type)>,
        /** addresses */
        uris: Vec<Expr>,
        /** properties */
        properties: Vec<(Name, Expr)>,
    },
    /// Tabular expressions that can stand at the start of a pipe: `print`, `range`, `union`, `search`, `find`, `evaluate`
    Source(Box<Operator>),
    /// `(a, b)` left of `=` in `extend (a, b) = f()`: only there
    NameTuple(Vec<Name>),
}

/// A tabular operator after a pipe (or at the start).
#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    /// Which
    pub kind: OperatorKind,
    /// `hint.strategy=shuffle`, `kind=inner`, `withsource=T`, `isfuzzy=true`, `with_itemindex=i`, `decodeblocks=..`: in order, as written
    pub properties: Vec<(Name, Expr)>,
    /// The keyword
    pub keyword: Span,
    /// All of it
    pub span: Span,
}

impl Operator {
    /// The property of that name, if given.
    pub fn property(&self, name: &str) -> Option<&Expr> {
        self.properties.iter().find(|(n, _)| n.text == name).map(|(_, value)| value)
    }
}

/// `name = expression`, or only the expression.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedExpr {
    /// Names left of `=`; empty when none; several for `(a, b) = f()`
    pub names: Vec<Name>,
    /// Value
    pub value: Expr,
}

/// A sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// What
    pub expr: NamedExpr,
    /// `asc` or `desc`; `None` when not written (descending)
    pub ascending: Option<bool>,
    /// `nulls first`, `nulls last`; `None` when not written
    pub nulls_first: Option<bool>,
}

/// A step of a `parse` pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseStep {
    /// `*`
    Skip,
    /// `"text"` (in `kind=regex`: a pattern)
    Text(String, Span),
    /// `column [: type]`
    Column(Name, Option<Type>),
}

/// One item of `mv-expand` and `mv-apply`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpandItem {
    /// `name = expression`
    pub expr: NamedExpr,
    /// `to typeof(type)`
    pub to: Option<Type>,
}

/// One aggregate of `make-series`.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesItem {
    /// `name = aggregate`
    pub expr: NamedExpr,
    /// `default = value`
    pub default: Option<Expr>,
}

/// One step of `scan`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanStep {
    /// Name
    pub name: Name,
    /// `optional`
    pub optional: bool,
    /// `output = all | last | none`
    pub output: Option<Name>,
    /// `: condition`
    pub condition: Expr,
    /// `=> a = x, b = y`
    pub assignments: Vec<(Name, Expr)>,
}

/// One level of `top-nested`.
#[derive(Debug, Clone, PartialEq)]
pub struct TopNestedLevel {
    /// how many; `None`: all
    pub count: Option<Expr>,
    /// `of` what
    pub of: NamedExpr,
    /// `with others = value`
    pub others: Option<Expr>,
    /// `by` aggregate
    pub by: NamedExpr,
    /// `asc`/`desc`
    pub ascending: Option<bool>,
}

/// How `join` and `lookup` match.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinKey {
    /// `on Name`
    Name(Name),
    /// `on $left.a == $right.b`, or any expression
    Expr(Expr),
}

/// Column of `project-reorder`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReorderItem {
    /// Name or wildcard
    pub pattern: Name,
    /// `asc`, `desc`, `granny-asc`, `granny-desc`
    pub order: Option<String>,
}

/// A node of a graph pattern: `(name)`, `()`.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphNode {
    /// Its variable
    pub name: Option<Name>,
    /// Where
    pub span: Span,
}

/// Which way an edge of a graph pattern goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeDirection {
    /// `-[e]->`
    Right,
    /// `<-[e]-`
    Left,
    /// `-[e]-`
    Any,
}

/// An edge of a graph pattern: `-[name*1..3]->`, `-->`.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphEdge {
    /// Its variable
    pub name: Option<Name>,
    /// Which way
    pub direction: EdgeDirection,
    /// `*1..3`: how many edges
    pub range: Option<(Expr, Expr)>,
    /// Where
    pub span: Span,
}

/// One sequence of a graph pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphPath {
    /// Where it starts
    pub first: GraphNode,
    /// Edges and the nodes they lead to
    pub steps: Vec<(GraphEdge, GraphNode)>,
}

/// A table that `graph-to-table` gives.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphTable {
    /// `edges`, not `nodes`
    pub edges: bool,
    /// `as name`
    pub name: Option<Name>,
    /// `with_node_id=...`
    pub properties: Vec<(Name, Expr)>,
}

/// Kinds of tabular operator. Fields follow the reference's syntax.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names are the language's own")]
#[allow(clippy::large_enum_variant, reason = "a query has few operators, and they live in vectors")]
pub enum OperatorKind {
    As {
        name: Name,
    },
    Consume,
    Count {
        name: Option<Name>,
    },
    Distinct {
        items: Vec<NamedExpr>,
    },
    Evaluate {
        call: Box<Expr>,
        schema: Option<Vec<(Name, Type)>>,
    },
    Extend {
        items: Vec<NamedExpr>,
    },
    Facet {
        by: Vec<Name>,
        with: Option<Box<Expr>>,
    },
    Find {
        r#in: Vec<Expr>,
        predicate: Option<Box<Expr>>,
        project: Vec<(Name, Option<Type>)>,
        project_smart: bool,
    },
    Fork {
        branches: Vec<(Option<Name>, Expr)>,
    },
    GetSchema,
    GraphMarkComponents,
    GraphMatch {
        paths: Vec<GraphPath>,
        predicate: Option<Expr>,
        project: Vec<NamedExpr>,
    },
    GraphShortestPaths {
        path: GraphPath,
        predicate: Option<Expr>,
        project: Vec<NamedExpr>,
    },
    GraphToTable {
        tables: Vec<GraphTable>,
    },
    /// `graph-where-nodes`, `graph-where-edges`
    GraphWhere {
        edges: bool,
        predicate: Expr,
    },
    Invoke {
        call: Box<Expr>,
    },
    Join {
        right: Box<Expr>,
        on: Vec<JoinKey>,
    },
    Lookup {
        right: Box<Expr>,
        on: Vec<JoinKey>,
    },
    /// `with_node_id` is a property
    MakeGraph {
        source: Name,
        target: Name,
        nodes: Vec<(Expr, Name)>,
        /// `partitioned-by column (body)`
        partition: Option<(Name, Box<Expr>)>,
    },
    MakeSeries {
        items: Vec<SeriesItem>,
        on: Option<NamedExpr>,
        from: Option<Expr>,
        to: Option<Expr>,
        step: Option<Expr>,
        in_range: Option<(Expr, Expr, Expr)>,
        by: Vec<NamedExpr>,
    },
    MvApply {
        items: Vec<ExpandItem>,
        limit: Option<Expr>,
        id: Option<Name>,
        body: Box<Expr>,
    },
    MvExpand {
        items: Vec<ExpandItem>,
        limit: Option<Expr>,
    },
    Parse {
        source: Expr,
        pattern: Vec<ParseStep>,
        filter: bool,
    },
    ParseKv {
        source: Expr,
        columns: Vec<(Name, Type)>,
    },
    /// `(operators)` on the rows of each key, or `{query}` for each key
    Partition {
        by: Name,
        braces: bool,
        body: Box<Expr>,
    },
    Print {
        items: Vec<NamedExpr>,
    },
    Project {
        items: Vec<NamedExpr>,
    },
    ProjectAway {
        patterns: Vec<Name>,
    },
    ProjectKeep {
        patterns: Vec<Name>,
    },
    ProjectRename {
        items: Vec<(Name, Name)>,
    },
    ProjectReorder {
        items: Vec<ReorderItem>,
    },
    ProjectByNames {
        items: Vec<Expr>,
    },
    Range {
        column: Name,
        from: Expr,
        to: Expr,
        step: Expr,
    },
    Reduce {
        by: NamedExpr,
    },
    Render {
        chart: Name,
    },
    Sample {
        count: Expr,
    },
    SampleDistinct {
        count: Expr,
        of: NamedExpr,
    },
    Scan {
        partition_by: Vec<Expr>,
        declare: Vec<(Name, Type, Option<Expr>)>,
        match_id: Option<Name>,
        steps: Vec<ScanStep>,
    },
    Search {
        r#in: Vec<Expr>,
        predicate: Box<Expr>,
    },
    Serialize {
        items: Vec<NamedExpr>,
    },
    Sort {
        keys: Vec<SortKey>,
    },
    Summarize {
        aggregates: Vec<NamedExpr>,
        by: Vec<NamedExpr>,
    },
    Take {
        count: Expr,
    },
    Top {
        count: Expr,
        by: Vec<SortKey>,
    },
    TopHitters {
        count: Expr,
        of: NamedExpr,
        by: Option<NamedExpr>,
    },
    TopNested {
        levels: Vec<TopNestedLevel>,
    },
    /// Items are tables, wildcards or parenthesised pipes; the piped input comes first and is not among them
    Union {
        items: Vec<Expr>,
    },
    Where {
        predicate: Expr,
    },
    /// An operator of Kusto's analyser that its reference does not describe: refused by name
    Unsupported {
        name: String,
    },
}
