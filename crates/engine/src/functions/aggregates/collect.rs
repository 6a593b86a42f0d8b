//! Aggregates that collect: `make_list`, `make_set`, `make_bag`, `buildschema`.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value as Tree};
use taffrail_kql::types::Type;

use super::super::call::{Datum, Values};
use super::super::dynamic::{bags, json};
use super::state::{Cell, State};

/// As many elements as Kusto collects at most.
const MAX_ELEMENTS: usize = 1_048_576;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    List,
    ListWithNulls,
    Set,
}

#[derive(Debug)]
struct Collected {
    what: What,
    items: Vec<String>,
    seen: HashSet<String>,
    limit: usize,
    bytes: usize,
}

fn collected(what: What) -> Box<dyn State> {
    Box::new(Collected {
        what,
        items: Vec::new(),
        seen: HashSet::new(),
        limit: MAX_ELEMENTS,
        bytes: 0,
    })
}

pub fn list(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    collected(What::List)
}

pub fn list_with_nulls(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    collected(What::ListWithNulls)
}

pub fn set(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    collected(What::Set)
}

impl Collected {
    fn push(&mut self, item: String) {
        if self.items.len() >= self.limit || (self.what == What::Set && !self.seen.insert(item.clone())) {
            return;
        }
        self.bytes += item.capacity() + size_of::<String>();
        self.items.push(item);
    }
}

/// The second argument, when it says how many at most.
fn limit(args: &[Values<'_>], row: usize) -> Option<usize> {
    match args.get(1)?.get(row) {
        Datum::Long(v) => Some(usize::try_from(v).unwrap_or(0).min(MAX_ELEMENTS)),
        _ => None,
    }
}

impl State for Collected {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        if let Some(limit) = limit(args, row) {
            self.limit = limit;
        }
        let Some(column) = args.first() else { return };
        let value = column.get(row);
        // A dynamic null is a value of a list; other nulls are no values.
        if value == Datum::Null && self.what != What::ListWithNulls && (self.what == What::Set || column.ty != Type::Dynamic) {
            return;
        }
        // A set or list of arrays is that of their elements.
        if let Datum::Dynamic(text) = value
            && let Some(elements) = json::elements(text)
        {
            elements.for_each(|item| self.push(item.to_owned()));
            return;
        }
        let mut item = String::new();
        json::write(value, &mut item);
        self.push(item);
    }

    fn save(&self) -> Vec<Cell> {
        let limit = Cell::Long(self.limit as i64);
        std::iter::once(limit).chain(self.items.iter().cloned().map(Cell::Text)).collect()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        let mut cells = saved.into_iter();
        if let Some(Cell::Long(limit)) = cells.next() {
            self.limit = self.limit.min(usize::try_from(limit).unwrap_or(0));
        }
        for cell in cells {
            if let Cell::Text(item) = cell {
                self.push(item);
            }
        }
    }

    fn finish(&self) -> Vec<Cell> {
        vec![Cell::Text(format!("[{}]", self.items.join(",")))]
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes * if self.what == What::Set { 2 } else { 1 }
    }
}

#[derive(Debug)]
struct Bag {
    bags: Vec<String>,
    bytes: usize,
}

pub fn bag(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Bag {
        bags: Vec::new(),
        bytes: 0,
    })
}

impl Bag {
    fn push(&mut self, bag: &str) {
        if json::kind(bag) != json::Kind::Object {
            return;
        }
        self.bytes += bag.len();
        self.bags.push(bag.to_owned());
        // Bags of the same members over and over must not pile up.
        if self.bags.len() >= 256 {
            let merged = self.merged();
            self.bytes = merged.len();
            self.bags = vec![merged];
        }
    }

    fn merged(&self) -> String {
        let mut out = String::new();
        match bags::merge_into(self.bags.iter().map(String::as_str), &mut out) {
            Some(()) => out,
            None => "{}".to_owned(),
        }
    }
}

impl State for Bag {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        if let Some(Datum::Dynamic(text)) = args.first().map(|column| column.get(row)) {
            self.push(text);
        }
    }

    fn save(&self) -> Vec<Cell> {
        vec![Cell::Text(self.merged())]
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if let Some(Cell::Text(text)) = saved.first() {
            self.push(text);
        }
    }

    fn finish(&self) -> Vec<Cell> {
        self.save()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}

/// What values of one place look like.
#[derive(Debug, Default, Clone)]
struct Shape {
    scalars: BTreeSet<String>,
    members: Option<Vec<(String, Shape)>>,
    elements: Option<Box<Shape>>,
}

#[derive(Debug, Default)]
struct Schema {
    shape: Shape,
    size: usize,
}

pub fn schema(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Schema::default())
}

impl Shape {
    fn see(&mut self, value: &str) {
        if let Some(members) = json::members(value) {
            let known = self.members.get_or_insert_default();
            for (name, child) in members {
                match known.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, shape)) => shape.see(child),
                    None => {
                        let mut shape = Shape::default();
                        shape.see(child);
                        known.push((name.into_owned(), shape));
                    }
                }
            }
        } else if let Some(elements) = json::elements(value) {
            let shape = self.elements.get_or_insert_default();
            elements.for_each(|element| shape.see(element));
        } else if json::kind(value) != json::Kind::Null {
            self.scalars.insert(json::type_name(value).to_owned());
        }
    }

    /// Takes in what [`Shape::tree`] wrote.
    fn learn(&mut self, tree: &Tree) {
        match tree {
            Tree::String(name) => {
                self.scalars.insert(name.clone());
            }
            Tree::Array(several) => several.iter().for_each(|one| self.learn(one)),
            Tree::Object(members) => {
                if let (1, Some(elements)) = (members.len(), members.get("`indexer`")) {
                    self.elements.get_or_insert_default().learn(elements);
                    return;
                }
                let known = self.members.get_or_insert_default();
                for (name, child) in members {
                    match known.iter_mut().find(|(known, _)| known == name) {
                        Some((_, shape)) => shape.learn(child),
                        None => {
                            let mut shape = Shape::default();
                            shape.learn(child);
                            known.push((name.clone(), shape));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn tree(&self) -> Tree {
        let mut all: Vec<Tree> = self.scalars.iter().cloned().map(Tree::String).collect();
        if let Some(elements) = &self.elements {
            let mut object = Map::new();
            object.insert("`indexer`".to_owned(), elements.tree());
            all.push(Tree::Object(object));
        }
        if let Some(members) = &self.members {
            all.push(Tree::Object(
                members.iter().map(|(name, shape)| (name.clone(), shape.tree())).collect(),
            ));
        }
        match all.len() {
            1 => all.swap_remove(0),
            _ => Tree::Array(all),
        }
    }
}

impl State for Schema {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        if let Some(Datum::Dynamic(text)) = args.first().map(|column| column.get(row)) {
            self.shape.see(text);
            self.size = self.size.max(text.len());
        }
    }

    fn save(&self) -> Vec<Cell> {
        vec![Cell::Text(self.shape.tree().to_string())]
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if let Some(Cell::Text(text)) = saved.first() {
            self.shape.learn(&json::tree(text));
        }
    }

    fn finish(&self) -> Vec<Cell> {
        self.save()
    }

    fn size(&self) -> usize {
        size_of_val(self) + 2 * self.size
    }
}
