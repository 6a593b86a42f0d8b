//! What an index inside of a file says of a predicate: which rows may have an identifier, or a word.

use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column as ColumnExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::reader::Reader;
use super::rows::{Selection, Use, narrow};
use crate::columns::{Column, OpenFile};
use crate::terms::{Found, key_hash, words_of};

/// Functions that look for whole terms, as predicates name them: whatever the case of letters, and not.
const HAS: &str = "$has";
const HAS_CS: &str = "$has_cs";

/// What an index says of a predicate in a row group.
pub(super) enum Decided {
    NoRow,
    /// It is true for the selected rows and no others
    Exactly,
    /// It is false for all others
    AtMost,
}

/// A predicate that an index may know something of.
enum Question {
    Equal { column: String, text: String },
    Has { column: String, text: String, folds: bool },
}

impl Question {
    fn of(expr: &Arc<dyn PhysicalExpr>) -> Option<Question> {
        let column = |expr: &Arc<dyn PhysicalExpr>| Some(expr.downcast_ref::<ColumnExpr>()?.name().to_owned());
        let text = |expr: &Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Literal>()?.value() {
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => Some(text.clone()),
            _ => None,
        };
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            if *binary.op() != Operator::Eq {
                return None;
            }
            let (left, right) = (binary.left(), binary.right());
            let (column, text) = match (column(left), text(right)) {
                (Some(column), Some(text)) => (column, text),
                _ => (column(right)?, text(left)?),
            };
            return Some(Question::Equal { column, text });
        }
        let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
        // The engine's names carry the signature: `$has(string,string)->bool`.
        let folds = match call.fun().name().split('(').next().unwrap_or_default() {
            HAS => true,
            HAS_CS => false,
            _ => return None,
        };
        match call.args() {
            [in_what, what] => Some(Question::Has {
                column: column(in_what)?,
                text: text(what)?,
                folds,
            }),
            _ => None,
        }
    }
}

impl Reader {
    /// Narrows a selection by an index of the file, when it knows something of the predicate.
    pub(super) fn ask_index(&self, open: &OpenFile, group: usize, predicate: &Use, selection: &mut Selection) -> Result<Option<Decided>> {
        let Some(question) = Question::of(&predicate.expr) else {
            return Ok(None);
        };
        let mut bytes = 0;
        let (rows, exactly): (Vec<u32>, bool) = match question {
            Question::Equal { column, text } if open.has_keys(&column) => {
                let index = self.scan.shared.columns.keys(open, group, &mut bytes)?;
                let Column::Keys(hashes) = index.as_ref() else {
                    return Ok(None);
                };
                let wanted = key_hash(AsRef::<[u8]>::as_ref(text.as_str()));
                let rows = hashes.iter().enumerate().filter(|(_, hash)| **hash == wanted);
                (rows.map(|(row, _)| row as u32).collect(), false)
            }
            Question::Has { column, text, folds } if open.has_words(&column) => {
                let (words, alone) = words_of(&text);
                if words.is_empty() {
                    return Ok(None);
                }
                let index = self.scan.shared.columns.words(open, group, &mut bytes)?;
                let Column::Words(index) = index.as_ref() else {
                    return Ok(None);
                };
                let mut exactly = alone && folds;
                let mut rows: Option<Vec<u32>> = None;
                for word in &words {
                    let found = match index.find(word) {
                        Found::Nowhere => Vec::new(),
                        Found::Rows(found) => found,
                        Found::Perhaps(found) => {
                            exactly = false;
                            found
                        }
                        Found::Anywhere => {
                            exactly = false;
                            continue;
                        }
                    };
                    rows = Some(match rows {
                        None => found,
                        Some(before) => before.into_iter().filter(|row| found.binary_search(row).is_ok()).collect(),
                    });
                }
                let Some(rows) = rows else {
                    return Ok(None);
                };
                (rows, exactly)
            }
            _ => return Ok(None),
        };
        self.bytes.add(bytes);
        if rows.is_empty() {
            return Ok(Some(Decided::NoRow));
        }
        let count = open.rows(group);
        let mut among = BooleanBufferBuilder::new(count);
        among.append_n(count, false);
        for row in rows {
            if (row as usize) < count {
                among.set_bit(row as usize, true);
            }
        }
        if !narrow(selection, among.finish()) {
            return Ok(Some(Decided::NoRow));
        }
        Ok(Some(if exactly { Decided::Exactly } else { Decided::AtMost }))
    }
}
