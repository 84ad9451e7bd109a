//! Joins of all types against nested loops: every kind of key, NULLs, duplicates, retractions, failing expressions, any cuts.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use laminar_core::changelog::{Integral, print_all};
use laminar_core::dag::{ChangeKind, EdgeProperties, JoinSpec, JoinType, Lookup};
use laminar_core::expr::{Column, ExprRef, ScalarExpr};
use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::operator::Operator;
use laminar_core::operator::join::JoinOperator;
use laminar_core::{ChangeBatch, Code, Error, Port, Result};
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::harness::Harness;
use crate::random::{Row, canonical, cases, change, cut, for_each_case, schema};

/// An expression written by hand.
#[derive(Debug)]
struct Written {
    data_type: DataType,
    evaluate: fn(&RecordBatch) -> Result<ArrayRef>,
}

impl ScalarExpr for Written {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        (self.evaluate)(rows)
    }

    fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn nullable(&self) -> bool {
        true
    }

    fn display(&self) -> String {
        "written".to_owned()
    }
}

/// `k % 2`, which fails for 5.
fn parity(rows: &RecordBatch) -> Result<ArrayRef> {
    let k = rows.column(0).as_primitive::<Int64Type>();
    if k.iter().flatten().any(|k| k == 5) {
        return Err(Error::new(Code::Arithmetic, "five"));
    }
    Ok(Arc::new(k.unary::<_, Int64Type>(|k| k % 2)))
}

/// `left.v < right.v` in the order of SQL (NaN is the greatest), which fails if `right.v` is 7.
fn is_less(rows: &RecordBatch) -> Result<ArrayRef> {
    let (left, right) = (rows.column(2).as_primitive::<Float64Type>(), rows.column(5).as_primitive::<Float64Type>());
    if right.iter().flatten().any(|v| v == 7.0) {
        return Err(Error::new(Code::Arithmetic, "seven"));
    }
    let less = left.iter().zip(right).map(|(left, right)| Some(left? < right?));
    Ok(Arc::new(less.collect::<BooleanArray>()))
}

/// What the rows are joined on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Nothing,
    Columns(&'static [usize]),
    Parity,
}

const ON: [On; 6] = [On::Nothing, On::Columns(&[0]), On::Columns(&[1]), On::Columns(&[0, 1]), On::Columns(&[2]), On::Parity];

/// The key of a row; `None`: it cannot be computed.
fn key(on: On, row: &Row) -> Option<Vec<Option<String>>> {
    match on {
        On::Nothing => Some(Vec::new()),
        On::Parity if row.k == Some(5) => None,
        On::Parity => Some(vec![row.k.map(|k| (k % 2).to_string())]),
        On::Columns(columns) => {
            let text = |column: &usize| match column {
                0 => row.k.map(|k| k.to_string()),
                1 => row.s.map(str::to_owned),
                _ => row.v.map(|v| canonical(v).to_string()),
            };
            Some(columns.iter().map(text).collect())
        }
    }
}

enum Verdict {
    Met,
    NotMet,
    Failed,
}

fn residual(left: &Row, right: &Row) -> Verdict {
    match (left.v, right.v) {
        (_, Some(7.0)) => Verdict::Failed,
        (Some(left), Some(right)) if left < right => Verdict::Met,
        _ => Verdict::NotMet,
    }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    join_type: JoinType,
    on: On,
    null_equals_null: bool,
    with_residual: bool,
    /// Which side only appends.
    kind: [bool; 2],
}

const TYPES: [JoinType; 9] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::RightSemi,
    JoinType::LeftAnti,
    JoinType::RightAnti,
    JoinType::LeftMark,
];

fn output_schema(join_type: JoinType) -> SchemaRef {
    Arc::new(join_type.output_schema(&schema(), &schema()))
}

fn edge(append: bool) -> EdgeProperties {
    let changes = if append { ChangeKind::Append } else { ChangeKind::Retract };
    EdgeProperties::new(schema(), changes)
}

fn operator(case: Case) -> JoinOperator {
    let keys: Vec<ExprRef> = match case.on {
        On::Nothing => Vec::new(),
        On::Columns(columns) => columns.iter().map(|column| Column::new(&schema(), *column)).collect(),
        On::Parity => vec![Arc::new(Written { data_type: DataType::Int64, evaluate: parity })],
    };
    let residual = case.with_residual.then(|| Arc::new(Written { data_type: DataType::Boolean, evaluate: is_less }) as ExprRef);
    let spec = JoinSpec {
        join_type: case.join_type,
        null_equals_null: case.null_equals_null,
        residual,
        ..JoinSpec::inner(keys.clone(), keys)
    };
    JoinOperator::new(&spec, &edge(case.kind[0]), &edge(case.kind[1]), output_schema(case.join_type)).unwrap()
}

impl Case {
    fn verdict(self, left: &Row, right: &Row) -> Verdict {
        let (Some(left_key), Some(right_key)) = (key(self.on, left), key(self.on, right)) else { return Verdict::NotMet };
        let comparable = self.null_equals_null || left_key.iter().all(Option::is_some);
        match comparable && left_key == right_key {
            true if self.with_residual => residual(left, right),
            true => Verdict::Met,
            false => Verdict::NotMet,
        }
    }
}

/// A row of the output: a left row, a right row, a mark.
type Shown = (Option<Row>, Option<Row>, Option<bool>);

/// What must be shown, and how many pairs failed.
fn nested_loops(case: Case, left: &[(Row, i64)], right: &[(Row, i64)]) -> (Vec<(Shown, i64)>, usize) {
    let (mut shown, mut failed): (Vec<(Shown, i64)>, usize) = (Vec::new(), 0);
    let mut matches = [vec![0; left.len()], vec![0; right.len()]];
    for (l, (left, left_weight)) in left.iter().enumerate() {
        for (r, (right, right_weight)) in right.iter().enumerate() {
            match case.verdict(left, right) {
                Verdict::Met => {
                    matches[0][l] += right_weight;
                    matches[1][r] += left_weight;
                    if case.join_type.shows_pairs() {
                        shown.push(((Some(left.clone()), Some(right.clone()), None), left_weight * right_weight));
                    }
                }
                Verdict::Failed => failed += 1,
                Verdict::NotMet => {}
            }
        }
    }
    for (port, rows) in [(Port::LEFT, left), (Port::RIGHT, right)] {
        for ((row, weight), matches) in rows.iter().zip(&matches[port.index()]) {
            if key(case.on, row).is_some() {
                shown.extend(alone(case.join_type, port, row, *matches > 0).map(|row| (row, *weight)));
            }
        }
    }
    (shown, failed)
}

/// How a row of one side is shown by itself.
fn alone(join_type: JoinType, port: Port, row: &Row, matched: bool) -> Option<Shown> {
    use JoinType as J;
    let side = |mark| if port == Port::LEFT { (Some(row.clone()), None, mark) } else { (None, Some(row.clone()), mark) };
    match (join_type, port) {
        (J::Left | J::Full | J::LeftAnti, Port::LEFT) | (J::Right | J::Full | J::RightAnti, Port::RIGHT) => {
            (!matched).then(|| side(None))
        }
        (J::LeftSemi, Port::LEFT) | (J::RightSemi, Port::RIGHT) => matched.then(|| side(None)),
        (J::LeftMark, Port::LEFT) => Some(side(Some(matched))),
        _ => None,
    }
}

fn shown_batch(join_type: JoinType, shown: &[(Shown, i64)]) -> ChangeBatch {
    const NULLS: Row = Row { k: None, s: None, v: None };
    let columns = |pick: fn(&Shown) -> &Option<Row>| {
        let rows: Vec<_> = shown.iter().map(|(row, weight)| (pick(row).clone().unwrap_or(NULLS), *weight)).collect();
        crate::random::batch(&rows).rows().columns().to_vec()
    };
    let (left, right) = (|| columns(|(left, _, _)| left), || columns(|(_, right, _)| right));
    let columns = match join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => left(),
        JoinType::RightSemi | JoinType::RightAnti => right(),
        JoinType::LeftMark => {
            let marks: BooleanArray = shown.iter().map(|((_, _, mark), _)| *mark).collect();
            [left(), vec![Arc::new(marks) as ArrayRef]].concat()
        }
        _ => [left(), right()].concat(),
    };
    let rows = RecordBatch::try_new(output_schema(join_type), columns).unwrap();
    ChangeBatch::new(rows, shown.iter().map(|(_, weight)| *weight).collect::<Vec<_>>())
}

fn check_same(join_type: JoinType, expected: &[(Shown, i64)], emitted: &[ChangeBatch]) {
    let expected = Integral::of(output_schema(join_type), &[shown_batch(join_type, expected)]).unwrap();
    let actual = Integral::of(output_schema(join_type), emitted).unwrap();
    if let Some(difference) = expected.difference(&actual).unwrap() {
        panic!("{difference}");
    }
}

fn random_side(rng: &mut StdRng, append: bool, present: &mut Vec<Row>) -> Vec<(Row, i64)> {
    let rows = rng.random_range(0..6);
    let mut rows: Vec<_> = match append {
        true => (0..rows).map(|_| (crate::random::row(rng), 1)).collect(),
        false => (0..rows).map(|_| change(rng, present)).collect(),
    };
    // Within a step a retraction may stand before its insertion.
    rows.shuffle(rng);
    rows
}

fn check_random_case(rng: &mut StdRng) {
    let case = Case {
        join_type: TYPES[rng.random_range(0..TYPES.len())],
        on: ON[rng.random_range(0..ON.len())],
        null_equals_null: rng.random_bool(0.3),
        with_residual: rng.random(),
        kind: rng.random(),
    };
    let mut harness = Harness::new(operator(case));
    let (mut present, mut all): ([Vec<Row>; 2], [Vec<(Row, i64)>; 2]) = Default::default();
    for _ in 0..rng.random_range(1..6) {
        let mut inputs = Vec::new();
        for port in [0, 1] {
            let rows = random_side(rng, case.kind[port], &mut present[port]);
            inputs.extend(cut(rng, &rows).into_iter().map(|batch| (Port(port as u8), batch)));
            all[port].extend(rows);
        }
        inputs.shuffle(rng);
        harness.step(inputs).unwrap();
        let (shown, failed) = nested_loops(case, &all[0], &all[1]);
        check_same(case.join_type, &shown, &harness.emitted);
        let append =
            case.kind == [true, true] && matches!(case.join_type, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi);
        assert!(!append || harness.emitted.iter().all(ChangeBatch::is_append), "an append edge retracts");
        if case.kind == [true, true] {
            let bad_keys = |rows: &[(Row, i64)]| rows.iter().filter(|(row, _)| case.on == On::Parity && row.k == Some(5)).count();
            assert_eq!(harness.rejected_rows(), failed + bad_keys(&all[0]) + bad_keys(&all[1]), "rows rejected");
        }
        if rng.random_bool(0.2) {
            harness.replace_by_image(operator(case)).unwrap();
        }
    }
}

#[test]
fn a_join_gives_what_nested_loops_give_after_every_step() {
    for_each_case(cases(), check_random_case);
}

#[test]
fn equal_rows_of_one_batch_share_a_row_id_if_they_can_be_retracted() {
    check_random_case(&mut StdRng::seed_from_u64(2941));
}

fn case(on: On, with_residual: bool) -> Case {
    Case { join_type: JoinType::Inner, on, null_equals_null: false, with_residual, kind: [false, false] }
}

fn by_k(join_type: JoinType) -> Case {
    Case { join_type, ..case(On::Columns(&[0]), false) }
}

/// One step for each text: changes on the left, `~`, changes on the right.
fn check(case: Case, steps: &[&str], emitted: &str, rejected: &[&str]) {
    let mut harness = Harness::new(operator(case));
    for step in steps {
        let (left, right) = step.split_once('~').unwrap();
        let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
        harness.step(vec![(Port::LEFT, parse(left)), (Port::RIGHT, parse(right))]).unwrap();
    }
    assert_eq!(print_all(&harness.emitted), emitted);
    let reasons: Vec<_> = harness.rejected.iter().flat_map(|rejected| rejected.reasons.clone()).collect();
    assert_eq!(reasons, rejected);
}

#[test]
fn pairs_of_one_step_are_made_once_and_taken_back_once() {
    let k = || case(On::Columns(&[0]), false);
    check(k(), &["+1 | 1 | a | 0 ~ +1 | 1 | b | 0"], "+1 | 1 | a | 0.0 | 1 | b | 0.0", &[]);
    check(k(), &["+2 | 1 | a | 0 ~ ", " ~ +3 | 1 | b | 0"], "+6 | 1 | a | 0.0 | 1 | b | 0.0", &[]);
    let back = "+1 | 1 | a | 0.0 | 1 | b | 0.0\n-1 | 1 | a | 0.0 | 1 | b | 0.0";
    check(k(), &["+1 | 1 | a | 0 ~ +1 | 1 | b | 0", " ~ -1 | 1 | b | 0", "+1 | 1 | c | 0 ~ "], back, &[]);
}

#[test]
fn null_keys_match_nothing_not_even_each_other() {
    check(case(On::Columns(&[0]), false), &["+1 | NULL | a | 0 ~ +1 | NULL | b | 0"], "", &[]);
    check(case(On::Columns(&[0, 1]), false), &["+1 | 1 | NULL | 0 ~ +1 | 1 | NULL | 0"], "", &[]);
}

#[test]
fn a_pair_whose_condition_fails_is_rejected_alone() {
    let steps = ["+1 | 1 | a | 0 ~ +1 | 1 | b | 7 ; +1 | 1 | c | 1 ; +1 | 1 | d | NULL ; +1 | 1 | e | 0"];
    check(case(On::Columns(&[0]), true), &steps, "+1 | 1 | a | 0.0 | 1 | c | 1.0", &["seven"]);
}

#[test]
fn a_row_whose_key_fails_is_rejected_and_its_retraction_is_not() {
    let steps = ["+1 | 5 | a | 0 ; +1 | 3 | b | 0 ~ +1 | 1 | c | 0", "-1 | 5 | a | 0 ~ "];
    check(case(On::Parity, false), &steps, "+1 | 3 | b | 0.0 | 1 | c | 0.0", &["five"]);
}

#[test]
fn large_results_come_in_bounded_batches() {
    let rows = |count: i64| (0..count).map(|k| (Row { k: Some(k), s: None, v: None }, 1)).collect::<Vec<_>>();
    for (on, expected) in [(On::Nothing, 60_000), (On::Columns(&[0]), 200)] {
        let mut harness = Harness::new(operator(case(on, false)));
        let inputs = vec![(Port::LEFT, crate::random::batch(&rows(300))), (Port::RIGHT, crate::random::batch(&rows(200)))];
        let emitted = harness.step(inputs).unwrap();
        assert_eq!(emitted.iter().map(ChangeBatch::len).sum::<usize>(), expected);
        assert!(emitted.iter().all(|batch| batch.len() <= BATCH_ROWS_MAX));
    }
}

#[test]
fn keys_of_different_types_are_refused_with_the_way_out() {
    let spec = JoinSpec::inner(vec![Column::new(&schema(), 0)], vec![Column::new(&schema(), 1)]);
    let error = JoinOperator::new(&spec, &edge(false), &edge(false), output_schema(JoinType::Inner)).unwrap_err();
    assert_eq!(error.code(), Code::TypeMismatch);
    assert_eq!(error.message(), "cannot join k of type Int64 with s of type Utf8");
}

#[test]
fn a_row_without_a_match_is_taken_back_when_the_first_one_comes_and_shown_again_when_the_last_one_goes() {
    let steps = ["+2 | 1 | a | 0 ~ ", " ~ +1 | 1 | b | 0", " ~ +1 | 1 | c | 0", " ~ -1 | 1 | b | 0", " ~ -1 | 1 | c | 0"];
    check(
        by_k(JoinType::Left),
        &steps,
        "+2 | 1 | a | 0.0 | NULL | NULL | NULL
+2 | 1 | a | 0.0 | 1 | b | 0.0
-2 | 1 | a | 0.0 | NULL | NULL | NULL
+2 | 1 | a | 0.0 | 1 | c | 0.0
-2 | 1 | a | 0.0 | 1 | b | 0.0
-2 | 1 | a | 0.0 | 1 | c | 0.0
+2 | 1 | a | 0.0 | NULL | NULL | NULL",
        &[],
    );
    check(by_k(JoinType::LeftSemi), &steps, "+2 | 1 | a | 0.0\n-2 | 1 | a | 0.0", &[]);
    check(by_k(JoinType::LeftAnti), &steps, "+2 | 1 | a | 0.0\n-2 | 1 | a | 0.0\n+2 | 1 | a | 0.0", &[]);
    let marks = "+2 | 1 | a | 0.0 | false
-2 | 1 | a | 0.0 | false
+2 | 1 | a | 0.0 | true
-2 | 1 | a | 0.0 | true
+2 | 1 | a | 0.0 | false";
    check(by_k(JoinType::LeftMark), &steps, marks, &[]);
}

#[test]
fn a_match_that_is_replaced_within_a_batch_changes_nothing_but_the_pair() {
    let steps = ["+1 | 1 | a | 0 ~ +1 | 1 | b | 0", " ~ -1 | 1 | b | 0 ; +1 | 1 | c | 0"];
    for (join_type, second) in [(JoinType::Left, 2), (JoinType::LeftSemi, 0), (JoinType::LeftAnti, 0), (JoinType::LeftMark, 0)] {
        let mut harness = Harness::new(operator(by_k(join_type)));
        for (step, rows) in steps.iter().zip([None, Some(second)]) {
            let (left, right) = step.split_once('~').unwrap();
            let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
            let shown = harness.step(vec![(Port::LEFT, parse(left)), (Port::RIGHT, parse(right))]).unwrap();
            let shown: usize = shown.iter().map(ChangeBatch::len).sum();
            assert_eq!(shown, rows.unwrap_or(shown), "{join_type:?}");
        }
    }
}

#[test]
fn a_match_that_goes_in_one_batch_of_a_step_and_is_replaced_in_another_changes_nothing_but_the_pair() {
    let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
    for (join_type, rows) in [(JoinType::Left, 2), (JoinType::Full, 2), (JoinType::LeftAnti, 0), (JoinType::LeftMark, 0)] {
        let mut harness = Harness::new(operator(by_k(join_type)));
        harness.step(vec![(Port::LEFT, parse("+1 | 1 | a | 0")), (Port::RIGHT, parse("+1 | 1 | b | 0"))]).unwrap();
        let replaced = ["-1 | 1 | b | 0", "+1 | 1 | c | 0"].map(|text| (Port::RIGHT, parse(text)));
        let shown = harness.step(replaced.into()).unwrap();
        assert_eq!(shown.iter().map(ChangeBatch::len).sum::<usize>(), rows, "{join_type:?}: {shown:?}");
    }
}

#[test]
fn a_row_without_a_key_is_shown_at_once_and_not_kept() {
    let mut harness = Harness::new(operator(by_k(JoinType::Full)));
    let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
    harness.step(vec![(Port::LEFT, parse("+1 | NULL | a | 0")), (Port::RIGHT, parse("+1 | NULL | b | 0"))]).unwrap();
    assert_eq!(harness.operator.state().unwrap().rows(), 0);
    harness.step(vec![(Port::LEFT, parse("-1 | NULL | a | 0"))]).unwrap();
    let shown = "+1 | NULL | a | 0.0 | NULL | NULL | NULL
+1 | NULL | NULL | NULL | NULL | b | 0.0
-1 | NULL | a | 0.0 | NULL | NULL | NULL";
    assert_eq!(print_all(&harness.emitted), shown);
    let same = Case { null_equals_null: true, ..by_k(JoinType::Inner) };
    check(same, &["+1 | NULL | a | 0 ~ +1 | NULL | b | 0"], "+1 | NULL | a | 0.0 | NULL | b | 0.0", &[]);
}

/// One row of key 1, with a number of its own as text.
fn numbered(number: i64) -> ChangeBatch {
    ChangeBatch::parse(&schema(), &format!("+1 | 1 | {number} | 0")).unwrap()
}

#[test]
fn one_more_match_of_a_key_with_many_rows_costs_nothing() {
    const ROWS: i64 = 20_000;
    for join_type in [JoinType::LeftSemi, JoinType::LeftAnti, JoinType::LeftMark, JoinType::RightSemi] {
        let mut harness = Harness::new(operator(by_k(join_type)));
        let (shown, tested) =
            if join_type == JoinType::RightSemi { (Port::RIGHT, Port::LEFT) } else { (Port::LEFT, Port::RIGHT) };
        let mut cells = 0;
        // Each comes by itself: if it looked at all rows that it matches, the test would not end.
        for number in 0..ROWS {
            for port in [shown, tested] {
                cells += harness.step(vec![(port, numbered(number))]).unwrap().iter().map(ChangeBatch::len).sum::<usize>();
                harness.emitted.clear();
            }
        }
        assert!(cells <= ROWS as usize + 2, "{join_type:?} shows {cells} rows");
        assert_eq!(harness.operator.state().unwrap().rows(), ROWS as usize + 1, "{join_type:?} keeps each row and one key");
    }
}

#[test]
fn an_outer_join_shows_pairs_and_takes_each_row_back_once() {
    let mut harness = Harness::new(operator(by_k(JoinType::Full)));
    let mut rows = 0;
    for number in 0..300 {
        for port in [Port::LEFT, Port::RIGHT] {
            rows += harness.step(vec![(port, numbered(number))]).unwrap().iter().map(ChangeBatch::len).sum::<usize>();
        }
    }
    assert_eq!(rows, 300 * 300 + 2, "every pair once, and the first row twice without one");
}

#[test]
fn a_lookup_join_asks_once_and_keeps_no_left_row() {
    for (join_type, shown) in [
        (JoinType::Inner, "+2 | 1 | c | 0.0 | 1 | b | 0.0"),
        (
            JoinType::Left,
            "+1 | 1 | a | 0.0 | NULL | NULL | NULL
+2 | 1 | c | 0.0 | 1 | b | 0.0
+1 | NULL | d | 0.0 | NULL | NULL | NULL
+1 | 1 | e | 0.0 | NULL | NULL | NULL",
        ),
    ] {
        let keys = || vec![Column::new(&schema(), 0) as ExprRef];
        let spec = JoinSpec { join_type, lookup: Some(Lookup::Stored), ..JoinSpec::inner(keys(), keys()) };
        let make = || JoinOperator::new(&spec, &edge(true), &edge(false), output_schema(join_type)).unwrap();
        let mut harness = Harness::new(make());
        let parse = |text| ChangeBatch::parse(&schema(), text).unwrap();
        harness.step(vec![(Port::LEFT, parse("+1 | 1 | a | 0"))]).unwrap();
        // Right rows of a step count for its left rows, whichever of them came first.
        harness.step(vec![(Port::LEFT, parse("+1 | 1 | c | 0")), (Port::RIGHT, parse("+2 | 1 | b | 0"))]).unwrap();
        harness.replace_by_image(make()).unwrap();
        harness.step(vec![(Port::LEFT, parse("+1 | NULL | d | 0")), (Port::RIGHT, parse("-2 | 1 | b | 0"))]).unwrap();
        harness.step(vec![(Port::LEFT, parse("+1 | 1 | e | 0"))]).unwrap();
        assert_eq!(print_all(&harness.emitted), shown);
        assert_eq!(harness.operator.state().unwrap().rows(), 0);
    }
}
