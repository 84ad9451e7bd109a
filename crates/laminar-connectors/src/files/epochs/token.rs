//! What a file sink tells a checkpoint: how much of the output is durable, and where it stands.

use laminar_core::Result;

use super::super::place::Sample;
use crate::SinkToken;
use crate::fields::{FieldReader, FieldWriter};

/// The version of the tokens that are written here.
const TOKEN_VERSION: u8 = 1;

/// So many bytes, and the last of them: by these a file is known again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) bytes: u64,
    pub(super) end: Sample,
}

/// What is durable at the end of an epoch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Prepared {
    /// All of the output so far; of a Parquet file, of its spool.
    pub(super) output: Extent,
    /// Where the segments begin that readers do not see yet, ascending.
    pub(super) segments: Vec<u64>,
    /// Whether no rows will follow.
    pub(super) is_complete: bool,
    /// The Parquet file, once it is complete.
    pub(super) parquet: Option<Extent>,
}

impl Prepared {
    pub(super) fn token(&self) -> SinkToken {
        let mut fields = FieldWriter::default();
        self.output.write(&mut fields);
        fields.number(self.segments.len() as u64);
        for from in &self.segments {
            fields.number(*from);
        }
        fields.flag(self.is_complete).flag(self.parquet.is_some());
        if let Some(parquet) = &self.parquet {
            parquet.write(&mut fields);
        }
        SinkToken::new(TOKEN_VERSION, fields.bytes())
    }

    /// What a token says; the empty one says that nothing was prepared.
    pub(super) fn read(token: &SinkToken, what: &str) -> Result<Self> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let mut fields = FieldReader::new(token.version(), TOKEN_VERSION, token.bytes(), what)?;
        let output = Extent::read(&mut fields)?;
        let mut segments = Vec::new();
        for _ in 0..fields.number()? {
            segments.push(fields.number()?);
        }
        let (is_complete, has_parquet) = (fields.flag()?, fields.flag()?);
        let parquet = if has_parquet { Some(Extent::read(&mut fields)?) } else { None };
        let ascend =
            segments.windows(2).all(|pair| pair[0] < pair[1]) && segments.last().is_none_or(|last| *last < output.bytes.max(1));
        if !ascend {
            return Err(fields.damaged());
        }
        fields.end()?;
        Ok(Self { output, segments, is_complete, parquet })
    }
}

impl Extent {
    fn write(self, fields: &mut FieldWriter) {
        fields.number(self.bytes);
        self.end.write(fields);
    }

    fn read(fields: &mut FieldReader<'_>) -> Result<Self> {
        Ok(Self { bytes: fields.number()?, end: Sample::read(fields)? })
    }
}
