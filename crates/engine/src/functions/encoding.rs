//! Being built.

use super::declare::Scalar;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[];
