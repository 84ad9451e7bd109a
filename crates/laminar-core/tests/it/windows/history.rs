//! What random sources send: rows with NULLs, duplicates, deletions, equal and late times; each with its source's watermark.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::ChangeBatch;
use laminar_core::dag::{ChangeKind, EdgeProperties, SourceSpec, TimeColumn};
use laminar_core::operator::ingress::Ingress;
use laminar_core::time::event_time::from_nanos;
use laminar_core::time::watermark::{WatermarkRule, WatermarkSpec};
use rand::RngExt;
use rand::rngs::StdRng;

pub(super) const MINUTE: i64 = 60_000_000_000;

/// A row of the columns `ts`, `k`, `v`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) time: Option<i64>,
    pub(super) key: Option<&'static str>,
    pub(super) value: Option<i64>,
}

/// A row as it came.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) row: Row,
    pub(super) weight: i64,
    /// The source's watermark at that moment, in nanoseconds.
    pub(super) arrival: i64,
}

/// What each source sends, in order.
#[derive(Debug)]
pub(super) struct History {
    pub(super) sources: Vec<Source>,
    unit: TimeUnit,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) events: Vec<Event>,
    delay: i64,
}

impl History {
    /// Times around 1970-01-01T00:00:00.
    pub(super) fn random(rng: &mut StdRng, deletions: bool) -> Self {
        Self::random_around(rng, deletions, 0)
    }

    /// Times around `middle`, in nanoseconds.
    pub(super) fn random_around(rng: &mut StdRng, deletions: bool, middle: i64) -> Self {
        let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let sources = (0..rng.random_range(1..=2)).map(|_| Source::random(rng, deletions, middle / MINUTE)).collect();
        Self { sources, unit: units[rng.random_range(0..4)] }
    }

    /// Whether the rows of several sources come among each other.
    pub(super) fn is_mixed(&self) -> bool {
        self.sources.len() > 1
    }

    pub(super) fn schema(&self) -> SchemaRef {
        let time = DataType::Timestamp(self.unit, None);
        let column = |name, data_type| Field::new(name, data_type, true);
        Arc::new(Schema::new(vec![column("ts", time), column("k", DataType::Utf8), column("v", DataType::Int64)]))
    }

    pub(super) fn edge(&self, retracts: bool) -> EdgeProperties {
        let changes = if retracts { ChangeKind::Retract } else { ChangeKind::Append };
        let time_columns = vec![TimeColumn { mixed: self.is_mixed(), ..TimeColumn::new(0, 0) }];
        EdgeProperties { time_columns, ..EdgeProperties::new(self.schema(), changes) }
    }

    pub(super) fn ingress(&self, source: &Source) -> Ingress {
        let rule = WatermarkRule::BoundedOutOfOrderness { delay: source.delay };
        let spec = SourceSpec { watermark: Some(WatermarkSpec::new(0, rule)), idle_timeout: None };
        Ingress::new(&spec, &self.edge(true)).unwrap()
    }

    pub(super) fn batch(&self, events: &[Event]) -> ChangeBatch {
        let times: Int64Array = events.iter().map(|event| event.row.time).collect();
        let columns: Vec<ArrayRef> = vec![
            from_nanos(&times, &DataType::Timestamp(self.unit, None)).unwrap(),
            Arc::new(events.iter().map(|event| event.row.key).collect::<StringArray>()),
            Arc::new(events.iter().map(|event| event.row.value).collect::<Int64Array>()),
        ];
        let weights: Vec<i64> = events.iter().map(|event| event.weight).collect();
        ChangeBatch::new(RecordBatch::try_new(self.schema(), columns).unwrap(), weights)
    }
}

impl Source {
    fn random(rng: &mut StdRng, deletions: bool, middle: i64) -> Self {
        let delay = [0, 2, 8, 30][rng.random_range(0..4)] * MINUTE;
        let jitter = [1, 6, 15][rng.random_range(0..3)];
        let mut source = Self { events: Vec::new(), delay };
        let (mut now, mut watermark) = (middle + rng.random_range(-20..20), i64::MIN);
        let mut present: Vec<(Row, i64)> = Vec::new();
        for _ in 0..rng.random_range(0..24) {
            now += rng.random_range(0..=3);
            let (row, weight) = if deletions && !present.is_empty() && rng.random_bool(0.3) {
                let (row, weight) = present.swap_remove(rng.random_range(0..present.len()));
                (row, -weight)
            } else {
                let row = random_row(rng, now, jitter);
                let weight = if deletions && rng.random_bool(0.1) { 2 } else { 1 };
                present.push((row.clone(), weight));
                (row, weight)
            };
            source.events.push(Event { row: row.clone(), weight, arrival: watermark });
            if let Some(time) = row.time.filter(|_| weight > 0) {
                watermark = watermark.max(time - delay);
            }
        }
        source
    }
}

fn random_row(rng: &mut StdRng, now: i64, jitter: i64) -> Row {
    Row {
        time: (!rng.random_bool(0.05)).then(|| (now - rng.random_range(0..=jitter)) * MINUTE),
        key: [None, Some("a"), Some("a"), Some("b")][rng.random_range(0..4)],
        value: (!rng.random_bool(0.2)).then(|| rng.random_range(-3..4)),
    }
}
