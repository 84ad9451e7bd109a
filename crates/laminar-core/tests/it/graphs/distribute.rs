//! How graphs are spread over workers: rows move only where an operator needs them elsewhere.

use expect_test::{Expect, expect};
use laminar_core::dag::{DagBuilder, JoinSpec, JoinType, SourceSpec, distribute, explain_distributed};
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, native};

use super::exprs::greater;
use super::graph::pairs;

fn check(dag: DagBuilder, expected: Expect) {
    expected.assert_eq(&explain_distributed(&distribute(dag.finish().unwrap(), &|_| None)));
}

fn count() -> AggregateCall {
    let function = native("count", &[], &[], false).unwrap().unwrap();
    AggregateCall { function, args: vec![], filter: None, name: "n".to_owned() }
}

#[test]
fn groups_get_their_rows_together_and_keep_them_for_groups_by_the_same_key() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let filter = dag.filter("f", source, greater(0, 7));
    let keys = || vec![("a", Column::new(&pairs(), 0)), ("b", Column::new(&pairs(), 1))];
    let by_a = dag.aggregate("by_a", filter, vec![keys().remove(0)], vec![count()]);
    let again = dag.aggregate("again", by_a, keys(), vec![]);
    dag.view("v", again);
    check(
        dag,
        expect![[r#"
            n4 Output v stored [upsert (a, b); by (a)]
              n3 Aggregate by (a, b) compute () [upsert (a, b); by (a)]
                n2 Aggregate by (a) compute (count() as n) [upsert (a); by (a)]
                  Exchange by (a), as groups where that pays
                    n1 Compute where #0 > 7 [append]
                      n0 Source s [append]
        "#]],
    );
}

#[test]
fn a_side_of_a_join_that_is_spread_by_its_key_stays_and_a_table_comes_to_it() {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let (_, names) = dag.table("names", pairs(), Some(vec![0]));
    let by_a = dag.aggregate("by_a", source, vec![("a", Column::new(&pairs(), 0))], vec![count()]);
    let keys = || vec![Column::new(&pairs(), 0)];
    let join = dag.join("j", by_a, names, JoinSpec::inner(keys(), keys()));
    dag.view("v", join);
    check(
        dag,
        expect![[r#"
            n5 Output v stored [retract; by (a)]
              n4 Join on a = a [retract; by (a)]
                n3 Aggregate by (a) compute (count() as n) [upsert (a); by (a)]
                  Exchange by (a), as groups where that pays
                    n0 Source s [append]
                Exchange by (a)
                  n2 Output names stored key (a) [upsert (a); single]
                    n1 Source names table [retract; single]
        "#]],
    );
}

#[test]
fn what_an_outer_join_shows_is_spread_by_the_keys_that_are_never_filled_up_with_null() {
    let mut dag = DagBuilder::new();
    let (a, b) = (dag.source("a", pairs(), SourceSpec::TIMELESS), dag.source("b", pairs(), SourceSpec::TIMELESS));
    let keys = || vec![Column::new(&pairs(), 0)];
    for join_type in
        [JoinType::Left, JoinType::Right, JoinType::Full, JoinType::LeftSemi, JoinType::RightAnti, JoinType::LeftMark]
    {
        let null_equals_null = join_type == JoinType::LeftMark;
        let spec = JoinSpec { join_type, null_equals_null, ..JoinSpec::inner(keys(), vec![Column::new(&pairs(), 1)]) };
        dag.join("j", a, b, spec);
    }
    dag.join("j", a, b, JoinSpec { join_type: JoinType::Full, ..JoinSpec::inner(vec![], vec![]) });
    check(
        dag,
        expect![[r#"
        n2 Left join on a = b [retract; by (a)]
          Exchange by (a)
            n0 Source a [append]
          Exchange by (b)
            n1 Source b [append]
        n3 Right join on a = b [retract; by (b)]
          Exchange by (a)
            n0 (above)
          Exchange by (b)
            n1 (above)
        n4 Full join on a = b [retract]
          Exchange by (a)
            n0 (above)
          Exchange by (b)
            n1 (above)
        n5 Left semi join on a = b [append; by (a)]
          Exchange by (a)
            n0 (above)
          Exchange by (b)
            n1 (above)
        n6 Right anti join on a = b [retract; by (b)]
          Exchange by (a)
            n0 (above)
          Exchange by (b)
            n1 (above)
        n7 Left mark join on a is not distinct from b [retract; by (a)]
          Exchange by (a)
            n0 (above)
          Exchange by (b)
            n1 (above)
        n8 Full join every pair [retract; single]
          Exchange to one worker
            n0 (above)
          Exchange to one worker
            n1 (above)
    "#]],
    );
}

#[test]
fn what_has_no_key_is_on_one_worker_and_retractions_come_to_their_rows() {
    let mut dag = DagBuilder::new();
    let source = dag.changing_source("s", pairs(), SourceSpec::TIMELESS);
    let all = dag.aggregate("all", source, vec![], vec![count()]);
    dag.view("all", all);
    dag.view("rows", source);
    let (_, table) = dag.table("t", pairs(), None);
    let both = dag.union("both", &[source, table]);
    dag.output("both", both);
    check(
        dag,
        expect![[r#"
            n2 Output all stored [upsert (); single]
              n1 Aggregate by () compute (count() as n) [upsert (); single]
                Exchange to one worker
                  n0 Source s [retract]
            n3 Output rows stored [retract; by (a, b)]
              Exchange by (a, b)
                n0 (above)
            n7 Output both [retract; by (a, b)]
              Exchange by (a, b)
                n6 Union [retract]
                  n0 (above)
                  Exchange dealt out to all workers
                    n5 Output t stored [retract; single]
                      n4 Source t table [retract; single]
        "#]],
    );
}
