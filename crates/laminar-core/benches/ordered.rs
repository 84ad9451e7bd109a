//! What one core takes in where rows are kept in an order: `cargo bench -p laminar-core --bench ordered`.
//!
//! A million rows `(id, k, v)` are stored. An iteration is a step of 16,384 changes: new rows, and the oldest ones go.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::dag::{ChangeKind, EdgeProperties, Frame, FrameBound, FrameUnit, OverCall, OverFunction, OverSpec, TopNSpec};
use laminar_core::expr::{Column, SortDirection, SortKey};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::over::Over;
use laminar_core::operator::top_n::TopN;
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::time::{Clock, SystemClock, Watermark};
use laminar_core::{ChangeBatch, Port, Result, StepId};

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STORED: u64 = 1_000_000;
const NEW_ROWS: u64 = 8_192;
/// The columns of a row.
const ID: usize = 0;
const K: usize = 1;
const V: usize = 2;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(["id", "k", "v"].map(|name| Field::new(name, DataType::Int64, true)).to_vec()))
}

/// A number without order.
fn scramble(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

fn rows(ids: std::ops::Range<u64>, keys: u64) -> RecordBatch {
    let column = |of: &dyn Fn(u64) -> u64| Arc::new(ids.clone().map(|id| Some(of(id) as i64)).collect::<Int64Array>()) as _;
    let columns = vec![column(&|id| id), column(&|id| scramble(id) % keys), column(&|id| scramble(id + 1) % 1_000_000)];
    RecordBatch::try_new(schema(), columns).expect("fits")
}

fn sort(column: usize) -> SortKey {
    SortKey { column, direction: SortDirection::ASCENDING }
}

fn top_n(partition: &[usize], limit: i64) -> Result<Box<dyn Operator>> {
    let spec =
        TopNSpec { partition: partition.to_vec(), order: vec![sort(V)], offset: 0, limit, with_ties: false, row_number: None };
    Ok(Box::new(TopN::new(&spec, &input(), schema())?))
}

fn input() -> EdgeProperties {
    EdgeProperties::new(schema(), ChangeKind::Retract)
}

fn over(order: usize, functions: Vec<OverFunction>) -> Result<Box<dyn Operator>> {
    let call = |function| OverCall { function, data_type: DataType::Int64, name: "x".to_owned() };
    let calls: Vec<OverCall> = functions.into_iter().map(call).collect();
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    fields.extend(calls.iter().map(|_| Arc::new(Field::new("x", DataType::Int64, true))));
    let spec = OverSpec { partition: vec![K], order: vec![sort(order)], calls };
    Ok(Box::new(Over::new(&spec, &input(), Arc::new(Schema::new(fields)))?))
}

fn sum(start: FrameBound) -> OverFunction {
    let function = native("sum", &[DataType::Int64], &[], false).expect("known types").expect("one of ours");
    let call = AggregateCall { function, args: vec![Column::new(&schema(), V)], filter: None, name: "sum".to_owned() };
    OverFunction::Aggregate {
        call,
        frame: Frame { unit: FrameUnit::Rows, start, end: FrameBound::Offset(0), exclude: laminar_core::dag::Exclude::NoOthers },
    }
}

fn lag() -> OverFunction {
    OverFunction::Shifted { value: Column::new(&schema(), V), offset: -1, default: None, ignore_nulls: false }
}

/// An operator, and the next row that it gets.
struct Table {
    operator: Box<dyn Operator>,
    keys: u64,
    next: u64,
    out: Vec<ChangeBatch>,
}

impl Table {
    fn new(operator: Box<dyn Operator>, keys: u64) -> Self {
        let mut table = Self { operator, keys, next: 0, out: Vec::new() };
        while table.next < STORED {
            let new = ChangeBatch::append(rows(table.next..table.next + NEW_ROWS, keys));
            table.next += NEW_ROWS;
            table.step(vec![new]);
        }
        table
    }

    fn changes(&mut self) -> Vec<ChangeBatch> {
        let range = |first: u64| first..first + NEW_ROWS;
        let new = ChangeBatch::append(rows(range(self.next), self.keys));
        let old = ChangeBatch::append(rows(range(self.next - STORED.next_multiple_of(NEW_ROWS)), self.keys)).negated();
        self.next += NEW_ROWS;
        vec![new, old]
    }

    fn step(&mut self, changes: Vec<ChangeBatch>) {
        let (mut rejected, mut wake_at) = (Vec::new(), None);
        self.out.clear();
        let mut cx = OperatorContext::new(StepId(1), 0, Watermark::START, &mut self.out, &mut rejected, &mut wake_at);
        for changes in changes {
            self.operator.on_changes(Port::LEFT, changes, &mut cx).expect("good rows");
        }
        self.operator.end_step(&mut cx).expect("good rows");
    }
}

fn ordered(c: &mut Criterion) {
    let frame = || FrameBound::Offset(-9);
    let cases: [(&str, u64, &dyn Fn() -> Result<Box<dyn Operator>>); 8] = [
        ("top-10", 1_000, &|| top_n(&[], 10)),
        ("top-10-of-1k", 1_000, &|| top_n(&[K], 10)),
        ("top-1-of-100k", 100_000, &|| top_n(&[K], 1)),
        ("lag-of-1k", 1_000, &|| over(ID, vec![lag()])),
        ("lag-of-100k", 100_000, &|| over(V, vec![lag()])),
        ("sum-of-10-rows-of-1k", 1_000, &|| over(V, vec![sum(frame())])),
        ("row-number-of-100k", 100_000, &|| over(V, vec![OverFunction::RowNumber])),
        ("running-sum-of-100k", 100_000, &|| over(V, vec![sum(FrameBound::Unbounded)])),
    ];
    let mut group = c.benchmark_group("ordered");
    group.throughput(Throughput::Elements(2 * NEW_ROWS));
    for (name, keys, operator) in cases {
        let mut table = None;
        group.bench_function(name, |bencher| {
            let table = table.get_or_insert_with(|| Table::new(operator().expect("a valid operator"), keys));
            bencher.iter_custom(|iterations| {
                let mut taken = std::time::Duration::ZERO;
                for _ in 0..iterations {
                    let changes = table.changes();
                    let began = SystemClock.now();
                    table.step(changes);
                    taken += std::time::Duration::from_nanos((SystemClock.now() - began).unsigned_abs());
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ordered);
criterion_main!(benches);
