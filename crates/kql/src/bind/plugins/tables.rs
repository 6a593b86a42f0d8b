//! Plugins that change the shape of a table.
//!
//! Source: Kusto Query Language reference, pages of the plugins.

use super::{Call, named, new_parts};
use crate::bind::expr::Ctx;
use crate::bind::{Binder, Bound, Reported};
use crate::bound::{Column, Expr, Rel};
use crate::diagnostic::Code;
use crate::types::{Type, Value};

impl Binder<'_> {
    /// A row for each cell.
    pub(super) fn narrow(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        self.positional(call, 0, 0)?;
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        let mut names = String::from("[");
        for (index, column) in input.columns.iter().enumerate() {
            if index > 0 {
                names.push(',');
            }
            crate::syntax::json::quote_into(&mut names, &column.name);
        }
        names.push(']');
        let place = self.place(call.span);
        parts.constant("names", Expr::literal(Value::Dynamic(names), place));
        let cells: Vec<String> = (0..input.columns.len()).map(|index| format!("tostring(c{index})")).collect();
        let text = format!(
            "T | serialize n = row_number(0) | mv-expand name = names to typeof(string), cell = pack_array({}) to typeof(string)
             | project n, name, cell",
            cells.join(", ")
        );
        self.template(parts, input, &text, named(["Row".to_owned()], vec![], ["Column", "Value"]))
    }

    /// Distinct values that sets have in common.
    pub(super) fn dcount_intersect(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 2, 16)?;
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        let mut sets = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let set = self.expr(arg, &Ctx::row(call.scope, input))?;
            if set.ty != Type::Dynamic {
                let message = format!("dcount_intersect takes values of hll(), and this is of type {}", set.ty);
                return self.error(Code::Type, arg.span, message);
            }
            parts.column(&format!("h{index}"), set);
            sets.push(format!("h{index}"));
        }
        let columns: String = (0..input.columns.len()).map(|index| format!("c{index}, ")).collect();
        let counts: Vec<String> = (0..sets.len())
            .map(|last| {
                format!(
                    "s{last} = __hll_intersection({})",
                    sets.iter().take(last + 1).cloned().collect::<Vec<_>>().join(", ")
                )
            })
            .collect();
        let text = format!("T | project {columns}{}", counts.join(", "));
        let own = input.columns.iter().map(|column| column.name.clone());
        let names = own.chain((0..sets.len()).map(|index| format!("s{index}"))).collect();
        self.template(parts, input, &text, names)
    }

    /// How many rows there are.
    pub(super) fn estimate_rows_count(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        self.positional(call, 0, 0)?;
        self.template(new_parts(call), input, "T | count", vec!["EstimatedRowsCount".to_owned()])
    }

    /// Some rows, and as a second table how many there are.
    pub(super) fn preview(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 1, 1)?;
        let [rows] = args.as_slice() else { return Err(Reported) };
        let rows = self.whole_number(rows, call)?;
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        let place = self.place(call.span);
        parts.constant("rows", Expr::literal(Value::Long(rows), place));
        let names = input.columns.iter().map(|column| column.name.clone()).collect();
        let counted = self.fresh(input);
        let counted = self.template(new_parts(call), &counted, "T | count", vec!["Count".to_owned()])?;
        let rows = self.template(parts, input, "T | take rows", names)?;
        self.beside = vec![counted];
        Ok(rows)
    }

    /// One schema from the rows of several.
    pub(super) fn schema_merge(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let mut preserve = true;
        for (index, argument) in call.arguments.iter().enumerate() {
            match &argument.name {
                Some(name) if name.text != "PreserveOrder" => {
                    let message = format!("schema_merge has no argument '{}' by name", name.text);
                    return self.error(Code::Arguments, name.span, message);
                }
                _ if index > 0 => {
                    return self.error(
                        Code::Arguments,
                        argument.value.span,
                        "schema_merge takes one argument: PreserveOrder",
                    );
                }
                _ => preserve = self.constant(&argument.value, call.scope, "PreserveOrder")? == Value::Bool(true),
            }
        }
        let mut parts = new_parts(call);
        let place = self.place(call.span);
        for (name, part, types) in [
            ("ColumnName", "name", &[Type::String][..]),
            ("ColumnOrdinal", "ordinal", &[Type::Int, Type::Long]),
            ("ColumnType", "kind", &[Type::String]),
        ] {
            let is_it = |column: &&Column| column.name == name && types.contains(&column.ty);
            let Some(column) = input.columns.iter().find(is_it).cloned() else {
                let message = format!("schema_merge takes rows of 'getschema', which have a column {name}");
                return self.error(Code::Arguments, call.span, message);
            };
            parts.column(part, Expr::column(&column, place));
        }
        let moved = if preserve { "least != most" } else { "false" };
        // Numbers widen; any other two types have none in common.
        let text = format!(
            "T | summarize least = min(ordinal), most = max(ordinal), kinds = make_set(kind) by name
             | extend kind = case({moved}, 'ERROR(columns are out of order)',
                 array_length(kinds) == 1, tostring(kinds[0]),
                 array_length(set_difference(kinds, dynamic(['int', 'long']))) == 0, 'long',
                 array_length(set_difference(kinds, dynamic(['int', 'long', 'real']))) == 0, 'real',
                 array_length(set_difference(kinds, dynamic(['int', 'long', 'real', 'decimal']))) == 0, 'decimal',
                 strcat('ERROR(types cannot be merged: ', strcat_array(array_sort_asc(kinds), ', '), ')'))
             | sort by most asc, least asc, name asc
             | project name, place = toint(iff(kind startswith 'ERROR', -1, row_number(0))),
                 stored = case(kind == 'bool', 'System.SByte', kind == 'datetime', 'System.DateTime', kind == 'dynamic', 'System.Object',
                     kind == 'guid', 'System.Guid', kind == 'int', 'System.Int32', kind == 'long', 'System.Int64',
                     kind == 'real', 'System.Double', kind == 'string', 'System.String', kind == 'timespan', 'System.TimeSpan',
                     kind == 'decimal', 'System.Data.SqlTypes.SqlDecimal', strcat('ERROR(unknown CSL type:', kind, ')')), kind"
        );
        let names = ["ColumnName", "ColumnOrdinal", "DataType", "ColumnType"];
        self.template(parts, input, &text, names.into_iter().map(str::to_owned).collect())
    }
}
