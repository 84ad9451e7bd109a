//! What one core aggregates, operator by operator, on rows that lie in memory: `cargo bench -p laminar-core --bench operators`.
//!
//! `-- tumble/1k` runs one of them. Rows are those of `laminar bench`: 65,536 in a batch, up to half a second out of order. An
//! iteration is one batch and the step that it makes; time goes on from batch to batch, so that windows close.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::dag::{
    AggregateSpec, ChangeKind, EdgeProperties, Partitioning, SessionSpec, TimeColumn, WindowEmission, WindowSpec,
};
use laminar_core::expr::Column;
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

fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    Arc::new(Schema::new(vec![field("k", DataType::Int64), field("v", DataType::Int64), field("ts", time)]))
}

fn edge() -> EdgeProperties {
    let time_columns = vec![TimeColumn { column: 2, lag: 0 }];
    EdgeProperties { schema: schema(), changes: ChangeKind::Append, partitioning: Partitioning::Single, time_columns }
}

fn scramble(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

/// The columns of one batch, with times from the epoch on.
struct Columns {
    k: Int64Array,
    v: ArrayRef,
    ts: Vec<i64>,
}

fn columns(number: u64, keys: u64) -> Columns {
    let rows = number * BATCH_ROWS..(number + 1) * BATCH_ROWS;
    let k: Int64Array = rows.clone().map(|row| (scramble(row) % keys) as i64).collect();
    let v: Int64Array = rows.map(|row| ((scramble(row) >> 32) % 1000) as i64).collect();
    let ts = (0..BATCH_ROWS).map(|row| row as i64 * SPACING + (scramble(row ^ 0x55) % DISORDER) as i64).collect();
    Columns { k, v: Arc::new(v), ts }
}

fn calls() -> Vec<AggregateCall> {
    let call = |name: &str, args: Vec<_>, types: &[DataType]| {
        let function = native(name, types, &[], false).expect("known types").expect("one of ours");
        AggregateCall { function, args, filter: None, name: name.to_owned() }
    };
    vec![call("count", vec![], &[]), call("sum", vec![Column::new(&schema(), 1)], &[DataType::Int64])]
}

fn output(start: &[&str]) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let mut fields: Vec<Field> = start.iter().map(|name| Field::new(*name, time.clone(), true)).collect();
    fields.extend(["k", "count", "sum"].map(|name| Field::new(name, DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}

fn windows(kind: WindowKind) -> Result<Box<dyn Operator>> {
    let shape = WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } };
    let (keys, emission) = (vec![Column::new(&schema(), 0)], WindowEmission::OnClose);
    let spec = WindowSpec { shape, time: 2, time_lag: 0, keys, aggregates: calls(), emission, lateness: 0 };
    Ok(Box::new(WindowOperator::new(&spec, &edge(), output(&["window_start", "window_end"]))?))
}

fn sessions(gap: i64) -> Result<Box<dyn Operator>> {
    let (keys, emission) = (vec![Column::new(&schema(), 0)], WindowEmission::OnClose);
    let spec = SessionSpec { gap, time: 2, time_lag: 0, keys, aggregates: calls(), emission, lateness: 0 };
    Ok(Box::new(SessionOperator::new(&spec, &edge(), output(&["window_start", "window_end"]))?))
}

fn running() -> Result<Box<dyn Operator>> {
    let spec = AggregateSpec { keys: vec![Column::new(&schema(), 0)], aggregates: calls() };
    Ok(Box::new(GroupAggregate::new(&spec, &edge(), output(&[]))?))
}

/// Steps of one batch each, with a watermark that waits for the disorder.
struct Stream {
    operator: Box<dyn Operator>,
    keys: i64,
    batches: Vec<Columns>,
    steps: u64,
    out: Vec<ChangeBatch>,
}

impl Stream {
    fn new(operator: Box<dyn Operator>, keys: u64) -> Self {
        let batches = (0..BATCHES).map(|batch| columns(batch, keys)).collect();
        Self { operator, keys: keys as i64, batches, steps: 0, out: Vec::new() }
    }

    /// The next batch; making it is not part of what is measured.
    fn next(&mut self) -> (ChangeBatch, Watermark) {
        let columns = &self.batches[(self.steps % BATCHES) as usize];
        let begin = (self.steps * BATCH_ROWS) as i64 * SPACING;
        let turn = (self.steps / BATCHES) as i64;
        let k: Int64Array = columns.k.values().iter().map(|key| Some((key + turn * 7_919) % self.keys)).collect();
        self.steps += 1;
        let ts = TimestampNanosecondArray::from_iter_values(columns.ts.iter().map(|time| begin + time));
        let rows = RecordBatch::try_new(schema(), vec![Arc::new(k), columns.v.clone(), Arc::new(ts)]).expect("fits");
        (ChangeBatch::append(rows), Watermark(begin + BATCH_ROWS as i64 * SPACING - SECOND))
    }

    fn step(&mut self, changes: ChangeBatch, watermark: Watermark) {
        let (mut aside, mut wake_at) = (Vec::new(), None);
        let before = Watermark(watermark.0 - BATCH_ROWS as i64 * SPACING);
        self.out.clear();
        let mut cx = OperatorContext::new(StepId(self.steps), 0, before, &mut self.out, &mut aside, &mut wake_at);
        self.operator.on_changes(Port::LEFT, changes, &mut cx).expect("good rows");
        self.operator.on_watermark(watermark, &mut cx).expect("a watermark");
        self.operator.end_step(&mut cx).expect("good rows");
        assert!(aside.is_empty(), "no row is late");
    }
}

fn operators(c: &mut Criterion) {
    let tumble = || windows(WindowKind::Tumbling { size: 60 * SECOND });
    // Windows in which most keys do not come.
    let short = || windows(WindowKind::Tumbling { size: 10 * SECOND });
    let hop = || windows(WindowKind::Hopping { size: 60 * SECOND, slide: SECOND });
    let cases: [(&str, u64, &dyn Fn() -> Result<Box<dyn Operator>>); 8] = [
        ("tumble/1k", 1_000, &tumble),
        ("tumble/10k", 10_000, &tumble),
        ("tumble/1m", 1_000_000, &tumble),
        ("tumble-10s/1m", 1_000_000, &short),
        ("hop-60/1k", 1_000, &hop),
        ("session/1k", 1_000, &|| sessions(SECOND / 10)),
        ("running/10k", 10_000, &running),
        ("running/1m", 1_000_000, &running),
    ];
    let mut group = c.benchmark_group("operators");
    group.throughput(Throughput::Elements(BATCH_ROWS));
    for (name, keys, operator) in cases {
        group.bench_function(name, |bencher| {
            let mut stream = Stream::new(operator().expect("a valid operator"), keys);
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
