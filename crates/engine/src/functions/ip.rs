//! IPv4 and IPv6 addresses and prefixes.
//!
//! Source: Kusto Query Language reference, "IPv4 and IPv6 functions"; RFC 4291.

use std::net::{Ipv4Addr, Ipv6Addr};

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::{Call, Datum, Text};
use super::declare::{Scalar, kernel, many, optional, plain};
use super::dynamic::json;

use Param::{Any, Integer, Is};

const S: Param = Is(Type::String);
const ONE: &[Param] = &[S];
const TWO: &[Param] = &[S, S];

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "parse_ipv4",
        "parse_ipv4(ip) → long",
        "An IPv4 address as a number.",
        plain(ONE, Type::Long),
        |c| {
            let ip = c.text(0)?;
            c.longs(|i| v4(ip.get(i)?).map(|n| i64::from(n.masked(32))))
        },
    ),
    kernel(
        "parse_ipv4_mask",
        "parse_ipv4_mask(ip, prefix) → long",
        "An IPv4 network as a number.",
        plain(&[S, Integer], Type::Long),
        parse_v4_mask,
    ),
    kernel(
        "ipv4_compare",
        "ipv4_compare(ip1, ip2, prefix = 32) → long",
        "-1, 0 or 1: how two IPv4 networks are ordered.",
        optional(TWO, &[Integer], Type::Long),
        compare4,
    ),
    kernel(
        "ipv4_is_match",
        "ipv4_is_match(ip1, ip2, prefix = 32) → bool",
        "Whether two IPv4 networks are the same.",
        optional(TWO, &[Integer], Type::Bool),
        match4,
    ),
    kernel(
        "ipv4_is_in_range",
        "ipv4_is_in_range(ip, range) → bool",
        "Whether an IPv4 address is in a network.",
        plain(TWO, Type::Bool),
        in_range4,
    ),
    kernel(
        "ipv4_is_in_any_range",
        "ipv4_is_in_any_range(ip, range, …) → bool",
        "Whether an IPv4 address is in one of several networks.",
        many(&[S, Any], Any, Type::Bool),
        in_any_range4,
    ),
    kernel(
        "ipv4_is_private",
        "ipv4_is_private(ip) → bool",
        "Whether an IPv4 address is of a private network.",
        plain(ONE, Type::Bool),
        private4,
    ),
    kernel(
        "ipv4_netmask_suffix",
        "ipv4_netmask_suffix(ip) → long",
        "The length of the prefix; 32 when there is none.",
        plain(ONE, Type::Long),
        |c| {
            let ip = c.text(0)?;
            c.longs(|i| v4(ip.get(i)?).map(|n| i64::from(n.prefix)))
        },
    ),
    kernel(
        "ipv4_range_to_cidr_list",
        "ipv4_range_to_cidr_list(first, last) → dynamic",
        "The networks that cover a range.",
        plain(TWO, Type::Dynamic),
        range_to_cidr,
    ),
    kernel(
        "format_ipv4",
        "format_ipv4(ip, prefix = 32) → string",
        "An IPv4 network's address.",
        optional(&[Any], &[Integer], Type::String),
        |c| format4(c, false),
    ),
    kernel(
        "format_ipv4_mask",
        "format_ipv4_mask(ip, prefix = 32) → string",
        "An IPv4 network with its prefix.",
        optional(&[Any], &[Integer], Type::String),
        |c| format4(c, true),
    ),
    kernel(
        "has_ipv4",
        "has_ipv4(source, ip) → bool",
        "Whether a text has an IPv4 address.",
        plain(TWO, Type::Bool),
        |c| has4(c, false),
    ),
    kernel(
        "has_any_ipv4",
        "has_any_ipv4(source, ip, …) → bool",
        "Whether a text has one of several IPv4 addresses.",
        many(&[S, Any], Any, Type::Bool),
        |c| has4(c, false),
    ),
    kernel(
        "has_ipv4_prefix",
        "has_ipv4_prefix(source, prefix) → bool",
        "Whether a text has an IPv4 address that starts so.",
        plain(TWO, Type::Bool),
        |c| has4(c, true),
    ),
    kernel(
        "has_any_ipv4_prefix",
        "has_any_ipv4_prefix(source, prefix, …) → bool",
        "Whether a text has an IPv4 address that starts in one of several ways.",
        many(&[S, Any], Any, Type::Bool),
        |c| has4(c, true),
    ),
    kernel(
        "parse_ipv6",
        "parse_ipv6(ip) → string",
        "An address as IPv6 with all its digits.",
        plain(ONE, Type::String),
        |c| {
            let ip = c.text(0)?;
            c.texts(|i, out| {
                out.push_str(&full6(v6(ip.get(i)?)?.masked(128)));
                Some(())
            })
        },
    ),
    kernel(
        "parse_ipv6_mask",
        "parse_ipv6_mask(ip, prefix) → string",
        "A network as IPv6 with all its digits.",
        plain(&[S, Integer], Type::String),
        parse_v6_mask,
    ),
    kernel(
        "ipv6_compare",
        "ipv6_compare(ip1, ip2, prefix = 128) → long",
        "-1, 0 or 1: how two networks are ordered.",
        optional(TWO, &[Integer], Type::Long),
        compare6,
    ),
    kernel(
        "ipv6_is_match",
        "ipv6_is_match(ip1, ip2, prefix = 128) → bool",
        "Whether two networks are the same.",
        optional(TWO, &[Integer], Type::Bool),
        match6,
    ),
    kernel(
        "ipv6_is_in_range",
        "ipv6_is_in_range(ip, range) → bool",
        "Whether an address is in a network.",
        plain(TWO, Type::Bool),
        in_range6,
    ),
    kernel(
        "ipv6_is_in_any_range",
        "ipv6_is_in_any_range(ip, range, …) → bool",
        "Whether an address is in one of several networks.",
        many(&[S, Any], Any, Type::Bool),
        in_any_range6,
    ),
];

/// An IPv4 address with its prefix.
#[derive(Debug, Clone, Copy)]
struct Net4 {
    address: u32,
    prefix: u32,
}

impl Net4 {
    /// The address, cut to its own prefix and another.
    fn masked(self, prefix: u32) -> u32 {
        let bits = self.prefix.min(prefix);
        self.address & u32::MAX.checked_shl(32 - bits).unwrap_or(0)
    }
}

fn v4(text: &str) -> Option<Net4> {
    let (address, prefix) = match text.trim().split_once('/') {
        Some((address, prefix)) => (address, prefix.parse().ok().filter(|p| *p <= 32)?),
        None => (text.trim(), 32),
    };
    let address: Ipv4Addr = address.parse().ok()?;
    Some(Net4 {
        address: address.into(),
        prefix,
    })
}

/// An IPv6 address with its prefix; of IPv4 the mapped one, with its prefix from the front.
#[derive(Debug, Clone, Copy)]
struct Net6 {
    address: u128,
    prefix: u32,
    from_v4: bool,
}

impl Net6 {
    fn masked(self, prefix: u32) -> u128 {
        let bits = self.prefix.min(prefix);
        self.address & u128::MAX.checked_shl(128 - bits).unwrap_or(0)
    }
}

fn v6(text: &str) -> Option<Net6> {
    if let Some(net) = v4(text) {
        let address = Ipv4Addr::from(net.address).to_ipv6_mapped();
        return Some(Net6 {
            address: address.into(),
            prefix: net.prefix + 96,
            from_v4: true,
        });
    }
    let (address, prefix) = match text.trim().split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (text.trim(), None),
    };
    let parsed: Ipv6Addr = address.parse().ok()?;
    // `::192.168.1.1` is an IPv4 address in old clothes, and its prefix counts the bits of that.
    if address.contains('.') {
        let low = u128::from(parsed) & u128::from(u32::MAX);
        let mapped = (0xffff_u128 << 32) | low;
        return Some(Net6 {
            address: mapped,
            prefix: prefix.map_or(128, |p| if p <= 32 { p + 96 } else { p }),
            from_v4: true,
        });
    }
    let prefix = prefix.unwrap_or(128);
    (prefix <= 128).then_some(Net6 {
        address: parsed.into(),
        prefix,
        from_v4: false,
    })
}

fn full6(address: u128) -> String {
    Ipv6Addr::from(address).segments().map(|part| format!("{part:04x}")).join(":")
}

fn prefix(value: Option<i64>, most: u32) -> Option<u32> {
    u32::try_from(value?).ok().filter(|p| *p <= most)
}

fn parse_v4_mask(c: &Call<'_>) -> Result<ArrayRef> {
    let (ip, mask) = (c.text(0)?, c.long(1)?);
    c.longs(|i| Some(i64::from(v4(ip.get(i)?)?.masked(prefix(mask.get(i), 32)?))))
}

fn order4(a: &str, b: &str, mask: u32) -> Option<i64> {
    let (a, b) = (v4(a)?, v4(b)?);
    let bits = a.prefix.min(b.prefix).min(mask);
    Some(a.masked(bits).cmp(&b.masked(bits)) as i64)
}

fn compare4(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b, mask) = (c.text(0)?, c.text(1)?, c.optional_long(2, 32)?);
    c.longs(|i| order4(a.get(i)?, b.get(i)?, prefix(mask.get(i), 32)?))
}

fn match4(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b, mask) = (c.text(0)?, c.text(1)?, c.optional_long(2, 32)?);
    c.bools(|i| order4(a.get(i)?, b.get(i)?, prefix(mask.get(i), 32)?).map(|order| order == 0))
}

fn inside4(ip: &str, range: &str) -> Option<bool> {
    let (ip, range) = (v4(ip)?, v4(range)?);
    Some(ip.masked(range.prefix) == range.masked(32))
}

fn in_range4(c: &Call<'_>) -> Result<ArrayRef> {
    let (ip, range) = (c.text(0)?, c.text(1)?);
    c.bools(|i| inside4(ip.get(i)?, range.get(i)?))
}

/// The texts of all arguments from the second on, arrays taken apart.
fn each<'a>(c: &Call<'_>, columns: &[Text<'a>], row: usize, mut f: impl FnMut(&str) -> bool) -> bool {
    columns.iter().enumerate().any(|(index, column)| {
        let Some(text) = column.get(row) else { return false };
        match json::elements(text).filter(|_| c.ty(index + 1) == Type::Dynamic) {
            Some(mut elements) => elements.any(|item| f(&json::as_text(item))),
            None if c.ty(index + 1) == Type::Dynamic => f(&json::as_text(text)),
            None => f(text),
        }
    })
}

fn rest<'a>(c: &Call<'a>) -> Result<Vec<Text<'a>>> {
    (1..c.count()).map(|index| c.text(index)).collect()
}

fn in_any_range4(c: &Call<'_>) -> Result<ArrayRef> {
    let (ip, ranges) = (c.text(0)?, rest(c)?);
    c.bools(|i| {
        let ip = ip.get(i)?;
        v4(ip)?;
        Some(each(c, &ranges, i, |range| inside4(ip, range) == Some(true)))
    })
}

fn private4(c: &Call<'_>) -> Result<ArrayRef> {
    let ip = c.text(0)?;
    c.bools(|i| Some(Ipv4Addr::from(v4(ip.get(i)?)?.masked(32)).is_private()))
}

fn range_to_cidr(c: &Call<'_>) -> Result<ArrayRef> {
    let (first, last) = (c.text(0)?, c.text(1)?);
    c.texts(|i, out| {
        let mut at = u64::from(v4(first.get(i)?)?.address);
        let last = u64::from(v4(last.get(i)?)?.address);
        out.push('[');
        while at <= last {
            // The largest aligned block that does not reach beyond the end.
            let mut size = if at == 0 { 1u64 << 32 } else { 1 << at.trailing_zeros() };
            while at + size - 1 > last {
                size /= 2;
            }
            if !out.ends_with('[') {
                out.push(',');
            }
            let address = Ipv4Addr::from(u32::try_from(at).ok()?);
            json::write_string(&format!("{address}/{}", 32 - size.trailing_zeros()), out);
            at += size;
        }
        out.push(']');
        Some(())
    })
}

fn format4(c: &Call<'_>, with_mask: bool) -> Result<ArrayRef> {
    let (ip, mask) = (c.value(0)?, c.optional_long(1, 32)?);
    c.texts(|i, out| {
        let net = match ip.get(i) {
            Datum::String(text) => v4(text)?,
            Datum::Dynamic(text) => v4(&json::as_text(text))?,
            Datum::Int(v) => Net4 {
                address: u32::try_from(v).ok()?,
                prefix: 32,
            },
            Datum::Long(v) => Net4 {
                address: u32::try_from(v).ok()?,
                prefix: 32,
            },
            _ => return None,
        };
        let bits = net.prefix.min(prefix(mask.get(i), 32)?);
        out.push_str(&Ipv4Addr::from(net.masked(bits)).to_string());
        if with_mask {
            out.push_str(&format!("/{bits}"));
        }
        Some(())
    })
}

/// The IPv4 addresses in a text: runs of digits and dots between other characters.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    text.split(|ch: char| !(ch.is_ascii_digit() || ch == '.'))
        .map(|part| part.trim_matches('.'))
        .filter(|part| part.parse::<Ipv4Addr>().is_ok())
        .filter(move |part| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            let before = text.get(..start).and_then(|t| t.chars().next_back());
            let after = text.get(start + part.len()..).and_then(|t| t.chars().next());
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
}

fn has4(c: &Call<'_>, prefix: bool) -> Result<ArrayRef> {
    let (text, wanted) = (c.text(0)?, rest(c)?);
    c.bools(|i| {
        let found: Vec<&str> = addresses(text.get(i)?).collect();
        Some(each(c, &wanted, i, |wanted| {
            if prefix {
                // A prefix ends in a dot or is a whole address.
                let whole = wanted.parse::<Ipv4Addr>().is_ok();
                (whole || wanted.ends_with('.')) && found.iter().any(|ip| if whole { *ip == wanted } else { ip.starts_with(wanted) })
            } else {
                wanted.parse::<Ipv4Addr>().is_ok() && found.contains(&wanted)
            }
        }))
    })
}

fn parse_v6_mask(c: &Call<'_>) -> Result<ArrayRef> {
    let (ip, mask) = (c.text(0)?, c.long(1)?);
    c.texts(|i, out| {
        out.push_str(&full6(v6(ip.get(i)?)?.masked(prefix(mask.get(i), 128)?)));
        Some(())
    })
}

fn order6(a: &str, b: &str, mask: u32) -> Option<i64> {
    let (a, b) = (v6(a)?, v6(b)?);
    // Between two IPv4 addresses a short prefix counts their own bits.
    let mask = if a.from_v4 && b.from_v4 && mask <= 32 { mask + 96 } else { mask };
    let bits = a.prefix.min(b.prefix).min(mask);
    Some(a.masked(bits).cmp(&b.masked(bits)) as i64)
}

fn compare6(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b, mask) = (c.text(0)?, c.text(1)?, c.optional_long(2, 128)?);
    c.longs(|i| order6(a.get(i)?, b.get(i)?, prefix(mask.get(i), 128)?))
}

fn match6(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b, mask) = (c.text(0)?, c.text(1)?, c.optional_long(2, 128)?);
    c.bools(|i| order6(a.get(i)?, b.get(i)?, prefix(mask.get(i), 128)?).map(|order| order == 0))
}

fn inside6(ip: &str, range: &str) -> Option<bool> {
    let (ip, range) = (v6(ip)?, v6(range)?);
    Some(ip.masked(range.prefix) == range.masked(128))
}

fn in_range6(c: &Call<'_>) -> Result<ArrayRef> {
    let (ip, range) = (c.text(0)?, c.text(1)?);
    c.bools(|i| inside6(ip.get(i)?, range.get(i)?))
}

fn in_any_range6(c: &Call<'_>) -> Result<ArrayRef> {
    let (ip, ranges) = (c.text(0)?, rest(c)?);
    c.bools(|i| {
        let ip = ip.get(i)?;
        v6(ip)?;
        Some(each(c, &ranges, i, |range| inside6(ip, range) == Some(true)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_compare_by_their_shortest_prefix() {
        for (a, b, mask, want) in [
            ("192.168.1.0", "192.168.1.0", 32, Some(0)),
            ("192.168.1.1/24", "192.168.1.255", 32, Some(0)),
            ("192.168.1.1", "192.168.1.0", 31, Some(0)),
            ("192.168.1.1", "192.168.1.2", 32, Some(-1)),
            ("nope", "192.168.1.2", 32, None),
        ] {
            assert_eq!(order4(a, b, mask), want, "{a} {b}");
        }
        for (a, b, mask) in [
            ("192.168.1.1/24", "::ffff:c0a8:01ff", 127),
            ("::ffff:c0a8:0101", "192.168.1.255", 120),
            ("::192.168.1.1/30", "192.168.1.255/24", 127),
            ("fe80::85d:e82c:9446:7994/120", "fe80::85d:e82c:9446:7998", 127),
        ] {
            assert_eq!(order6(a, b, mask), Some(0), "{a} {b}");
        }
        assert_eq!(
            full6(v6("::192.168.255.255/24").unwrap().masked(128)),
            "0000:0000:0000:0000:0000:ffff:c0a8:ff00"
        );
        assert_eq!(
            addresses("05:04:54 127.0.0.1 GET /favicon.ico 404").collect::<Vec<_>>(),
            ["127.0.0.1"]
        );
        assert_eq!(addresses("05:04:54127.0.0.1 GET").count(), 0);
    }
}
