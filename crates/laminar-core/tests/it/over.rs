//! OVER against a model that looks at every row anew: any frames, ties, NULLs, duplicates, retractions, any cuts, restarts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::changelog::print_all;
use laminar_core::dag::{
    ChangeKind, EdgeProperties, Exclude, Frame, FrameBound, FrameUnit, NodeKind, OverCall, OverFunction, OverSpec, Pick,
    TimeColumn, derive,
};
use laminar_core::expr::{Column, ExprRef, ScalarExpr, SortDirection, SortKey};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::operator::over::Over;
use laminar_core::{ChangeBatch, Code, Error, Port, Result};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::harness::Harness;
use crate::ordered::InOrder;
use crate::random::{Row, batch, canonical, cases, change, cut, for_each_case, schema};

/// `k + n`, which fails where that is too much.
#[derive(Debug)]
struct KeyPlus(i64);

impl ScalarExpr for KeyPlus {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let too_much = || Error::new(Code::Arithmetic, "too much");
        let plus = |k: Option<i64>| k.map(|k| k.checked_add(self.0).ok_or_else(too_much)).transpose();
        Ok(Arc::new(rows.column(0).as_primitive::<Int64Type>().iter().map(plus).collect::<Result<Int64Array>>()?))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Int64
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        format!("k + {}", self.0)
    }
}

/// `k > 2`
#[derive(Debug)]
struct IsLarge;

impl ScalarExpr for IsLarge {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let large = rows.column(0).as_primitive::<Int64Type>().iter().map(|k| k.map(|k| k > 2));
        Ok(Arc::new(large.collect::<BooleanArray>()))
    }

    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "k > 2".to_owned()
    }
}

/// A bound of a frame; `By` is at so much more than the only sort key, `k`.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Unbounded,
    Offset(i64),
    By(i64),
}

#[derive(Debug, Clone, Copy)]
struct Between(FrameUnit, Bound, Bound, Exclude);

#[derive(Debug, Clone, Copy)]
enum Call {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile(i64),
    Shifted { offset: i64, default: bool, ignore_nulls: bool },
    Picked { pick: Pick, ignore_nulls: bool, frame: Between },
    Aggregate { name: &'static str, distinct: bool, filter: bool, frame: Between },
}

#[derive(Debug, Clone)]
struct Case {
    order: InOrder,
    calls: Vec<Call>,
}

/// Whether `k` alone orders the rows, so that bounds can be values of it.
fn is_by_key(order: &InOrder) -> bool {
    matches!(order.order.as_slice(), [SortKey { column: 0, .. }])
}

fn random_frame(rng: &mut StdRng, order: &InOrder) -> Between {
    let unit = [FrameUnit::Rows, FrameUnit::Range, FrameUnit::Groups][rng.random_range(0..3)];
    let bound = |rng: &mut StdRng| match unit {
        _ if rng.random_bool(0.25) => Bound::Unbounded,
        FrameUnit::Range if is_by_key(order) && rng.random_bool(0.7) => {
            Bound::By(if rng.random_bool(0.1) { i64::MAX } else { rng.random_range(-3..4) })
        }
        FrameUnit::Range => Bound::Offset(0),
        _ => Bound::Offset(rng.random_range(-3..4)),
    };
    let exclude =
        [Exclude::NoOthers, Exclude::NoOthers, Exclude::CurrentRow, Exclude::Group, Exclude::Ties][rng.random_range(0..5)];
    Between(unit, bound(rng), bound(rng), exclude)
}

fn random_call(rng: &mut StdRng, order: &InOrder) -> Call {
    let (ignore_nulls, frame) = (rng.random(), random_frame(rng, order));
    match rng.random_range(0..14) {
        0 => Call::RowNumber,
        1 => Call::Rank,
        2 => Call::DenseRank,
        3 => Call::PercentRank,
        4 => Call::CumeDist,
        5 => Call::Ntile(rng.random_range(1..5)),
        6..8 => Call::Shifted { offset: rng.random_range(-3..4), default: rng.random(), ignore_nulls },
        8..10 => {
            let pick = [Pick::Nth(1), Pick::Nth(2), Pick::Nth(3), Pick::Last][rng.random_range(0..4)];
            Call::Picked { pick, ignore_nulls, frame }
        }
        _ => {
            let name = ["count", "sum", "min", "max", "avg"][rng.random_range(0..5)];
            Call::Aggregate { name, distinct: rng.random_bool(0.2), filter: rng.random_bool(0.2), frame }
        }
    }
}

fn column(index: usize) -> ExprRef {
    Column::new(&schema(), index)
}

fn bound(bound: Bound, descending: bool) -> FrameBound {
    match bound {
        Bound::Unbounded => FrameBound::Unbounded,
        Bound::Offset(offset) => FrameBound::Offset(offset),
        Bound::By(more) => FrameBound::Value { value: Arc::new(KeyPlus(more)), is_before: (more < 0) != descending },
    }
}

fn over_call(number: usize, call: Call, descending: bool) -> OverCall {
    let frame = |Between(unit, start, end, exclude)| {
        let (start, end) = (bound(start, descending), bound(end, descending));
        Frame { unit, start, end, exclude }
    };
    let (function, data_type) = match call {
        Call::RowNumber => (OverFunction::RowNumber, DataType::Int64),
        Call::Rank => (OverFunction::Rank, DataType::UInt64),
        Call::DenseRank => (OverFunction::DenseRank, DataType::Int64),
        Call::PercentRank => (OverFunction::PercentRank, DataType::Float64),
        Call::CumeDist => (OverFunction::CumeDist, DataType::Float64),
        Call::Ntile(parts) => (OverFunction::Ntile(parts), DataType::Int64),
        Call::Shifted { offset, default, ignore_nulls } => {
            let default = default.then(|| Arc::new(KeyPlus(100)) as _);
            (OverFunction::Shifted { value: column(0), offset, default, ignore_nulls }, DataType::Int64)
        }
        Call::Picked { pick, ignore_nulls, frame: between } => {
            (OverFunction::Picked { value: column(1), pick, ignore_nulls, frame: frame(between) }, DataType::Utf8)
        }
        Call::Aggregate { name, distinct, filter, frame: between } => {
            let function = native(name, &[DataType::Int64], &[], distinct).unwrap().unwrap();
            let data_type = function.return_type().clone();
            let filter = filter.then(|| Arc::new(IsLarge) as _);
            let call = AggregateCall { function, args: vec![column(0)], filter, name: name.to_owned() };
            (OverFunction::Aggregate { call, frame: frame(between) }, data_type)
        }
    };
    OverCall { function, data_type, name: format!("c{number}") }
}

impl Case {
    fn random(rng: &mut StdRng) -> Self {
        let mut order = InOrder::random(rng);
        if rng.random_bool(0.4) {
            let direction = SortDirection { descending: rng.random(), nulls_first: rng.random() };
            order.order = vec![SortKey { column: 0, direction }];
        }
        let calls = (0..rng.random_range(1..4)).map(|_| random_call(rng, &order)).collect();
        Self { order, calls }
    }

    fn spec(&self) -> OverSpec {
        let descending = self.order.order.first().is_some_and(|key| key.direction.descending);
        let calls = self.calls.iter().enumerate().map(|(number, call)| over_call(number, *call, descending)).collect();
        OverSpec { partition: self.order.partition.clone(), order: self.order.order.clone(), calls }
    }
}

fn output(spec: &OverSpec) -> SchemaRef {
    let results = spec.calls.iter().map(|call| Arc::new(Field::new(&call.name, call.data_type.clone(), true)));
    Arc::new(Schema::new(schema().fields().iter().cloned().chain(results).collect::<Vec<_>>()))
}

fn operator(spec: &OverSpec) -> Over {
    let input = EdgeProperties::new(schema(), ChangeKind::Retract);
    Over::new(spec, &input, output(spec)).unwrap()
}

/// A row's place among the rows of its partition, which are in order.
struct At<'a> {
    order: &'a InOrder,
    rows: &'a [Row],
    at: usize,
}

impl At<'_> {
    fn peers(&self, at: usize) -> Range<usize> {
        let is_peer = |row: &&Row| self.order.by_keys(row, &self.rows[at]).is_eq();
        let before = self.rows[..at].iter().rev().take_while(is_peer).count();
        at - before..at + self.rows[at..].iter().take_while(is_peer).count()
    }

    fn groups(&self) -> Vec<Range<usize>> {
        let mut groups: Vec<_> = (0..self.rows.len()).map(|at| self.peers(at)).collect();
        groups.dedup();
        groups
    }

    /// The first row, or the row behind the last one.
    fn bound(&self, unit: FrameUnit, bound: Bound, is_start: bool) -> i64 {
        let rows = self.rows.len() as i64;
        let end_of = |range: &Range<usize>| (if is_start { range.start } else { range.end }) as i64;
        match bound {
            Bound::Unbounded => end_of(&(0..self.rows.len())),
            Bound::Offset(offset) if unit == FrameUnit::Rows => (self.at as i64 + offset + i64::from(!is_start)).clamp(0, rows),
            Bound::Offset(offset) => {
                let groups = self.groups();
                let own = groups.iter().position(|group| group.contains(&self.at)).unwrap() as i64;
                match own + offset {
                    ..0 => 0,
                    group => groups.get(group as usize).map_or(rows, end_of),
                }
            }
            Bound::By(more) => {
                let key = self.rows[self.at].k.map(|k| i128::from(k) + i128::from(more));
                let is_before = |row: &&Row| match (row.k, key) {
                    (None, None) => !is_start,
                    (None, Some(_)) => self.direction().nulls_first,
                    (Some(_), None) => !self.direction().nulls_first,
                    (Some(k), Some(key)) if i128::from(k) == key => !is_start,
                    (Some(k), Some(key)) => (i128::from(k) < key) != self.direction().descending,
                };
                self.rows.iter().take_while(is_before).count() as i64
            }
        }
    }

    fn direction(&self) -> SortDirection {
        self.order.order[0].direction
    }

    fn frame(&self, Between(unit, start, end, exclude): Between) -> Vec<&Row> {
        let (start, end) = (self.bound(unit, start, true), self.bound(unit, end, false));
        let peers = self.peers(self.at);
        let is_seen = |at: &usize| match exclude {
            Exclude::NoOthers => true,
            Exclude::CurrentRow => *at != self.at,
            Exclude::Group => !peers.contains(at),
            Exclude::Ties => *at == self.at || !peers.contains(at),
        };
        (start as usize..end.max(start) as usize).filter(is_seen).map(|at| &self.rows[at]).collect()
    }

    fn shifted(&self, offset: i64, default: bool, ignore_nulls: bool) -> Option<i64> {
        let mut at = self.at as i64;
        let mut left = offset.abs();
        while left > 0 {
            at += offset.signum();
            match self.rows.get(usize::try_from(at).unwrap_or(usize::MAX)) {
                None => return if default { self.rows[self.at].k.map(|k| k + 100) } else { None },
                Some(row) => left -= i64::from(!ignore_nulls || row.k.is_some()),
            }
        }
        self.rows[at as usize].k
    }

    fn result(&self, call: Call) -> String {
        let text = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
        let (peers, rows) = (self.peers(self.at), self.rows.len());
        match call {
            Call::RowNumber => (self.at + 1).to_string(),
            Call::Rank => (peers.start + 1).to_string(),
            Call::DenseRank => (self.groups().iter().position(|group| *group == peers).unwrap() + 1).to_string(),
            Call::PercentRank if rows == 1 => float(0.0),
            Call::PercentRank => float(peers.start as f64 / (rows - 1) as f64),
            Call::CumeDist => float(peers.end as f64 / rows as f64),
            Call::Ntile(parts) => {
                // Dealt out: each part in turn has room for one more row.
                let mut sizes = vec![rows / parts as usize; parts as usize];
                sizes[..rows % parts as usize].iter_mut().for_each(|size| *size += 1);
                let mut end = 0;
                let part = sizes.iter().position(|size| {
                    end += size;
                    self.at < end
                });
                (part.unwrap() + 1).to_string()
            }
            Call::Shifted { offset, default, ignore_nulls } => text(self.shifted(offset, default, ignore_nulls)),
            Call::Picked { pick, ignore_nulls, frame } => {
                let rows: Vec<_> = self.frame(frame).into_iter().filter(|row| !ignore_nulls || row.s.is_some()).collect();
                let row = match pick {
                    Pick::Nth(n) => rows.get(n as usize - 1),
                    Pick::Last => rows.last(),
                };
                row.and_then(|row| row.s).unwrap_or("NULL").to_owned()
            }
            Call::Aggregate { name, distinct, filter, frame } => {
                let mut values: Vec<i64> =
                    self.frame(frame).iter().filter_map(|row| row.k).filter(|k| !filter || *k > 2).collect();
                values.sort_unstable();
                if distinct {
                    values.dedup();
                }
                let (sum, count) = (values.iter().sum::<i64>(), values.len());
                match name {
                    "count" => count.to_string(),
                    _ if values.is_empty() => "NULL".to_owned(),
                    "sum" => sum.to_string(),
                    "avg" => float(sum as f64 / count as f64),
                    "min" => values[0].to_string(),
                    _ => values[count - 1].to_string(),
                }
            }
        }
    }
}

fn float(value: f64) -> String {
    array_value_to_string(&arrow_array::Float64Array::from(vec![value]), 0).unwrap()
}

fn line(row: &Row, results: &[String]) -> String {
    format!("{:?} {:?} {:?}: {}", row.k, row.s, row.v.map(canonical), results.join(" | "))
}

/// What stands beside `rows`, with how often it does.
fn model(case: &Case, rows: &[Row]) -> BTreeMap<String, i64> {
    let mut lines = BTreeMap::new();
    for rows in case.order.partitions(rows) {
        for at in 0..rows.len() {
            let place = At { order: &case.order, rows: &rows, at };
            let results: Vec<String> = case.calls.iter().map(|call| place.result(*call)).collect();
            *lines.entry(line(&rows[at], &results)).or_default() += 1;
        }
    }
    lines
}

/// Adds what was emitted; returns how many different rows that were.
fn add(lines: &mut BTreeMap<String, i64>, emitted: &[ChangeBatch]) -> usize {
    for changes in emitted {
        let rows = changes.rows();
        for at in 0..changes.len() {
            let (k, s) = (rows.column(0).as_primitive::<Int64Type>(), rows.column(1).as_string::<i32>());
            let v = rows.column(2).as_primitive::<Float64Type>();
            let text = |column: &ArrayRef| match column.is_null(at) {
                true => "NULL".to_owned(),
                false => array_value_to_string(column, at).unwrap(),
            };
            let results = rows.columns()[3..].iter().map(text);
            let key = format!(
                "{:?} {:?} {:?}: {}",
                k.is_valid(at).then(|| k.value(at)),
                s.is_valid(at).then(|| s.value(at)),
                v.is_valid(at).then(|| canonical(v.value(at))),
                results.collect::<Vec<_>>().join(" | ")
            );
            *lines.entry(key).or_default() += changes.weight(at);
        }
    }
    lines.retain(|_, weight| *weight != 0);
    emitted.iter().map(ChangeBatch::len).sum()
}

fn check_random_case(rng: &mut StdRng) {
    let case = Case::random(rng);
    let spec = case.spec();
    let mut harness = Harness::new(operator(&spec));
    let (mut present, mut shown): (Vec<Row>, BTreeMap<String, i64>) = Default::default();
    for _ in 0..rng.random_range(1..7) {
        let mut rows: Vec<_> = (0..rng.random_range(0..8)).map(|_| change(rng, &mut present)).collect();
        rows.shuffle(rng);
        let emitted = harness.step(cut(rng, &rows).into_iter().map(|rows| (Port::LEFT, rows)).collect()).unwrap();
        let expected = model(&case, &present);
        let differing = expected.iter().filter(|(line, weight)| shown.get(*line) != Some(weight)).count()
            + shown.keys().filter(|line| !expected.contains_key(*line)).count();
        assert_eq!(add(&mut shown, &emitted), differing, "each changed row comes once: {case:?}");
        assert_eq!(shown, expected, "{case:?}");
        if rng.random_bool(0.2) {
            harness.replace_by_image(operator(&spec)).unwrap();
        }
    }
}

#[test]
fn over_shows_what_looking_at_every_row_shows_after_every_step() {
    for_each_case(cases(), check_random_case);
}

/// Calls of which each looks back by at most three rows.
fn call_that_looks_back(rng: &mut StdRng) -> Call {
    let exclude = [Exclude::NoOthers, Exclude::CurrentRow][rng.random_range(0..2)];
    let end = rng.random_range(-2..=0);
    let frame = Between(FrameUnit::Rows, Bound::Offset(rng.random_range(-3..=end)), Bound::Offset(end), exclude);
    match rng.random_range(0..3) {
        0 => Call::Shifted { offset: rng.random_range(-3..=0), default: rng.random(), ignore_nulls: false },
        1 => Call::Picked { pick: [Pick::Nth(1), Pick::Last][rng.random_range(0..2)], ignore_nulls: rng.random(), frame },
        _ => aggregate(["count", "sum", "max"][rng.random_range(0..3)], frame),
    }
}

fn check_rows_in_order(rng: &mut StdRng) {
    let order = InOrder { partition: vec![1], order: vec![SortKey { column: 0, direction: SortDirection::ASCENDING }] };
    let case = Case { order, calls: (0..rng.random_range(1..4)).map(|_| call_that_looks_back(rng)).collect() };
    let spec = case.spec();
    let input = EdgeProperties {
        time_columns: vec![TimeColumn::new(0, 0).complete().in_order()],
        ..EdgeProperties::new(schema(), ChangeKind::Append)
    };
    let operator = || Over::new(&spec, &input, output(&spec)).unwrap();
    let mut harness = Harness::new(operator());
    let (mut present, mut shown): (Vec<Row>, BTreeMap<String, i64>) = Default::default();
    for step in 0..rng.random_range(1..8) {
        let mut rows = Vec::new();
        for _ in 0..rng.random_range(0..8) {
            let (k, s) = (10 * step + rng.random_range(0..10), ["a", "b"][rng.random_range(0..2)]);
            rows.push((Row { k: Some(k), s: rng.random_bool(0.8).then_some(s), v: None }, 1));
        }
        present.extend(rows.iter().map(|(row, _)| row.clone()));
        let emitted = harness.step(cut(rng, &rows).into_iter().map(|rows| (Port::LEFT, rows)).collect()).unwrap();
        assert!(emitted.iter().all(|changes| (0..changes.len()).all(|row| changes.weight(row) > 0)), "{case:?}");
        add(&mut shown, &emitted);
        assert_eq!(shown, model(&case, &present), "{case:?}");
        assert!(harness.kept_rows() <= 3 * 3, "three partitions, of which three rows are looked back to: {case:?}");
        if rng.random_bool(0.2) {
            harness.replace_by_image(operator()).unwrap();
        }
    }
}

#[test]
fn over_rows_that_come_in_order_takes_nothing_back_and_keeps_what_it_looks_back_to() {
    for_each_case(cases(), check_rows_in_order);
}

#[test]
fn what_looks_ahead_or_skips_rows_keeps_all_of_them() {
    let input = EdgeProperties {
        time_columns: vec![TimeColumn::new(0, 0).complete().in_order()],
        ..EdgeProperties::new(schema(), ChangeKind::Append)
    };
    let kind = |calls: Vec<Call>, input: &EdgeProperties| {
        let spec = by_key(calls);
        derive(&NodeKind::Over(spec.clone()), &[input], output(&spec)).changes
    };
    let lag = Call::Shifted { offset: -1, default: false, ignore_nulls: false };
    assert_eq!(kind(vec![lag], &input), ChangeKind::Append);
    let frame = |start, end, exclude| aggregate("sum", Between(FrameUnit::Rows, start, end, exclude));
    let back = Bound::Offset(-1);
    for call in [
        Call::RowNumber,
        Call::Shifted { offset: 1, default: false, ignore_nulls: false },
        Call::Shifted { offset: -1, default: false, ignore_nulls: true },
        frame(Bound::Unbounded, Bound::Offset(0), Exclude::NoOthers),
        frame(back, Bound::Offset(1), Exclude::NoOthers),
        frame(back, Bound::Offset(0), Exclude::Ties),
        aggregate("sum", Between(FrameUnit::Groups, back, Bound::Offset(0), Exclude::NoOthers)),
    ] {
        assert_eq!(kind(vec![lag, call], &input), ChangeKind::Retract, "{call:?}");
    }
    let unordered = EdgeProperties { time_columns: vec![TimeColumn::new(0, 0).complete()], ..input.clone() };
    assert_eq!(kind(vec![lag], &unordered), ChangeKind::Retract);
    let changing = EdgeProperties { changes: ChangeKind::Retract, ..input };
    assert_eq!(kind(vec![lag], &changing), ChangeKind::Retract);
}

fn by_key(calls: Vec<Call>) -> OverSpec {
    Case { order: InOrder { partition: vec![], order: vec![SortKey { column: 0, direction: SortDirection::ASCENDING }] }, calls }
        .spec()
}

fn row(k: i64) -> (Row, i64) {
    (Row { k: Some(k), s: None, v: None }, 1)
}

fn aggregate(name: &'static str, frame: Between) -> Call {
    Call::Aggregate { name, distinct: false, filter: false, frame }
}

/// How many rows are emitted and computed for one row in the middle of many.
fn effort(call: Call) -> (usize, u64) {
    let mut harness = Harness::new(operator(&by_key(vec![call])));
    let rows: Vec<_> = (0..20_000).map(|k| row(10 * k)).collect();
    harness.step(vec![(Port::LEFT, batch(&rows))]).unwrap();
    let before = harness.operator.evaluated();
    let emitted = harness.step(vec![(Port::LEFT, batch(&[row(100_005)]))]).unwrap();
    (emitted.iter().map(ChangeBatch::len).sum(), harness.operator.evaluated() - before)
}

#[test]
fn a_change_costs_what_it_can_reach() {
    let rows =
        |before: i64, behind: i64| Between(FrameUnit::Rows, Bound::Offset(-before), Bound::Offset(behind), Exclude::NoOthers);
    assert_eq!(effort(aggregate("sum", rows(9, 0))), (19, 10));
    assert_eq!(effort(aggregate("sum", rows(2, 2))), (9, 5));
    assert_eq!(effort(aggregate("sum", Between(FrameUnit::Range, Bound::By(-30), Bound::By(0), Exclude::NoOthers))), (7, 4));
    assert_eq!(
        effort(aggregate("sum", Between(FrameUnit::Groups, Bound::Offset(0), Bound::Offset(3), Exclude::NoOthers))),
        (7, 4)
    );
    assert_eq!(effort(Call::Shifted { offset: -1, default: false, ignore_nulls: false }), (3, 2));
    assert_eq!(effort(Call::Shifted { offset: 2, default: false, ignore_nulls: true }), (5, 3));
    // All rows behind the new one have another number, and no row before it.
    assert_eq!(effort(Call::RowNumber), (2 * 9_999 + 1, 10_000));
}

#[test]
fn a_result_that_is_too_large_is_null_and_told_once() {
    let frame = Between(FrameUnit::Rows, Bound::Offset(-1), Bound::Offset(0), Exclude::NoOthers);
    let mut harness = Harness::new(operator(&by_key(vec![aggregate("sum", frame)])));
    let mut step = |rows: &[(Row, i64)]| {
        let emitted = harness.step(vec![(Port::LEFT, batch(rows))]).unwrap();
        (print_all(&emitted).replace('\n', " ; "), std::mem::take(&mut harness.rejected).len())
    };
    let (shown, rejected) = step(&[row(i64::MAX - 1), row(i64::MAX)]);
    assert_eq!(
        shown,
        "+1 | 9223372036854775806 | NULL | NULL | 9223372036854775806 ; +1 | 9223372036854775807 | NULL | NULL | NULL"
    );
    assert_eq!(rejected, 1);
    // Its neighbour changes; its own result is as wrong as before.
    let (shown, rejected) = step(&[row(1)]);
    assert!(shown.contains("-1 | 9223372036854775806 | NULL | NULL | 9223372036854775806"), "{shown}");
    assert_eq!(rejected, 0);
    let (shown, rejected) = step(&[(row(i64::MAX - 1).0, -1)]);
    assert_eq!((shown.as_str(), rejected), ("-1 | 9223372036854775806 | NULL | NULL | 9223372036854775807", 0));
    let (shown, _) = step(&[(row(1).0, -1)]);
    assert!(shown.ends_with("+1 | 9223372036854775807 | NULL | NULL | 9223372036854775807"), "{shown}");
}

#[test]
fn a_value_that_cannot_be_computed_rejects_its_row_alone() {
    let call = Call::Shifted { offset: -1, default: true, ignore_nulls: false };
    let mut harness = Harness::new(operator(&by_key(vec![call])));
    let emitted = harness.step(vec![(Port::LEFT, batch(&[row(1), row(i64::MAX), row(3)]))]).unwrap();
    assert_eq!(print_all(&emitted), "+1 | 1 | NULL | NULL | 101\n+1 | 3 | NULL | NULL | 1");
    assert_eq!(harness.rejected_rows(), 1);
    let emitted = harness.step(vec![(Port::LEFT, batch(&[(row(i64::MAX).0, -1)]))]).unwrap();
    assert!(emitted.is_empty() && harness.rejected_rows() == 1);
}

#[test]
fn a_bound_beyond_all_values_leaves_nulls_out() {
    let frame = Between(FrameUnit::Range, Bound::By(0), Bound::By(i64::MAX), Exclude::NoOthers);
    let call = Call::Picked { pick: Pick::Last, ignore_nulls: true, frame };
    let mut harness = Harness::new(operator(&by_key(vec![call])));
    let text = |k, s| (Row { k, s: Some(s), v: None }, 1);
    let emitted = harness.step(vec![(Port::LEFT, batch(&[text(Some(3), "b"), text(None, "x")]))]).unwrap();
    assert_eq!(print_all(&emitted), "+1 | 3 | b | NULL | b\n+1 | NULL | x | NULL | x");
}
