//! A value as it is, which optimizers cannot look through.
//!
//! DataFusion (55) still believes after an unnest that the keys of an aggregation below it are unique, and drops sort and
//! group keys that it takes to depend on them. Keys that went through this function are not recognised as such.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

const NAME: &str = "taffrail_same";

pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::from(Same {
        signature: Signature::any(1, Volatility::Immutable),
    })
}

pub(crate) fn call(value: Expr) -> Expr {
    udf().call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Same {
    signature: Signature,
}

impl ScalarUDFImpl for Same {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        args.first().cloned().ok_or_else(|| exec_datafusion_err!("{NAME} takes a value"))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args
            .into_iter()
            .next()
            .ok_or_else(|| exec_datafusion_err!("{NAME} takes a value"))
    }
}
