//! XML as a dynamic: elements are members, attributes are members with `@`, text beside either is `#text`, and elements
//! of one name are an array.
//!
//! Source: Kusto Query Language reference, "parse_xml()".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::Call;
use super::declare::{Scalar, kernel, plain};
use super::dynamic::json;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[kernel(
    "parse_xml",
    "parse_xml(xml) → dynamic",
    "XML as a dynamic.",
    plain(&[Param::Is(Type::String)], Type::Dynamic),
    parse_xml,
)
.named_by_argument()];

/// Longer texts give null, as the reference says.
const LONGEST: usize = 1_048_576;
/// Deeper documents give null: nobody writes them, and each level costs memory.
const DEEPEST: usize = 256;

/// An element that is being read: its members as JSON, in order.
#[derive(Default)]
struct Element {
    name: String,
    members: Vec<(String, Vec<String>)>,
    text: String,
}

impl Element {
    fn add(&mut self, name: String, value: String) {
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.members.push((name, vec![value])),
        }
    }

    /// The text so far becomes a member, at the place where it stands.
    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        if !text.is_empty() {
            let mut value = String::new();
            json::write_string(text, &mut value);
            self.add("#text".to_owned(), value);
        }
    }

    fn to_json(&self) -> String {
        match self.members.as_slice() {
            [] => "null".to_owned(),
            [(name, values)] if name == "#text" && values.len() == 1 => values.concat(),
            members => {
                let mut out = String::from("{");
                for (index, (name, values)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    json::write_string(name, &mut out);
                    out.push(':');
                    match values.as_slice() {
                        [one] => out.push_str(one),
                        several => super::dynamic::arrays::write_array(several.iter().map(String::as_str), &mut out),
                    }
                }
                out.push('}');
                out
            }
        }
    }
}

fn opened(start: &BytesStart<'_>, reader: &Reader<&[u8]>) -> Option<Element> {
    let mut element = Element {
        name: String::from_utf8(start.name().as_ref().to_vec()).ok()?,
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let name = String::from_utf8(attribute.key.as_ref().to_vec()).ok()?;
        let mut value = String::new();
        json::write_string(&attribute.decode_and_unescape_value(reader.decoder()).ok()?, &mut value);
        element.add(format!("@{name}"), value);
    }
    Some(element)
}

/// The document as JSON; `None` when it is not well formed.
fn document(text: &str) -> Option<String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    // The first is the document itself.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                open.last_mut()?.end_text();
                if open.len() > DEEPEST {
                    return None;
                }
                open.push(opened(&start, &reader)?);
            }
            Event::Empty(start) => {
                let mut element = opened(&start, &reader)?;
                let parent = open.last_mut()?;
                parent.end_text();
                parent.add(std::mem::take(&mut element.name), element.to_json());
            }
            Event::End(_) => {
                let mut element = open.pop()?;
                element.end_text();
                let parent = open.last_mut()?;
                parent.add(std::mem::take(&mut element.name), element.to_json());
            }
            Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
            Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
            Event::GeneralRef(entity) => {
                let text = &mut open.last_mut()?.text;
                match entity.resolve_char_ref().ok()? {
                    Some(ch) => text.push(ch),
                    None => text.push_str(resolve_predefined_entity(&entity.decode().ok()?)?),
                }
            }
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
        }
    }
    match open.as_slice() {
        [root] if root.members.len() == 1 && root.text.trim().is_empty() => Some(root.to_json()),
        _ => None,
    }
}

fn parse_xml(c: &Call<'_>) -> Result<ArrayRef> {
    let xml = c.text(0)?;
    c.texts(|i, out| {
        let text = xml.get(i).filter(|text| text.len() <= LONGEST)?;
        out.push_str(&document(text)?);
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_what_the_reference_says() {
        for (xml, wanted) in [
            ("<e/>", r#"{"e":null}"#),
            ("<e>text</e>", r#"{"e":"text"}"#),
            (r#"<e name="value" />"#, r#"{"e":{"@name":"value"}}"#),
            (r#"<e name="value">text</e>"#, r##"{"e":{"@name":"value","#text":"text"}}"##),
            ("<e> <a>text</a> <b>text</b> </e>", r#"{"e":{"a":"text","b":"text"}}"#),
            ("<e> <a>text</a> <a>text</a> </e>", r#"{"e":{"a":["text","text"]}}"#),
            ("<e> text <a>text</a> </e>", r##"{"e":{"#text":"text","a":"text"}}"##),
            ("<?xml version=\"1.0\"?><!-- c --><e>a &lt; b&#33;</e>", r#"{"e":"a < b!"}"#),
        ] {
            assert_eq!(document(xml).as_deref(), Some(wanted), "{xml}");
        }
        for broken in ["", "text", "<a>", "<a></b>", "<a/><b/>", "<a>&unknown;</a>"] {
            assert_eq!(document(broken), None, "{broken}");
        }
    }
}
