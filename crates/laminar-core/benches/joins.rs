//! What one core takes in where rows of two sides are joined: `cargo bench -p laminar-core --bench joins`.
//!
//! An inner equi-join of `a (id, k)` and `b (k, v)`. Each key has one row on the right; the left has some rows of each. An iteration is a step of 16,384
//! changes of the left side, and what they are with their partners comes out: `append` adds rows, `replace` adds as many as go, `onerow` is one row alone in its step.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::dag::{ChangeKind, EdgeProperties, JoinSpec, JoinType};
use laminar_core::operator::join::JoinOperator;
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::time::{Clock, SystemClock, Watermark};
use laminar_core::{ChangeBatch, Port, StepId};

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHANGES: u64 = 16_384;

/// Which changes of a step count.
#[derive(Debug, Clone, Copy)]
enum Timed {
    Append,
    Delete,
    /// Half of the changes each, in one step.
    Replace,
    /// One row that is added, alone in its step.
    OneRow,
}

fn schema(names: [&str; 2]) -> SchemaRef {
    Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Int64, true)).to_vec()))
}

/// A number without order.
fn scramble(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

fn rows(schema: &SchemaRef, numbers: std::ops::Range<u64>, of: [&dyn Fn(u64) -> u64; 2]) -> ChangeBatch {
    let column =
        |of: &dyn Fn(u64) -> u64| Arc::new(numbers.clone().map(|number| Some(of(number) as i64)).collect::<Int64Array>()) as _;
    ChangeBatch::append(RecordBatch::try_new(schema.clone(), of.map(column).to_vec()).expect("fits"))
}

/// A join, and the next row of its left side.
struct Joined {
    operator: JoinOperator,
    keys: u64,
    stored: u64,
    next: u64,
    left: SchemaRef,
    right: SchemaRef,
}

impl Joined {
    fn new(stored: u64, keys: u64) -> Self {
        let (left, right) = (schema(["id", "k"]), schema(["k", "v"]));
        let edge = |schema: &SchemaRef| EdgeProperties::new(schema.clone(), ChangeKind::Retract);
        let key = |schema: &SchemaRef, column| vec![laminar_core::expr::Column::new(schema, column)];
        let spec = JoinSpec::inner(key(&left, 1), key(&right, 0));
        let output = Arc::new(JoinType::Inner.output_schema(&left, &right));
        let operator = JoinOperator::new(&spec, &edge(&left), &edge(&right), output).expect("a valid join");
        let mut joined = Self { operator, keys, stored, next: 0, left, right };
        for first in (0..keys).step_by(CHANGES as usize) {
            let numbers = first..(first + CHANGES).min(keys);
            let batch = rows(&joined.right, numbers, [&|number| number, &|number| scramble(number)]);
            joined.step(vec![(Port::RIGHT, batch)]);
        }
        while joined.next < stored {
            let new = joined.new_rows(CHANGES);
            joined.step(vec![new]);
        }
        joined
    }

    fn left_rows(&self, numbers: std::ops::Range<u64>) -> ChangeBatch {
        rows(&self.left, numbers, [&|number| number, &|number| scramble(number) % self.keys])
    }

    fn new_rows(&mut self, count: u64) -> (Port, ChangeBatch) {
        let batch = self.left_rows(self.next..self.next + count);
        self.next += count;
        (Port::LEFT, batch)
    }

    /// The oldest rows, as many as are too many.
    fn old_rows(&self, count: u64) -> (Port, ChangeBatch) {
        let first = self.next - self.stored.next_multiple_of(CHANGES) - count;
        (Port::LEFT, self.left_rows(first..first + count).negated())
    }

    /// Takes changes in, and returns the nanoseconds.
    fn step(&mut self, changes: Vec<(Port, ChangeBatch)>) -> u64 {
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        let began = SystemClock.now();
        let mut cx = OperatorContext::new(StepId(1), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
        for (port, changes) in changes {
            self.operator.on_changes(port, changes, &mut cx).expect("good rows");
        }
        self.operator.end_step(&mut cx).expect("good rows");
        (SystemClock.now() - began).unsigned_abs()
    }

    fn iteration(&mut self, timed: Timed) -> u64 {
        match timed {
            Timed::Replace => {
                let new = self.new_rows(CHANGES / 2);
                let old = self.old_rows(CHANGES / 2);
                self.step(vec![new, old])
            }
            Timed::OneRow => {
                let new = self.new_rows(1);
                self.step(vec![new])
            }
            Timed::Append => {
                let new = self.new_rows(CHANGES);
                let took = self.step(vec![new]);
                let old = self.old_rows(CHANGES);
                self.step(vec![old]);
                took
            }
            Timed::Delete => {
                let new = self.new_rows(CHANGES);
                self.step(vec![new]);
                let old = self.old_rows(CHANGES);
                self.step(vec![old])
            }
        }
    }
}

fn joins(c: &mut Criterion) {
    let mut group = c.benchmark_group("joins");
    for (stored, keys, name) in [(1_000_000, 100_000, "1M-rows-100k-keys"), (10_000_000, 1_000_000, "10M-rows-1M-keys")] {
        let mut joined = None;
        for timed in [Timed::Append, Timed::Delete, Timed::Replace, Timed::OneRow] {
            group.throughput(Throughput::Elements(if matches!(timed, Timed::OneRow) { 1 } else { CHANGES }));
            group.bench_function(format!("{name}-{timed:?}").to_lowercase(), |bencher| {
                let joined = joined.get_or_insert_with(|| Joined::new(stored, keys));
                bencher.iter_custom(|iterations| {
                    std::time::Duration::from_nanos((0..iterations).map(|_| joined.iteration(timed)).sum())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, joins);
criterion_main!(benches);
