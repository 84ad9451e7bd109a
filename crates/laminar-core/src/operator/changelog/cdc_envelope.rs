//! Changes in the shape in which Debezium tells them: what happened, when, where, the row before and the row after.

use arrow_array::RecordBatch;

use crate::operator::window::{CdcOperation, ChangelogRecord};

/// What an envelope says has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeOperation {
    /// A row came: `after` is there.
    Create,
    /// A row changed: `after` is there, and `before` where it is known.
    Update,
    /// A row went: `before` is there.
    Delete,
    /// A row was there already when reading began: `after` is there.
    Read,
}

impl EnvelopeOperation {
    /// The letter of Debezium: `c`, `u`, `d`, `r`.
    pub fn code(self) -> &'static str {
        match self {
            EnvelopeOperation::Create => "c",
            EnvelopeOperation::Update => "u",
            EnvelopeOperation::Delete => "d",
            EnvelopeOperation::Read => "r",
        }
    }
}

/// Where changes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdcSource {
    /// The kind of system: `laminardb`, `postgresql`, …
    pub connector: String,
    /// The name by which readers know this system.
    pub name: String,
    /// The database.
    pub db: String,
    /// The table, stream or view.
    pub table: String,
}

impl CdcSource {
    /// A table of ours.
    pub fn new(name: impl Into<String>, db: impl Into<String>, table: impl Into<String>) -> Self {
        Self { connector: "laminardb".to_owned(), name: name.into(), db: db.into(), table: table.into() }
    }
}

/// One change of a row of type `T`, with the fields of Debezium's envelope. `laminar-connectors` writes it as JSON.
///
/// ```
/// use laminar_core::operator::changelog::{CdcEnvelope, CdcSource};
///
/// let source = CdcSource::new("shop", "main", "prices");
/// let change = CdcEnvelope::update("tea 3.00", "tea 3.20", source, 1_735_689_600_000);
/// assert_eq!(change.op.code(), "u");
/// assert_eq!((change.before, change.after), (Some("tea 3.00"), Some("tea 3.20")));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CdcEnvelope<T> {
    /// What happened.
    pub op: EnvelopeOperation,
    /// When, in milliseconds of wall-clock time.
    pub ts_ms: i64,
    /// Where.
    pub source: CdcSource,
    /// The row as it was.
    pub before: Option<T>,
    /// The row as it is.
    pub after: Option<T>,
}

impl<T> CdcEnvelope<T> {
    /// `after` came.
    pub fn insert(after: T, source: CdcSource, ts_ms: i64) -> Self {
        Self { op: EnvelopeOperation::Create, ts_ms, source, before: None, after: Some(after) }
    }

    /// `before` became `after`.
    pub fn update(before: T, after: T, source: CdcSource, ts_ms: i64) -> Self {
        Self { op: EnvelopeOperation::Update, ts_ms, source, before: Some(before), after: Some(after) }
    }

    /// `before` went.
    pub fn delete(before: T, source: CdcSource, ts_ms: i64) -> Self {
        Self { op: EnvelopeOperation::Delete, ts_ms, source, before: Some(before), after: None }
    }

    /// `after` was there when reading began.
    pub fn read(after: T, source: CdcSource, ts_ms: i64) -> Self {
        Self { op: EnvelopeOperation::Read, ts_ms, source, before: None, after: Some(after) }
    }
}

impl CdcEnvelope<RecordBatch> {
    /// One envelope for each record, and one for the two records of an update. What was before an update without what is
    /// after it is a deletion, and the other way round an insertion.
    pub fn of_records(records: &[ChangelogRecord], source: &CdcSource) -> Vec<Self> {
        let mut envelopes = Vec::with_capacity(records.len());
        let mut rest = records;
        while let Some((record, others)) = rest.split_first() {
            let (row, ts_ms) = (record.event.clone(), record.emit_timestamp.div_euclid(1_000_000));
            let after = others.first().filter(|after| is_update(record, after));
            envelopes.push(match (after, record.operation) {
                (Some(after), _) => Self::update(row, after.event.clone(), source.clone(), ts_ms),
                (None, CdcOperation::Insert | CdcOperation::UpdateAfter) => Self::insert(row, source.clone(), ts_ms),
                (None, CdcOperation::Delete | CdcOperation::UpdateBefore) => Self::delete(row, source.clone(), ts_ms),
            });
            rest = if after.is_some() { &others[1..] } else { others };
        }
        envelopes
    }
}

fn is_update(record: &ChangelogRecord, next: &ChangelogRecord) -> bool {
    (record.operation, next.operation) == (CdcOperation::UpdateBefore, CdcOperation::UpdateAfter)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::ChangeBatch;

    fn number(row: &Option<RecordBatch>) -> String {
        row.as_ref().map_or("-".to_owned(), |row| row.column(0).as_primitive::<Int64Type>().value(0).to_string())
    }

    /// Changes of `n | k` with the key `k`, as `op before after`.
    fn check(changes: &str, expected: &[&str]) {
        let schema = Schema::new(["n", "k"].map(|name| Field::new(name, DataType::Int64, true)).to_vec());
        let changes = ChangeBatch::parse(&Arc::new(schema), changes).unwrap();
        let records = ChangelogRecord::of_changes(&changes, &[1], 1_999_999).unwrap();
        let source = CdcSource::new("n", "d", "t");
        let envelopes = CdcEnvelope::of_records(&records, &source);
        let shown = envelopes.iter().map(|e| format!("{} {} {}", e.op.code(), number(&e.before), number(&e.after)));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert!(envelopes.iter().all(|envelope| envelope.ts_ms == 1 && envelope.source == source));
    }

    #[test]
    fn records_become_envelopes_and_the_two_of_an_update_one() {
        check("", &[]);
        check("+1 | 1 | 0 ; -1 | 2 | 1", &["c - 1", "d 2 -"]);
        check("-1 | 1 | 0 ; +1 | 2 | 0 ; +1 | 3 | 1", &["u 1 2", "c - 3"]);
        check("-1 | 1 | 0 ; +1 | 2 | 1", &["d 1 -", "c - 2"]);
        check("+2 | 1 | 0", &["c - 1", "c - 1"]);
    }

    #[test]
    fn a_row_that_was_there_before_is_read() {
        let envelope = CdcEnvelope::read(7, CdcSource::new("n", "d", "t"), 5);
        assert_eq!((envelope.op.code(), envelope.before, envelope.after), ("r", None, Some(7)));
    }
}
