//! Sources of which some rows are bad rows: those that break a rule of the object which they fill.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_connectors::formats::Encoder;
use laminar_connectors::formats::ndjson::NdjsonEncoder;
use laminar_connectors::retry::Trouble;
use laminar_connectors::{BadRow, Position, Source, SourcePoll};
use laminar_core::time::watermark::Partitions;
use laminar_core::{ChangeBatch, Result};

use crate::catalog::TextLengths;

/// `source` with its texts held to these bounds.
pub(crate) fn held_to_lengths(source: Box<dyn Source>, lengths: &TextLengths) -> Box<dyn Source> {
    let (is_bounded, lengths) = (!lengths.is_empty(), lengths.clone());
    sieved(source, is_bounded, move |rows| Ok(lengths.faults(rows)))
}

/// `source` without the rows in which `faults` finds something, which are bad rows with that reason; as it is if nothing is to be looked for.
pub(crate) fn sieved(
    source: Box<dyn Source>,
    is_looked_at: bool,
    faults: impl Fn(&RecordBatch) -> Result<Vec<(usize, String)>> + Send + 'static,
) -> Box<dyn Source> {
    if is_looked_at { Box::new(SievedSource { source, faults }) } else { source }
}

/// A source of which some rows are bad rows.
struct SievedSource<F> {
    source: Box<dyn Source>,
    /// The rows that are, ascending, each with the reason.
    faults: F,
}

impl<F: Fn(&RecordBatch) -> Result<Vec<(usize, String)>> + Send> Source for SievedSource<F> {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let (changes, mut bad) = match self.source.poll(rows_max)? {
            SourcePoll::Rows { changes, bad } => (changes, bad),
            other => return Ok(other),
        };
        let faults = (self.faults)(changes.rows())?;
        let (changes, others) = without_faults(&changes, faults, &self.source.describe_position())?;
        bad.extend(others);
        Ok(SourcePoll::Rows { changes, bad })
    }

    fn position(&self) -> Position {
        self.source.position()
    }

    fn can_seek(&self) -> bool {
        self.source.can_seek()
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        self.source.seek(position)
    }

    fn acknowledge(&mut self, position: &Position) -> Result<()> {
        self.source.acknowledge(position)
    }

    fn describe_position(&self) -> String {
        self.source.describe_position()
    }

    fn partitions(&self) -> Partitions {
        self.source.partitions()
    }

    fn trouble(&self) -> Option<Trouble> {
        self.source.trouble()
    }

    fn is_bounded(&self) -> bool {
        self.source.is_bounded()
    }

    fn is_replayable(&self) -> bool {
        self.source.is_replayable()
    }

    fn is_append(&self) -> bool {
        self.source.is_append()
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        self.source.give_up()
    }
}

/// The changes without the rows in which something was found, and these with the reasons.
pub(super) fn without_faults(
    changes: &ChangeBatch,
    faults: Vec<(usize, String)>,
    position: &str,
) -> Result<(ChangeBatch, Vec<BadRow>)> {
    if faults.is_empty() {
        return Ok((changes.clone(), Vec::new()));
    }
    let (mut keep, mut bad) = (vec![true; changes.len()], Vec::with_capacity(faults.len()));
    for (row, reason) in faults {
        keep[row] = false;
        bad.push(BadRow { raw: text_of(changes.rows(), row)?, reason, position: position.to_owned() });
    }
    Ok((changes.filter(&keep.into())?, bad))
}

/// The row as JSON: what the file held of it is gone.
fn text_of(rows: &RecordBatch, row: usize) -> Result<String> {
    let mut text = Vec::new();
    NdjsonEncoder::default().encode(&rows.slice(row, 1), &mut text)?;
    Ok(String::from_utf8_lossy(text.trim_ascii_end()).into_owned())
}
