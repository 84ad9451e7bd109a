//! The manifest of a checkpoint: a JSON object that people can read, whose first member is a checksum of all that follows.
//!
//! ```text
//! {"checksum":"<32 hexadecimal digits: the first 16 bytes of BLAKE3 of all from the next line on>",
//! "format":1,"epoch":17,"written":"2026-11-29T16:00:00.000Z","log":{"segment":3,"offset":812},"watermark":"2026-11-29 15:59:55","blocks":["…"],
//! "body":<what the database says of itself, as it gave it>
//! }
//! ```

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, SecondsFormat};
use laminar_core::time::EventTime;
use laminar_core::{Error, Result};
use serde::Deserialize;

use super::block::BlockId;
use crate::log::LogPosition;

/// The version of the manifest.
const FORMAT: u32 = 1;
/// How a watermark is written.
const WATERMARK: &str = "%Y-%m-%d %H:%M:%S%.f";
const BODY: &str = "\n\"body\":";
const END: &str = "\n}\n";

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) epoch: u64,
    /// Nanoseconds since 1970-01-01T00:00:00Z; the file keeps milliseconds.
    pub(super) written: i64,
    pub(super) log: LogPosition,
    /// Nanoseconds since 1970-01-01T00:00:00, to the last of them in the file.
    pub(super) watermark: Option<i64>,
    pub(super) blocks: Vec<BlockId>,
    pub(super) body: Vec<u8>,
}

/// The members before the body.
#[derive(Deserialize)]
struct Head {
    format: u32,
    epoch: u64,
    written: String,
    log: Position,
    #[serde(default)]
    watermark: Option<String>,
    blocks: Vec<String>,
}

#[derive(Deserialize)]
struct Position {
    segment: u32,
    offset: u64,
}

impl Manifest {
    /// Fails unless the body is JSON.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let no_json = |reason: String| Error::internal(format!("what a checkpoint says is not JSON: {reason}"));
        let body = std::str::from_utf8(&self.body).map_err(|error| no_json(error.to_string()))?;
        serde_json::from_str::<serde::de::IgnoredAny>(body).map_err(|error| no_json(error.to_string()))?;
        let written = DateTime::from_timestamp_nanos(self.written).to_rfc3339_opts(SecondsFormat::Millis, true);
        let watermark = self.watermark.map(|watermark| format!("\"watermark\":\"{}\",", EventTime(watermark)));
        let blocks: Vec<String> = self.blocks.iter().map(|block| format!("\"{block}\"")).collect();
        let mut rest = format!(
            "\"format\":{FORMAT},\"epoch\":{},\"written\":\"{written}\",\"log\":{{\"segment\":{},\"offset\":{}}},{}\"blocks\":[{}],{BODY}",
            self.epoch,
            self.log.segment,
            self.log.offset,
            watermark.unwrap_or_default(),
            blocks.join(",\n"),
        )
        .into_bytes();
        rest.extend_from_slice(&self.body);
        rest.extend_from_slice(END.as_bytes());
        Ok([checksum_line(&rest).into_bytes(), rest].concat())
    }

    /// Reads what [`encode`](Self::encode) wrote; any other bytes are an error that tells why.
    pub(super) fn decode(file: &[u8]) -> Result<Self, String> {
        let rest = file.get(checksum_line(&[]).len()..).ok_or("it is cut short")?;
        if !file.starts_with(checksum_line(rest).as_bytes()) {
            return Err("its checksum is not that of its text".into());
        }
        let rest = std::str::from_utf8(rest).map_err(|_| "it is not text")?;
        let (head, body) = rest.split_once(BODY).ok_or("it has no body")?;
        let body = body.strip_suffix(END).ok_or("it has no end")?;
        let head = head.strip_suffix(',').ok_or("its members are not separated")?;
        let head: Head = serde_json::from_str(&format!("{{{head}}}")).map_err(|error| error.to_string())?;
        if head.format != FORMAT {
            return Err(format!("it is of format {}; this build reads {FORMAT}", head.format));
        }
        let blocks = head.blocks.iter().map(|block| block.parse()).collect::<Result<_>>();
        let written = DateTime::parse_from_rfc3339(&head.written).map_err(|error| error.to_string())?;
        let watermark = head.watermark.map(|text| NaiveDateTime::parse_from_str(&text, WATERMARK)).transpose();
        let watermark = watermark.map_err(|error| error.to_string())?.and_then(|time| time.and_utc().timestamp_nanos_opt());
        Ok(Self {
            epoch: head.epoch,
            written: written.timestamp_nanos_opt().unwrap_or(i64::MAX),
            log: LogPosition { segment: head.log.segment, offset: head.log.offset },
            watermark,
            blocks: blocks.map_err(|error| error.message().to_owned())?,
            body: body.as_bytes().to_vec(),
        })
    }
}

fn checksum_line(rest: &[u8]) -> String {
    format!("{{\"checksum\":\"{}\",\n", BlockId::of(rest))
}

/// The directory of a checkpoint.
pub(super) fn directory(checkpoints: &Path, epoch: u64) -> PathBuf {
    checkpoints.join(format!("{epoch:010}"))
}

/// The epoch of a checkpoint's directory.
pub(super) fn epoch_of(name: &str) -> Option<u64> {
    let epoch: u64 = name.parse().ok()?;
    (name == format!("{epoch:010}")).then_some(epoch)
}

pub(super) fn path(checkpoints: &Path, epoch: u64) -> PathBuf {
    directory(checkpoints, epoch).join("MANIFEST")
}

/// Where a manifest is written before it has its name.
pub(super) fn path_beside(checkpoints: &Path, epoch: u64) -> PathBuf {
    directory(checkpoints, epoch).join("MANIFEST.new")
}
