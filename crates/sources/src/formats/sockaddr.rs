//! Socket addresses as the Linux audit system writes them: the kernel's `struct sockaddr` in hexadecimal digits.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::lines::hex;

/// Family, address (or path of a Unix socket) and port.
pub(crate) fn parse(saddr: &str) -> Option<(&'static str, String, Option<i64>)> {
    let bytes = hex(saddr)?;
    // The family is in the machine's order; both in use are little-endian.
    let family = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
    let port = || Some(i64::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])));
    match family {
        1 => {
            let path = bytes.get(2..)?;
            // An abstract socket's name begins with a zero byte.
            let path = path.strip_prefix(&[0]).unwrap_or(path);
            let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
            Some(("unix", String::from_utf8_lossy(path.get(..end)?).into_owned(), None))
        }
        2 => {
            let address: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(("inet", Ipv4Addr::from(address).to_string(), port()))
        }
        10 => {
            let address: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some(("inet6", Ipv6Addr::from(address).to_canonical().to_string(), port()))
        }
        16 => Some(("netlink", String::new(), None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_each_family_are_read() {
        assert_eq!(
            parse("02000050C633640400000000"),
            Some(("inet", "198.51.100.4".to_owned(), Some(80)))
        );
        let six = "0A0001BB0000000020010DB800000000000000000000000100000000";
        assert_eq!(parse(six), Some(("inet6", "2001:db8::1".to_owned(), Some(443))));
        assert_eq!(parse("01002F72756E2F6100"), Some(("unix", "/run/a".to_owned(), None)));
        assert_eq!(parse("0200"), None);
        assert_eq!(parse("zz"), None);
    }
}
