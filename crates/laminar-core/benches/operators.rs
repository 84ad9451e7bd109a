//! What one core aggregates, operator by operator, on rows that lie in memory: `cargo bench -p laminar-core --bench operators`.
//!
//! `-- tumble/1k` runs one of them. Rows are those of `laminar bench`: 65,536 in a batch, up to half a second out of order. An
//! iteration is one batch and the step that it makes; time goes on from batch to batch, so that windows close.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::dag::{
    AggregateSpec, ChangeKind, EdgeProperties, Partitioning, SessionSpec, TimeColumn, WindowEmission, WindowSpec,
};
use laminar_core::expr::{Column, ScalarExpr};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::group_aggregate::GroupAggregate;
use laminar_core::operator::session_window::SessionOperator;
use laminar_core::operator::window::WindowOperator;
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};
use laminar_core::time::{Clock, SystemClock, Watermark};
use laminar_core::{ChangeBatch, Port, Result, StepId};

/// That of the binary: the other one gives large buffers back to the system with every batch.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: u64 = 65_536;
/// Batches after which the values come again, with later times and other keys: else groups would be asked for in the same order.
const BATCHES: u64 = 32;
const SECOND: i64 = 1_000_000_000;
/// Event time from row to row: 50,000 rows a second.
const SPACING: i64 = 20_000;
const DISORDER: u64 = 500_000_000;

/// What rows are grouped by.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    Number,
    /// Of up to 12 bytes.
    Text,
    /// Of 40 bytes.
    LongText,
    Numbers,
    TextAndNumber,
}

impl Keys {
    /// The columns for keys that are numbers.
    fn columns(self, keys: &[i64]) -> Vec<ArrayRef> {
        let numbers = |number: fn(i64) -> i64| Arc::new(keys.iter().map(|key| Some(number(*key))).collect::<Int64Array>());
        let texts = |text: fn(i64) -> String| Arc::new(StringArray::from_iter_values(keys.iter().map(|key| text(*key))));
        match self {
            Keys::Number => vec![numbers(|key| key)],
            Keys::Text => vec![texts(|key| format!("key-{key}"))],
            Keys::LongText => vec![texts(|key| format!("{key:>40}"))],
            Keys::Numbers => vec![numbers(|key| key / 10), numbers(|key| key % 10)],
            Keys::TextAndNumber => vec![texts(|key| format!("key-{}", key / 10)), numbers(|key| key % 10)],
        }
    }

    /// The key columns, a value and a time.
    fn schema(self) -> SchemaRef {
        let keys = self.columns(&[]).into_iter().map(|key| key.data_type().clone());
        let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let types = keys.chain([DataType::Int64, time]).enumerate();
        Arc::new(Schema::new(types.map(|(at, data_type)| Field::new(format!("c{at}"), data_type, true)).collect::<Vec<_>>()))
    }

    fn key_columns(self) -> Vec<Arc<dyn ScalarExpr>> {
        (0..self.columns(&[]).len()).map(|at| Column::new(&self.schema(), at)).collect()
    }

    fn edge(self) -> EdgeProperties {
        let time_columns = vec![TimeColumn::new(self.time(), 0)];
        EdgeProperties {
            partitioning: Partitioning::Single,
            time_columns,
            ..EdgeProperties::new(self.schema(), ChangeKind::Append)
        }
    }

    fn time(self) -> usize {
        self.columns(&[]).len() + 1
    }

    fn calls(self) -> Vec<AggregateCall> {
        let call = |name: &str, args: Vec<_>, types: &[DataType]| {
            let function = native(name, types, &[], false).expect("known types").expect("one of ours");
            AggregateCall { function, args, filter: None, name: name.to_owned() }
        };
        let value = Column::new(&self.schema(), self.time() - 1);
        vec![call("count", vec![], &[]), call("sum", vec![value], &[DataType::Int64])]
    }

    /// What comes out, after columns of time called `start`.
    fn output(self, start: &[&str]) -> SchemaRef {
        let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let mut fields: Vec<Field> = start.iter().map(|name| Field::new(*name, time.clone(), true)).collect();
        let schema = self.schema();
        fields.extend(schema.fields()[..self.time() - 1].iter().map(|key| key.as_ref().clone()));
        fields.extend(["count", "sum"].map(|name| Field::new(name, DataType::Int64, true)));
        Arc::new(Schema::new(fields))
    }
}

fn scramble(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

/// The columns of one batch, with times from the epoch on.
struct Columns {
    k: Vec<i64>,
    v: ArrayRef,
    ts: Vec<i64>,
}

fn columns(number: u64, keys: u64) -> Columns {
    let rows = number * BATCH_ROWS..(number + 1) * BATCH_ROWS;
    let k = rows.clone().map(|row| (scramble(row) % keys) as i64).collect();
    let v: Int64Array = rows.map(|row| ((scramble(row) >> 32) % 1000) as i64).collect();
    let ts = (0..BATCH_ROWS).map(|row| row as i64 * SPACING + (scramble(row ^ 0x55) % DISORDER) as i64).collect();
    Columns { k, v: Arc::new(v), ts }
}

fn windows(by: Keys, kind: WindowKind) -> Result<Box<dyn Operator>> {
    let shape = WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } };
    let (keys, emission) = (by.key_columns(), WindowEmission::OnClose);
    let spec = WindowSpec { shape, time: by.time(), time_lag: 0, keys, aggregates: by.calls(), emission, lateness: 0 };
    Ok(Box::new(WindowOperator::new(&spec, &by.edge(), by.output(&["window_start", "window_end"]))?))
}

fn sessions(by: Keys, gap: i64) -> Result<Box<dyn Operator>> {
    let (keys, emission) = (by.key_columns(), WindowEmission::OnClose);
    let partition = keys.len();
    let spec = SessionSpec { gap, time: by.time(), time_lag: 0, keys, partition, aggregates: by.calls(), emission, lateness: 0 };
    Ok(Box::new(SessionOperator::new(&spec, &by.edge(), by.output(&["window_start", "window_end"]))?))
}

fn running(by: Keys) -> Result<Box<dyn Operator>> {
    let spec = AggregateSpec { keys: by.key_columns(), aggregates: by.calls() };
    Ok(Box::new(GroupAggregate::new(&spec, &by.edge(), by.output(&[]))?))
}

/// Steps of one batch each, with a watermark that waits for the disorder.
struct Stream {
    operator: Box<dyn Operator>,
    by: Keys,
    schema: SchemaRef,
    keys: i64,
    batches: Vec<Columns>,
    steps: u64,
    out: Vec<ChangeBatch>,
}

impl Stream {
    fn new(operator: Box<dyn Operator>, by: Keys, keys: u64) -> Self {
        let batches = (0..BATCHES).map(|batch| columns(batch, keys)).collect();
        Self { operator, by, schema: by.schema(), keys: keys as i64, batches, steps: 0, out: Vec::new() }
    }

    /// The next batch; making it is not part of what is measured.
    fn next(&mut self) -> (ChangeBatch, Watermark) {
        let columns = &self.batches[(self.steps % BATCHES) as usize];
        let begin = (self.steps * BATCH_ROWS) as i64 * SPACING;
        let turn = (self.steps / BATCHES) as i64;
        let keys: Vec<i64> = columns.k.iter().map(|key| (key + turn * 7_919) % self.keys).collect();
        self.steps += 1;
        let ts = TimestampNanosecondArray::from_iter_values(columns.ts.iter().map(|time| begin + time));
        let mut all = self.by.columns(&keys);
        all.extend([columns.v.clone(), Arc::new(ts)]);
        let rows = RecordBatch::try_new(self.schema.clone(), all).expect("fits");
        (ChangeBatch::append(rows), Watermark(begin + BATCH_ROWS as i64 * SPACING - SECOND))
    }

    fn step(&mut self, changes: ChangeBatch, watermark: Watermark) {
        let (mut rejected, mut wake_at) = (Vec::new(), None);
        let before = Watermark(watermark.0 - BATCH_ROWS as i64 * SPACING);
        self.out.clear();
        let mut cx = OperatorContext::new(StepId(self.steps), 0, before, &mut self.out, &mut rejected, &mut wake_at);
        self.operator.on_changes(Port::LEFT, changes, &mut cx).expect("good rows");
        self.operator.on_watermark(watermark, &mut cx).expect("a watermark");
        self.operator.end_step(&mut cx).expect("good rows");
        assert!(rejected.is_empty(), "no row is late");
    }
}

type Case<'a> = (&'a str, Keys, u64, &'a dyn Fn(Keys) -> Result<Box<dyn Operator>>);

fn operators(c: &mut Criterion) {
    let tumble = |by| windows(by, WindowKind::Tumbling { size: 60 * SECOND });
    // Windows in which most keys do not come.
    let short = |by| windows(by, WindowKind::Tumbling { size: 10 * SECOND });
    let hop = |by| windows(by, WindowKind::Hopping { size: 60 * SECOND, slide: SECOND });
    let cases: [Case<'_>; 16] = [
        ("tumble/1k", Keys::Number, 1_000, &tumble),
        ("tumble/10k", Keys::Number, 10_000, &tumble),
        ("tumble/1m", Keys::Number, 1_000_000, &tumble),
        ("tumble-10s/1m", Keys::Number, 1_000_000, &short),
        ("hop-60/1k", Keys::Number, 1_000, &hop),
        ("session/1k", Keys::Number, 1_000, &|by| sessions(by, SECOND / 10)),
        ("running/10k", Keys::Number, 10_000, &running),
        ("running/1m", Keys::Number, 1_000_000, &running),
        ("tumble-text/1k", Keys::Text, 1_000, &tumble),
        ("tumble-text/1m", Keys::Text, 1_000_000, &tumble),
        ("tumble-long-text/1k", Keys::LongText, 1_000, &tumble),
        ("tumble-numbers/1k", Keys::Numbers, 1_000, &tumble),
        ("tumble-numbers/1m", Keys::Numbers, 1_000_000, &tumble),
        ("tumble-text-number/1k", Keys::TextAndNumber, 1_000, &tumble),
        ("hop-text-60/1k", Keys::Text, 1_000, &hop),
        ("running-text/10k", Keys::Text, 10_000, &running),
    ];
    let mut group = c.benchmark_group("operators");
    group.throughput(Throughput::Elements(BATCH_ROWS));
    for (name, by, keys, operator) in cases {
        // One for all samples: what a new one's memory costs is seen in its first batches.
        let mut stream = Stream::new(operator(by).expect("a valid operator"), by, keys);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut taken = std::time::Duration::ZERO;
                for _ in 0..iterations {
                    let (changes, watermark) = stream.next();
                    let began = SystemClock.now();
                    stream.step(changes, watermark);
                    taken += std::time::Duration::from_nanos((SystemClock.now() - began).unsigned_abs());
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, operators);
criterion_main!(benches);
