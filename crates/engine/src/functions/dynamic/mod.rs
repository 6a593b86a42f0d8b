//! `dynamic` values. Everything that knows that a dynamic is JSON text is in this module and below it, so that another
//! representation can take its place.

pub mod arrays;
pub mod bags;
pub mod json;
pub mod path;
