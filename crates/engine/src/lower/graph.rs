//! Graphs: tables become nodes and edges by number, conditions become masks, occurrences become rows again.
//!
//! Graph operators run before the plan is made, as they look at all of their input at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringViewBuilder, UInt32Array,
};
use datafusion::arrow::compute::{cast, concat_batches, filter_record_batch, interleave, prep_null_mask_filter, take, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::DFSchema;
use taffrail_kql::Type;
use taffrail_kql::bound::{Column, Expr, Graph, GraphFold, GraphMatch, GraphQuery, GraphStep, GraphValue, Rel};

use super::Lowering;
use super::lowered::{column, name};
use crate::error::{LowerError, QueryError};
use crate::functions;
use crate::graph::{self, EdgePattern, GraphError, Limits, Mask, Matches, Paths, Pattern, Topology};
use crate::value;

/// Nodes and edges a graph may have: they are numbered by 32 bits.
const MOST: usize = u32::MAX as usize - 1;

/// A graph with the values of its nodes and edges.
struct Built {
    topology: Topology,
    /// A row for each node: its properties
    nodes: RecordBatch,
    /// The name of each node
    ids: ArrayRef,
    /// A row for each edge: its properties
    edges: RecordBatch,
}

/// Tells a search to stop when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Lowering {
    /// Runs what is asked of a graph: its rows, under the names its columns have in plans.
    pub(in crate::lower) async fn run_graph(&self, rel: &Rel, graph: &Graph, query: &GraphQuery) -> Result<Vec<RecordBatch>, QueryError> {
        let refused = |error: LowerError| QueryError::from_lower(error.at(rel.span), self.memory);
        let edges = self.graph_rows(&graph.edges, &[&graph.source, &graph.target]).await?;
        let mut tables = Vec::with_capacity(graph.nodes.len());
        for nodes in &graph.nodes {
            tables.push(self.graph_rows(&nodes.rel, &[&nodes.key]).await?);
        }
        let built = self.built(graph, &edges, &tables).map_err(refused)?;
        let batch = match query {
            GraphQuery::Nodes { id } => self.graph_nodes(rel, graph, &built, *id).map_err(refused)?,
            GraphQuery::Edges { source, target } => self.graph_edges(rel, graph, &built, *source, *target).map_err(refused)?,
            GraphQuery::Match(query) => {
                let pattern = self.pattern(query, &built).map_err(refused)?;
                let (built, matches) = self.matched(built, pattern, query.shortest).await?;
                self.occurrences(rel, query, &built, &matches).map_err(refused)?
            }
        };
        Ok(vec![batch])
    }

    /// The rows of a table of a graph, with its keys behind its columns.
    async fn graph_rows(&self, rel: &Rel, keys: &[&[Expr]]) -> Result<RecordBatch, QueryError> {
        let refused = |error: LowerError| QueryError::from_lower(error.at(rel.span), self.memory);
        let plan = (|| {
            let rows = self.rel(rel)?.without_markers()?.sorted()?;
            let mut exprs: Vec<_> = rel.columns.iter().map(|item| column(name(item.id))).collect();
            for key in keys.iter().flat_map(|keys| keys.iter()) {
                exprs.push(self.expr(key)?.alias(self.fresh('k')));
            }
            Ok(rows.builder().project(exprs)?.build()?)
        })()
        .map_err(refused)?;
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let batches = self.gather(plan).await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let batch = concat_batches(&schema, &batches).map_err(|error| refused(LowerError::from_arrow(error)))?;
        if batch.num_rows() > MOST {
            return Err(refused(LowerError::Argument(format!("a graph has at most {MOST} nodes and edges"))));
        }
        Ok(batch)
    }

    fn built(&self, graph: &Graph, edges: &RecordBatch, tables: &[RecordBatch]) -> Result<Built, LowerError> {
        let types: Vec<Type> = graph.source.iter().map(|key| key.ty).collect();
        let width = types.len();
        let edge_columns = graph.edges.columns.len();
        let sources = keys_of(edges, edge_columns, &types)?;
        let targets = keys_of(edges, edge_columns + width, &types)?;
        let mut numbers = Numbers::new(&types)?;
        // Where the values of each node are: for each table a row, and the key it was first seen with.
        let mut rows: Vec<HashMap<u32, usize>> = Vec::with_capacity(tables.len());
        let mut key_arrays: Vec<Vec<ArrayRef>> = Vec::new();
        let mut first_seen: Vec<(usize, usize)> = Vec::new();
        let mut see = |numbers: &mut Numbers, keys: &[ArrayRef]| -> Result<Vec<u32>, LowerError> {
            let part = key_arrays.len();
            let found = numbers.of(keys)?;
            for (row, number) in found.iter().enumerate() {
                if *number as usize == first_seen.len() {
                    first_seen.push((part, row));
                }
            }
            key_arrays.push(keys.to_vec());
            Ok(found)
        };
        for (nodes, table) in graph.nodes.iter().zip(tables) {
            let keys = keys_of(table, nodes.rel.columns.len(), &types)?;
            let mut known = HashMap::new();
            for (row, number) in see(&mut numbers, &keys)?.into_iter().enumerate() {
                known.entry(number).or_insert(row);
            }
            rows.push(known);
        }
        // Edge by edge, so that nodes are numbered in the order in which edges name them.
        let both: Vec<ArrayRef> = sources
            .iter()
            .zip(&targets)
            .map(|(source, target)| alternating(source, target))
            .collect::<Result<_, _>>()?;
        let ends = see(&mut numbers, &both)?;
        let source: Vec<u32> = ends.iter().step_by(2).copied().collect();
        let target: Vec<u32> = ends.iter().skip(1).step_by(2).copied().collect();
        let count = first_seen.len();
        let ids = gathered(&key_arrays, 0, &first_seen)?;
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        let computed = graph
            .steps
            .iter()
            .filter(|step| matches!(step, GraphStep::Components { .. }))
            .count();
        for (position, property) in graph.properties.iter().take(graph.properties.len() - computed).enumerate() {
            let data_type = functions::arrow_type(property.ty);
            let mut parts: Vec<ArrayRef> = Vec::new();
            let mut of_table: Vec<Option<usize>> = Vec::new();
            for (nodes, table) in graph.nodes.iter().zip(tables) {
                let column = nodes.properties.iter().position(|known| *known == position);
                of_table.push(column.map(|column| {
                    parts.push(table.column(column).clone());
                    parts.len() - 1
                }));
            }
            let key = graph.keys.iter().find(|(known, _)| *known == position).map(|(_, part)| *part);
            let rest: ArrayRef = match key {
                Some(part) => gathered(&key_arrays, part, &first_seen)?,
                None => functions::scalar_value(&value::empty(property.ty)).to_array_of_size(1)?,
            };
            parts.push(rest);
            let parts: Vec<ArrayRef> = parts
                .iter()
                .map(|part| cast(part, &data_type))
                .collect::<Result<_, _>>()
                .map_err(LowerError::from_arrow)?;
            let last = parts.len() - 1;
            let mut indices = Vec::with_capacity(count);
            for node in 0..count {
                let number = u32::try_from(node).unwrap_or(u32::MAX);
                let mut place = None;
                for (part, known) in of_table.iter().zip(&rows) {
                    let Some((part, row)) = part.zip(known.get(&number).copied()) else {
                        continue;
                    };
                    let null = parts.get(part).is_none_or(|part| part.is_null(row));
                    if place.is_none() || !null {
                        place = Some((part, row));
                    }
                    if !null {
                        break;
                    }
                }
                indices.push(place.unwrap_or((last, if key.is_some() { node } else { 0 })));
            }
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            arrays.push(interleave(&parts, &indices).map_err(LowerError::from_arrow)?);
            fields.push(Field::new(name(property.id), data_type, true));
        }
        let nodes = batch_of(fields, arrays, count)?;
        let edge_fields: Vec<Field> = graph
            .edges
            .columns
            .iter()
            .map(|column| Field::new(name(column.id), functions::arrow_type(column.ty), true))
            .collect();
        let edge_arrays: Vec<ArrayRef> = edges
            .columns()
            .iter()
            .zip(&edge_fields)
            .map(|(array, field)| cast(array, field.data_type()))
            .collect::<Result<_, _>>()
            .map_err(LowerError::from_arrow)?;
        let mut built = Built {
            topology: Topology::new(count, source, target),
            nodes,
            ids,
            edges: batch_of(edge_fields, edge_arrays, edges.num_rows())?,
        };
        for step in &graph.steps {
            built = self.stepped(graph, step, built)?;
        }
        Ok(built)
    }

    fn stepped(&self, graph: &Graph, step: &GraphStep, built: Built) -> Result<Built, LowerError> {
        let count = built.nodes.num_rows();
        match step {
            GraphStep::Components { strong, property } => {
                let numbers = if *strong {
                    graph::strong(&built.topology, count)
                } else {
                    graph::weak(&built.topology, count)
                };
                let mut fields: Vec<Field> = built.nodes.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
                let mut arrays = built.nodes.columns().to_vec();
                let Some(property) = graph.properties.get(*property) else {
                    return Err(LowerError::not_supported("graph-mark-components here"));
                };
                fields.push(Field::new(name(property.id), DataType::Int64, true));
                arrays.push(Arc::new(Int64Array::from(numbers)));
                Ok(Built {
                    nodes: batch_of(fields, arrays, count)?,
                    ..built
                })
            }
            GraphStep::WhereEdges(condition) => {
                let keep = self.truth(condition, &built.edges)?;
                restricted(built, None, &keep)
            }
            GraphStep::WhereNodes(condition) => {
                let keep = self.truth(condition, &built.nodes)?;
                let all = BooleanArray::from(vec![true; built.edges.num_rows()]);
                restricted(built, Some(&keep), &all)
            }
        }
    }

    /// An expression over a batch whose columns have the names of plans.
    fn evaluated(&self, expr: &Expr, batch: &RecordBatch) -> Result<ArrayRef, LowerError> {
        let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
        let physical = self.ordered.create_physical_expr(self.expr(expr)?, &schema)?;
        let array = physical.evaluate(batch)?.into_array(batch.num_rows())?;
        cast(&array, &functions::arrow_type(expr.ty)).map_err(LowerError::from_arrow)
    }

    /// Where a condition is true; null is not.
    fn truth(&self, condition: &Expr, batch: &RecordBatch) -> Result<BooleanArray, LowerError> {
        let array = self.evaluated(condition, batch)?;
        let Some(flags) = array.as_any().downcast_ref::<BooleanArray>() else {
            return Err(LowerError::Argument("a condition is neither true nor false".to_owned()).at(condition.span));
        };
        Ok(if flags.null_count() > 0 {
            prep_null_mask_filter(flags)
        } else {
            flags.clone()
        })
    }

    fn mask(&self, conditions: &[Expr], columns: &[Column], rows: &RecordBatch) -> Result<Mask, LowerError> {
        if conditions.is_empty() {
            return Ok(None);
        }
        let batch = named(rows, columns)?;
        let mut mask = vec![true; rows.num_rows()];
        for condition in conditions {
            for (slot, flag) in mask.iter_mut().zip(self.truth(condition, &batch)?.iter()) {
                *slot &= flag.unwrap_or(false);
            }
        }
        Ok(Some(mask))
    }

    fn pattern(&self, query: &GraphMatch, built: &Built) -> Result<Pattern, LowerError> {
        let with_degrees = with_degrees(built)?;
        let mut nodes = Vec::with_capacity(query.nodes.len());
        for node in &query.nodes {
            nodes.push(self.mask(&node.conditions, &node.columns, &with_degrees)?);
        }
        let mut edges = Vec::with_capacity(query.edges.len());
        for edge in &query.edges {
            edges.push(EdgePattern {
                from: edge.from,
                to: edge.to,
                direction: edge.direction,
                range: edge.range,
                edges: self.mask(&edge.conditions, &edge.columns, &built.edges)?,
                inner: self.mask(&edge.inner_conditions, &edge.inner_columns, &with_degrees)?,
            });
        }
        Ok(Pattern {
            nodes,
            edges,
            cycles: query.cycles,
        })
    }

    /// Searches on a thread of its own, which stops when nobody waits any more.
    async fn matched(&self, built: Built, pattern: Pattern, shortest: Option<bool>) -> Result<(Built, Matches), QueryError> {
        let stop = Arc::new(AtomicBool::new(false));
        let _guard = StopOnDrop(stop.clone());
        let bytes = self.memory;
        let searched = tokio::task::spawn_blocking(move || {
            let limits = Limits { bytes, stop: &stop };
            let nodes = built.nodes.num_rows();
            let matches = match shortest {
                Some(all) => graph::shortest(&built.topology, nodes, &pattern, all, limits),
                None => graph::search(&built.topology, nodes, &pattern, limits),
            };
            matches.map(|matches| (built, matches))
        });
        match searched.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error @ GraphError::TooMany(limit))) => Err(QueryError::Memory {
                limit,
                message: error.to_string(),
            }),
            Ok(Err(error @ GraphError::Stopped)) => Err(QueryError::Execution {
                message: error.to_string(),
            }),
            Err(error) => Err(QueryError::Execution {
                message: format!("the search of the graph ended: {error}"),
            }),
        }
    }

    /// A row for each occurrence.
    fn occurrences(&self, rel: &Rel, query: &GraphMatch, built: &Built, matches: &Matches) -> Result<RecordBatch, LowerError> {
        let nodes = with_degrees(built)?;
        let mut fields = Vec::with_capacity(rel.columns.len());
        let mut arrays = Vec::with_capacity(rel.columns.len());
        for (output, item) in query.outputs.iter().zip(&rel.columns) {
            arrays.push(match output {
                GraphValue::Fold { edge, inner, fold, expr } => self.folded((*edge, *inner, *fold), expr, query, built, &nodes, matches)?,
                plain => taken(plain, built, &nodes, matches, None)?,
            });
            fields.push(Field::new(name(item.id), functions::arrow_type(item.ty), true));
        }
        batch_of(fields, arrays, matches.count)
    }

    /// A value of each edge, or node between edges, of each occurrence, made one.
    fn folded(
        &self,
        (edge, inner, fold): (usize, bool, GraphFold),
        expr: &Expr,
        query: &GraphMatch,
        built: &Built,
        nodes: &RecordBatch,
        matches: &Matches,
    ) -> Result<ArrayRef, LowerError> {
        let (Some(pattern), Some(paths)) = (query.edges.get(edge), matches.paths.get(edge)) else {
            return Err(LowerError::not_supported("this function here"));
        };
        let (columns, rows, members, ends) = if inner {
            (&pattern.inner_columns, nodes, &paths.inner, &paths.inner_ends)
        } else {
            (&pattern.columns, &built.edges, &paths.edges, &paths.ends)
        };
        let own = |id| columns.iter().any(|column| column.id == id);
        let used = expr.columns();
        let (values, places): (ArrayRef, Vec<usize>) = if used.iter().all(|id| own(*id)) {
            let values = self.evaluated(expr, &named(rows, columns)?)?;
            (values, members.iter().map(|member| *member as usize).collect())
        } else {
            // The value also depends on the occurrence: a row for each member of each.
            let mut occurrence = Vec::with_capacity(members.len());
            let mut start = 0;
            for (index, end) in (0_u32..).zip(ends) {
                occurrence.extend(std::iter::repeat_n(index, end - start));
                start = *end;
            }
            let occurrence = UInt32Array::from(occurrence);
            let own_rows =
                take_record_batch(&named(rows, columns)?, &UInt32Array::from(members.clone())).map_err(LowerError::from_arrow)?;
            let mut fields: Vec<Field> = own_rows.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
            let mut arrays = own_rows.columns().to_vec();
            for (column, value) in variables(query) {
                if used.contains(&column.id) {
                    fields.push(Field::new(name(column.id), functions::arrow_type(column.ty), true));
                    arrays.push(taken(&value, built, nodes, matches, Some(&occurrence))?);
                }
            }
            let batch = batch_of(fields, arrays, members.len())?;
            (self.evaluated(expr, &batch)?, (0..members.len()).collect())
        };
        let mut start = 0;
        let groups = ends.iter().map(|end| {
            let group = places.get(start..*end).unwrap_or_default();
            start = *end;
            group
        });
        match fold {
            GraphFold::Map => {
                let texts = crate::kernels::strings(values.as_ref())?;
                let mut out = StringViewBuilder::new();
                let mut json = String::new();
                for group in groups {
                    json.clear();
                    json.push('[');
                    for (index, place) in group.iter().enumerate() {
                        if index > 0 {
                            json.push(',');
                        }
                        json.push_str(if texts.is_valid(*place) { texts.value(*place) } else { "null" });
                    }
                    json.push(']');
                    out.append_value(&json);
                }
                Ok(Arc::new(out.finish()))
            }
            GraphFold::All | GraphFold::Any => {
                let Some(flags) = values.as_any().downcast_ref::<BooleanArray>() else {
                    return Err(LowerError::Argument("a condition is neither true nor false".to_owned()).at(expr.span));
                };
                let is = |place: &usize| flags.is_valid(*place) && flags.value(*place);
                let folded: BooleanArray = groups
                    .map(|group| {
                        Some(match fold {
                            GraphFold::All => group.iter().all(is),
                            _ => group.iter().any(is),
                        })
                    })
                    .collect();
                Ok(Arc::new(folded))
            }
        }
    }

    fn graph_nodes(&self, rel: &Rel, graph: &Graph, built: &Built, id: bool) -> Result<RecordBatch, LowerError> {
        let mut arrays = Vec::new();
        if id {
            arrays.push(self.node_hashes(graph, built)?);
        }
        arrays.extend(built.nodes.columns().iter().cloned());
        under_names(rel, arrays, built.nodes.num_rows())
    }

    fn graph_edges(&self, rel: &Rel, graph: &Graph, built: &Built, source: bool, target: bool) -> Result<RecordBatch, LowerError> {
        let mut arrays = Vec::new();
        if source || target {
            let hashes = self.node_hashes(graph, built)?;
            for (wanted, ends) in [(source, &built.topology.source), (target, &built.topology.target)] {
                if wanted {
                    arrays.push(take(&hashes, &UInt32Array::from(ends.clone()), None).map_err(LowerError::from_arrow)?);
                }
            }
        }
        arrays.extend(built.edges.columns().iter().cloned());
        under_names(rel, arrays, built.edges.num_rows())
    }

    /// The hash of each node's name, as `hash()` makes it.
    fn node_hashes(&self, graph: &Graph, built: &Built) -> Result<ArrayRef, LowerError> {
        let Some(key) = graph.source.first() else {
            return Err(LowerError::not_supported("a graph without names of nodes"));
        };
        let field = Field::new("k", functions::arrow_type(key.ty), true);
        let batch = batch_of(vec![field], vec![built.ids.clone()], built.ids.len())?;
        let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
        let call = functions::scalar("hash", vec![column("k")], &[key.ty], Type::Long)?;
        let physical = self.ordered.create_physical_expr(call, &schema)?;
        Ok(physical.evaluate(&batch)?.into_array(batch.num_rows())?)
    }
}

/// The columns of the nodes and single edges of a pattern, and what they are.
fn variables(query: &GraphMatch) -> Vec<(&Column, GraphValue)> {
    let mut all = Vec::new();
    for (index, node) in query.nodes.iter().enumerate() {
        all.extend(
            node.columns
                .iter()
                .enumerate()
                .map(|(position, column)| (column, GraphValue::Node(index, position))),
        );
    }
    for (index, edge) in query.edges.iter().enumerate().filter(|(_, edge)| edge.range.is_none()) {
        all.extend(
            edge.columns
                .iter()
                .enumerate()
                .map(|(position, column)| (column, GraphValue::Edge(index, position))),
        );
    }
    all
}

/// A column of a node or an edge of each occurrence (or of those given).
fn taken(
    value: &GraphValue,
    built: &Built,
    nodes: &RecordBatch,
    matches: &Matches,
    occurrences: Option<&UInt32Array>,
) -> Result<ArrayRef, LowerError> {
    let (array, indices) = match value {
        GraphValue::Node(node, position) => (nodes.columns().get(*position), matches.nodes.get(*node)),
        GraphValue::Edge(edge, position) => (
            built.edges.columns().get(*position),
            matches.paths.get(*edge).map(|Paths { edges, .. }| edges),
        ),
        GraphValue::Fold { .. } => (None, None),
    };
    let (Some(array), Some(indices)) = (array, indices) else {
        return Err(LowerError::not_supported("this part of a pattern here"));
    };
    let indices = UInt32Array::from(indices.clone());
    let array = take(array, &indices, None).map_err(LowerError::from_arrow)?;
    match occurrences {
        Some(occurrences) => take(&array, occurrences, None).map_err(LowerError::from_arrow),
        None => Ok(array),
    }
}

/// Nodes with how many edges come in and go out.
fn with_degrees(built: &Built) -> Result<RecordBatch, LowerError> {
    let count = built.nodes.num_rows();
    let mut into = Vec::with_capacity(count);
    let mut out = Vec::with_capacity(count);
    for node in 0..u32::try_from(count).unwrap_or(u32::MAX) {
        let (a, b) = built.topology.degrees(node);
        into.push(i64::try_from(a).unwrap_or(i64::MAX));
        out.push(i64::try_from(b).unwrap_or(i64::MAX));
    }
    let mut fields: Vec<Field> = built.nodes.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut arrays = built.nodes.columns().to_vec();
    for (label, degrees) in [("in", into), ("out", out)] {
        fields.push(Field::new(label, DataType::Int64, true));
        arrays.push(Arc::new(Int64Array::from(degrees)));
    }
    batch_of(fields, arrays, count)
}

/// The graph of some nodes and edges; edges need both of their nodes.
fn restricted(built: Built, nodes: Option<&BooleanArray>, edges: &BooleanArray) -> Result<Built, LowerError> {
    let count = built.nodes.num_rows();
    let mut numbers = Vec::with_capacity(count);
    let mut next = 0_u32;
    for node in 0..count {
        let kept = nodes.is_none_or(|nodes| nodes.value(node));
        numbers.push(kept.then_some(next));
        next += u32::from(kept);
    }
    let number = |node: u32| numbers.get(node as usize).copied().flatten();
    let mut source = Vec::new();
    let mut target = Vec::new();
    let mut keep = Vec::with_capacity(edges.len());
    let ends = built.topology.source.iter().zip(&built.topology.target);
    for ((from, to), kept) in ends.zip(edges.iter()) {
        let ends = number(*from).zip(number(*to)).filter(|_| kept.unwrap_or(false));
        keep.push(ends.is_some());
        if let Some((from, to)) = ends {
            source.push(from);
            target.push(to);
        }
    }
    let edges = filter_record_batch(&built.edges, &BooleanArray::from(keep)).map_err(LowerError::from_arrow)?;
    let (kept_nodes, ids) = match nodes {
        Some(mask) => (
            filter_record_batch(&built.nodes, mask).map_err(LowerError::from_arrow)?,
            datafusion::arrow::compute::filter(&built.ids, mask).map_err(LowerError::from_arrow)?,
        ),
        None => (built.nodes, built.ids),
    };
    Ok(Built {
        topology: Topology::new(next as usize, source, target),
        nodes: kept_nodes,
        ids,
        edges,
    })
}

/// The same values under the names of other columns.
fn named(rows: &RecordBatch, columns: &[Column]) -> Result<RecordBatch, LowerError> {
    let fields = columns
        .iter()
        .zip(rows.columns())
        .map(|(column, array)| Field::new(name(column.id), array.data_type().clone(), true))
        .collect();
    let arrays = rows.columns().iter().take(columns.len()).cloned().collect();
    batch_of(fields, arrays, rows.num_rows())
}

fn under_names(rel: &Rel, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, LowerError> {
    let fields = rel
        .columns
        .iter()
        .map(|item| Field::new(name(item.id), functions::arrow_type(item.ty), true))
        .collect();
    batch_of(fields, arrays, rows)
}

fn batch_of(fields: Vec<Field>, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, LowerError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(LowerError::from_arrow)
}

/// The keys that stand behind the columns of a table.
fn keys_of(batch: &RecordBatch, from: usize, types: &[Type]) -> Result<Vec<ArrayRef>, LowerError> {
    batch
        .columns()
        .iter()
        .skip(from)
        .zip(types)
        .map(|(array, ty)| cast(array, &functions::arrow_type(*ty)).map_err(LowerError::from_arrow))
        .collect()
}

/// The values of two columns in turn.
fn alternating(one: &ArrayRef, other: &ArrayRef) -> Result<ArrayRef, LowerError> {
    let indices: Vec<(usize, usize)> = (0..one.len()).flat_map(|row| [(0, row), (1, row)]).collect();
    interleave(&[one.as_ref(), other.as_ref()], &indices).map_err(LowerError::from_arrow)
}

/// One of the keys of each node.
fn gathered(keys: &[Vec<ArrayRef>], part: usize, places: &[(usize, usize)]) -> Result<ArrayRef, LowerError> {
    let arrays: Vec<&dyn Array> = keys.iter().filter_map(|keys| keys.get(part)).map(AsRef::as_ref).collect();
    interleave(&arrays, places).map_err(LowerError::from_arrow)
}

/// Gives nodes numbers by their names.
struct Numbers {
    converter: RowConverter,
    known: HashMap<Box<[u8]>, u32>,
}

impl Numbers {
    fn new(types: &[Type]) -> Result<Numbers, LowerError> {
        let fields = types.iter().map(|ty| SortField::new(functions::arrow_type(*ty))).collect();
        Ok(Numbers {
            converter: RowConverter::new(fields).map_err(LowerError::from_arrow)?,
            known: HashMap::new(),
        })
    }

    fn of(&mut self, keys: &[ArrayRef]) -> Result<Vec<u32>, LowerError> {
        let rows = self.converter.convert_columns(keys).map_err(LowerError::from_arrow)?;
        let mut numbers = Vec::with_capacity(rows.num_rows());
        for row in &rows {
            let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
            let number = match self.known.get(row.as_ref()) {
                Some(number) => *number,
                None => {
                    self.known.insert(row.as_ref().into(), next);
                    next
                }
            };
            numbers.push(number);
        }
        Ok(numbers)
    }
}
