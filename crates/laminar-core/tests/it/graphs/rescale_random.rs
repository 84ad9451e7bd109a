//! Random histories in which the number of workers changes: what every kind of state holds is dealt anew, and no answer changes.

use std::fmt::Write;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use laminar_core::dag::{
    DagBuilder, EmitWhen, Exclude, Frame, FrameBound, FrameUnit, JoinSpec, JoinType, LimitSpec, MissingElements, NodeKind,
    OutputSpec, OverCall, OverFunction, OverSpec, SessionSpec, SourceSpec, TopNSpec, UnnestColumn, UnnestSpec, WindowEmission,
    WindowSpec, derive,
};
use laminar_core::expr::{Column, ExprRef, SortDirection, SortKey};
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};
use laminar_core::{ChangeBatch, NodeId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::cuts::{Case, rounds};
use super::exprs::{greater, list_of, plus};
use super::graph::{SECOND, pairs, timed, watermarked, watermarked_per_key};

const EMISSIONS: [WindowEmission; 3] = [WindowEmission::Changes, WindowEmission::OnWatermark, WindowEmission::OnClose];

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

fn column(index: usize) -> ExprRef {
    Column::new(&pairs(), index)
}

/// Aggregates over the whole number at `column`.
fn aggregates(column: ExprRef) -> Vec<AggregateCall> {
    let call = |name: &str, args: Vec<ExprRef>, distinct| {
        let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let function = native(name, &types, &[], distinct).unwrap().unwrap();
        AggregateCall { function, args, filter: None, name: format!("{name}{distinct}") }
    };
    let one = |name, distinct| call(name, vec![column.clone()], distinct);
    vec![call("count", vec![], false), one("sum", false), one("max", false), one("avg", false), one("count", true)]
}

/// Insertions, and retractions of what was inserted before; `line` makes a row.
fn changes(rng: &mut StdRng, retracts: bool, mut line: impl FnMut(&mut StdRng) -> String) -> String {
    let (mut text, mut live) = (String::new(), Vec::new());
    for _ in 0..rng.random_range(0..50) {
        if retracts && !live.is_empty() && rng.random_bool(0.3) {
            let gone: String = live.swap_remove(rng.random_range(0..live.len()));
            writeln!(text, "-1 | {gone}").unwrap();
        } else {
            live.push(line(rng));
            writeln!(text, "+1 | {}", live[live.len() - 1]).unwrap();
        }
    }
    text
}

fn value(rng: &mut StdRng, values: i64) -> String {
    if rng.random_bool(0.1) { "NULL".to_owned() } else { rng.random_range(0..values).to_string() }
}

fn random_pairs(rng: &mut StdRng, retracts: bool) -> ChangeBatch {
    let keys = [4, 5000][rng.random_range(0..2)];
    let text = changes(rng, retracts, |rng| format!("{} | {}", value(rng, keys), value(rng, 6)));
    ChangeBatch::parse(&pairs(), &text).unwrap()
}

/// Times that go up with jitter; some rows have none.
fn random_times(rng: &mut StdRng, retracts: bool) -> ChangeBatch {
    let mut now = rng.random_range(0..300);
    let text = changes(rng, retracts, |rng| {
        now += rng.random_range(0..20);
        let time = (now + rng.random_range(-30..30)).max(0);
        let time = format!("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
        format!("{} | {}", value(rng, 5), if rng.random_bool(0.05) { "NULL" } else { &time })
    });
    ChangeBatch::parse(&timed(), &text).unwrap()
}

/// For each key in some cases; there is room for all, since a retraction of a row that was refused would go on alone.
fn random_watermark(rng: &mut StdRng) -> SourceSpec {
    let delay = rng.random_range(0..40) * SECOND;
    if rng.random_bool(0.4) { watermarked_per_key(delay, 10) } else { watermarked(delay) }
}

/// A case that grows.
struct Growing {
    dag: DagBuilder,
    sources: Vec<(NodeId, ChangeBatch)>,
    listened: Vec<NodeId>,
}

impl Growing {
    fn new() -> Self {
        Self { dag: DagBuilder::new(), sources: Vec::new(), listened: Vec::new() }
    }

    fn pairs_source(&mut self, rng: &mut StdRng, retracts: bool) -> NodeId {
        let (dag, spec) = (&mut self.dag, SourceSpec::TIMELESS);
        let source = if retracts { dag.changing_source("s", pairs(), spec) } else { dag.source("s", pairs(), spec) };
        self.sources.push((source, random_pairs(rng, retracts)));
        source
    }

    fn timed_source(&mut self, rng: &mut StdRng, retracts: bool) -> NodeId {
        let (dag, spec) = (&mut self.dag, random_watermark(rng));
        let source = if retracts { dag.changing_source("t", timed(), spec) } else { dag.source("t", timed(), spec) };
        self.sources.push((source, random_times(rng, retracts)));
        source
    }

    fn view(&mut self, input: NodeId) {
        let view = self.dag.view("view", input);
        self.listened.push(view);
    }

    fn limit(&mut self, input: NodeId, skip: u64, fetch: Option<u64>) -> NodeId {
        let properties = self.dag.properties(input).clone();
        let kind = NodeKind::Limit(LimitSpec { skip, fetch });
        let output = derive(&kind, &[&properties], properties.schema.clone());
        self.dag.add("limit", kind, vec![input], output)
    }

    /// `a` beside the elements of `[a, b]`.
    fn unnest(&mut self, input: NodeId) -> NodeId {
        let listed = self.dag.project("listed", input, vec![("a", column(0)), ("list", list_of(0, 1))]);
        let columns = vec![UnnestColumn::Repeated(0), UnnestColumn::Elements { column: 1, depth: 1 }];
        let kind = NodeKind::Unnest(UnnestSpec { columns, missing: MissingElements::NullKept });
        let fields = ["a", "element"].map(|name| Field::new(name, DataType::Int64, true));
        let output = derive(&kind, &[self.dag.properties(listed)], Arc::new(Schema::new(fields.to_vec())));
        self.dag.add("unnest", kind, vec![listed], output)
    }

    /// A view in which a row replaces the one with the same `a`.
    fn keyed_view(&mut self, input: NodeId) {
        let properties = self.dag.properties(input).clone();
        let schema = properties.schema.clone();
        let spec = OutputSpec { stored: true, pushed: false, primary_key: Some(vec![0]), schema: schema.clone() };
        let kind = NodeKind::Output(spec);
        let output = derive(&kind, &[&properties], schema);
        let view = self.dag.add("keyed", kind, vec![input], output);
        self.listened.push(view);
    }

    fn finish(self) -> Case {
        Case { nodes: self.dag.finish().unwrap(), sources: self.sources, listened: self.listened }
    }
}

fn check(case: impl Fn(&mut StdRng, &mut Growing)) {
    for seed in 0..rounds() {
        let rng = &mut StdRng::seed_from_u64(seed);
        let mut growing = Growing::new();
        case(rng, &mut growing);
        growing.finish().check(rng, seed);
    }
}

#[test]
fn running_aggregates_keep_their_groups() {
    check(|rng, case| {
        let retracts = rng.random_bool(0.5);
        let source = case.pairs_source(rng, retracts);
        let by_a = case.dag.aggregate("by_a", source, vec![("a", column(0))], aggregates(column(1)));
        case.view(by_a);
        let schema = case.dag.properties(by_a).schema.clone();
        // Spread by a already; and by something else.
        let keys = vec![("n", Column::new(&schema, 1)), ("a", Column::new(&schema, 0))];
        let both = case.dag.aggregate("both", by_a, keys, aggregates(Column::new(&schema, 2)));
        case.view(both);
        let by_count =
            case.dag.aggregate("by_n", by_a, vec![("n", Column::new(&schema, 1))], aggregates(Column::new(&schema, 3)));
        case.view(by_count);
        let two = case.dag.aggregate("two", source, vec![("b", column(1)), ("c", plus(0, 1))], aggregates(column(0)));
        case.view(two);
        let all = case.dag.aggregate("all", source, vec![], aggregates(column(1)));
        case.view(all);
    });
}

#[test]
fn windows_keep_their_panes_and_what_was_shown() {
    check(|rng, case| {
        let retracts = rng.random_bool(0.5);
        let source = case.timed_source(rng, retracts);
        let size = [30, 60][rng.random_range(0..2)] * SECOND;
        for emission in EMISSIONS {
            let kind = match rng.random_range(0..3) {
                0 => WindowKind::Tumbling { size },
                1 => WindowKind::Hopping { size, slide: 15 * SECOND },
                _ => WindowKind::Cumulating { step: 15 * SECOND, size },
            };
            let shape = WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } };
            let (keys, names) = if rng.random_bool(0.7) { (vec![Column::new(&timed(), 0)], vec!["a"]) } else { (vec![], vec![]) };
            let lateness = rng.random_range(0..2) * 20 * SECOND;
            let aggregates = aggregates(Column::new(&timed(), 0));
            let spec = WindowSpec { shape, time: 1, time_lag: 0, keys, aggregates, emission, lateness };
            let window = case.dag.window("window", source, &names, spec);
            case.view(window);
        }
    });
}

#[test]
fn sessions_stay_open_and_keep_what_was_shown() {
    check(|rng, case| {
        let retracts = rng.random_bool(0.5);
        let source = case.timed_source(rng, retracts);
        for emission in EMISSIONS {
            let keys = vec![Column::new(&timed(), 0), plus(0, 0)];
            let (gap, lateness) = (rng.random_range(5..30) * SECOND, rng.random_range(0..2) * 20 * SECOND);
            let (partition, aggregates) = (rng.random_range(0..3), aggregates(Column::new(&timed(), 0)));
            let spec = SessionSpec { gap, time: 1, time_lag: 0, keys, partition, aggregates, emission, lateness };
            let session = case.dag.session("session", source, &["a", "c"], spec);
            case.view(session);
        }
    });
}

#[test]
fn joins_find_the_rows_of_before() {
    check(|rng, case| {
        let left_retracts = rng.random_bool(0.5);
        let left = case.pairs_source(rng, left_retracts);
        let (pushed, table) = case.dag.table("table", pairs(), Some(vec![0]));
        case.sources.push((pushed, random_pairs(rng, false)));
        case.listened.push(table);
        let right_retracts = rng.random_bool(0.5);
        let right = case.pairs_source(rng, right_retracts);
        let keys = || vec![column(0)];
        let named = case.dag.join("named", left, table, JoinSpec::inner(keys(), keys()));
        case.view(named);
        let (left_keys, right_keys) = (vec![plus(0, 1)], vec![column(1)]);
        let computed = case.dag.join("computed", left, right, JoinSpec::inner(left_keys, right_keys));
        case.view(computed);
        let residual = Some(greater(1, 2));
        let cross = case.dag.join("cross", table, right, JoinSpec { residual, ..JoinSpec::inner(vec![], vec![]) });
        case.view(cross);
        // One side is spread by one of the keys, the second.
        let groups = case.dag.aggregate("groups", right, vec![("b", column(1))], aggregates(column(0)));
        let schema = case.dag.properties(groups).schema.clone();
        let right_keys = vec![Column::new(&schema, 1), Column::new(&schema, 0)];
        let spec = JoinSpec::inner(vec![column(0), column(1)], right_keys);
        let by_some = case.dag.join("by_some", left, groups, spec);
        case.view(by_some);
    });
}

#[test]
fn joins_of_all_types_keep_their_matches() {
    check(|rng, case| {
        let [left_retracts, right_retracts] = rng.random();
        let (left, right) = (case.pairs_source(rng, left_retracts), case.pairs_source(rng, right_retracts));
        let keys = |rng: &mut StdRng| match rng.random_range(0..4) {
            0 => JoinSpec::inner(vec![], vec![]),
            1 => JoinSpec::inner(vec![column(0), column(1)], vec![column(1), column(0)]),
            2 => JoinSpec::inner(vec![plus(0, 1)], vec![column(0)]),
            _ => JoinSpec::inner(vec![column(0)], vec![column(1)]),
        };
        for join_type in TYPES {
            let residual = rng.random_bool(0.4).then(|| greater(rng.random_range(0..4), 1));
            let spec = JoinSpec { join_type, null_equals_null: rng.random_bool(0.3), residual, ..keys(rng) };
            let join = case.dag.join("join", left, right, spec);
            case.view(join);
        }
    });
}

#[test]
fn outer_joins_stand_on_each_other_and_on_groups() {
    check(|rng, case| {
        let [left_retracts, right_retracts] = rng.random();
        let (left, right) = (case.pairs_source(rng, left_retracts), case.pairs_source(rng, right_retracts));
        let by_b = case.dag.aggregate("by_b", right, vec![("b", column(1))], aggregates(column(0)));
        let two = |rng: &mut StdRng| TYPES[rng.random_range(0..TYPES.len())];
        let first = JoinSpec { join_type: two(rng), ..JoinSpec::inner(vec![column(0)], vec![column(0)]) };
        let first = case.dag.join("first", left, by_b, first);
        case.view(first);
        // The columns by which the first join is spread, if it is by any.
        let spread = Column::new(&case.dag.properties(first).schema, 0);
        let second = JoinSpec { join_type: two(rng), ..JoinSpec::inner(vec![spread], vec![column(0)]) };
        let second = case.dag.join("second", first, left, second);
        case.view(second);
    });
}

#[test]
fn stored_rows_are_found_by_their_retractions_and_replaced_by_their_keys() {
    check(|rng, case| {
        let appended = case.pairs_source(rng, false);
        case.view(appended);
        case.keyed_view(appended);
        let changing = case.pairs_source(rng, true);
        case.view(changing);
        let (pushed, keyless) = case.dag.table("keyless", pairs(), None);
        case.sources.push((pushed, random_pairs(rng, true)));
        case.listened.push(keyless);
        let union = case.dag.union("union", &[appended, changing, keyless]);
        case.view(union);
        let greater = case.dag.compute("greater", union, Some(greater(0, 1)), vec![("b", column(1))]);
        case.view(greater);
    });
}

#[test]
fn ordered_rows_stay_in_order() {
    check(|rng, case| {
        let retracts = rng.random_bool(0.5);
        let source = case.pairs_source(rng, retracts);
        let by_a = case.dag.aggregate("by_a", source, vec![("a", column(0))], aggregates(column(1)));
        let key = |column| SortKey { column, direction: SortDirection { descending: true, nulls_first: false } };
        for (input, partition, order) in
            [(source, vec![0], vec![key(1)]), (by_a, vec![1], vec![key(2)]), (source, vec![], vec![key(0)])]
        {
            let (limit, with_ties): (i64, bool) = (rng.random_range(1..4), rng.random());
            let (partition_of_top, order_of_top) = (partition.clone(), order.clone());
            let row_number = (!with_ties && rng.random()).then(|| "number".to_owned());
            let spec = TopNSpec { partition: partition_of_top, order: order_of_top, offset: 0, limit, with_ties, row_number };
            let top = case.dag.top_n("top", input, spec);
            case.view(top);
            let frame = Frame {
                unit: FrameUnit::Rows,
                start: FrameBound::Unbounded,
                end: FrameBound::Offset(0),
                exclude: Exclude::NoOthers,
            };
            let schema = case.dag.properties(input).schema.clone();
            let mut calls: Vec<OverCall> = aggregates(Column::new(&schema, 1))
                .into_iter()
                .map(|call| {
                    let (data_type, name) = (call.function.return_type().clone(), call.name.clone());
                    OverCall { function: OverFunction::Aggregate { call, frame: frame.clone() }, data_type, name }
                })
                .collect();
            calls.push(OverCall { function: OverFunction::Rank, data_type: DataType::Int64, name: "rank".to_owned() });
            let over = case.dag.over("over", input, OverSpec { partition, order, calls });
            case.view(over);
        }
    });
}

#[test]
fn what_is_held_back_is_let_go_once() {
    check(|rng, case| {
        for retracts in [false, true] {
            let source = case.pairs_source(rng, retracts);
            for when in [EmitWhen::Every(2 * SECOND), EmitWhen::AtEnd] {
                let emit = case.dag.emit("rows", source, when);
                case.view(emit);
                let groups = case.dag.aggregate("groups", source, vec![("a", column(0))], aggregates(column(1)));
                let emit = case.dag.emit("groups", groups, when);
                case.view(emit);
            }
        }
    });
}

#[test]
fn limits_go_on_counting() {
    check(|rng, case| {
        let source = case.pairs_source(rng, false);
        let (skip, fetch) = (rng.random_range(0..20), rng.random_bool(0.8).then(|| rng.random_range(0..60)));
        let limit = case.limit(source, skip, fetch);
        case.view(limit);
        let by_a = case.dag.aggregate("by_a", limit, vec![("a", column(0))], aggregates(column(1)));
        case.view(by_a);
    });
}

#[test]
fn lists_are_taken_apart_on_any_worker() {
    check(|rng, case| {
        let retracts = rng.random_bool(0.5);
        let source = case.pairs_source(rng, retracts);
        let elements = case.unnest(source);
        case.view(elements);
        // Spread by a, before and behind.
        let by_a = case.dag.aggregate("by_a", source, vec![("a", column(0))], aggregates(column(1)));
        let schema = case.dag.properties(by_a).schema.clone();
        let counts = case.dag.project("counts", by_a, vec![("a", column(0)), ("b", Column::new(&schema, 1))]);
        let counted = case.unnest(counts);
        case.view(counted);
        let sums = case.dag.aggregate("sums", counted, vec![("a", column(0))], aggregates(column(1)));
        case.view(sums);
    });
}
