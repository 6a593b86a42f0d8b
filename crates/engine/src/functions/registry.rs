//! All functions by name, and the DataFusion functions made of them.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility};
use taffrail_kql::catalog::{Catalog, Function, FunctionKind};
use taffrail_kql::types::Type;

use super::call::{Call, Kernel};
use super::declare::{Implementation, Scalar};
use super::{LowerError, aggregates, arrow_type, windows};

/// Every table of scalar functions.
fn tables() -> impl Iterator<Item = &'static Scalar> {
    [
        super::strings::FUNCTIONS,
        super::regex::FUNCTIONS,
        super::text_match::FUNCTIONS,
        super::conversions::FUNCTIONS,
        super::dates::FUNCTIONS,
        super::math::FUNCTIONS,
        super::operators::FUNCTIONS,
        super::dynamic::arrays::FUNCTIONS,
        super::dynamic::bags::FUNCTIONS,
        super::encoding::FUNCTIONS,
        super::geo::FUNCTIONS,
        super::geo::COMBINED,
        super::geo::BUFFERS,
        super::geo::SIMPLIFY,
        super::geo::CELLS,
        super::geo::LOOKUP,
        super::geo::H3,
        super::geo::S2,
        super::hashing::FUNCTIONS,
        super::sketches::FUNCTIONS,
        super::records::FUNCTIONS,
        super::statistics::FUNCTIONS,
        super::text_match::SEARCHES,
        super::markup::FUNCTIONS,
        super::user_agent::FUNCTIONS,
        super::ip::FUNCTIONS,
        super::parsing::FUNCTIONS,
        super::units::FUNCTIONS,
        super::series::FUNCTIONS,
        super::series::ELEMENT_WISE,
        super::series::PAIR_WISE,
        super::series::COMPARED,
    ]
    .into_iter()
    .flatten()
}

struct Registry {
    scalars: HashMap<&'static str, &'static Scalar>,
    functions: HashMap<(FunctionKind, &'static str), &'static Function>,
    visible: Vec<&'static Function>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry {
        scalars: HashMap::new(),
        functions: HashMap::new(),
        visible: Vec::new(),
    };
    for scalar in tables() {
        registry.scalars.insert(scalar.function.name, scalar);
        if !scalar.hidden {
            registry.visible.push(&scalar.function);
        }
    }
    registry.visible.extend(aggregates::functions());
    registry.visible.extend(windows::functions());
    registry
        .visible
        .extend(taffrail_kql::bind::plugins::PLUGINS.iter().map(|plugin| &plugin.function));
    for function in &registry.visible {
        for name in std::iter::once(&function.name).chain(function.aliases) {
            registry.functions.insert((function.kind, name), function);
        }
    }
    registry
});

impl Catalog for Registry {
    fn function(&self, kind: FunctionKind, name: &str) -> Option<&'static Function> {
        // The map outlives every name asked for; the lookup key borrows only for the call.
        self.functions.get(&(kind, name)).copied()
    }

    fn functions(&self) -> Vec<&'static Function> {
        self.visible.clone()
    }

    fn internal(&self, name: &str) -> Option<&'static Function> {
        let scalar = self.scalars.get(name).filter(|scalar| scalar.hidden)?;
        Some(&scalar.function)
    }

    fn is_planned(&self, name: &str) -> bool {
        known_but_unsupported(name)
    }

    fn refusal(&self, name: &str) -> Option<&'static str> {
        REFUSED.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
    }
}

/// The functions there are.
pub fn catalog() -> &'static dyn Catalog {
    &*REGISTRY
}

/// Scalar, by name or alias, hidden ones too.
pub(crate) fn find(name: &str) -> Option<&'static Scalar> {
    if let Some(scalar) = REGISTRY.scalars.get(name) {
        return Some(scalar);
    }
    let function = REGISTRY.functions.get(&(FunctionKind::Scalar, name))?;
    REGISTRY.scalars.get(function.name).copied()
}

/// A call of a scalar function, its arguments already cast to what the function takes.
pub fn scalar(name: &str, args: Vec<Expr>, types: &[Type], returns: Type) -> Result<Expr, LowerError> {
    let function = find(name).ok_or_else(|| super::refuse(format!("there is no function {name}()")))?;
    match function.implementation {
        Implementation::Build(build) => build(args, types, returns),
        Implementation::Kernel(_) | Implementation::Volatile(_) => Ok(super::invoke(function, args, types, returns)),
    }
}

/// A function for certain types.
pub(crate) fn udf(function: &'static Scalar, types: &[Type], returns: Type) -> ScalarUDF {
    ScalarUDF::new_from_impl(TypedFunction::new(function, types.to_vec(), returns))
}

/// The function a plan names, such as `tostring(datetime)->string`.
pub fn function_by_id(id: &str) -> Option<ScalarUDF> {
    let (call, returns) = id.split_once(")->")?;
    let (name, types) = call.split_once('(')?;
    let types = types
        .split(',')
        .filter(|name| !name.is_empty())
        .map(Type::parse)
        .collect::<Option<Vec<_>>>()?;
    Some(udf(find(name)?, &types, Type::parse(returns)?))
}

/// A function of ours as DataFusion sees it.
#[derive(Debug)]
struct TypedFunction {
    id: String,
    function: &'static Scalar,
    types: Vec<Type>,
    returns: Type,
    signature: Signature,
}

impl PartialEq for TypedFunction {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TypedFunction {}

impl Hash for TypedFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl TypedFunction {
    fn new(function: &'static Scalar, types: Vec<Type>, returns: Type) -> TypedFunction {
        let names: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
        let volatility = match function.implementation {
            Implementation::Volatile(_) => Volatility::Volatile,
            _ => Volatility::Immutable,
        };
        TypedFunction {
            id: format!("{}({})->{}", function.function.name, names.join(","), returns.name()),
            function,
            types,
            returns,
            signature: Signature::new(TypeSignature::UserDefined, volatility),
        }
    }

    fn run(&self, kernel: Kernel, args: &ScalarFunctionArgs, rows: usize) -> Result<arrow::array::ArrayRef> {
        kernel(&Call {
            name: self.function.function.name,
            args: &args.args,
            types: &self.types,
            returns: self.returns,
            rows,
        })
    }
}

impl ScalarUDFImpl for TypedFunction {
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
        Ok(arrow_type(self.returns))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        match self.function.implementation {
            Implementation::Kernel(kernel) if constant => {
                let array = self.run(kernel, &args, 1)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            Implementation::Kernel(kernel) | Implementation::Volatile(kernel) => {
                Ok(ColumnarValue::Array(self.run(kernel, &args, args.number_rows)?))
            }
            Implementation::Build(_) => Err(datafusion::common::exec_datafusion_err!(
                "{} is not evaluated by itself",
                self.function.function.name
            )),
        }
    }
}

/// Functions of the reference that are not here yet: the message for these differs from that for a name nobody knows.
pub fn known_but_unsupported(name: &str) -> bool {
    NOT_YET.contains(&name) && find(name).is_none()
}

/// Kept as `Arc` for callers that hold on to a function.
pub type SharedFunction = Arc<ScalarUDF>;

/// Functions that ask for what only Azure Data Explorer has.
static REFUSED: &[(&[&str], &str)] = &[
    (
        &["extent_id", "extentid", "extent_tags"],
        "extents are the shards of Azure Data Explorer, and rows here do not know their file",
    ),
    (
        &["cursor_after", "cursor_before_or_at", "cursor_current", "current_cursor"],
        "database cursors belong to Azure Data Explorer; ingestion_time() says when a row arrived",
    ),
    (&["rowstore_ordinal_range"], "row stores belong to Azure Data Explorer"),
    (&["current_node_id"], "there is one node"),
    (
        &["current_principal", "current_principal_details", "current_principal_is_member_of"],
        "a query is not told who asks; users and their roles are in the server's API",
    ),
    (&["stored_query_result"], "results of queries are not stored"),
];

static NOT_YET: &[&str] = &[
    "geo_info_from_ip_address",
    "make_graph",
    "series_mv_if_anomalies",
    "series_mv_oc_anomalies",
    "external_table",
];
