//! Whether a value is among very many constants: one argument instead of thousands, so that planning does not slow with them.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit};

use super::strings;

const NAME: &str = "taffrail_in_set";

/// Constants, ready to be asked for.
enum Set {
    Texts(HashSet<Box<str>>),
    Numbers(HashSet<i64>),
}

pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::from(InSet {
        signature: Signature::any(2, Volatility::Immutable),
        set: Arc::new(OnceLock::new()),
    })
}

/// Whether a set can be made of values of this type.
pub(crate) fn takes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::Int64 | DataType::Int32)
}

/// `value in (constants)`: never null, false of a null value. All constants are of one type that [`takes`] allows.
pub(crate) fn call(value: Expr, constants: &[ScalarValue], data_type: &DataType) -> Expr {
    let list = ScalarValue::new_list_nullable(constants, data_type);
    udf().call(vec![value, lit(ScalarValue::List(list))])
}

/// The set is made of the second argument at the first use, and kept with it. It is no part of what the function is.
#[derive(Clone)]
struct InSet {
    signature: Signature,
    set: Arc<OnceLock<(ArrayRef, Set)>>,
}

impl std::fmt::Debug for InSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(NAME)
    }
}

impl PartialEq for InSet {
    fn eq(&self, other: &InSet) -> bool {
        self.signature == other.signature
    }
}

impl Eq for InSet {}

impl Hash for InSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

fn longs(array: &dyn Array) -> Result<Int64Array> {
    let cast = datafusion::arrow::compute::cast(array, &DataType::Int64)?;
    cast.as_primitive_opt()
        .cloned()
        .ok_or_else(|| exec_datafusion_err!("{NAME} takes texts and whole numbers"))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8)
}

fn set_of(values: &ArrayRef) -> Result<Set> {
    if is_text(values.data_type()) {
        let texts = strings(values.as_ref())?;
        return Ok(Set::Texts(texts.iter().flatten().map(Box::from).collect()));
    }
    Ok(Set::Numbers(longs(values.as_ref())?.iter().flatten().collect()))
}

impl ScalarUDFImpl for InSet {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, _: datafusion::logical_expr::ReturnFieldArgs) -> Result<Arc<Field>> {
        Ok(Arc::new(Field::new(NAME, DataType::Boolean, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(ScalarValue::List(list))] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("{NAME} takes a value and a constant list"));
        };
        let values = list.values();
        if self.set.get().is_none() {
            let made = (Arc::clone(values), set_of(values)?);
            self.set.get_or_init(|| made);
        }
        let made;
        let set = match self.set.get() {
            Some((of, set)) if Arc::ptr_eq(of, values) => set,
            // The same function with another list, as after a plan has travelled.
            _ => {
                made = set_of(values)?;
                &made
            }
        };
        let array = value.to_array(args.number_rows)?;
        let found: BooleanArray = match set {
            Set::Texts(set) => {
                let texts = strings(array.as_ref())?;
                texts.iter().map(|text| Some(text.is_some_and(|text| set.contains(text)))).collect()
            }
            Set::Numbers(set) => {
                let numbers = longs(array.as_ref())?;
                numbers
                    .iter()
                    .map(|number| Some(number.is_some_and(|number| set.contains(&number))))
                    .collect()
            }
        };
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}
