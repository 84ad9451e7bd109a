//! Every operator goes on from the images of any number of others, each of which had a part of the rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::changelog::print_net;
use laminar_core::dag::{
    AggregateSpec, AsofDirection, AsofJoinSpec, ChangeKind, EdgeProperties, EmitSpec, EmitWhen, Exclude, Frame, FrameBound,
    FrameUnit, JoinSpec, JoinType, OutputSpec, OverCall, OverFunction, OverSpec, SessionSpec, TimeBound, TimeColumn, TopNSpec,
    WindowEmission, WindowSpec,
};
use laminar_core::expr::{Column, ExprRef, ScalarExpr, SortDirection, SortKey};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::append_top_n::AppendTopN;
use laminar_core::operator::asof_join::AsofJoin;
use laminar_core::operator::egress::Egress;
use laminar_core::operator::emit::Emit;
use laminar_core::operator::group_aggregate::GroupAggregate;
use laminar_core::operator::join::JoinOperator;
use laminar_core::operator::over::Over;
use laminar_core::operator::session_window::SessionOperator;
use laminar_core::operator::top_n::TopN;
use laminar_core::operator::window::WindowOperator;
use laminar_core::operator::{Operator, OperatorContext};
use laminar_core::state::{Imaged, Ownership, StateImage};
use laminar_core::time::Watermark;
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};
use laminar_core::{ChangeBatch, Port, Result, StepId};

const SECOND: i64 = 1_000_000_000;

/// A key, a text, a time.
fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let fields = [("k", DataType::Int64), ("s", DataType::Utf8), ("ts", time)];
    Arc::new(Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}

fn edge(changes: ChangeKind) -> EdgeProperties {
    EdgeProperties { time_columns: vec![TimeColumn::new(2, 0)], ..EdgeProperties::new(schema(), changes) }
}

fn column(index: usize) -> ExprRef {
    Column::new(&schema(), index)
}

fn calls() -> Vec<AggregateCall> {
    let call = |name: &str, args: Vec<ExprRef>, distinct: bool| {
        let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let function = native(name, &types, &[], distinct).unwrap().unwrap();
        AggregateCall { function, args, filter: None, name: format!("{name}{distinct}") }
    };
    vec![call("count", vec![], false), call("max", vec![column(1)], false), call("count", vec![column(1)], true)]
}

fn result_schema(windows: bool) -> SchemaRef {
    let time = || schema().field(2).data_type().clone();
    let bounds = ["window_start", "window_end"].map(|name| Field::new(name, time(), false));
    let rest = [("k", DataType::Int64), ("n", DataType::Int64), ("most", DataType::Utf8), ("different", DataType::Int64)];
    let rest = rest.map(|(name, data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(if windows { [&bounds[..], &rest[..]].concat() } else { rest.to_vec() }))
}

/// What happens in one step: rows by port, and the watermark after them, in seconds.
struct Step(&'static [(Port, &'static str)], i64);

/// One worker's operator, and what it has shown.
struct Worker {
    operator: Box<dyn Operator>,
    owned: Ownership,
    watermark: Watermark,
}

impl Worker {
    fn step(&mut self, step: &Step, number: u64, shown: &mut Vec<ChangeBatch>) -> Result<()> {
        let (mut rejected, mut wake_at) = (Vec::new(), None);
        let mut cx = OperatorContext::new(StepId(number), 0, self.watermark, shown, &mut rejected, &mut wake_at);
        for (port, rows) in step.0 {
            let changes = ChangeBatch::parse(&schema(), rows).unwrap();
            let columns: Vec<ArrayRef> = changes.rows().columns().to_vec();
            let own = changes.filter(&self.owned.owned(&columns, changes.len())?)?;
            if !own.is_empty() {
                self.operator.on_changes(*port, own, &mut cx)?;
            }
        }
        let watermark = if step.1 == i64::MAX { Watermark::END } else { Watermark(step.1 * SECOND) };
        if watermark > self.watermark {
            self.operator.on_watermark(watermark, &mut cx)?;
            self.watermark = watermark;
        }
        self.operator.end_step(&mut cx)
    }
}

/// So many workers, each of which has the rows of some values of the column `key`.
fn workers(make: &dyn Fn() -> Box<dyn Operator>, key: usize, workers: usize) -> Vec<Worker> {
    let owned = |worker| match workers {
        1 => Ownership::All,
        _ => Ownership::Keys { keys: vec![key], worker, workers },
    };
    (0..workers).map(|worker| Worker { operator: make(), owned: owned(worker), watermark: Watermark::START }).collect()
}

/// Runs the steps, the first `cut` of them on `before` workers and the others on `after`.
fn run(make: &dyn Fn() -> Box<dyn Operator>, key: usize, steps: &[Step], cut: usize, counts: [usize; 2]) -> String {
    let mut shown = Vec::new();
    let mut running = workers(make, key, counts[0]);
    for (number, step) in (1..).zip(steps) {
        running.iter_mut().for_each(|worker| worker.step(step, number, &mut shown).unwrap());
        if number as usize == cut {
            running = rescaled(&mut running, workers(make, key, counts[1]));
        }
    }
    print_net(&shown).unwrap()
}

fn rescaled(old: &mut [Worker], mut new: Vec<Worker>) -> Vec<Worker> {
    let images: Vec<StateImage> = old.iter_mut().map(|worker| worker.operator.state().unwrap().image().unwrap()).collect();
    let parts: Vec<&StateImage> = images.iter().collect();
    for worker in &mut new {
        worker.watermark = old[0].watermark;
        worker.operator.state().unwrap().restore(&parts, &worker.owned.clone()).unwrap();
    }
    new
}

/// Fails unless it makes no difference after which step how many workers become how many. `key` is the column by which rows are
/// spread; it must also be the number of the operator's key.
fn check(make: impl Fn() -> Box<dyn Operator>, key: usize, steps: &[Step]) {
    let expected = run(&make, key, steps, 0, [1, 1]);
    assert_ne!(expected, "", "something is shown");
    for cut in 1..steps.len() {
        for counts in [[1, 1], [1, 3], [3, 1], [2, 3], [4, 2], [3, 3]] {
            assert_eq!(run(&make, key, steps, cut, counts), expected, "{counts:?} workers after step {cut}");
        }
    }
}

const LEFT: Port = Port::LEFT;
const RIGHT: Port = Port::RIGHT;

const APPENDED: &[Step] = &[
    Step(&[(LEFT, "+1 | 1 | a | 00:00:01 ; +1 | 2 | b | 00:00:02 ; +1 | NULL | c | 00:00:03 ; +1 | 5000 | d | 00:00:04")], 4),
    Step(&[(LEFT, "+1 | 1 | a | 00:00:15 ; +1 | NULL | a | 00:00:08 ; +1 | 3 | NULL | 00:00:09")], 12),
    Step(&[(LEFT, "+1 | 5000 | e | 00:00:17 ; +1 | 2 | b | 00:00:11 ; +1 | 9000 | f | 00:00:33")], 31),
    Step(&[(LEFT, "+1 | NULL | z | 00:00:29 ; +1 | 1 | a | 00:00:40")], 60),
    Step(&[], i64::MAX),
];

const RETRACTED: &[Step] = &[
    Step(&[(LEFT, "+1 | 1 | a | 00:00:01 ; +1 | 2 | b | 00:00:02 ; +1 | NULL | c | 00:00:03 ; +1 | 5000 | d | 00:00:04")], 4),
    Step(&[(LEFT, "+1 | 1 | a | 00:00:08 ; -1 | 2 | b | 00:00:02 ; +1 | NULL | a | 00:00:08 ; +1 | 3 | NULL | 00:00:09")], 6),
    Step(&[(LEFT, "-1 | NULL | c | 00:00:03 ; +1 | 5000 | e | 00:00:17 ; +1 | 2 | b | 00:00:11 ; +1 | 1 | z | 00:00:33")], 14),
    Step(&[(LEFT, "-1 | 1 | z | 00:00:33 ; -1 | NULL | a | 00:00:08 ; +1 | 1 | a | 00:00:40")], 60),
    Step(&[], i64::MAX),
];

fn both(mut check: impl FnMut(ChangeKind, &[Step])) {
    check(ChangeKind::Append, APPENDED);
    check(ChangeKind::Retract, RETRACTED);
}

#[test]
fn groups_come_from_parts() {
    both(|changes, steps| {
        let spec = AggregateSpec { keys: vec![column(0)], aggregates: calls() };
        let make = || Box::new(GroupAggregate::new(&spec, &edge(changes.clone()), result_schema(false)).unwrap()) as _;
        check(make, 0, steps);
    });
}

#[test]
fn a_fault_that_was_reported_is_not_reported_again() {
    let sum = native("sum", &[DataType::Int64], &[], false).unwrap().unwrap();
    let sum = AggregateCall { function: sum, args: vec![column(0)], filter: None, name: "sum".to_owned() };
    let fields = [("s", DataType::Utf8), ("sum", sum.function.return_type().clone())];
    let output = Arc::new(Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()));
    let spec = AggregateSpec { keys: vec![column(1)], aggregates: vec![sum] };
    let input = edge(ChangeKind::Append);
    let mut old = GroupAggregate::new(&spec, &input, output.clone()).unwrap();
    let step = |operator: &mut GroupAggregate, rows: &str| {
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        let mut cx = OperatorContext::new(StepId(1), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
        operator.on_changes(LEFT, ChangeBatch::parse(&schema(), rows).unwrap(), &mut cx).unwrap();
        operator.end_step(&mut cx).unwrap();
        rejected.len()
    };
    let max = i64::MAX;
    assert_eq!(step(&mut old, &format!("+1 | 1 | a | NULL ; +1 | {max} | b | NULL ; +1 | {max} | b | NULL")), 1);
    let image = old.image().unwrap();
    for owned in [Ownership::All, Ownership::Keys { keys: vec![0], worker: 0, workers: 1 }] {
        let mut new = GroupAggregate::new(&spec, &input, output.clone()).unwrap();
        new.restore(&[&image], &owned).unwrap();
        assert_eq!(step(&mut new, "+1 | 2 | b | NULL"), 0, "{owned:?}");
        assert_eq!(step(&mut new, &format!("+1 | {max} | a | NULL")), 1, "{owned:?}");
    }
}

#[test]
fn windows_come_from_parts() {
    for emission in [WindowEmission::Changes, WindowEmission::OnWatermark, WindowEmission::OnClose] {
        for kind in [
            WindowKind::Tumbling { size: 10 * SECOND },
            WindowKind::Hopping { size: 20 * SECOND, slide: 5 * SECOND },
            WindowKind::Cumulating { step: 5 * SECOND, size: 20 * SECOND },
        ] {
            both(|changes, steps| {
                let shape = WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } };
                let (keys, aggregates, lateness) = (vec![column(0)], calls(), 10 * SECOND);
                let spec = WindowSpec { shape, time: 2, time_lag: 0, keys, aggregates, emission, lateness };
                let make = || Box::new(WindowOperator::new(&spec, &edge(changes.clone()), result_schema(true)).unwrap()) as _;
                check(make, 0, steps);
            });
        }
    }
}

#[test]
fn sessions_come_from_parts() {
    for emission in [WindowEmission::Changes, WindowEmission::OnWatermark, WindowEmission::OnClose] {
        both(|changes, steps| {
            let (keys, aggregates) = (vec![column(0)], calls());
            let (gap, lateness) = (7 * SECOND, 10 * SECOND);
            let spec = SessionSpec { gap, time: 2, time_lag: 0, keys, partition: 1, aggregates, emission, lateness };
            let make = || Box::new(SessionOperator::new(&spec, &edge(changes.clone()), result_schema(true)).unwrap()) as _;
            check(make, 0, steps);
        });
    }
}

#[test]
fn both_sides_of_a_join_come_from_parts() {
    let steps = [
        Step(&[(LEFT, "+1 | 1 | a | 00:01 ; +2 | 2 | b | 00:02 ; +1 | NULL | c | 00:03"), (RIGHT, "+1 | 5000 | d | 00:04")], 0),
        Step(&[(RIGHT, "+1 | 1 | x | 00:01 ; +1 | 2 | y | 00:02 ; +1 | NULL | z | 00:03"), (LEFT, "+1 | 5000 | e | 00:05")], 0),
        Step(&[(LEFT, "-1 | 2 | b | 00:02 ; +1 | 1 | f | NULL"), (RIGHT, "-1 | 5000 | d | 00:04 ; +1 | 5000 | g | 00:06")], 0),
        Step(&[(RIGHT, "+1 | 2 | y | 00:02 ; -1 | 1 | x | 00:01")], 0),
    ];
    let later = || Some(Arc::new(SameOrLater) as ExprRef);
    let time = TimeColumn::new(2, 0);
    let bound = TimeBound { left: time, right: time, least: None, most: Some(0) };
    for join_type in [JoinType::Inner, JoinType::Full, JoinType::LeftSemi, JoinType::RightAnti, JoinType::LeftMark] {
        // With a condition each row knows how many rows match it.
        for (residual, time_bound) in [(None, None), (later(), None), (later(), Some(bound))] {
            let spec = JoinSpec { join_type, residual, time_bound, ..JoinSpec::inner(vec![column(0)], vec![column(0)]) };
            let output = Arc::new(join_type.output_schema(&schema(), &schema()));
            let make = || {
                let side = edge(ChangeKind::Retract);
                Box::new(JoinOperator::new(&spec, &side, &side, output.clone()).unwrap()) as _
            };
            check(make, 0, &steps);
        }
    }
}

#[test]
fn both_sides_of_an_asof_join_come_from_parts() {
    let steps = [
        Step(&[(LEFT, "+1 | 1 | a | 00:01 ; +2 | 2 | b | 00:02 ; +1 | NULL | c | 00:03"), (RIGHT, "+1 | 5000 | d | 00:04")], 0),
        Step(&[(RIGHT, "+1 | 1 | x | 00:01 ; +1 | 2 | y | 00:02 ; +1 | NULL | z | 00:03"), (LEFT, "+1 | 5000 | e | 00:05")], 0),
        Step(&[(LEFT, "-1 | 2 | b | 00:02 ; +1 | 1 | f | NULL"), (RIGHT, "-1 | 5000 | d | 00:04 ; +1 | 5000 | g | 00:06")], 0),
        Step(&[(RIGHT, "+1 | 2 | w | 00:01 ; -1 | 1 | x | 00:01"), (LEFT, "+1 | 1 | h | 00:07")], 0),
    ];
    for direction in [AsofDirection::Backward, AsofDirection::Forward, AsofDirection::Nearest] {
        for times in [None, Some([TimeColumn::new(2, 0); 2])] {
            let spec = AsofJoinSpec {
                join_type: JoinType::Left,
                direction,
                strict: false,
                left_keys: vec![0],
                right_keys: vec![0],
                left_time: 2,
                right_time: 2,
                tolerance: None,
                times,
            };
            let output = Arc::new(JoinType::Left.output_schema(&schema(), &schema()));
            let make = || {
                let side = edge(ChangeKind::Retract);
                Box::new(AsofJoin::new(&spec, &side, &side, output.clone()).unwrap()) as _
            };
            check(make, 0, &steps);
        }
    }
}

/// Whether the right row's time is not before the left row's.
#[derive(Debug)]
struct SameOrLater;

impl ScalarExpr for SameOrLater {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let [left, right] = [2, 5].map(|column| rows.column(column).as_primitive::<TimestampNanosecondType>());
        Ok(Arc::new(left.iter().zip(right).map(|(left, right)| Some(left? <= right?)).collect::<BooleanArray>()))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "left.ts <= right.ts".to_owned()
    }
}

#[test]
fn stored_rows_come_from_parts() {
    let spec = |primary_key| OutputSpec { stored: true, pushed: false, primary_key, schema: schema() };
    let make =
        |primary_key, changes: &ChangeKind| Box::new(Egress::new(&spec(primary_key), &edge(changes.clone())).unwrap()) as _;
    both(|changes, steps| [0, 1].into_iter().for_each(|key| check(|| make(None, &changes), key, steps)));
    check(|| make(Some(vec![0]), &ChangeKind::Append), 0, APPENDED);
}

const BY_TIME: SortKey = SortKey { column: 2, direction: SortDirection { descending: true, nulls_first: false } };

#[test]
fn ordered_rows_come_from_parts() {
    both(|changes, steps| {
        for (limit, with_ties) in [(1, false), (2, true)] {
            let spec = TopNSpec { partition: vec![0], order: vec![BY_TIME], offset: 0, limit, with_ties, row_number: None };
            check(|| Box::new(TopN::new(&spec, &edge(changes.clone()), schema()).unwrap()) as _, 0, steps);
            if AppendTopN::serves(&spec, &edge(changes.clone())) {
                check(|| Box::new(AppendTopN::new(&spec, &edge(changes.clone()), schema()).unwrap()) as _, 0, steps);
            }
        }
        let frame = Frame {
            unit: FrameUnit::Rows,
            start: FrameBound::Offset(-1),
            end: FrameBound::Offset(0),
            exclude: Exclude::NoOthers,
        };
        let of = |call: AggregateCall| {
            let (data_type, name) = (call.function.return_type().clone(), call.name.clone());
            OverCall { function: OverFunction::Aggregate { call, frame: frame.clone() }, data_type, name }
        };
        let number = OverCall { function: OverFunction::RowNumber, data_type: DataType::Int64, name: "number".to_owned() };
        let calls: Vec<OverCall> = calls().into_iter().map(of).chain([number]).collect();
        let results = calls.iter().map(|call| Arc::new(Field::new(&call.name, call.data_type.clone(), true)));
        let output = Arc::new(Schema::new(schema().fields().iter().cloned().chain(results).collect::<Vec<_>>()));
        let spec = OverSpec { partition: vec![0], order: vec![BY_TIME], calls };
        check(|| Box::new(Over::new(&spec, &edge(changes.clone()), output.clone()).unwrap()) as _, 0, steps);
    });
}

#[test]
fn held_rows_come_from_parts() {
    both(|changes, steps| {
        for when in [EmitWhen::Every(SECOND), EmitWhen::AtEnd] {
            let make = || Box::new(Emit::new(&EmitSpec { when }, &edge(changes.clone()), schema())) as _;
            check(make, 1, steps);
        }
    });
}

#[test]
fn who_holds_rows_promises_what_was_promised_before_them_and_others_more() {
    let make = || Emit::new(&EmitSpec { when: EmitWhen::Every(SECOND) }, &edge(ChangeKind::Append), schema());
    let (mut holds, mut holds_nothing) = (make(), make());
    let step = |operator: &mut Emit, rows: &str, reached: i64| {
        let (mut out, mut rejected, mut wake_at) = (Vec::new(), Vec::new(), None);
        let mut cx = OperatorContext::new(StepId(1), 0, Watermark::START, &mut out, &mut rejected, &mut wake_at);
        if !rows.is_empty() {
            operator.on_changes(LEFT, ChangeBatch::parse(&schema(), rows).unwrap(), &mut cx).unwrap();
        }
        operator.on_watermark(Watermark(reached), &mut cx).unwrap();
        operator.end_step(&mut cx).unwrap();
    };
    step(&mut holds, "", 5);
    step(&mut holds, "+1 | 1 | a | 00:01", 9);
    step(&mut holds_nothing, "", 9);
    let images = [&mut holds, &mut holds_nothing].map(|emit| emit.state().unwrap().image().unwrap());
    let restored = |parts: &[&StateImage], owned: Ownership| {
        let mut emit = make();
        emit.state().unwrap().restore(parts, &owned).unwrap();
        emit.output_watermark(Watermark(9))
    };
    let [a, b] = &images;
    for parts in [[a, b], [b, a]] {
        assert_eq!(restored(&parts, Ownership::All), Watermark(5));
        assert_eq!(restored(&parts, Ownership::Nothing), Watermark(9));
    }
}

#[test]
fn workers_that_have_reached_different_times_are_refused() {
    let shape =
        WindowShape { kind: WindowKind::Tumbling { size: 10 * SECOND }, unit: WindowUnit::Nanos { offset: 0, zone: None } };
    let (keys, aggregates, emission) = (vec![column(0)], calls(), WindowEmission::OnWatermark);
    let spec = WindowSpec { shape, time: 2, time_lag: 0, keys, aggregates, emission, lateness: 0 };
    let make =
        || -> Box<dyn Operator> { Box::new(WindowOperator::new(&spec, &edge(ChangeKind::Append), result_schema(true)).unwrap()) };
    let mut old = workers(&make, 0, 2);
    old[0].step(&Step(&[], 5), 1, &mut Vec::new()).unwrap();
    let images: Vec<StateImage> = old.iter_mut().map(|worker| worker.operator.state().unwrap().image().unwrap()).collect();
    let parts: Vec<&StateImage> = images.iter().collect();
    let error = make().state().unwrap().restore(&parts, &Ownership::All).unwrap_err();
    assert_eq!(error.message(), "the workers of a window have reached different times");
}
