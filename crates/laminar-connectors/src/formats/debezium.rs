//! Changes as Debezium's JSON: `{"before":…,"after":…,"source":{…},"op":"u","ts_ms":…}`.

use arrow_array::RecordBatch;
use laminar_core::operator::changelog::{CdcEnvelope, EnvelopeOperation};
use laminar_core::{Code, Error, Result};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Encoder;
use super::ndjson::NdjsonEncoder;

/// The envelope as one line of JSON, without its end. A row that is not there is `null`, as Debezium writes it.
///
/// ```
/// use laminar_connectors::formats::debezium::envelope_json;
/// use laminar_core::operator::changelog::{CdcEnvelope, CdcSource};
///
/// let change = CdcEnvelope::insert([("price", 3)], CdcSource::new("shop", "main", "prices"), 1_735_689_600_000);
/// assert_eq!(
///     envelope_json(&change)?,
///     concat!(
///         r#"{"before":null,"after":[["price",3]],"#,
///         r#""source":{"connector":"laminardb","name":"shop","ts_ms":1735689600000,"snapshot":"false","db":"main","table":"prices"},"#,
///         r#""op":"c","ts_ms":1735689600000}"#
///     )
/// );
/// # Ok::<(), laminar_core::Error>(())
/// ```
pub fn envelope_json<T: Serialize>(envelope: &CdcEnvelope<T>) -> Result<String> {
    let CdcEnvelope { op, ts_ms, source, before, after } = envelope;
    let source = JsonSource {
        connector: &source.connector,
        name: &source.name,
        ts_ms: *ts_ms,
        snapshot: if *op == EnvelopeOperation::Read { "true" } else { "false" },
        db: &source.db,
        table: &source.table,
    };
    serde_json::to_string(&Json { before, after, source, op: op.code(), ts_ms: *ts_ms }).map_err(not_json)
}

/// An envelope with rows (batches of one each) as one line of JSON; values are written as in NDJSON.
pub fn row_envelope_json(envelope: &CdcEnvelope<RecordBatch>) -> Result<String> {
    let CdcEnvelope { op, ts_ms, source, before, after } = envelope;
    let [before, after] = [before, after].map(|row| row.as_ref().map(row_json).transpose());
    envelope_json(&CdcEnvelope { op: *op, ts_ms: *ts_ms, source: source.clone(), before: before?, after: after? })
}

fn row_json(row: &RecordBatch) -> Result<Box<RawValue>> {
    let mut text = Vec::new();
    NdjsonEncoder::default().encode(row, &mut text)?;
    serde_json::from_slice(&text).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> Error {
    Error::new(Code::BadData, "the change cannot be written as JSON").with_detail(error.to_string())
}

/// An envelope with the field names of Debezium, in its order.
#[derive(Serialize)]
struct Json<'a, T> {
    before: &'a Option<T>,
    after: &'a Option<T>,
    source: JsonSource<'a>,
    op: &'static str,
    ts_ms: i64,
}

#[derive(Serialize)]
struct JsonSource<'a> {
    connector: &'a str,
    name: &'a str,
    ts_ms: i64,
    snapshot: &'static str,
    db: &'a str,
    table: &'a str,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};
    use laminar_core::ChangeBatch;
    use laminar_core::operator::changelog::CdcSource;
    use laminar_core::operator::window::ChangelogRecord;

    use super::*;

    #[test]
    fn changed_rows_are_written_as_debezium_does() {
        let fields = [("k", DataType::Utf8), ("n", DataType::Int64)].map(|(name, data_type)| Field::new(name, data_type, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let changes = ChangeBatch::parse(&schema, "-1 | a | 1 ; +1 | a | NULL ; +1 | say \"b\" | 2 ; -1 | c | 3").unwrap();
        let records = ChangelogRecord::of_changes(&changes, &[0], 5_000_000).unwrap();
        let source = CdcSource::new("shop", "main", "t");
        let lines = CdcEnvelope::of_records(&records, &source).iter().map(row_envelope_json).collect::<Result<Vec<_>>>().unwrap();
        let tail = |op: &str| {
            let source = r#"{"connector":"laminardb","name":"shop","ts_ms":5,"snapshot":"false","db":"main","table":"t"}"#;
            format!(r#""source":{source},"op":"{op}","ts_ms":5}}"#)
        };
        assert_eq!(
            lines,
            [
                format!(r#"{{"before":{{"k":"a","n":1}},"after":{{"k":"a","n":null}},{}"#, tail("u")),
                format!(r#"{{"before":null,"after":{{"k":"say \"b\"","n":2}},{}"#, tail("c")),
                format!(r#"{{"before":{{"k":"c","n":3}},"after":null,{}"#, tail("d")),
            ]
        );
    }

    #[test]
    fn a_row_of_a_snapshot_says_so() {
        let line = envelope_json(&CdcEnvelope::read(1, CdcSource::new("a", "b", "c"), 0)).unwrap();
        assert!(line.contains(r#""snapshot":"true""#) && line.contains(r#""op":"r""#), "{line}");
    }
}
