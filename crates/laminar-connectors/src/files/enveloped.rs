//! A file source whose records tell changes of rows: `FORMAT UPSERT`, `FORMAT DEBEZIUM`.

use arrow_schema::SchemaRef;
use laminar_core::time::watermark::Partitions;
use laminar_core::{Code, Error, Result};

use super::settings::OnBadRow;
use super::text_file::bad_row_error;
use crate::formats::envelope::{Envelope, EnvelopeDecoder};
use crate::retry::Trouble;
use crate::{BadRow, Position, Source, SourcePoll};

/// The decoder of `envelope` for a source with these columns.
pub(super) fn decoder(envelope: Envelope, schema: Option<&SchemaRef>, key: &[usize]) -> Result<EnvelopeDecoder> {
    let schema = schema.ok_or_else(|| {
        Error::new(Code::InvalidQuery, format!("a source with FORMAT {} needs its columns", envelope.name()))
            .with_hint("declare those of the rows that change: CREATE SOURCE name (id BIGINT PRIMARY KEY, …)")
    })?;
    EnvelopeDecoder::new(envelope, schema, key)
}

/// Records of files, read as changes.
pub(super) struct EnvelopedSource {
    pub(super) records: Box<dyn Source>,
    pub(super) decoder: EnvelopeDecoder,
    pub(super) schema: SchemaRef,
    pub(super) on_bad_row: OnBadRow,
}

impl Source for EnvelopedSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let (records, mut bad) = match self.records.poll(rows_max)? {
            SourcePoll::Rows { changes, bad } => (changes, bad),
            other => return Ok(other),
        };
        let decoded = self.decoder.decode(records.rows())?;
        let position = self.records.describe_position();
        if let (OnBadRow::Fail, Some((_, reason))) = (self.on_bad_row, decoded.bad.first()) {
            return Err(bad_row_error(&position, reason));
        }
        bad.extend(decoded.bad.into_iter().map(|(raw, reason)| BadRow { raw, reason, position: position.clone() }));
        Ok(SourcePoll::Rows { changes: decoded.changes.with_partition(records.partition()), bad })
    }

    fn position(&self) -> Position {
        self.records.position()
    }

    fn can_seek(&self) -> bool {
        self.records.can_seek()
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        self.records.seek(position)
    }

    fn acknowledge(&mut self, position: &Position) -> Result<()> {
        self.records.acknowledge(position)
    }

    fn describe_position(&self) -> String {
        self.records.describe_position()
    }

    fn is_bounded(&self) -> bool {
        self.records.is_bounded()
    }

    fn is_replayable(&self) -> bool {
        self.records.is_replayable()
    }

    fn is_append(&self) -> bool {
        false
    }

    fn partitions(&self) -> Partitions {
        self.records.partitions()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.records.trouble()
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        self.records.give_up()
    }
}
