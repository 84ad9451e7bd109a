//! Which queries take the rows with which they begin in many steps.

use laminar_core::NodeId;
use laminar_core::dag::{DagBuilder, EmitWhen, JoinSpec, JoinType, SourceSpec, takes_pieces};
use laminar_core::expr::{Column, ExprRef};
use laminar_core::operator::aggregate::{AggregateCall, native};

use super::exprs::{greater, plus};
use super::graph::pairs;

fn column(index: usize) -> ExprRef {
    Column::new(&pairs(), index)
}

fn sums(dag: &mut DagBuilder, input: NodeId, arg: ExprRef) -> NodeId {
    let function = native("sum", &[arg.data_type().clone()], &[], false).unwrap().unwrap();
    let call = AggregateCall { function, args: vec![arg], filter: None, name: "b".to_owned() };
    dag.aggregate("g", input, vec![("a", column(0))], vec![call])
}

fn join(dag: &mut DagBuilder, left: NodeId, right: NodeId, join_type: JoinType) -> NodeId {
    dag.join("j", left, right, JoinSpec { join_type, ..JoinSpec::inner(vec![column(0)], vec![column(0)]) })
}

/// Whether the nodes that `build` puts over two inputs take pieces.
fn takes(build: impl FnOnce(&mut DagBuilder, NodeId, NodeId) -> NodeId) -> bool {
    let mut dag = DagBuilder::new();
    let [left, right] = ["l", "r"].map(|name| dag.source(name, pairs(), SourceSpec::TABLE));
    let last = build(&mut dag, left, right);
    dag.view("v", last);
    takes_pieces(&dag.finish().unwrap())
}

#[test]
fn rows_that_stay_come_in_pieces_and_so_do_groups_and_outer_joins_that_end_there() {
    assert!(takes(|dag, left, _| dag.compute("c", left, Some(greater(0, 7)), vec![("b", plus(0, 0))])));
    assert!(takes(|dag, left, right| join(dag, left, right, JoinType::Inner)));
    assert!(takes(|dag, left, right| {
        let pairs = join(dag, left, right, JoinType::Inner);
        sums(dag, pairs, plus(0, 0))
    }));
    assert!(takes(|dag, left, right| {
        let all = join(dag, left, right, JoinType::Full);
        dag.project("p", all, vec![("b", column(1)), ("a", column(0))])
    }));
    assert!(takes(|dag, left, _| {
        let groups = sums(dag, left, column(1));
        sums(dag, groups, column(1))
    }));
}

#[test]
fn nothing_fails_or_is_joined_for_rows_that_go_again() {
    assert!(!takes(|dag, left, _| {
        let groups = sums(dag, left, column(1));
        dag.project("p", groups, vec![("b", plus(1, 1))])
    }));
    assert!(!takes(|dag, left, _| {
        let groups = sums(dag, left, column(1));
        dag.filter("f", groups, greater(1, 7))
    }));
    assert!(!takes(|dag, left, _| {
        let groups = sums(dag, left, column(1));
        sums(dag, groups, plus(1, 1))
    }));
    assert!(!takes(|dag, left, right| {
        let groups = sums(dag, right, column(1));
        join(dag, left, groups, JoinType::Inner)
    }));
    assert!(!takes(|dag, left, right| {
        let rest = join(dag, left, right, JoinType::LeftAnti);
        join(dag, rest, right, JoinType::LeftSemi)
    }));
    assert!(!takes(|dag, left, right| {
        let padded = join(dag, left, right, JoinType::Left);
        dag.filter("f", padded, greater(3, 7))
    }));
}

#[test]
fn what_depends_on_steps_comes_in_one() {
    assert!(!takes(|dag, left, _| dag.emit("e", left, EmitWhen::Every(7))));
}
