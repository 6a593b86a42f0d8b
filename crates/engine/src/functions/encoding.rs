//! Text in other clothes: Base64, URLs, Punycode, gzip and zlib.
//!
//! Source: Kusto Query Language reference, "Encoding functions"; RFC 4648, RFC 3986, RFC 3492.

use std::io::{Read, Write};

use arrow::array::ArrayRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::Result;
use flate2::Compression;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::Call;
use super::declare::{Scalar, kernel, plain};
use super::dynamic::{arrays, json};
use super::parse;

use Param::{Is, Text};

const STR: &[Param] = &[Is(Type::String)];

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "base64_encode_tostring",
        "base64_encode_tostring(text) → string",
        "A text in Base64.",
        plain(&[Text], Type::String),
        |c| text(c, |s| Some(STANDARD.encode(s))),
    )
    .alias(&["base64_encodestring"]),
    kernel(
        "base64_encode_fromguid",
        "base64_encode_fromguid(guid) → string",
        "The bytes of a guid in Base64.",
        plain(&[Is(Type::Guid)], Type::String),
        encode_guid,
    ),
    kernel(
        "base64_encode_fromarray",
        "base64_encode_fromarray(array) → string",
        "An array of bytes in Base64.",
        plain(&[Is(Type::Dynamic)], Type::String),
        encode_array,
    ),
    kernel(
        "base64_decode_tostring",
        "base64_decode_tostring(text) → string",
        "The text that Base64 stands for.",
        plain(STR, Type::String),
        |c| text(c, |s| String::from_utf8(decode(s)?).ok()),
    )
    .alias(&["base64_decodestring"]),
    kernel(
        "base64_decode_toarray",
        "base64_decode_toarray(text) → dynamic",
        "The bytes that Base64 stands for.",
        plain(STR, Type::Dynamic),
        decode_array,
    ),
    kernel(
        "base64_decode_toguid",
        "base64_decode_toguid(text) → guid",
        "The guid that Base64 stands for.",
        plain(STR, Type::Guid),
        decode_guid,
    ),
    kernel(
        "url_encode",
        "url_encode(url) → string",
        "A URL's characters made safe; space becomes +.",
        plain(&[Text], Type::String),
        |c| text(c, |s| Some(encode_url(s, true))),
    ),
    kernel(
        "url_encode_component",
        "url_encode_component(url) → string",
        "A URL's characters made safe; space becomes %20.",
        plain(&[Text], Type::String),
        |c| text(c, |s| Some(encode_url(s, false))),
    ),
    kernel(
        "url_decode",
        "url_decode(url) → string",
        "Safe characters of a URL back as they were.",
        plain(&[Text], Type::String),
        |c| text(c, |s| Some(decode_url(s))),
    ),
    kernel(
        "punycode_from_string",
        "punycode_from_string(text) → string",
        "Punycode of a text.",
        plain(STR, Type::String),
        |c| text(c, |s| idna::punycode::encode_str(s).map(trim_ascii_mark)),
    ),
    kernel(
        "punycode_to_string",
        "punycode_to_string(text) → string",
        "The text that Punycode stands for.",
        plain(STR, Type::String),
        |c| text(c, idna::punycode::decode_to_string),
    ),
    kernel(
        "punycode_domain_from_string",
        "punycode_domain_from_string(domain) → string",
        "A domain with its Punycode labels decoded.",
        plain(STR, Type::String),
        |c| text(c, domain_from),
    ),
    kernel(
        "punycode_domain_to_string",
        "punycode_domain_to_string(domain) → string",
        "A domain with its labels in Punycode.",
        plain(STR, Type::String),
        |c| text(c, domain_to),
    ),
    kernel(
        "gzip_compress_to_base64_string",
        "gzip_compress_to_base64_string(text) → string",
        "A text, gzipped, in Base64.",
        plain(STR, Type::String),
        |c| text(c, gzip),
    ),
    kernel(
        "gzip_decompress_from_base64_string",
        "gzip_decompress_from_base64_string(text) → string",
        "The text that gzipped Base64 stands for.",
        plain(STR, Type::String),
        |c| text(c, |s| limited(flate2::read::GzDecoder::new(decode(s)?.as_slice()))),
    ),
    kernel(
        "zlib_compress_to_base64_string",
        "zlib_compress_to_base64_string(text) → string",
        "A text, zlib-compressed, in Base64.",
        plain(STR, Type::String),
        |c| text(c, zlib),
    ),
    kernel(
        "zlib_decompress_from_base64_string",
        "zlib_decompress_from_base64_string(text) → string",
        "The text that zlib-compressed Base64 stands for.",
        plain(STR, Type::String),
        |c| text(c, |s| limited(flate2::read::ZlibDecoder::new(decode(s)?.as_slice()))),
    ),
];

fn text(c: &Call<'_>, f: impl Fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        out.push_str(&f(text.get(i)?)?);
        Some(())
    })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let missing = (4 - text.trim().len() % 4) % 4;
    let padded = format!("{}{}", text.trim(), "=".repeat(missing));
    STANDARD.decode(padded).ok()
}

fn decode_array(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let bytes: Vec<String> = decode(text.get(i)?)?.iter().map(u8::to_string).collect();
        arrays::write_array(bytes.iter().map(String::as_str), out);
        Some(())
    })
}

fn encode_array(c: &Call<'_>) -> Result<ArrayRef> {
    let array = c.text(0)?;
    c.texts(|i, out| {
        let bytes = json::elements(array.get(i)?)?
            .map(|item| u8::try_from(json::to_long(item)?).ok())
            .collect::<Option<Vec<u8>>>()?;
        STANDARD.encode_string(bytes, out);
        Some(())
    })
}

fn encode_guid(c: &Call<'_>) -> Result<ArrayRef> {
    let guid = c.text(0)?;
    c.texts(|i, out| {
        STANDARD.encode_string(uuid::Uuid::try_parse(guid.get(i)?).ok()?.to_bytes_le(), out);
        Some(())
    })
}

fn decode_guid(c: &Call<'_>) -> Result<ArrayRef> {
    let text = c.text(0)?;
    c.texts(|i, out| {
        let bytes: [u8; 16] = decode(text.get(i)?)?.try_into().ok()?;
        out.push_str(&parse::guid(&uuid::Uuid::from_bytes_le(bytes).to_string())?);
        Some(())
    })
}

fn encode_url(text: &str, plus: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'*' | b'(' | b')' => out.push(char::from(byte)),
            b' ' if plus => out.push('+'),
            other => out.push_str(&format!("%{other:02x}")),
        }
    }
    out
}

fn decode_url(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// A text of ASCII alone ends in the mark that separates it from nothing.
fn trim_ascii_mark(text: String) -> String {
    text.strip_suffix('-').map(str::to_owned).unwrap_or(text)
}

/// The dots that separate labels, ideographic ones included.
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

fn domain_from(domain: &str) -> Option<String> {
    let labels = domain.split('.').map(|label| match label.strip_prefix("xn--") {
        Some(encoded) => idna::punycode::decode_to_string(encoded),
        None => Some(label.to_owned()),
    });
    Some(labels.collect::<Option<Vec<_>>>()?.join("."))
}

fn domain_to(domain: &str) -> Option<String> {
    let labels = domain.split(DOTS).map(|label| {
        if label.is_ascii() {
            return Some(label.to_owned());
        }
        idna::punycode::encode_str(label).map(|encoded| format!("xn--{encoded}"))
    });
    Some(labels.collect::<Option<Vec<_>>>()?.join("."))
}

fn gzip(text: &str) -> Option<String> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(AsRef::<[u8]>::as_ref(text)).ok()?;
    let mut bytes = encoder.finish().ok()?;
    // Whoever reads it needs no hint at how hard it was compressed.
    if let Some(hint) = bytes.get_mut(8) {
        *hint = 0;
    }
    Some(STANDARD.encode(bytes))
}

fn zlib(text: &str) -> Option<String> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(AsRef::<[u8]>::as_ref(text)).ok()?;
    Some(STANDARD.encode(encoder.finish().ok()?))
}

/// Decompressed text of at most 16 MiB, so that a bomb does not go off.
fn limited(reader: impl Read) -> Option<String> {
    const MAX: u64 = 16 << 20;
    let mut bytes = Vec::new();
    reader.take(MAX + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > MAX {
        return None;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_change_their_clothes() {
        assert_eq!(
            encode_url("https://www.bing.com/hello world/", false),
            "https%3a%2f%2fwww.bing.com%2fhello%20world%2f"
        );
        assert_eq!(decode_url("a%20b+c%C3%A9"), "a b cé");
        assert_eq!(domain_from("xn--Ge-mia.Bulg.edu").as_deref(), Some("Gáe.Bulg.edu"));
        assert_eq!(
            limited(flate2::read::ZlibDecoder::new(
                decode("eJwLSS0uUSguKcrMS1cwNDIGACxqBQ4=").unwrap().as_slice()
            ))
            .as_deref(),
            Some("Test string 123")
        );
        assert_eq!(
            gzip("abc")
                .and_then(|s| limited(flate2::read::GzDecoder::new(decode(&s)?.as_slice())))
                .as_deref(),
            Some("abc")
        );
    }
}
