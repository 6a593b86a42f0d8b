//! All rules over one table, compiled together.
//!
//! Rules are indexed by a constant that their rows must have (a verb, a login, a word): only those whose constant is in the batch are
//! looked at. Of these, conditions on columns of few values are sets of rows that are intersected word by word; what needs
//! the rest of an event (a path into an object, a regular expression over a command) is computed only for the rows that are
//! left, once for all rules that ask it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ahash::AHashMap;
use arrow::array::{AsArray, RecordBatch};
use parking_lot::Mutex;
use taffrail_engine::{Engine, QueryError, RowExpressions};
use taffrail_kql::bound::{Column, ColumnId, Expr};
use taffrail_schema::{TableDef, stored_type};

use super::bits::{Bits, each};
use super::formula::{AtomId, Formula, NEVER, Node, NodeId};
use super::literal::{LiteralIndex, compared_column};
use super::values::{Memory, ValueColumn};

/// Atoms over one long text column from which on their constants are searched for together.
const SEARCH_TOGETHER: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Over a column of few values
    Value,
    /// Over rows: position among the row expressions
    Row(usize),
}

/// Long text columns whose atoms compare with constants.
struct Search {
    column: String,
    atoms: Vec<AtomId>,
    index: LiteralIndex,
}

/// See the module's page.
pub struct Program {
    formula: Formula,
    places: Vec<Place>,
    values: Vec<ValueColumn>,
    memories: Mutex<Vec<Memory>>,
    rows: Option<RowExpressions>,
    /// Columns of each row atom, for evaluating those together that read the same
    reads: Vec<BTreeSet<u32>>,
    searches: Vec<Search>,
    /// Whether a node asks row atoms
    impure: Vec<bool>,
    rules: Vec<NodeId>,
    /// Rules that can only match where this atom is true, by atom
    anchored: HashMap<AtomId, Vec<u32>>,
    /// Rules that must always be looked at
    unanchored: Vec<u32>,
}

/// What a program is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rules
    pub rules: usize,
    /// Different predicates of all rules
    pub predicates: usize,
    /// Of these, those over columns of few values
    pub by_value: usize,
    /// Rules found by a constant
    pub indexed: usize,
}

impl Program {
    /// Compiles the conditions of rules over a table: a node of the formula each.
    ///
    /// # Errors
    /// When an atom cannot be compiled.
    pub async fn new(engine: &Engine, table: &TableDef, formula: Formula, rules: Vec<NodeId>) -> Result<Program, QueryError> {
        let columns: Vec<Column> = (0..)
            .zip(&table.columns)
            .map(|(index, column)| Column {
                id: ColumnId(index),
                name: column.name.clone(),
                ty: column.ty,
            })
            .collect();
        let mut by_column: BTreeMap<u32, Vec<AtomId>> = BTreeMap::new();
        let mut row_atoms: Vec<AtomId> = Vec::new();
        for (id, atom) in (0..).zip(&formula.atoms) {
            match value_column(atom, table) {
                Some(column) => by_column.entry(column).or_default().push(id),
                None => row_atoms.push(id),
            }
        }
        let expr = |id: &AtomId| formula.atoms.get(*id as usize).cloned();
        let mut places = vec![Place::Row(usize::MAX); formula.atoms.len()];
        let mut values = Vec::new();
        for (column, atoms) in by_column {
            let exprs: Vec<Expr> = atoms.iter().filter_map(expr).collect();
            let expressions = engine.row_expressions(&table.name, &columns, exprs.clone()).await?;
            for atom in &atoms {
                if let Some(place) = places.get_mut(*atom as usize) {
                    *place = Place::Value;
                }
            }
            let name = table
                .columns
                .get(column as usize)
                .map(|column| column.name.clone())
                .unwrap_or_default();
            values.push(ValueColumn::new(name, atoms, exprs.iter(), expressions));
        }
        let mut rows = None;
        let mut reads = Vec::new();
        let mut searched: BTreeMap<u32, Vec<AtomId>> = BTreeMap::new();
        if !row_atoms.is_empty() {
            let exprs: Vec<Expr> = row_atoms.iter().filter_map(expr).collect();
            for (position, (atom, expr)) in row_atoms.iter().zip(&exprs).enumerate() {
                if let Some(place) = places.get_mut(*atom as usize) {
                    *place = Place::Row(position);
                }
                reads.push(expr.columns().into_iter().map(|id| id.0).collect());
                if let Some(column) = compared_column(expr) {
                    searched.entry(column.0).or_default().push(*atom);
                }
            }
            rows = Some(engine.row_expressions(&table.name, &columns, exprs).await?);
        }
        let searches = searched
            .into_iter()
            .filter(|(_, atoms)| atoms.len() >= SEARCH_TOGETHER)
            .map(|(column, atoms)| Search {
                column: table
                    .columns
                    .get(column as usize)
                    .map(|column| column.name.clone())
                    .unwrap_or_default(),
                index: LiteralIndex::new(atoms.iter().filter_map(|atom| formula.atoms.get(*atom as usize))),
                atoms,
            })
            .collect();

        let mut impure: Vec<bool> = Vec::with_capacity(formula.nodes.len());
        for node in &formula.nodes {
            let is = |id: &NodeId| impure.get(*id as usize).copied().unwrap_or(true);
            impure.push(match node {
                Node::Always | Node::Never => false,
                Node::Atom { atom, .. } => matches!(places.get(*atom as usize), Some(Place::Row(_)) | None),
                Node::And(parts) | Node::Or(parts) => parts.iter().any(is),
            });
        }
        let mut anchored: HashMap<AtomId, Vec<u32>> = HashMap::new();
        let mut unanchored = Vec::new();
        // The constant that fewest rules ask for tells most.
        let mut asked: HashMap<AtomId, usize> = HashMap::new();
        let anchors: Vec<Vec<AtomId>> = rules.iter().map(|rule| anchors(&formula, &places, *rule)).collect();
        for atom in anchors.iter().flatten() {
            *asked.entry(*atom).or_default() += 1;
        }
        for (number, (rule, anchors)) in (0..).zip(rules.iter().zip(&anchors)) {
            if *rule == NEVER {
                continue;
            }
            match anchors.iter().min_by_key(|atom| asked.get(atom).copied().unwrap_or_default()) {
                Some(atom) => anchored.entry(*atom).or_default().push(number),
                None => unanchored.push(number),
            }
        }
        let memories = Mutex::new(values.iter().map(|_| Memory::default()).collect());
        Ok(Program {
            formula,
            places,
            values,
            memories,
            rows,
            reads,
            searches,
            impure,
            rules,
            anchored,
            unanchored,
        })
    }

    /// What it is made of.
    pub fn size(&self) -> Size {
        Size {
            rules: self.rules.len(),
            predicates: self.formula.atoms.len(),
            by_value: self.values.iter().map(|column| column.atoms.len()).sum(),
            indexed: self.anchored.values().map(Vec::len).sum(),
        }
    }

    /// The rules that have rows in a batch, by their position, and which rows.
    ///
    /// # Errors
    /// When an atom fails.
    pub fn matches(&self, batch: &RecordBatch) -> Result<Vec<(usize, Bits)>, QueryError> {
        let count = batch.num_rows();
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut run = Run {
            program: self,
            count,
            yes: AHashMap::new(),
            null: AHashMap::new(),
            asked: AHashMap::new(),
            nodes: AHashMap::new(),
        };
        run.look_up(batch)?;
        let mut concerned: Vec<u32> = self.unanchored.clone();
        for atom in run.yes.keys() {
            concerned.extend(self.anchored.get(atom).into_iter().flatten());
        }
        concerned.sort_unstable();
        let mut found: Vec<(usize, Bits)> = Vec::new();
        let mut open: Vec<(usize, NodeId, Bits)> = Vec::new();
        for rule in concerned {
            let Some(node) = self.rules.get(rule as usize) else { continue };
            let bits = run.upper(*node);
            if bits.is_empty() {
                continue;
            }
            if self.is_impure(*node) {
                open.push((rule as usize, *node, bits));
            } else {
                found.push((rule as usize, bits));
            }
        }
        if !open.is_empty() {
            for (_, node, bits) in &open {
                run.need(*node, bits.clone());
            }
            run.ask(batch)?;
            for (rule, node, mask) in open {
                let bits = run.exact(node, &mask);
                if !bits.is_empty() {
                    found.push((rule, bits));
                }
            }
            found.sort_unstable_by_key(|(rule, _)| *rule);
        }
        Ok(found)
    }

    fn is_impure(&self, node: NodeId) -> bool {
        self.impure.get(node as usize).copied().unwrap_or(true)
    }
}

/// The column of few values that an atom depends on alone.
fn value_column(atom: &Expr, table: &TableDef) -> Option<u32> {
    let mut ids: Vec<u32> = atom.columns().into_iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let [only] = ids[..] else { return None };
    let column = table.columns.get(only as usize)?;
    let few = !table.plain.contains(&column.name)
        && column.ty != taffrail_kql::Type::Dynamic
        && column.ty != taffrail_kql::Type::Guid
        && column.ty != taffrail_kql::Type::TimeSpan
        && ValueColumn::takes(&stored_type(column.ty));
    few.then_some(only)
}

/// Atoms of which one must be true for the rule to match: a constant each, all of the condition's top level.
fn anchors(formula: &Formula, places: &[Place], rule: NodeId) -> Vec<AtomId> {
    let node = |id: NodeId| formula.nodes.get(id as usize);
    let constant = |id: NodeId| match node(id) {
        Some(Node::Atom { atom, yes: true })
            if matches!(places.get(*atom as usize), Some(Place::Value))
                && formula
                    .atoms
                    .get(*atom as usize)
                    .is_some_and(|expr| compared_column(expr).is_some()) =>
        {
            Some(*atom)
        }
        _ => None,
    };
    match node(rule) {
        Some(Node::And(parts)) => parts.iter().filter_map(|part| constant(*part)).collect(),
        _ => constant(rule).into_iter().collect(),
    }
}

/// One batch on its way through a program.
struct Run<'a> {
    program: &'a Program,
    count: usize,
    /// Rows for which an atom is true; none where there is no entry
    yes: AHashMap<AtomId, Bits>,
    null: AHashMap<AtomId, Bits>,
    /// Rows for which row atoms are to be asked
    asked: AHashMap<AtomId, Bits>,
    /// Nodes without row atoms
    nodes: AHashMap<NodeId, Bits>,
}

impl Run<'_> {
    fn look_up(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let program = self.program;
        let mut memories = program.memories.lock();
        for (column, memory) in program.values.iter().zip(memories.iter_mut()) {
            let ids = column.look_up(batch, memory)?;
            // By value first: a batch has fewer values than rows.
            let mut by_value: AHashMap<u32, Vec<u32>> = AHashMap::new();
            for (row, id) in (0..).zip(ids) {
                by_value.entry(id).or_default().push(row);
            }
            for (id, rows) in by_value {
                let Some(truth) = memory.truths.get(id as usize) else { continue };
                for (list, into) in [(&truth.yes, &mut self.yes), (&truth.null, &mut self.null)] {
                    for number in list {
                        let Some(atom) = column.atoms.get(*number as usize) else { continue };
                        let bits = into.entry(*atom).or_insert_with(|| Bits::none(self.count));
                        for row in &rows {
                            bits.set(*row as usize);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Rows of an atom that is known.
    fn atom(&self, atom: AtomId, yes: bool) -> Bits {
        let true_rows = self.yes.get(&atom);
        if yes {
            return true_rows.cloned().unwrap_or_else(|| Bits::none(self.count));
        }
        let mut bits = true_rows.map_or_else(|| Bits::all(self.count), Bits::inverted);
        if let Some(null) = self.null.get(&atom) {
            bits.without(null);
        }
        bits
    }

    /// Rows for which a node may hold, with row atoms holding everywhere.
    fn upper(&mut self, id: NodeId) -> Bits {
        if let Some(known) = self.nodes.get(&id) {
            return known.clone();
        }
        let program = self.program;
        let bits = match program.formula.nodes.get(id as usize) {
            Some(Node::Always) | None => Bits::all(self.count),
            Some(Node::Never) => Bits::none(self.count),
            Some(Node::Atom { atom, yes }) => match program.places.get(*atom as usize) {
                Some(Place::Value) => self.atom(*atom, *yes),
                _ => Bits::all(self.count),
            },
            Some(Node::And(parts)) => {
                let mut bits = Bits::all(self.count);
                for part in parts {
                    bits.and(&self.upper(*part));
                    if bits.is_empty() {
                        break;
                    }
                }
                bits
            }
            Some(Node::Or(parts)) => {
                let mut bits = Bits::none(self.count);
                for part in parts {
                    bits.or(&self.upper(*part));
                }
                bits
            }
        };
        self.nodes.insert(id, bits.clone());
        bits
    }

    /// Notes for which rows row atoms have to be asked, so that a node is known for the rows of the mask.
    fn need(&mut self, id: NodeId, mut mask: Bits) {
        let program = self.program;
        match program.formula.nodes.get(id as usize) {
            Some(Node::Atom { atom, .. }) => {
                self.asked.entry(*atom).or_insert_with(|| Bits::none(self.count)).or(&mask);
            }
            Some(Node::And(parts)) => {
                mask.and(&self.upper(id));
                if mask.is_empty() {
                    return;
                }
                for part in parts.iter().filter(|part| program.is_impure(**part)) {
                    self.need(*part, mask.clone());
                }
            }
            Some(Node::Or(parts)) => {
                for part in parts.iter().filter(|part| !program.is_impure(**part)) {
                    mask.without(&self.upper(*part));
                }
                if mask.is_empty() {
                    return;
                }
                for part in parts.iter().filter(|part| program.is_impure(**part)) {
                    self.need(*part, mask.clone());
                }
            }
            _ => {}
        }
    }

    /// Asks the row atoms.
    fn ask(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let program = self.program;
        let Some(expressions) = &program.rows else { return Ok(()) };
        for search in &program.searches {
            self.narrow(search, batch);
        }
        // Those that read the same columns for about as many rows are asked together: they have parts in common.
        let mut groups: BTreeMap<(&BTreeSet<u32>, u32), (Bits, Vec<(AtomId, usize)>)> = BTreeMap::new();
        for (atom, rows) in &self.asked {
            let Some(Place::Row(position)) = program.places.get(*atom as usize) else {
                continue;
            };
            let Some(reads) = program.reads.get(*position) else { continue };
            let count = rows.count();
            if count == 0 {
                continue;
            }
            let group = groups
                .entry((reads, count.ilog2() / 2))
                .or_insert_with(|| (Bits::none(self.count), Vec::new()));
            group.0.or(rows);
            group.1.push((*atom, *position));
        }
        for (_, (rows, atoms)) in groups {
            let indices = rows.indices();
            let some = arrow::compute::take_record_batch(batch, &indices).map_err(|error| QueryError::Execution {
                message: error.to_string(),
            })?;
            let wanted: Vec<usize> = atoms.iter().map(|(_, position)| *position).collect();
            let answers = expressions.evaluate(&some, &wanted)?;
            for ((atom, _), answer) in atoms.iter().zip(&answers) {
                let Some(answer) = answer.as_boolean_opt() else { continue };
                let mut yes = Bits::none(self.count);
                let mut null = Bits::none(self.count);
                let row = |position: usize| indices.values().get(position).map(|row| *row as usize);
                each(
                    answer,
                    |position| row(position).into_iter().for_each(|row| yes.set(row)),
                    |position| row(position).into_iter().for_each(|row| null.set(row)),
                );
                self.yes.insert(*atom, yes);
                if !null.is_empty() {
                    self.null.insert(*atom, null);
                }
            }
        }
        Ok(())
    }

    /// Drops the rows in whose text none of an atom's constants stands: there it is false.
    fn narrow(&mut self, search: &Search, batch: &RecordBatch) {
        let mut all = Bits::none(self.count);
        let mut asking = 0;
        for atom in &search.atoms {
            if let Some(rows) = self.asked.get(atom) {
                all.or(rows);
                asking += 1;
            }
        }
        if asking < SEARCH_TOGETHER {
            return;
        }
        let Some(texts) = batch.column_by_name(&search.column).and_then(|array| array.as_string_view_opt()) else {
            return;
        };
        let mut candidates: AHashMap<AtomId, Bits> = AHashMap::new();
        let mut found = Vec::new();
        let others: HashSet<u32> = search.index.others().iter().copied().collect();
        for row in all.iter() {
            let text = if arrow::array::Array::is_null(texts, row) {
                ""
            } else {
                texts.value(row)
            };
            found.clear();
            search.index.within(text, &mut found);
            found.extend(search.index.equal(text));
            for number in &found {
                if let Some(atom) = search.atoms.get(*number as usize) {
                    candidates.entry(*atom).or_insert_with(|| Bits::none(self.count)).set(row);
                }
            }
        }
        for (number, atom) in (0..).zip(&search.atoms) {
            if others.contains(&number) {
                continue;
            }
            if let Some(rows) = self.asked.get_mut(atom) {
                match candidates.get(atom) {
                    Some(candidates) => rows.and(candidates),
                    None => *rows = Bits::none(self.count),
                }
            }
        }
    }

    /// Rows of the mask for which a node holds.
    fn exact(&mut self, id: NodeId, mask: &Bits) -> Bits {
        let program = self.program;
        if !program.is_impure(id) {
            let mut bits = self.upper(id);
            bits.and(mask);
            return bits;
        }
        match program.formula.nodes.get(id as usize) {
            Some(Node::Atom { atom, yes }) => {
                let mut bits = self.atom(*atom, *yes);
                bits.and(mask);
                bits
            }
            Some(Node::And(parts)) => {
                let mut bits = mask.clone();
                for part in parts {
                    bits = self.exact(*part, &bits);
                    if bits.is_empty() {
                        break;
                    }
                }
                bits
            }
            Some(Node::Or(parts)) => {
                let mut bits = Bits::none(self.count);
                for part in parts {
                    let some = self.exact(*part, mask);
                    bits.or(&some);
                }
                bits
            }
            _ => mask.clone(),
        }
    }
}
