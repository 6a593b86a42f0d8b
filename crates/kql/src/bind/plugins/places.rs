//! Plugins that join places with shapes.
//!
//! Source: Kusto Query Language reference, "geo_line_lookup plugin", "geo_polygon_lookup plugin".

use std::rc::Rc;

use super::{Call, new_parts};
use crate::bind::expr::Ctx;
use crate::bind::{Binder, Binding, Bound, Reported};
use crate::bound::{Column, Expr, Rel};
use crate::diagnostic::Code;
use crate::syntax::ast;
use crate::types::{Type, Value};

/// Arguments that may stand by position or by name.
#[derive(Default)]
struct Options<'c> {
    radius: Option<&'c ast::Expr>,
    unmatched: Option<&'c ast::Expr>,
    key: Option<&'c ast::Expr>,
}

impl Binder<'_> {
    /// A join of places with the shapes they are in or near. Shapes are few: they become one list, in which each place is
    /// looked up, and the shapes it found are joined by their numbers.
    pub(super) fn geo_lookup(&mut self, call: &Call<'_>, input: &Rel, polygons: bool) -> Bound<Rel> {
        let plugin = call.name.text.as_str();
        if call.schema.is_some() {
            return self.not_supported(call.span, &format!("declared columns of {plugin}"));
        }
        let mut given: Vec<&ast::Expr> = Vec::new();
        let mut options = Options::default();
        for argument in call.arguments {
            match &argument.name {
                None => given.push(&argument.value),
                Some(name) => match name.text.as_str() {
                    "radius" => options.radius = Some(&argument.value),
                    "return_unmatched" => options.unmatched = Some(&argument.value),
                    "return_lookup_key" => options.key = Some(&argument.value),
                    // how the engine is to search, which it knows better
                    "lookup_area_radius" | "join_hint" => {}
                    _ => {
                        let message = format!("{plugin} has no argument '{}' by name", name.text);
                        return self.error(Code::Arguments, name.span, message);
                    }
                },
            }
        }
        let [lookup, shape, longitude, latitude, rest @ ..] = given.as_slice() else {
            let message = format!("{plugin} takes a table, a column of it with shapes, and a longitude and a latitude of the input");
            return self.error(Code::Arguments, call.name.span, message);
        };
        options.radius = options.radius.or(rest.first().copied());
        options.unmatched = options.unmatched.or(rest.get(1).copied());
        options.key = options.key.or(rest.get(3).copied());
        if rest.len() > 4 {
            return self.error(Code::Arguments, call.name.span, format!("{plugin} takes at most 8 arguments"));
        }
        let table = self.tabular(lookup, call.scope)?;
        let shape = self.plain_column(shape, &table, call)?;
        if shape.ty != Type::Dynamic {
            let message = format!("{plugin} wants a column of type dynamic here, and this is of type {}", shape.ty);
            return self.error(Code::Type, call.span, message);
        }
        let place = self.place(call.span);
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        for (name, expr) in [("x", longitude), ("y", latitude)] {
            let value = self.expr(expr, &Ctx::row(call.scope, input))?;
            let value = self.assignable(value, Type::Real, &format!("this argument of {plugin}"))?;
            parts.column(name, value);
        }
        let radius = match options.radius {
            Some(radius) => self.constant_of(radius, Type::Real, call)?,
            None if polygons => Expr::literal(Value::Null(Type::Real), place),
            None => return self.error(Code::Arguments, call.name.span, "geo_line_lookup wants a radius"),
        };
        parts.constant("radius", radius);
        let unmatched = self.flag(options.unmatched, call)?;
        let with_key = self.flag(options.key, call)?;
        let mut shapes = self.numbered(&table, 'r', call.span);
        shapes.push(("shape".to_owned(), Expr::column(&shape, place)));
        let shapes = self.under_names(&table, shapes, call.span);
        parts.scope = parts.scope.with("N", Binding::Table(Rc::new(shapes)));
        let kept: Vec<(usize, &Column)> = (table.columns.iter().enumerate())
            .filter(|(_, column)| with_key || column.id != shape.id)
            .collect();
        let left = (0..input.columns.len()).map(|index| format!("c{index}"));
        let right = kept.iter().map(|(index, _)| format!("r{index}"));
        let all: Vec<String> = left.chain(right).collect();
        let text = format!(
            "let shapes = materialize(N | serialize n = row_number(0));
             let list = toscalar(shapes | summarize make_list(pack_array(pack_array(n, shape))));
             T | extend n = __geo_lookup(list, x, y, radius, {polygons}, {unmatched}) | mv-expand n to typeof(long)
             | join kind={kind} shapes on n | project {all}",
            kind = if unmatched { "leftouter" } else { "inner" },
            all = all.join(", ")
        );
        let names = input.columns.iter().chain(kept.iter().map(|(_, column)| *column));
        let names = names.map(|column| column.name.clone()).collect();
        self.template(parts, input, &text, names)
    }

    fn flag(&mut self, argument: Option<&ast::Expr>, call: &Call<'_>) -> Bound<bool> {
        let Some(argument) = argument else { return Ok(false) };
        match self.constant(argument, call.scope, "this argument")? {
            Value::Bool(flag) => Ok(flag),
            _ => {
                self.error::<()>(Code::Arguments, argument.span, "this argument is true or false")
                    .map_err(|_| Reported)?;
                Ok(false)
            }
        }
    }
}
