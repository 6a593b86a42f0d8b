//! Whether arguments fit a function's signature, and what they are converted to.

use crate::catalog::{Argument, ArgumentError, Function, Param, Resolved, Signature};
use crate::types::Type;

/// Types for these arguments, or what is wrong with them.
pub(crate) fn resolve(function: &Function, args: &[Argument<'_>]) -> Result<Resolved, ArgumentError> {
    match function.signature {
        Signature::Custom(resolve) => resolve(args),
        Signature::Plain {
            required,
            optional,
            rest,
            returns,
        } => {
            let most = required.len() + optional.len();
            if args.len() < required.len() || (rest.is_none() && args.len() > most) {
                return Err(ArgumentError {
                    argument: None,
                    message: count_message(function.name, args.len(), required.len(), most, rest.is_some()),
                });
            }
            let mut params = Vec::with_capacity(args.len());
            for (index, arg) in args.iter().enumerate() {
                let param = required
                    .get(index)
                    .or_else(|| optional.get(index - required.len().min(index)))
                    .copied()
                    .or(rest)
                    .unwrap_or(Param::Any);
                params.push(accept(param, arg.ty).map_err(|wanted| ArgumentError {
                    argument: Some(index),
                    message: format!(
                        "{} takes {wanted} as argument {}, and this is of type {}",
                        function.name,
                        index + 1,
                        arg.ty
                    ),
                })?);
            }
            Ok(Resolved::one(params, returns))
        }
    }
}

fn count_message(name: &str, given: usize, least: usize, most: usize, open: bool) -> String {
    let wanted = if open {
        format!("at least {least}")
    } else if least == most {
        format!("{least}")
    } else {
        format!("{least} to {most}")
    };
    let noun = if wanted == "1" { "argument" } else { "arguments" };
    format!("{name}() takes {wanted} {noun}, and {given} given")
        .replace(" and 1 given", " and 1 is given")
        .replacen(&format!(" and {given} given"), &format!(" and {given} are given"), 1)
}

/// The type an argument is converted to, or what is wanted instead.
fn accept(param: Param, ty: Type) -> Result<Type, String> {
    match param {
        Param::Any => Ok(ty),
        Param::Text => Ok(Type::String),
        Param::Number => match ty {
            ty if ty.is_numeric() => Ok(ty),
            Type::Dynamic => Ok(Type::Real),
            _ => Err("a number".to_owned()),
        },
        Param::Integer => match ty {
            Type::Int | Type::Long | Type::Dynamic => Ok(Type::Long),
            _ => Err("a whole number".to_owned()),
        },
        Param::Is(wanted) if wanted == ty => Ok(ty),
        Param::Is(wanted) => {
            let fits = match (ty, wanted) {
                (Type::Dynamic, _) => true,
                (Type::Int | Type::Long, wanted) => wanted.is_numeric(),
                (Type::Real | Type::Decimal, Type::Real | Type::Decimal) => true,
                (Type::Bool, Type::Int | Type::Long) => true,
                _ => false,
            };
            if fits { Ok(wanted) } else { Err(format!("{wanted}")) }
        }
    }
}
