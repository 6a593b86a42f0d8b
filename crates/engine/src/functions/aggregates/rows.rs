//! Aggregates that pick a row: `arg_max`, `arg_min`, `take_any`.

use std::cmp::Ordering;

use taffrail_kql::types::Type;

use super::super::call::Values;
use super::state::{Cell, State};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    Greatest,
    Least,
    Any,
}

#[derive(Debug)]
struct Row {
    pick: Pick,
    cells: Option<Vec<Cell>>,
}

pub fn arg_max(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Row {
        pick: Pick::Greatest,
        cells: None,
    })
}

pub fn arg_min(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Row {
        pick: Pick::Least,
        cells: None,
    })
}

pub fn take_any(_types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    Box::new(Row {
        pick: Pick::Any,
        cells: None,
    })
}

fn compare(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Long(a), Cell::Long(b)) => a.cmp(b),
        (Cell::Real(a), Cell::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Cell::Decimal(a), Cell::Decimal(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

fn is_nan(cell: &Cell) -> bool {
    matches!(cell, Cell::Real(v) if v.is_nan())
}

impl Row {
    /// Whether a row with this first value takes the place of the kept one. The first of equals stays; NaN beats every
    /// number both ways; null is taken only when there is nothing else.
    fn better(&self, value: &Cell) -> bool {
        let Some(kept) = self.cells.as_ref().and_then(|cells| cells.first()) else {
            return true;
        };
        let empty = |cell: &Cell| matches!(cell, Cell::Null) || (self.pick == Pick::Any && matches!(cell, Cell::Text(t) if t.is_empty()));
        if empty(kept) || empty(value) {
            return empty(kept) && !empty(value);
        }
        match self.pick {
            Pick::Any => false,
            _ if is_nan(kept) => false,
            _ if is_nan(value) => true,
            Pick::Greatest => compare(value, kept).is_gt(),
            Pick::Least => compare(value, kept).is_lt(),
        }
    }
}

impl State for Row {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        let Some(first) = args.first().map(|column| Cell::of(column.get(row))) else {
            return;
        };
        if self.better(&first) {
            let rest = args.iter().skip(1).map(|column| Cell::of(column.get(row)));
            self.cells = Some(std::iter::once(first).chain(rest).collect());
        }
    }

    fn save(&self) -> Vec<Cell> {
        self.cells.clone().unwrap_or_default()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        if saved.first().is_some_and(|first| self.better(first)) {
            self.cells = Some(saved);
        }
    }

    fn finish(&self) -> Vec<Cell> {
        self.save()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.cells.iter().flatten().map(Cell::size).sum::<usize>()
    }
}
