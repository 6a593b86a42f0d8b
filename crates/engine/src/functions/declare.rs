//! How a function is declared: once, with what the catalogue says of it and what it does.

use datafusion::logical_expr::Expr;
use taffrail_kql::catalog::{Function, FunctionKind, Naming, Param, Resolve, Signature};
use taffrail_kql::types::Type;

use super::LowerError;
use super::call::Kernel;

/// Makes an expression out of arguments instead of calling a kernel.
pub type Build = fn(args: Vec<Expr>, types: &[Type], returns: Type) -> Result<Expr, LowerError>;

/// What a scalar function does.
#[derive(Debug, Clone, Copy)]
pub enum Implementation {
    /// Over arrays; the same arguments give the same result
    Kernel(Kernel),
    /// Over arrays; every row is another result
    Volatile(Kernel),
    /// Out of other expressions, which the optimizer sees through
    Build(Build),
}

/// A scalar function.
#[derive(Debug, Clone, Copy)]
pub struct Scalar {
    /// What the language knows
    pub function: Function,
    /// What it does
    pub implementation: Implementation,
    /// Used by the lowering only; no query can name it
    pub hidden: bool,
}

const fn entry(
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    signature: Signature,
    implementation: Implementation,
) -> Scalar {
    Scalar {
        function: Function {
            name,
            aliases: &[],
            kind: FunctionKind::Scalar,
            usage,
            summary,
            signature,
            naming: Naming::Positional,
        },
        implementation,
        hidden: false,
    }
}

/// A function by kernel.
pub const fn kernel(name: &'static str, usage: &'static str, summary: &'static str, signature: Signature, kernel: Kernel) -> Scalar {
    entry(name, usage, summary, signature, Implementation::Kernel(kernel))
}

/// A function whose every row is another result.
pub const fn volatile(name: &'static str, usage: &'static str, summary: &'static str, signature: Signature, kernel: Kernel) -> Scalar {
    entry(name, usage, summary, signature, Implementation::Volatile(kernel))
}

/// A function made of other expressions.
pub const fn built(name: &'static str, usage: &'static str, summary: &'static str, signature: Signature, build: Build) -> Scalar {
    entry(name, usage, summary, signature, Implementation::Build(build))
}

impl Scalar {
    /// Other names.
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Scalar {
        self.function.aliases = aliases;
        self
    }

    /// Result columns are named after the first argument.
    pub const fn named_by_argument(mut self) -> Scalar {
        self.function.naming = Naming::Argument;
        self
    }

    /// Names of its result columns.
    pub const fn named_as(mut self, naming: Naming) -> Scalar {
        self.function.naming = naming;
        self
    }

    /// Not callable from a query.
    pub const fn hidden(mut self) -> Scalar {
        self.hidden = true;
        self
    }
}

/// These parameters and no others.
pub const fn plain(required: &'static [Param], returns: Type) -> Signature {
    Signature::Plain {
        required,
        optional: &[],
        rest: None,
        returns,
    }
}

/// Some parameters may be left out.
pub const fn optional(required: &'static [Param], optional: &'static [Param], returns: Type) -> Signature {
    Signature::Plain {
        required,
        optional,
        rest: None,
        returns,
    }
}

/// Any number of further parameters.
pub const fn many(required: &'static [Param], rest: Param, returns: Type) -> Signature {
    Signature::Plain {
        required,
        optional: &[],
        rest: Some(rest),
        returns,
    }
}

/// Types decided by code.
pub const fn custom(resolve: Resolve) -> Signature {
    Signature::Custom(resolve)
}
