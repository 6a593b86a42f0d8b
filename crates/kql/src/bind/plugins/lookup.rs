//! Plugins that join with a table of networks or places.
//!
//! Source: Kusto Query Language reference, "ipv4_lookup plugin", "ipv6_lookup plugin".

use std::rc::Rc;

use super::{Call, new_parts};
use crate::bind::{Binder, Binding, Bound};
use crate::bound::{Column, Expr, Rel};
use crate::diagnostic::Code;
use crate::syntax::ast;
use crate::types::{Type, Value};

/// How addresses and networks of a family are read: expressions over a text `{}`.
pub(super) struct Family {
    /// Bits of the prefix
    bits: &'static str,
    /// A network's address, in a form that can be compared
    network: &'static str,
    /// The address of the network of `bits` that an address `ip` is in
    masked: &'static str,
    /// The lookup's columns stand in front of the source's, as the reference shows it
    lookup_first: bool,
}

pub(super) const V4: Family = Family {
    bits: "ipv4_netmask_suffix({})",
    network: "tostring(parse_ipv4({}))",
    masked: "tostring(parse_ipv4_mask(ip, bits))",
    lookup_first: false,
};

/// Of an IPv4 address, the prefix counts from bit 96 on.
pub(super) const V6: Family = Family {
    bits: "iff({} has '/', tolong(split({}, '/')[1]) + iff({} contains ':', 0, 96), 128)",
    network: "parse_ipv6({})",
    masked: "parse_ipv6_mask(ip, bits)",
    lookup_first: true,
};

impl Binder<'_> {
    /// A join of addresses with the networks they are in. Networks are few, and their prefixes fewer: each address becomes
    /// one network for each prefix that occurs, and these are joined by equality.
    pub(super) fn ip_lookup(&mut self, call: &Call<'_>, input: &Rel, family: &Family) -> Bound<Rel> {
        if call.schema.is_some() {
            return self.not_supported(call.span, &format!("declared columns of {}", call.name.text));
        }
        let mut given: Vec<&ast::Expr> = Vec::new();
        let mut unmatched = false;
        for argument in call.arguments {
            let flag = match &argument.name {
                Some(name) if name.text == "return_unmatched" => true,
                Some(name) => {
                    let message = format!("{} has no argument '{}' by name", call.name.text, name.text);
                    return self.error(Code::Arguments, name.span, message);
                }
                None => matches!(argument.value.kind, ast::ExprKind::Literal(Value::Bool(_))),
            };
            if flag {
                unmatched = self.constant(&argument.value, call.scope, "return_unmatched")? == Value::Bool(true);
            } else {
                given.push(&argument.value);
            }
        }
        let [lookup, ip, network, extra @ ..] = given.as_slice() else {
            let message = format!("{} takes a table, a column of the input and a column of that table", call.name.text);
            return self.error(Code::Arguments, call.name.span, message);
        };
        let table = self.tabular(lookup, call.scope)?;
        let (ip, network) = (self.plain_column(ip, input, call)?, self.plain_column(network, &table, call)?);
        if ip.ty != Type::String || network.ty != Type::String {
            let message = format!("{} compares columns of type string", call.name.text);
            return self.error(Code::Type, call.span, message);
        }
        let place = self.place(call.span);
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        parts.column("ip", Expr::column(&ip, place));
        let mut networks = self.numbered(&table, 'r', call.span);
        networks.push(("net".to_owned(), Expr::column(&network, place)));
        let mut kept: Vec<&Column> = table.columns.iter().collect();
        for (index, expr) in extra.iter().enumerate() {
            let (left, right) = (self.plain_column(expr, input, call)?, self.plain_column(expr, &table, call)?);
            if left.ty != right.ty {
                let message = format!("column '{}' is of type {} here and of type {} there", left.name, left.ty, right.ty);
                return self.error(Code::Type, expr.span, message);
            }
            parts.column(&format!("d{index}"), Expr::column(&left, place));
            networks.push((format!("d{index}"), Expr::column(&right, place)));
            kept.retain(|column| column.id != right.id);
        }
        let networks = self.under_names(&table, networks, call.span);
        parts.scope = parts.scope.with("N", Binding::Table(Rc::new(networks)));
        let keys: String = (0..extra.len()).map(|index| format!(", d{index}")).collect();
        let left: Vec<String> = (0..input.columns.len()).map(|index| format!("c{index}")).collect();
        let right: Vec<String> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| kept.iter().any(|other| other.id == column.id))
            .map(|(index, _)| format!("r{index}"))
            .collect();
        let (left_names, right_names) = (input.columns.iter(), kept.iter().copied());
        let (all, names): (Vec<&str>, Vec<&Column>) = if family.lookup_first {
            let all = right.iter().chain(&left).map(String::as_str).collect();
            (all, right_names.chain(left_names).collect())
        } else {
            let all = left.iter().chain(&right).map(String::as_str).collect();
            (all, left_names.chain(right_names).collect())
        };
        let all = all.join(", ");
        let names = names.into_iter().map(|column| column.name.clone()).collect();
        let networks = format!(
            "let networks = materialize(N | extend bits = {bits}, address = {network}
                 | where isnotnull(bits) and isnotempty(address));
             let prefixes = toscalar(networks | summarize make_set(bits));",
            bits = family.bits.replace("{}", "net"),
            network = family.network.replace("{}", "net"),
        );
        let found = format!(
            "extend bits = prefixes, own = {bits} | mv-expand bits to typeof(long) | where bits <= own
             | extend address = {masked} | where isnotempty(address)
             | join kind=inner networks on bits, address{keys}",
            bits = family.bits.replace("{}", "ip"),
            masked = family.masked,
        );
        let text = if unmatched {
            let right: String = right.iter().map(|name| format!(", {name}")).collect();
            format!(
                "{networks} let rows = materialize(T);
                 let found = rows | distinct ip{keys} | {found} | project ip{keys}{right};
                 rows | join kind=leftouter found on ip{keys} | project {all}"
            )
        } else {
            format!("{networks} T | {found} | project {all}")
        };
        self.template(parts, input, &text, names)
    }
}
