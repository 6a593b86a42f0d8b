//! Just enough of Protocol Buffers' wire format to read messages field by field (protobuf.dev, "Encoding"): no schema, no copies.

/// A field's value on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'a> {
    /// Varint: integers, booleans
    Number(u64),
    /// 64 bits: double
    Fixed64(u64),
    /// 32 bits: float
    Fixed32(u32),
    /// Text, bytes, messages, packed lists
    Bytes(&'a [u8]),
}

impl Wire<'_> {
    pub(crate) fn double(self) -> Option<f64> {
        match self {
            Wire::Fixed64(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// As a signed 64-bit integer (`int64`, not zigzag).
    pub(crate) fn signed(self) -> Option<i64> {
        match self {
            Wire::Number(number) => Some(number.cast_signed()),
            _ => None,
        }
    }
}

/// The fields of a message, in order; ends with `Err` where the bytes are no message.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn read(&mut self) -> Option<(u64, Wire<'a>)> {
        let key = varint(&mut self.rest)?;
        let value = match key & 7 {
            0 => Wire::Number(varint(&mut self.rest)?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

/// The bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAMessage;

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), NotAMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(NotAMessage))
    }
}

/// Reads a varint off the front.
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_broken_bytes_end_the_reading() {
        // Field 1 varint 150, field 2 "hi", field 3 double 1.5.
        let mut message = vec![0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x19];
        message.extend(1.5_f64.to_le_bytes());
        let fields: Vec<_> = Fields::new(&message).collect();
        assert_eq!(
            fields,
            [
                Ok((1, Wire::Number(150))),
                Ok((2, Wire::Bytes(b"hi"))),
                Ok((3, Wire::Fixed64(1.5_f64.to_bits())))
            ]
        );
        let broken: Vec<_> = Fields::new(&[0x12, 200, b'h']).collect();
        assert_eq!(broken, [Err(NotAMessage)]);
        assert_eq!(Fields::new(&[0xff; 12]).count(), 1);
    }
}
