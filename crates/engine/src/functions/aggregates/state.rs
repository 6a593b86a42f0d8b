//! An aggregate as a state that sees rows: how it becomes a DataFusion accumulator, and how its state travels between
//! a partial and a final aggregation (one binary column of tagged values, so that it may be another process').

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, StructArray, new_empty_array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, i256};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, EmitTo, GroupsAccumulator, ReversedUDAF, Signature, TypeSignature,
    Volatility,
};
use taffrail_kql::types::Type;

use super::super::arrow_type;
use super::super::call::{Datum, Values};
use super::super::decimal;
use super::table::{Entry, TABLE};

/// A value that is kept.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are the representations")]
pub enum Cell {
    Null,
    Bool(bool),
    Long(i64),
    Real(f64),
    Decimal(i256),
    Text(String),
}

impl Cell {
    /// A copy of a value.
    pub fn of(value: Datum<'_>) -> Cell {
        match value {
            Datum::Null => Cell::Null,
            Datum::Bool(v) => Cell::Bool(v),
            Datum::Int(v) => Cell::Long(i64::from(v)),
            Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Cell::Long(v),
            Datum::Real(v) => Cell::Real(v),
            Datum::Decimal(v) => Cell::Decimal(v),
            Datum::String(v) | Datum::Guid(v) | Datum::Dynamic(v) => Cell::Text(v.to_owned()),
        }
    }

    /// As a value of a type.
    pub fn datum(&self, ty: Type) -> Datum<'_> {
        match (self, ty) {
            (Cell::Bool(v), _) => Datum::Bool(*v),
            (Cell::Long(v), Type::Int) => Datum::Int(*v as i32),
            (Cell::Long(v), Type::DateTime) => Datum::DateTime(*v),
            (Cell::Long(v), Type::TimeSpan) => Datum::TimeSpan(*v),
            (Cell::Long(v), _) => Datum::Long(*v),
            (Cell::Real(v), _) => Datum::Real(*v),
            (Cell::Decimal(v), _) => Datum::Decimal(*v),
            (Cell::Text(v), Type::Guid) => Datum::Guid(v),
            (Cell::Text(v), Type::Dynamic) => Datum::Dynamic(v),
            (Cell::Text(v), _) => Datum::String(v),
            (Cell::Null, _) => Datum::Null,
        }
    }

    /// As a whole number; zero when it is none.
    pub fn long(&self) -> i64 {
        if let Cell::Long(v) = self { *v } else { 0 }
    }

    /// As a number; NaN when it is none.
    pub fn real(&self) -> f64 {
        match self {
            Cell::Real(v) => *v,
            Cell::Long(v) => *v as f64,
            Cell::Decimal(v) => decimal::to_real(*v),
            _ => f64::NAN,
        }
    }

    /// Bytes it takes.
    pub fn size(&self) -> usize {
        size_of::<Cell>() + if let Cell::Text(v) = self { v.capacity() } else { 0 }
    }

    /// As a constant of a type.
    pub fn scalar(self, ty: Type) -> ScalarValue {
        match (self, ty) {
            (Cell::Bool(v), _) => ScalarValue::Boolean(Some(v)),
            (Cell::Long(v), Type::Int) => ScalarValue::Int32(Some(v as i32)),
            (Cell::Long(v), Type::Real) => ScalarValue::Float64(Some(v as f64)),
            (Cell::Long(v), _) => ScalarValue::Int64(Some(v)),
            (Cell::Real(v), _) => ScalarValue::Float64(Some(v)),
            (Cell::Decimal(v), _) => ScalarValue::Decimal256(Some(v), decimal::PRECISION, decimal::SCALE),
            (Cell::Text(v), _) => ScalarValue::Utf8View(Some(v)),
            (Cell::Null, ty) => super::super::scalar_value(&taffrail_kql::types::Value::Null(ty)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => out.push(0),
            Cell::Bool(v) => out.extend([1, u8::from(*v)]),
            Cell::Long(v) => {
                out.push(2);
                out.extend(v.to_le_bytes());
            }
            Cell::Real(v) => {
                out.push(3);
                out.extend(v.to_le_bytes());
            }
            Cell::Decimal(v) => {
                out.push(4);
                out.extend(v.to_le_bytes());
            }
            Cell::Text(v) => {
                out.push(5);
                out.extend((v.len() as u64).to_le_bytes());
                out.extend(AsRef::<[u8]>::as_ref(v.as_str()));
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Cell> {
        fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
            let (head, rest) = bytes.split_first_chunk::<N>()?;
            *bytes = rest;
            Some(*head)
        }
        let [tag] = take::<1>(bytes)?;
        Some(match tag {
            0 => Cell::Null,
            1 => Cell::Bool(take::<1>(bytes)? != [0]),
            2 => Cell::Long(i64::from_le_bytes(take(bytes)?)),
            3 => Cell::Real(f64::from_le_bytes(take(bytes)?)),
            4 => Cell::Decimal(i256::from_le_bytes(take(bytes)?)),
            5 => {
                let length = usize::try_from(u64::from_le_bytes(take(bytes)?)).ok()?;
                let (head, rest) = bytes.split_at_checked(length)?;
                *bytes = rest;
                Cell::Text(std::str::from_utf8(head).ok()?.to_owned())
            }
            _ => return None,
        })
    }
}

/// What an aggregate knows of the rows of one group.
pub trait State: std::fmt::Debug + Send + Sync {
    /// Sees a row.
    fn update(&mut self, args: &[Values<'_>], row: usize);
    /// Everything it knows.
    fn save(&self) -> Vec<Cell>;
    /// Learns what another knows; rows of the other come later.
    fn merge(&mut self, saved: Vec<Cell>);
    /// The outputs.
    fn finish(&self) -> Vec<Cell>;
    /// Bytes it takes.
    fn size(&self) -> usize;
}

/// Makes the state of an empty group.
pub type NewState = fn(types: &[Type], outputs: &[Type]) -> Box<dyn State>;

/// An aggregate for certain types, as DataFusion sees it.
#[derive(Debug)]
struct TypedAggregate {
    id: String,
    entry: &'static Entry,
    types: Vec<Type>,
    outputs: Vec<Type>,
    signature: Signature,
}

impl PartialEq for TypedAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TypedAggregate {}

impl Hash for TypedAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

fn names(types: &[Type]) -> String {
    types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(",")
}

/// The aggregate for certain types.
pub(super) fn udaf(entry: &'static Entry, types: &[Type], outputs: &[Type]) -> AggregateUDF {
    AggregateUDF::new_from_impl(TypedAggregate {
        id: format!("{}({})->{}", entry.function.name, names(types), names(outputs)),
        entry,
        types: types.to_vec(),
        outputs: outputs.to_vec(),
        signature: Signature::new(TypeSignature::UserDefined, Volatility::Immutable),
    })
}

/// The aggregate a plan names, such as `dcount(string)->long`.
pub fn aggregate_by_id(id: &str) -> Option<AggregateUDF> {
    fn parse(list: &str) -> Option<Vec<Type>> {
        list.split(',').filter(|name| !name.is_empty()).map(Type::parse).collect()
    }
    let (call, outputs) = id.split_once(")->")?;
    let (name, types) = call.split_once('(')?;
    let entry = TABLE.iter().find(|entry| entry.function.name == name)?;
    Some(udaf(entry, &parse(types)?, &parse(outputs)?))
}

fn result_fields(outputs: &[Type]) -> Fields {
    outputs
        .iter()
        .enumerate()
        .map(|(index, ty)| Field::new(index.to_string(), arrow_type(*ty), true))
        .collect()
}

impl AggregateUDFImpl for TypedAggregate {
    fn name(&self) -> &str {
        &self.id
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.outputs.as_slice() {
            [one] => arrow_type(*one),
            several => DataType::Struct(result_fields(several)),
        })
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let new = self.entry.state.ok_or_else(|| exec_datafusion_err!("{} has no state", self.id))?;
        Ok(Box::new(StateAccumulator {
            state: new(&self.types, &self.outputs),
            types: self.types.clone(),
            outputs: self.outputs.clone(),
        }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let new = self.entry.state.ok_or_else(|| exec_datafusion_err!("{} has no state", self.id))?;
        Ok(Box::new(StateGroups {
            states: Vec::new(),
            new,
            types: self.types.clone(),
            outputs: self.outputs.clone(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(
            format_state_name(args.name, "state"),
            DataType::Binary,
            true,
        ))])
    }

    /// Without this DataFusion (55) forgets that an order was asked for when the input is not in it yet.
    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    /// Of an empty input: what the state of no rows gives.
    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        ScalarValue::try_from(data_type)
    }
}

#[derive(Debug)]
struct StateAccumulator {
    state: Box<dyn State>,
    types: Vec<Type>,
    outputs: Vec<Type>,
}

/// The columns of a call, typed.
fn typed<'a>(columns: &'a [ColumnarValue], types: &[Type]) -> Result<Vec<Values<'a>>> {
    columns.iter().zip(types).map(|(column, ty)| Values::new(column, *ty)).collect()
}

fn columns(values: &[ArrayRef]) -> Vec<ColumnarValue> {
    values.iter().map(|array| ColumnarValue::Array(Arc::clone(array))).collect()
}

fn result(state: &dyn State, outputs: &[Type]) -> Result<ScalarValue> {
    let mut cells = state.finish().into_iter();
    let mut next = |ty: Type| cells.next().unwrap_or(Cell::Null).scalar(ty);
    match outputs {
        [one] => Ok(next(*one)),
        several => {
            let arrays = several.iter().map(|ty| next(*ty).to_array()).collect::<Result<Vec<_>>>()?;
            let value = StructArray::try_new(result_fields(several), arrays, None)?;
            Ok(ScalarValue::Struct(Arc::new(value)))
        }
    }
}

fn saved(state: &dyn State) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in state.save() {
        cell.write(&mut bytes);
    }
    bytes
}

fn restore(mut bytes: &[u8]) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    while !bytes.is_empty() {
        cells.push(Cell::read(&mut bytes).ok_or_else(|| exec_datafusion_err!("the state of an aggregate is damaged"))?);
    }
    Ok(cells)
}

impl Accumulator for StateAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns = columns(values);
        let args = typed(&columns, &self.types)?;
        let rows = values.first().map_or(0, |array| array.len());
        for row in 0..rows {
            self.state.update(&args, row);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        result(self.state.as_ref(), &self.outputs)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(saved(self.state.as_ref())))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else { return Ok(()) };
        for bytes in states.as_binary::<i32>().iter().flatten() {
            self.state.merge(restore(bytes)?);
        }
        Ok(())
    }
}

/// The states of many groups at once: rows go to their group where they are, nothing is cut or copied.
struct StateGroups {
    states: Vec<Box<dyn State>>,
    new: NewState,
    types: Vec<Type>,
    outputs: Vec<Type>,
}

impl StateGroups {
    fn grow(&mut self, groups: usize) {
        let (new, types, outputs) = (self.new, &self.types, &self.outputs);
        self.states.resize_with(groups.max(self.states.len()), || new(types, outputs));
    }
}

impl GroupsAccumulator for StateGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let columns = columns(values);
        let args = typed(&columns, &self.types)?;
        for (row, group) in group_indices.iter().enumerate() {
            let seen = opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if let (true, Some(state)) = (seen, self.states.get_mut(*group)) {
                state.update(&args, row);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let states = emit_to.take_needed(&mut self.states);
        let results = states
            .iter()
            .map(|state| result(state.as_ref(), &self.outputs))
            .collect::<Result<Vec<_>>>()?;
        if results.is_empty() {
            let data_type = match self.outputs.as_slice() {
                [one] => arrow_type(*one),
                several => DataType::Struct(result_fields(several)),
            };
            return Ok(new_empty_array(&data_type));
        }
        ScalarValue::iter_to_array(results)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let states = emit_to.take_needed(&mut self.states);
        let bytes = states.iter().map(|state| saved(state.as_ref()));
        Ok(vec![Arc::new(BinaryArray::from_iter_values(bytes))])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.grow(total_num_groups);
        let Some(states) = values.first() else { return Ok(()) };
        for (bytes, group) in states.as_binary::<i32>().iter().zip(group_indices) {
            if let (Some(bytes), Some(state)) = (bytes, self.states.get_mut(*group)) {
                state.merge(restore(bytes)?);
            }
        }
        Ok(())
    }

    /// Every row as the state of a group of its own.
    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let columns = columns(values);
        let args = typed(&columns, &self.types)?;
        let rows = values.first().map_or(0, |array| array.len());
        let states = (0..rows).map(|row| {
            let mut state = (self.new)(&self.types, &self.outputs);
            if opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)) {
                state.update(&args, row);
            }
            saved(state.as_ref())
        });
        Ok(vec![Arc::new(BinaryArray::from_iter_values(states))])
    }

    fn size(&self) -> usize {
        // Asking every state after every batch would cost more than the rows.
        let sample: usize = self.states.iter().take(64).map(|state| state.size()).sum();
        let sampled = self.states.len().clamp(1, 64);
        size_of_val(self) + self.states.len() * (sample / sampled + size_of::<Box<dyn State>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_survive_the_way_to_another_process() {
        let cells = vec![
            Cell::Null,
            Cell::Bool(true),
            Cell::Long(-5),
            Cell::Real(f64::INFINITY),
            Cell::Decimal(i256::MIN),
            Cell::Text("é".to_owned()),
        ];
        let mut bytes = Vec::new();
        cells.iter().for_each(|cell| cell.write(&mut bytes));
        let mut rest = bytes.as_slice();
        let back: Vec<Cell> = std::iter::from_fn(|| Cell::read(&mut rest)).collect();
        assert_eq!(back, cells);
        assert!(rest.is_empty());
    }
}
