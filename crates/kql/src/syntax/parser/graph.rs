//! Graph operators: `make-graph` and what works on its result.
//!
//! Source: Kusto Query Language reference, "Graph operators".

use super::operator::Properties;
use super::{Parsed, Parser};
use crate::syntax::ast::{EdgeDirection, Expr, GraphEdge, GraphNode, GraphPath, GraphTable, NamedExpr, OperatorKind};
use crate::syntax::token::TokenKind;
use crate::types::Value;

impl Parser<'_> {
    /// `source --> target [with_node_id=name] [with nodes on id, ...] [partitioned-by column (body)]`
    pub(super) fn make_graph(&mut self, properties: &mut Properties) -> Parsed<OperatorKind> {
        let source = self.name("the column of the nodes that edges come from")?;
        for symbol in ["-", "-", ">"] {
            self.expect(symbol, "as in `source --> target`")?;
        }
        let target = self.name("the column of the nodes that edges go to")?;
        properties.append(&mut self.properties(&["with_node_id"])?);
        let mut nodes = Vec::new();
        if self.eat_word("with") {
            nodes = self.list(|p| {
                let table = p.postfix()?;
                p.expect_word("on", "and the column of the nodes' names")?;
                Ok((table, p.name("a column name")?))
            })?;
        }
        let mut partition = None;
        if self.eat_word("partitioned-by") {
            let column = self.name("a column name")?;
            partition = Some((column, Box::new(self.body()?)));
        }
        Ok(OperatorKind::MakeGraph {
            source,
            target,
            nodes,
            partition,
        })
    }

    pub(super) fn graph_mark_components(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        Ok(OperatorKind::GraphMarkComponents)
    }

    pub(super) fn graph_match(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let paths = self.list(Self::graph_path)?;
        let (predicate, project) = self.graph_clauses()?;
        Ok(OperatorKind::GraphMatch { paths, predicate, project })
    }

    pub(super) fn graph_shortest_paths(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let path = self.graph_path()?;
        let (predicate, project) = self.graph_clauses()?;
        Ok(OperatorKind::GraphShortestPaths { path, predicate, project })
    }

    /// `where predicate project columns`
    fn graph_clauses(&mut self) -> Parsed<(Option<Expr>, Vec<NamedExpr>)> {
        let predicate = if self.eat_word("where") { Some(self.predicate()?) } else { None };
        let project = if self.eat_word("project") { self.named_list()? } else { Vec::new() };
        Ok((predicate, project))
    }

    /// `nodes [as name] [with_node_id=column], edges ...`
    pub(super) fn graph_to_table(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let tables = self.list(|p| {
            let edges = if p.eat_word("edges") {
                true
            } else if p.eat_word("nodes") {
                false
            } else {
                return Err(p.unexpected("`nodes` or `edges`"));
            };
            let known = ["with_node_id", "with_source_id", "with_target_id"];
            let mut properties = p.properties(&known)?;
            let mut name = None;
            if p.eat_word("as") {
                name = Some(p.name("a name for the table")?);
            }
            properties.append(&mut p.properties(&known)?);
            Ok(GraphTable { edges, name, properties })
        })?;
        Ok(OperatorKind::GraphToTable { tables })
    }

    pub(super) fn graph_where_nodes(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let predicate = self.predicate()?;
        Ok(OperatorKind::GraphWhere { edges: false, predicate })
    }

    pub(super) fn graph_where_edges(&mut self, _: &mut Properties) -> Parsed<OperatorKind> {
        let predicate = self.predicate()?;
        Ok(OperatorKind::GraphWhere { edges: true, predicate })
    }

    /// `(a)-[e]->(b)<--(c)`
    fn graph_path(&mut self) -> Parsed<GraphPath> {
        let first = self.graph_node()?;
        let mut steps = Vec::new();
        while self.is("-") || self.is("<") {
            let edge = self.graph_edge()?;
            steps.push((edge, self.graph_node()?));
        }
        Ok(GraphPath { first, steps })
    }

    fn graph_node(&mut self) -> Parsed<GraphNode> {
        let opening = self.open("(", "and a node, as in `(a)-[e]->(b)`")?;
        let name = if self.is(")") {
            None
        } else {
            Some(self.name("a name for the node")?)
        };
        let span = opening.to(self.close(")", opening)?);
        Ok(GraphNode { name, span })
    }

    fn graph_edge(&mut self) -> Parsed<GraphEdge> {
        let start = self.span();
        let left = self.eat("<");
        self.expect("-", "of an edge, as in `-[e]->`")?;
        let (mut name, mut range) = (None, None);
        if self.is("[") {
            let opening = self.open("[", "")?;
            if self.word().is_some() || self.at_bracketed(0) {
                name = Some(self.name("a name for the edge")?);
            }
            if self.eat("*") {
                range = Some(self.edge_range()?);
            }
            self.close("]", opening)?;
        }
        self.expect("-", "to end the edge, as in `-[e]->`")?;
        let right = !left && self.eat(">");
        let direction = match (left, right) {
            (true, _) => EdgeDirection::Left,
            (false, true) => EdgeDirection::Right,
            (false, false) => EdgeDirection::Any,
        };
        Ok(GraphEdge {
            name,
            direction,
            range,
            span: start.to(self.previous()),
        })
    }

    /// `1..3`; without an end, as many as the first number says.
    fn edge_range(&mut self) -> Parsed<(Expr, Expr)> {
        let bound = |p: &mut Self| match p.kind() {
            TokenKind::Literal(Value::Long(_)) | TokenKind::Name => p.postfix(),
            _ => Err(p.unexpected("how many edges, as in `*1..3`")),
        };
        let from = bound(self)?;
        if !self.eat("..") {
            return Ok((from.clone(), from));
        }
        Ok((from, bound(self)?))
    }
}
