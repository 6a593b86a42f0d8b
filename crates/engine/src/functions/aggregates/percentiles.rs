//! Percentiles by nearest rank, over all values.

use taffrail_kql::types::Type;

use super::super::call::{Datum, Values};
use super::super::dynamic::json;
use super::state::{Cell, State};

#[derive(Debug)]
struct Percentiles {
    weighted: bool,
    array: bool,
    ty: Type,
    percentages: Vec<f64>,
    /// Values with their weights
    values: Vec<(Cell, i64)>,
}

fn new(types: &[Type], weighted: bool, array: bool) -> Box<dyn State> {
    Box::new(Percentiles {
        weighted,
        array,
        ty: types.first().copied().unwrap_or(Type::Real),
        percentages: Vec::new(),
        values: Vec::new(),
    })
}

pub fn separate(types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    new(types, false, false)
}

pub fn weighted(types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    new(types, true, false)
}

pub fn array(types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    new(types, false, true)
}

pub fn weighted_array(types: &[Type], _outputs: &[Type]) -> Box<dyn State> {
    new(types, true, true)
}

impl Percentiles {
    fn learn_percentages(&mut self, args: &[Values<'_>], row: usize) {
        for column in args.iter().skip(if self.weighted { 2 } else { 1 }) {
            match column.get(row) {
                Datum::Real(v) => self.percentages.push(v),
                Datum::Long(v) => self.percentages.push(v as f64),
                Datum::Dynamic(text) => {
                    let elements = json::elements(text).into_iter().flatten();
                    self.percentages.extend(elements.filter_map(json::to_real));
                }
                _ => {}
            }
        }
    }
}

impl State for Percentiles {
    fn update(&mut self, args: &[Values<'_>], row: usize) {
        if self.percentages.is_empty() {
            self.learn_percentages(args, row);
        }
        let weight = match args.get(1).map(|column| column.get(row)) {
            Some(Datum::Long(v)) if self.weighted => v,
            _ if self.weighted => return,
            _ => 1,
        };
        match args.first().map(|column| Cell::of(column.get(row))) {
            None | Some(Cell::Null) => {}
            Some(value) if weight > 0 => self.values.push((value, weight)),
            Some(_) => {}
        }
    }

    fn save(&self) -> Vec<Cell> {
        let count = Cell::Long(self.percentages.len() as i64);
        std::iter::once(count)
            .chain(self.percentages.iter().copied().map(Cell::Real))
            .chain(self.values.iter().flat_map(|(value, weight)| [value.clone(), Cell::Long(*weight)]))
            .collect()
    }

    fn merge(&mut self, saved: Vec<Cell>) {
        let mut cells = saved.into_iter();
        let count = cells.next().map_or(0, |count| count.long());
        let percentages: Vec<f64> = cells.by_ref().take(count.max(0) as usize).map(|cell| cell.real()).collect();
        if self.percentages.is_empty() {
            self.percentages = percentages;
        }
        while let (Some(value), Some(weight)) = (cells.next(), cells.next()) {
            self.values.push((value, weight.long()));
        }
    }

    fn finish(&self) -> Vec<Cell> {
        let mut sorted: Vec<&(Cell, i64)> = self.values.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| match (a, b) {
            (Cell::Long(a), Cell::Long(b)) => a.cmp(b),
            (Cell::Decimal(a), Cell::Decimal(b)) => a.cmp(b),
            _ => a.real().total_cmp(&b.real()),
        });
        let total: i128 = sorted.iter().map(|(_, weight)| i128::from(*weight)).sum();
        let at = |percentage: f64| {
            let wanted = (percentage / 100.0 * total as f64).ceil().max(1.0);
            let mut seen = 0i128;
            let found = sorted.iter().find(|(_, weight)| {
                seen += i128::from(*weight);
                seen as f64 >= wanted
            });
            found.or(sorted.last()).map_or(Cell::Null, |(value, _)| value.clone())
        };
        let values: Vec<Cell> = self.percentages.iter().map(|percentage| at(*percentage)).collect();
        if !self.array {
            return values;
        }
        let mut out = String::from("[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::write(value.datum(self.ty), &mut out);
        }
        out.push(']');
        vec![if self.values.is_empty() { Cell::Null } else { Cell::Text(out) }]
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<(Cell, i64)>()
    }
}
