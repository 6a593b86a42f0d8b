//! Amazon Data Firehose's delivery to an HTTP endpoint: `{"requestId","timestamp","records":[{"data":BASE64}]}`, where each datum is
//! usually the gzip of a CloudWatch subscription record (docs.aws.amazon.com, "Understand HTTP endpoint delivery request and response
//! specifications"). The list around them is read as any list of records is.

use serde::Deserialize;

use super::{Format, wrapped};
use crate::decode::Refusal;
use crate::framing::{Envelope, Reader};
use crate::json::{self, Text};

pub(crate) const RECORD: Format = Format {
    prefix: br#"{"data":"#,
    members: &[b"data"],
    read,
};

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    data: Text<'a>,
}

fn read(reader: &mut Reader<'_, '_>, text: &[u8], at: usize, envelope: &Envelope) -> Result<usize, Refusal> {
    let (record, end) = json::read::<Record<'_>>(text, at).map_err(|error| Refusal::json("not a record of Firehose", error))?;
    let data = wrapped::pushed(&record.data).map_err(|detail| Refusal::new("not a record of Firehose", detail, end))?;
    reader.inner(&data, envelope, end)
}
