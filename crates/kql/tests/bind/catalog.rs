//! A catalogue for tests: the types of common functions, without anything that computes them.

use std::sync::LazyLock;

use taffrail_kql::catalog::{Argument, ArgumentError, Catalog, Function, FunctionKind, Naming, Param, Resolved, Signature};
use taffrail_kql::{Type, Value};

/// kind, names, parameters (`?` starts the optional ones, `*` the repeated one), result, naming
const PLAIN: &str = "
scalar strlen,string_size text -> long
scalar strcat text *text -> string
scalar strcat_delim text text *text -> string
scalar strcat_array dynamic text -> string
scalar strrep text long ?text -> string
scalar tolower,toupper,reverse text -> string
scalar substring text long ?long -> string
scalar split text text ?long -> dynamic
scalar replace_string,replace_regex,replace text text text -> string
scalar trim,trim_start,trim_end text text -> string
scalar countof text text ?string -> long
scalar indexof text text ?long ?long ?long -> long
scalar isempty,isnotempty any -> bool
scalar isnull,isnotnull any -> bool
scalar isnan,isinf,isfinite number -> bool
scalar hasprefix_cs,hassuffix_cs text text -> bool
scalar pow,exp,log,log2,log10,sqrt,sin,cos,tan,sign,gamma,degrees real ?real -> real
scalar rand -> real
scalar pi -> real
scalar binary_or,binary_and,binary_xor,binary_shift_left integer integer -> long
scalar bitset_count_ones integer -> long
scalar tohex integer ?integer -> string
scalar hash any ?long -> long
scalar datetime_diff string datetime datetime -> long
scalar datetime_add string integer datetime -> datetime
scalar datetime_part string datetime -> int
scalar hourofday,getyear,getmonth,monthofyear,dayofmonth,dayofyear,week_of_year datetime -> int
scalar dayofweek datetime -> timespan
scalar startofday,startofweek,startofmonth,startofyear,endofday,endofweek,endofmonth,endofyear datetime ?integer -> datetime
scalar make_datetime integer integer integer ?integer ?integer ?real -> datetime
scalar format_datetime datetime string -> string
scalar format_timespan timespan string -> string
scalar unixtime_seconds_todatetime,unixtime_milliseconds_todatetime number -> datetime
scalar array_length dynamic -> long
scalar array_concat,array_reverse,set_union,set_intersect,set_difference,bag_merge,bag_keys,treepath dynamic *dynamic -> dynamic
scalar array_slice dynamic integer integer -> dynamic
scalar array_sum dynamic -> real
scalar array_index_of dynamic any -> long
scalar set_has_element dynamic any -> bool
scalar bag_has_key dynamic string -> bool
scalar bag_pack,pack *any -> dynamic
scalar pack_array *any -> dynamic
scalar range any any ?any -> dynamic
scalar gettype any -> string
scalar parse_ipv4 text -> long
scalar ipv4_is_private text -> bool
scalar parse_url,parse_urlquery,parse_csv text -> dynamic
scalar base64_decode_tostring,base64_encode_tostring text -> string
aggregate count -> long
aggregate countif bool -> long
aggregate dcount any ?integer -> long
aggregate dcountif any bool ?integer -> long
aggregate avg number -> real
aggregate avgif number bool -> real
aggregate stdev,variance,stdevp,variancep number -> real
aggregate make_list any ?integer -> dynamic
aggregate make_set any ?integer -> dynamic
aggregate make_bag any ?integer -> dynamic
aggregate make_list_if any bool ?integer -> dynamic
aggregate buildschema any -> dynamic
window row_number ?integer ?bool -> long
";

const PREFIXES: &[(&str, &str)] = &[
    ("make_list", "list"),
    ("make_set", "set"),
    ("make_bag", "bag"),
    ("make_list_if", "list"),
    ("buildschema", "schema"),
];

struct TestCatalog(Vec<&'static Function>);

static CATALOG: LazyLock<TestCatalog> = LazyLock::new(build);

/// The catalogue.
pub fn catalog() -> &'static dyn Catalog {
    &*CATALOG
}

impl Catalog for TestCatalog {
    fn function(&self, kind: FunctionKind, name: &str) -> Option<&'static Function> {
        self.0
            .iter()
            .find(|function| function.kind == kind && (function.name == name || function.aliases.contains(&name)))
            .copied()
    }

    fn functions(&self) -> Vec<&'static Function> {
        self.0.clone()
    }
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn param(text: &str) -> Param {
    match text {
        "any" => Param::Any,
        "text" => Param::Text,
        "number" => Param::Number,
        "integer" => Param::Integer,
        ty => Param::Is(Type::parse(ty).expect("a type")),
    }
}

fn build() -> TestCatalog {
    let mut functions: Vec<&'static Function> = Vec::new();
    for line in PLAIN.lines().filter(|line| !line.trim().is_empty()) {
        let (head, returns) = line.split_once("->").expect("a result");
        let mut words = head.split_whitespace();
        let kind = match words.next().expect("a kind") {
            "scalar" => FunctionKind::Scalar,
            "aggregate" => FunctionKind::Aggregate,
            _ => FunctionKind::Window,
        };
        let names = words.next().expect("names");
        let (mut required, mut optional, mut rest) = (Vec::new(), Vec::new(), None);
        for word in words {
            if let Some(word) = word.strip_prefix('?') {
                optional.push(param(word));
            } else if let Some(word) = word.strip_prefix('*') {
                rest = Some(param(word));
            } else {
                required.push(param(word));
            }
        }
        for name in names.split(',') {
            let naming = match (kind, PREFIXES.iter().find(|(known, _)| *known == name)) {
                (FunctionKind::Aggregate, Some((_, prefix))) => Naming::Prefix(prefix),
                (FunctionKind::Aggregate, None) => Naming::Prefix(leak(name)),
                _ => Naming::Positional,
            };
            functions.push(function(
                name,
                kind,
                naming,
                Signature::Plain {
                    required: Box::leak(required.clone().into_boxed_slice()),
                    optional: Box::leak(optional.clone().into_boxed_slice()),
                    rest,
                    returns: Type::parse(returns.trim()).expect("a type"),
                },
            ));
        }
    }
    for (name, ty) in [
        ("tostring", Type::String),
        ("tolong", Type::Long),
        ("toint", Type::Int),
        ("toreal", Type::Real),
        ("todouble", Type::Real),
        ("todecimal", Type::Decimal),
        ("tobool", Type::Bool),
        ("toguid", Type::Guid),
        ("todatetime", Type::DateTime),
        ("totimespan", Type::TimeSpan),
        ("todynamic", Type::Dynamic),
        ("parse_json", Type::Dynamic),
    ] {
        functions.push(function(
            name,
            FunctionKind::Scalar,
            Naming::Argument,
            Signature::Plain {
                required: &[Param::Any],
                optional: &[],
                rest: None,
                returns: ty,
            },
        ));
    }
    for (name, naming, resolve) in [
        ("bin", Naming::Argument, first as Resolve),
        ("floor", Naming::Argument, first),
        ("bin_at", Naming::Argument, first),
        ("abs", Naming::Positional, first),
        ("ceiling", Naming::Positional, first),
        ("round", Naming::Positional, real),
        ("coalesce", Naming::Positional, common),
        ("max_of", Naming::Positional, common),
        ("min_of", Naming::Positional, common),
        ("extract", Naming::Positional, extract),
        (
            "series_stats",
            Naming::Tuple(&["series_stats_{}_min", "series_stats_{}_max"]),
            two_reals,
        ),
        ("array_sort_asc", Naming::Tuple(&["{}_sorted"]), sorted),
    ] {
        functions.push(function(name, FunctionKind::Scalar, naming, Signature::Custom(resolve)));
    }
    for (name, naming, resolve) in [
        ("sum", Naming::Prefix("sum"), sum as Resolve),
        ("sumif", Naming::Prefix("sumif"), sum),
        ("min", Naming::Prefix("min"), first),
        ("max", Naming::Prefix("max"), first),
        ("minif", Naming::Prefix("minif"), first),
        ("maxif", Naming::Prefix("maxif"), first),
        ("arg_max", Naming::Columns, all),
        ("arg_min", Naming::Columns, all),
        ("take_any", Naming::Columns, all),
        ("percentile", Naming::Percentile, percentiles),
        ("percentiles", Naming::Percentile, percentiles),
    ] {
        functions.push(function(name, FunctionKind::Aggregate, naming, Signature::Custom(resolve)));
    }
    for name in ["prev", "next", "row_cumsum", "row_rank_dense"] {
        functions.push(function(
            name,
            FunctionKind::Window,
            Naming::Positional,
            Signature::Custom(if name == "prev" || name == "next" { neighbour } else { first }),
        ));
    }
    let plugin = Signature::Plain {
        required: &[Param::Any],
        optional: &[],
        rest: Some(Param::Any),
        returns: Type::Dynamic,
    };
    functions.push(function("bag_unpack", FunctionKind::Plugin, Naming::Positional, plugin));
    TestCatalog(functions)
}

type Resolve = fn(&[Argument<'_>]) -> Result<Resolved, ArgumentError>;

fn function(name: &str, kind: FunctionKind, naming: Naming, signature: Signature) -> &'static Function {
    let name = leak(name);
    Box::leak(Box::new(Function {
        name,
        aliases: if name == "make_list" {
            &["makelist"]
        } else if name == "make_set" {
            &["makeset"]
        } else {
            &[]
        },
        kind,
        usage: leak(&format!("{name}(...)")),
        summary: "",
        signature,
        naming,
    }))
}

fn types(args: &[Argument<'_>]) -> Vec<Type> {
    args.iter().map(|arg| arg.ty).collect()
}

fn missing() -> ArgumentError {
    ArgumentError {
        argument: None,
        message: "arguments are missing".to_owned(),
    }
}

fn first(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    let ty = args.first().ok_or_else(missing)?.ty;
    if ty == Type::Dynamic {
        return Err(ArgumentError {
            argument: Some(0),
            message: "a dynamic does not fit".to_owned(),
        });
    }
    Ok(Resolved::one(types(args), ty))
}

fn neighbour(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    if let Some(index) = args.iter().skip(1).position(|arg| arg.literal.is_none()) {
        return Err(ArgumentError {
            argument: Some(index + 1),
            message: "offset and default must be constants".to_owned(),
        });
    }
    let ty = args.first().ok_or_else(missing)?.ty;
    Ok(Resolved::one(types(args), ty))
}

fn real(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    Ok(Resolved::one(types(args), Type::Real))
}

fn two_reals(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    Ok(Resolved {
        params: types(args),
        returns: vec![Type::Real, Type::Real],
    })
}

fn sorted(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    let arrays = args.iter().filter(|arg| arg.ty == Type::Dynamic).count();
    Ok(Resolved {
        params: types(args),
        returns: vec![Type::Dynamic; arrays.max(1)],
    })
}

fn sum(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    let ty = match args.first().ok_or_else(missing)?.ty {
        Type::Int => Type::Long,
        ty => ty,
    };
    Ok(Resolved::one(types(args), ty))
}

fn all(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    Ok(Resolved {
        params: types(args),
        returns: types(args),
    })
}

fn percentiles(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    let ty = args.first().ok_or_else(missing)?.ty;
    Ok(Resolved {
        params: types(args),
        returns: vec![ty; args.len().saturating_sub(1)],
    })
}

fn common(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    let wide = |a: Type, b: Type| if a.is_numeric() && b.is_numeric() && b > a { b } else { a };
    let ty = args.iter().map(|arg| arg.ty).reduce(wide).ok_or_else(missing)?;
    Ok(Resolved::one(vec![ty; args.len()], ty))
}

fn extract(args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    let ty = match args.get(3).and_then(|arg| arg.literal) {
        Some(Value::String(name)) => Type::parse(name).unwrap_or(Type::String),
        _ => Type::String,
    };
    let mut params = vec![Type::String, Type::Long, Type::String];
    if args.len() > 3 {
        params.push(Type::String);
    }
    Ok(Resolved::one(params, ty))
}
