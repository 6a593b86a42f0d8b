//! Graphs: `make-graph`, the operators that change a graph, and those that make a table of it.
//!
//! A graph is no table: it lives between two pipes, or behind a name. What is asked of it becomes one relation,
//! [`RelKind::Graph`]; `where` and `project` of `graph-match` are a filter and a projection above it, except conditions on one
//! node or one edge, which the search itself needs to be fast.
//!
//! Source: Kusto Query Language reference, "Graph operators" and "Graph functions".

use std::cell::RefCell;
use std::collections::HashSet;

use super::expr::Ctx;
use super::project::Numbering;
use super::typing::cast;
use super::{Binder, Bound, Reported, Scope, suggest};
use crate::bound::{
    BoundTable, Column, ColumnId, Cycles, Expr, ExprKind, Graph, GraphEdgePattern, GraphFold, GraphMatch, GraphNodePattern, GraphNodes,
    GraphQuery, GraphStep, GraphValue, Rel, RelKind,
};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, ExprKind as Ast, OperatorKind as Op};
use crate::types::{Type, Value};

/// The property that nodes have when nothing says how theirs is called.
const NODE_ID: &str = "node_id";
/// Hidden columns of nodes: how many edges come in and go out.
const DEGREES: [&str; 2] = ["$in", "$out"];
/// Edges that one edge of variable length may stand for.
const MAX_LENGTH: i64 = 1000;

/// The variables of a pattern, for the functions that only stand in graph queries.
pub(crate) struct GraphScope {
    nodes: Vec<(Option<String>, GraphNodePattern)>,
    edges: Vec<(Option<String>, GraphEdgePattern)>,
    /// Results of `map`, `all` and `any` found so far
    folds: RefCell<Vec<(Column, GraphValue)>>,
}

impl GraphScope {
    fn long_edge(&self, name: &str) -> Option<(usize, &GraphEdgePattern)> {
        self.edges
            .iter()
            .enumerate()
            .find(|(_, (known, edge))| known.as_deref() == Some(name) && edge.range.is_some())
            .map(|(index, (_, edge))| (index, edge))
    }
}

impl Binder<'_> {
    /// Whether an operator works on a graph.
    pub(crate) fn wants_graph(operator: &ast::Operator) -> bool {
        matches!(
            operator.kind,
            Op::GraphMarkComponents
                | Op::GraphMatch { .. }
                | Op::GraphShortestPaths { .. }
                | Op::GraphToTable { .. }
                | Op::GraphWhere { .. }
        )
    }

    /// Whether an operator gives a graph.
    pub(crate) fn gives_graph(operator: &ast::Operator) -> bool {
        matches!(
            operator.kind,
            Op::MakeGraph { partition: None, .. } | Op::GraphMarkComponents | Op::GraphWhere { .. }
        )
    }

    /// `make-graph`, without what stands behind `partitioned-by`.
    pub(crate) fn make_graph(&mut self, operator: &ast::Operator, edges: Rel, scope: &Scope) -> Bound<Graph> {
        let Op::MakeGraph {
            source,
            target,
            nodes,
            partition,
        } = &operator.kind
        else {
            return Err(Reported);
        };
        let by = partition.as_ref().map(|(by, _)| by);
        let mut source_key = vec![self.graph_key(source, &edges, scope)?];
        let mut target_key = vec![self.graph_key(target, &edges, scope)?];
        let id_type = source_key.first().map_or(Type::String, |key| key.ty);
        for key in &target_key {
            self.same_id(id_type, key.ty, target.span)?;
        }
        if let Some(by) = by {
            let key = self.graph_key(by, &edges, scope)?;
            source_key.push(key.clone());
            target_key.push(key);
        }
        let mut properties: Vec<Column> = Vec::new();
        let mut keys = Vec::new();
        let mut tables = Vec::with_capacity(nodes.len());
        for (table, id) in nodes {
            let rel = self.tabular(table, scope)?;
            let mut key = vec![self.graph_key(id, &rel, scope)?];
            for key in &key {
                self.same_id(id_type, key.ty, id.span)?;
            }
            if let Some(by) = by {
                key.push(self.graph_key(by, &rel, scope)?);
            }
            let mut positions = Vec::with_capacity(rel.columns.len());
            for column in &rel.columns {
                let known = properties
                    .iter()
                    .position(|known| known.name == column.name && known.ty == column.ty);
                let position = match known {
                    Some(position) => position,
                    None => {
                        let name = super::naming::unique(&column.name, properties.iter());
                        properties.push(self.column(name, column.ty));
                        properties.len() - 1
                    }
                };
                for (part, expr) in key.iter().enumerate() {
                    let is_key = matches!(expr.kind, ExprKind::Column(of) if of == column.id);
                    if is_key && !keys.contains(&(position, part)) {
                        keys.push((position, part));
                    }
                }
                positions.push(position);
            }
            tables.push(GraphNodes {
                rel,
                key,
                properties: positions,
            });
        }
        if nodes.is_empty() {
            let name = match operator.property("with_node_id") {
                Some(name) => self.word(name, scope, "with_node_id")?,
                None => NODE_ID.to_owned(),
            };
            properties.push(self.column(name, id_type));
            keys.push((0, 0));
            if let (Some(by), Some(key)) = (by, source_key.get(1)) {
                properties.push(self.column(by.text.clone(), key.ty));
                keys.push((1, 1));
            }
        }
        Ok(Graph {
            edges,
            source: source_key,
            target: target_key,
            nodes: tables,
            properties,
            keys,
            steps: Vec::new(),
        })
    }

    fn graph_key(&mut self, name: &ast::Name, rel: &Rel, scope: &Scope) -> Bound<Expr> {
        let ctx = Ctx::row(scope, rel);
        match ctx.find(&name.text) {
            Some(column) => {
                let key = self.column_use(column, name.span)?;
                self.group_key(key)
            }
            None => Err(self.unknown_column(&name.text, name.span, &ctx)),
        }
    }

    fn same_id(&mut self, one: Type, other: Type, span: Span) -> Bound<()> {
        if one == other {
            return Ok(());
        }
        self.error(
            Code::Type,
            span,
            format!("names of nodes are of one type: the source of the edges is of type {one}, and this is of type {other}"),
        )
    }

    /// An operator that gives a graph again.
    pub(crate) fn graph_step(&mut self, operator: &ast::Operator, mut graph: Graph, scope: &Scope) -> Bound<Graph> {
        match &operator.kind {
            Op::GraphMarkComponents => {
                let strong = match operator.property("kind") {
                    Some(kind) => match self.word(kind, scope, "the kind of component")?.as_str() {
                        "weak" => false,
                        "strong" => true,
                        other => {
                            let problem = suggest::unknown("kind of component", other, kind.span, ["weak", "strong"]);
                            return Err(self.report(problem));
                        }
                    },
                    None => false,
                };
                let name = match operator.property("with_component_id") {
                    Some(name) => self.word(name, scope, "with_component_id")?,
                    None => "ComponentId".to_owned(),
                };
                if graph.properties.iter().any(|property| property.name == name) {
                    return self.error(
                        Code::Semantic,
                        operator.span,
                        format!("nodes have a property '{name}' already: give another name with with_component_id"),
                    );
                }
                graph.properties.push(self.column(name, Type::Long));
                graph.steps.push(GraphStep::Components {
                    strong,
                    property: graph.properties.len() - 1,
                });
            }
            Op::GraphWhere { edges, predicate } => {
                let columns = if *edges { &graph.edges.columns } else { &graph.properties };
                let ctx = Ctx {
                    columns,
                    ..Ctx::constant(scope)
                };
                let condition = self.expr(predicate, &ctx)?;
                let condition = self.condition(condition)?;
                graph.steps.push(if *edges {
                    GraphStep::WhereEdges(condition)
                } else {
                    GraphStep::WhereNodes(condition)
                });
            }
            _ => return Err(Reported),
        }
        Ok(graph)
    }

    /// An operator that gives a table of a graph.
    pub(crate) fn graph_table(&mut self, operator: &ast::Operator, graph: Graph, scope: &mut Scope) -> Bound<Rel> {
        match &operator.kind {
            Op::GraphMatch { paths, predicate, project } => {
                let cycles = match operator.property("cycles") {
                    Some(value) => match self.word(value, scope, "cycles")?.as_str() {
                        "all" => Cycles::All,
                        "none" => Cycles::None,
                        "unique_edges" => Cycles::UniqueEdges,
                        other => {
                            let problem = suggest::unknown("kind of cycles", other, value.span, ["all", "none", "unique_edges"]);
                            return Err(self.report(problem));
                        }
                    },
                    None => Cycles::UniqueEdges,
                };
                let clauses = (predicate.as_ref(), project.as_slice());
                self.graph_match(operator, paths, clauses, (cycles, None), graph, scope)
            }
            Op::GraphShortestPaths { path, predicate, project } => {
                let all = match operator.property("output") {
                    Some(value) => match self.word(value, scope, "output")?.as_str() {
                        "any" => false,
                        "all" => true,
                        other => {
                            let problem = suggest::unknown("output", other, value.span, ["any", "all"]);
                            return Err(self.report(problem));
                        }
                    },
                    None => false,
                };
                if !path.steps.iter().any(|(edge, _)| edge.range.is_some()) {
                    return self.error(
                        Code::Semantic,
                        path.first.span,
                        "the path has no edge of variable length: write one as -[e*1..5]->",
                    );
                }
                let clauses = (predicate.as_ref(), project.as_slice());
                let paths = std::slice::from_ref(path);
                self.graph_match(operator, paths, clauses, (Cycles::All, Some(all)), graph, scope)
            }
            Op::GraphToTable { tables } => match tables.as_slice() {
                [table] => {
                    let rel = self.graph_export(table, graph, operator.span, scope)?;
                    if let Some(name) = &table.name {
                        self.name_table(name, &rel, scope);
                    }
                    Ok(rel)
                }
                _ => {
                    let problem = Diagnostic::error(
                        Code::Semantic,
                        operator.span,
                        "graph-to-table of several tables stands at the end of a statement",
                    )
                    .with_help("name the tables with 'as' and use the names in the next statement");
                    Err(self.report(problem))
                }
            },
            _ => self.error(
                Code::Syntax,
                operator.keyword,
                "this operator works on a table, and in front of it is a graph",
            ),
        }
    }

    /// All tables of a `graph-to-table`, and their names for the statements behind it.
    pub(crate) fn graph_tables(
        &mut self,
        tables: &[ast::GraphTable],
        graph: &Graph,
        span: Span,
        scope: &mut Scope,
    ) -> Bound<Vec<BoundTable>> {
        let mut bound = Vec::with_capacity(tables.len());
        for table in tables {
            let copy = self.fresh_graph(graph);
            let rel = self.graph_export(table, copy, span, scope)?;
            if let Some(name) = &table.name {
                self.name_table(name, &rel, scope);
            }
            bound.push(BoundTable {
                name: table.name.as_ref().map(|name| name.text.clone()),
                rel,
                visualization: None,
            });
        }
        Ok(bound)
    }

    fn graph_export(&mut self, table: &ast::GraphTable, graph: Graph, span: Span, scope: &Scope) -> Bound<Rel> {
        let known: &[&str] = if table.edges {
            &["with_source_id", "with_target_id"]
        } else {
            &["with_node_id"]
        };
        let mut columns = Vec::new();
        let mut given = [false, false];
        for (position, name) in known.iter().enumerate() {
            if let Some((_, value)) = table.properties.iter().find(|(property, _)| property.text == *name) {
                let name = self.word(value, scope, name)?;
                columns.push(self.column(name, Type::Long));
                if let Some(slot) = given.get_mut(position) {
                    *slot = true;
                }
            }
        }
        if let Some((name, _)) = table
            .properties
            .iter()
            .find(|(property, _)| !known.contains(&property.text.as_str()))
        {
            let problem = suggest::unknown("property", &name.text, name.span, known.iter().copied());
            return Err(self.report(problem));
        }
        let [source, target] = given;
        let (properties, query) = if table.edges {
            (&graph.edges.columns, GraphQuery::Edges { source, target })
        } else {
            (&graph.properties, GraphQuery::Nodes { id: source })
        };
        let copies: Vec<Column> = properties
            .iter()
            .map(|column| self.column(column.name.clone(), column.ty))
            .collect();
        for column in copies {
            let name = super::naming::unique(&column.name, columns.iter());
            columns.push(Column { name, ..column });
        }
        let kind = RelKind::Graph {
            graph: Box::new(graph),
            query,
        };
        Ok(self.rel(kind, columns, false, span))
    }

    /// The pattern of a query, its condition and what it shows of each occurrence.
    fn graph_match(
        &mut self,
        operator: &ast::Operator,
        paths: &[ast::GraphPath],
        (predicate, project): (Option<&ast::Expr>, &[ast::NamedExpr]),
        (cycles, shortest): (Cycles, Option<bool>),
        graph: Graph,
        scope: &Scope,
    ) -> Bound<Rel> {
        if project.is_empty() {
            let problem = Diagnostic::error(Code::Syntax, operator.keyword, "this does not say what to show of each occurrence")
                .with_help("end it in 'project', e.g. 'project from = a.name, to = b.name'");
            return Err(self.report(problem));
        }
        let pattern = self.graph_pattern(paths, &graph, scope)?;
        let single = |(name, edge): &(Option<String>, GraphEdgePattern)| match (name, edge.range) {
            (Some(name), None) => Some((name.clone(), edge.columns.clone())),
            _ => None,
        };
        let variables: Vec<(String, Vec<Column>)> = pattern
            .nodes
            .iter()
            .filter_map(|(name, node)| name.clone().map(|name| (name, node.columns.clone())))
            .chain(pattern.edges.iter().filter_map(single))
            .collect();
        let ctx = Ctx {
            steps: &variables,
            graph: Some(&pattern),
            ..Ctx::constant(scope)
        };
        let condition = match predicate {
            Some(predicate) => {
                let condition = self.expr(predicate, &ctx).and_then(|condition| self.condition(condition));
                Some(condition)
            }
            None => None,
        };
        let items = self.items(project, &ctx);
        let condition = condition.transpose()?;
        let mut pattern = pattern;
        let rest = condition.into_iter().flat_map(Expr::conjuncts).collect::<Vec<_>>();
        let rest: Vec<Expr> = rest.into_iter().filter_map(|part| push_down(part, &mut pattern)).collect();
        let mut used: HashSet<ColumnId> = rest.iter().flat_map(Expr::columns).collect();
        for item in &items {
            if let Ok(value) = &item.value {
                used.extend(value.columns());
            }
        }
        let (columns, outputs) = outputs(&pattern, &used);
        let query = GraphMatch {
            nodes: pattern.nodes.into_iter().map(|(_, node)| node).collect(),
            edges: pattern.edges.into_iter().map(|(_, edge)| edge).collect(),
            cycles,
            shortest,
            outputs,
        };
        let kind = RelKind::Graph {
            graph: Box::new(graph),
            query: GraphQuery::Match(query),
        };
        let mut rel = self.rel(kind, columns, false, operator.span);
        for part in rest {
            rel = self.filtered(part, rel, operator.span);
        }
        self.projected(items, rel, operator.span, Numbering::Column)
    }

    fn graph_pattern(&mut self, paths: &[ast::GraphPath], graph: &Graph, scope: &Scope) -> Bound<GraphScope> {
        let mut pattern = GraphScope {
            nodes: Vec::new(),
            edges: Vec::new(),
            folds: RefCell::new(Vec::new()),
        };
        for path in paths {
            let mut from = self.pattern_node(&path.first, &mut pattern, graph)?;
            for (edge, node) in &path.steps {
                let to = self.pattern_node(node, &mut pattern, graph)?;
                self.pattern_edge(edge, (from, to), &mut pattern, graph, scope)?;
                from = to;
            }
        }
        // What is not connected would be every combination of its parts.
        let mut reached = vec![false; pattern.nodes.len()];
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            if let Some(seen) = reached.get_mut(node).filter(|seen| !**seen) {
                *seen = true;
                for (_, edge) in &pattern.edges {
                    if edge.from == node {
                        open.push(edge.to);
                    }
                    if edge.to == node {
                        open.push(edge.from);
                    }
                }
            }
        }
        if reached.contains(&false) {
            let span = paths.first().map_or(Span::default(), |path| path.first.span);
            return self.error(
                Code::Semantic,
                span,
                "the sequences of the pattern have no node in common: name one that connects them",
            );
        }
        Ok(pattern)
    }

    /// Properties and degrees of nodes, with ids of their own.
    fn node_columns(&mut self, graph: &Graph) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::with_capacity(graph.properties.len() + 2);
        for property in &graph.properties {
            columns.push(self.column(property.name.clone(), property.ty));
        }
        for degree in DEGREES {
            columns.push(self.column(degree, Type::Long));
        }
        columns
    }

    fn pattern_node(&mut self, node: &ast::GraphNode, pattern: &mut GraphScope, graph: &Graph) -> Bound<usize> {
        let name = node.name.as_ref().map(|name| name.text.clone());
        if name.is_some() {
            if let Some(known) = pattern.nodes.iter().position(|(other, _)| *other == name) {
                return Ok(known);
            }
            if pattern.edges.iter().any(|(other, _)| *other == name) {
                let name = name.unwrap_or_default();
                return self.error(Code::Semantic, node.span, format!("'{name}' is an edge of the pattern already"));
            }
        }
        let columns = self.node_columns(graph);
        pattern.nodes.push((
            name,
            GraphNodePattern {
                columns,
                conditions: Vec::new(),
            },
        ));
        Ok(pattern.nodes.len() - 1)
    }

    fn pattern_edge(
        &mut self,
        edge: &ast::GraphEdge,
        (from, to): (usize, usize),
        pattern: &mut GraphScope,
        graph: &Graph,
        scope: &Scope,
    ) -> Bound<()> {
        let name = edge.name.as_ref().map(|name| name.text.clone());
        let taken = |other: &Option<String>| name.is_some() && *other == name;
        if pattern.edges.iter().any(|(other, _)| taken(other)) || pattern.nodes.iter().any(|(other, _)| taken(other)) {
            let name = name.unwrap_or_default();
            return self.error(
                Code::Semantic,
                edge.span,
                format!("the pattern has two elements '{name}', and an edge is named once"),
            );
        }
        let range = match &edge.range {
            Some((least, most)) => {
                let least = self.edge_count(least, scope)?;
                let most_count = self.edge_count(most, scope)?;
                if most_count < least {
                    return self.error(Code::Semantic, most.span, "the most edges are fewer than the least");
                }
                Some((least, most_count))
            }
            None => None,
        };
        let columns = graph
            .edges
            .columns
            .iter()
            .map(|column| self.column(column.name.clone(), column.ty))
            .collect();
        let inner_columns = if range.is_some() { self.node_columns(graph) } else { Vec::new() };
        pattern.edges.push((
            name,
            GraphEdgePattern {
                from,
                to,
                direction: edge.direction,
                range,
                columns,
                conditions: Vec::new(),
                inner_columns,
                inner_conditions: Vec::new(),
            },
        ));
        Ok(())
    }

    fn edge_count(&mut self, count: &ast::Expr, scope: &Scope) -> Bound<u32> {
        let value = match self.constant(count, scope, "a number of edges")? {
            Value::Long(value) => value,
            Value::Int(value) => i64::from(value),
            _ => -1,
        };
        match u32::try_from(value) {
            Ok(value) if i64::from(value) <= MAX_LENGTH => Ok(value),
            _ => self.error(
                Code::Arguments,
                count.span,
                format!("a number of edges is a whole number from 0 to {MAX_LENGTH}"),
            ),
        }
    }

    /// The functions of graph queries; `None` when the name is none of them.
    pub(crate) fn graph_call(
        &mut self,
        name: &ast::Name,
        arguments: &[ast::Argument],
        span: Span,
        ctx: &Ctx<'_>,
        graph: &GraphScope,
    ) -> Option<Bound<Expr>> {
        let fold = match name.text.as_str() {
            "map" => GraphFold::Map,
            "all" => GraphFold::All,
            "any" => GraphFold::Any,
            "node_degree_in" => return Some(self.node_degree(0, name, arguments, span, ctx)),
            "node_degree_out" => return Some(self.node_degree(1, name, arguments, span, ctx)),
            "labels" => {
                // Labels come from stored graph models; a graph of `make-graph` has none.
                return Some(Ok(Expr::literal(Value::Dynamic("[]".to_owned()), self.place(span))));
            }
            "inner_nodes" => {
                let problem = Diagnostic::error(
                    Code::Semantic,
                    name.span,
                    "inner_nodes() can stand only as the first argument of map(), all() and any()",
                );
                return Some(Err(self.report(problem)));
            }
            _ => return None,
        };
        Some(self.graph_fold(fold, name, arguments, span, ctx, graph))
    }

    fn node_degree(&mut self, which: usize, name: &ast::Name, arguments: &[ast::Argument], span: Span, ctx: &Ctx<'_>) -> Bound<Expr> {
        let degree = DEGREES.get(which).copied().unwrap_or_default();
        let columns = match arguments {
            [] => Some(ctx.columns),
            [node] => match &node.value.kind {
                Ast::Name(node) => ctx
                    .steps
                    .iter()
                    .find(|(known, _)| known == node)
                    .map(|(_, columns)| columns.as_slice()),
                _ => None,
            },
            _ => None,
        };
        match columns.and_then(|columns| columns.iter().find(|column| column.name == degree)) {
            Some(column) => self.column_use(column, span),
            None => {
                let problem = Diagnostic::error(Code::Arguments, name.span, format!("{}() takes a node of the pattern", name.text))
                    .with_help(format!("inside of map(inner_nodes(e), ...) it takes none: {}()", name.text));
                Err(self.report(problem))
            }
        }
    }

    fn graph_fold(
        &mut self,
        fold: GraphFold,
        name: &ast::Name,
        arguments: &[ast::Argument],
        span: Span,
        ctx: &Ctx<'_>,
        graph: &GraphScope,
    ) -> Bound<Expr> {
        let [along, value] = arguments else {
            return self.error(
                Code::Arguments,
                name.span,
                format!("{}() takes an edge of variable length and an expression", name.text),
            );
        };
        let (inner, edge) = match &along.value.kind {
            Ast::Name(edge) => (false, Some(edge.as_str())),
            Ast::Call { name, arguments } if name.text == "inner_nodes" => match arguments.as_slice() {
                [edge] => match &edge.value.kind {
                    Ast::Name(edge) => (true, Some(edge.as_str())),
                    _ => (true, None),
                },
                _ => (true, None),
            },
            _ => (false, None),
        };
        let Some((index, pattern)) = edge.and_then(|edge| graph.long_edge(edge)) else {
            let problem = Diagnostic::error(
                Code::Arguments,
                along.value.span,
                format!("{}() works along an edge of variable length of the pattern", name.text),
            )
            .with_help("such an edge is written -[e*1..5]->");
            return Err(self.report(problem));
        };
        let columns = if inner { &pattern.inner_columns } else { &pattern.columns };
        let scope = Ctx {
            columns,
            ..Ctx {
                graph: Some(graph),
                steps: ctx.steps,
                ..Ctx::constant(ctx.scope)
            }
        };
        let expr = self.expr(&value.value, &scope)?;
        let (expr, ty) = match fold {
            GraphFold::Map => (cast(expr, Type::Dynamic), Type::Dynamic),
            GraphFold::All | GraphFold::Any => (self.condition(expr)?, Type::Bool),
        };
        let value = GraphValue::Fold {
            edge: index,
            inner,
            fold,
            expr,
        };
        Ok(self.graph_value(value, ty, span, graph))
    }

    fn graph_value(&mut self, value: GraphValue, ty: Type, span: Span, graph: &GraphScope) -> Expr {
        let column = self.column("$fold", ty);
        let expr = Expr::column(&column, self.place(span));
        graph.folds.borrow_mut().push((column, value));
        expr
    }

    /// `e.name` of an edge of variable length: an array of all.
    pub(crate) fn edge_property(&mut self, edge: &str, member: &ast::Name, span: Span, graph: &GraphScope) -> Option<Bound<Expr>> {
        let (index, pattern) = graph.long_edge(edge)?;
        let Some(column) = pattern.columns.iter().find(|column| column.name == member.text) else {
            let names = pattern.columns.iter().map(|column| column.name.as_str());
            let problem = suggest::unknown("property", &member.text, member.span, names);
            return Some(Err(self.report(problem)));
        };
        let expr = cast(Expr::column(column, self.place(span)), Type::Dynamic);
        let value = GraphValue::Fold {
            edge: index,
            inner: false,
            fold: GraphFold::Map,
            expr,
        };
        Some(Ok(self.graph_value(value, Type::Dynamic, span, graph)))
    }
}

/// Gives a condition to the one node or edge it is about; gives it back when it is about more.
fn push_down(part: Expr, pattern: &mut GraphScope) -> Option<Expr> {
    let fold = match &part.kind {
        ExprKind::Column(id) => pattern
            .folds
            .borrow()
            .iter()
            .find(|(column, _)| column.id == *id)
            .map(|(_, value)| value.clone()),
        _ => None,
    };
    if let Some(GraphValue::Fold {
        edge,
        inner,
        fold: GraphFold::All,
        expr,
    }) = fold
        && let Some((_, edge)) = pattern.edges.get_mut(edge)
    {
        let (columns, conditions) = if inner {
            (&edge.inner_columns, &mut edge.inner_conditions)
        } else {
            (&edge.columns, &mut edge.conditions)
        };
        if within(&expr, columns) {
            conditions.push(expr);
            return None;
        }
        return Some(part);
    }
    if part.columns().is_empty() {
        return Some(part);
    }
    for (_, node) in &mut pattern.nodes {
        if within(&part, &node.columns) {
            node.conditions.push(part);
            return None;
        }
    }
    for (_, edge) in &mut pattern.edges {
        if edge.range.is_none() && within(&part, &edge.columns) {
            edge.conditions.push(part);
            return None;
        }
    }
    Some(part)
}

fn within(expr: &Expr, columns: &[Column]) -> bool {
    expr.columns().iter().all(|id| columns.iter().any(|column| column.id == *id))
}

/// The columns that are used of an occurrence, and what they are.
fn outputs(pattern: &GraphScope, used: &HashSet<ColumnId>) -> (Vec<Column>, Vec<GraphValue>) {
    let nodes = pattern.nodes.iter().enumerate().flat_map(|(index, (_, node))| {
        let columns = node.columns.iter().enumerate();
        columns.map(move |(position, column)| (column.clone(), GraphValue::Node(index, position)))
    });
    let edges = pattern.edges.iter().enumerate().flat_map(|(index, (_, edge))| {
        let columns = edge.columns.iter().enumerate().filter(|_| edge.range.is_none());
        columns.map(move |(position, column)| (column.clone(), GraphValue::Edge(index, position)))
    });
    let folds = pattern.folds.borrow();
    nodes
        .chain(edges)
        .chain(folds.iter().cloned())
        .filter(|(column, _)| used.contains(&column.id))
        .unzip()
}
