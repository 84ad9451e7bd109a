//! Gives each lane its turn; [`Lane`] states the rule.

use std::sync::Arc;

use super::turns::Turns;
use super::{Lane, LaneBudgets, Task, Work};
use crate::Result;
use crate::budget::{BudgetMetrics, TaskBudget};
use crate::limits::PASSED_OVER_MAX;
use crate::time::Clock;

/// The budgets of the lanes, and what their pieces took so far.
///
/// ```
/// use std::sync::Arc;
/// use laminar_core::reactor::{Lane, LaneBudgets, Piece, Scheduler, Work};
/// use laminar_core::time::SystemClock;
/// use laminar_core::{NodeId, Result};
///
/// /// Rows that wait in each lane.
/// struct Rows([usize; 3]);
///
/// impl Work for Rows {
///     fn waits(&mut self, lane: Lane) -> Result<bool> {
///         Ok(self.0[lane as usize] > 0)
///     }
///
///     fn work(&mut self, lane: Lane, _: NodeId, rows_max: usize) -> Result<Piece> {
///         let rows = self.0[lane as usize].min(rows_max);
///         self.0[lane as usize] -= rows;
///         Ok(Piece { rows, ..Piece::default() })
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut scheduler = Scheduler::new(LaneBudgets::START, Arc::new(SystemClock));
/// let mut rows = Rows([1, 0, 5]);
/// while scheduler.turn(&mut rows)? {}
/// assert_eq!(rows.0, [0, 0, 0]);
/// # Ok(())
/// # }
/// ```
pub struct Scheduler {
    lanes: [LaneShare; 3],
    clock: Arc<dyn Clock>,
}

struct LaneShare {
    budget: TaskBudget,
    tasks: Vec<Task>,
    turns: Turns,
    /// Turns in which something waited, but before it as well.
    passed_over: u32,
}

impl Scheduler {
    /// A scheduler that knows nothing of its work yet, with budgets by `clock`.
    pub fn new(budgets: LaneBudgets, clock: Arc<dyn Clock>) -> Self {
        let share = |name, limit| LaneShare {
            budget: TaskBudget::new(name, limit, Arc::clone(&clock)),
            tasks: Vec::new(),
            turns: Turns::default(),
            passed_over: 0,
        };
        let lanes =
            [share("latency lane", budgets.latency_ns), share("main lane", budgets.main_ns), share("poll lane", budgets.poll_ns)];
        Self { lanes, clock }
    }

    /// Other budgets from the next turn on.
    pub fn set_budgets(&mut self, budgets: LaneBudgets) {
        for (share, limit) in self.lanes.iter_mut().zip(budgets.all()) {
            share.budget.set_limit_ns(limit);
        }
    }

    /// Gives each lane its turn that may have one. True if there was anything to do.
    ///
    /// Fails with the first error of `work`; the lanes after it have no turn then.
    pub fn turn(&mut self, work: &mut impl Work) -> Result<bool> {
        let mut worked = false;
        for lane in Lane::ALL {
            if work.waits(lane)? {
                worked = true;
                if self.has_its_turn(lane, work)? {
                    self.run(lane, work)?;
                }
            }
        }
        Ok(worked)
    }

    /// Whether nothing waits before `lane`, or it has been passed over often enough.
    fn has_its_turn(&mut self, lane: Lane, work: &mut impl Work) -> Result<bool> {
        let share = &mut self.lanes[lane.index()];
        let passed = share.passed_over < PASSED_OVER_MAX && some_wait_before(lane, work)?;
        share.passed_over = if passed { share.passed_over + 1 } else { 0 };
        Ok(!passed)
    }

    /// At least one piece of `lane`.
    fn run(&mut self, lane: Lane, work: &mut impl Work) -> Result<()> {
        let share = &mut self.lanes[lane.index()];
        share.budget.begin();
        loop {
            share.tasks.clear();
            work.tasks(lane, &mut share.tasks)?;
            share.turns.follow(&share.tasks);
            let Some((task, rows_max)) = share.turns.next(&share.tasks) else { break };
            let began = self.clock.now();
            let piece = work.work(lane, task, rows_max)?;
            share.budget.leave_out(piece.waited_ns);
            let took = u64::try_from(self.clock.now().saturating_sub(began)).unwrap_or(0);
            let spent = took.saturating_sub(piece.waited_ns);
            share.turns.learn(task, piece.rows, spent + piece.ahead_ns, share.budget.limit_ns());
            // A piece that takes as long as this one did must still fit.
            let left = share.budget.remaining_ns();
            if left == 0 || left < spent || some_wait_before(lane, work)? || !work.waits(lane)? {
                break;
            }
        }
        share.budget.finish();
        Ok(())
    }

    /// What the turns of each lane took, in the order of [`Lane::ALL`].
    pub fn metrics(&self) -> [BudgetMetrics; 3] {
        self.lanes.each_ref().map(|share| share.budget.metrics())
    }
}

fn some_wait_before(lane: Lane, work: &mut impl Work) -> Result<bool> {
    for before in lane.before() {
        if work.waits(*before)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::Piece;
    use super::*;
    use crate::NodeId;
    use crate::limits::{PIECE_ROWS_MIN, STEP_ROWS_MAX};
    use crate::time::ManualClock;

    const BUDGETS: LaneBudgets = LaneBudgets { latency_ns: 1_000, main_ns: 8_000, poll_ns: 8_000 };

    /// Rows that wait in each lane, and what a row takes.
    struct Rows {
        clock: ManualClock,
        waiting: [usize; 3],
        row_ns: i64,
        /// Rows that come into the latency lane during the next piece of another one.
        urgent: usize,
        /// Lane and rows of each piece.
        pieces: Vec<(Lane, usize)>,
    }

    impl Rows {
        fn new(waiting: [usize; 3], row_ns: i64) -> Self {
            Self { clock: ManualClock::at(0), waiting, row_ns, urgent: 0, pieces: Vec::new() }
        }

        fn scheduler(&self) -> Scheduler {
            Scheduler::new(BUDGETS, Arc::new(self.clock.clone()))
        }

        fn take_pieces(&mut self) -> Vec<(Lane, usize)> {
            std::mem::take(&mut self.pieces)
        }
    }

    impl Work for Rows {
        fn waits(&mut self, lane: Lane) -> Result<bool> {
            Ok(self.waiting[lane.index()] > 0)
        }

        fn work(&mut self, lane: Lane, _: NodeId, rows_max: usize) -> Result<Piece> {
            let rows = self.waiting[lane.index()].min(rows_max);
            self.waiting[lane.index()] -= rows;
            self.clock.advance(rows as i64 * self.row_ns);
            self.pieces.push((lane, rows));
            if lane != Lane::Latency {
                self.waiting[0] += std::mem::take(&mut self.urgent);
            }
            Ok(Piece { rows, ..Piece::default() })
        }
    }

    #[test]
    fn lanes_are_drained_in_order() {
        let mut rows = Rows::new([1, 2, 3], 1);
        let mut scheduler = rows.scheduler();
        assert!(scheduler.turn(&mut rows).unwrap());
        assert_eq!(rows.take_pieces(), [(Lane::Latency, 1), (Lane::Main, 2), (Lane::Poll, 3)]);
        assert!(!scheduler.turn(&mut rows).unwrap());
        assert!(rows.take_pieces().is_empty());
    }

    #[test]
    fn urgent_work_waits_no_longer_than_one_budget_however_long_the_others_are() {
        let mut rows = Rows::new([0, 10_000_000, 10_000_000], 3);
        let mut scheduler = rows.scheduler();
        for turn in 0..1_000 {
            rows.urgent = 1;
            scheduler.turn(&mut rows).unwrap();
            let came = rows.pieces.iter().position(|(lane, _)| *lane == Lane::Main).expect("main work never starves");
            let waited: i64 = rows.take_pieces()[came + 1..].iter().map(|(_, rows)| *rows as i64 * 3).sum();
            if turn >= 10 {
                assert!(waited <= 8_000, "turn {turn}: {waited} ns besides the piece at hand");
            }
        }
    }

    #[test]
    fn no_lane_starves_beside_lanes_that_are_never_empty() {
        let mut rows = Rows::new([usize::MAX / 2; 3], 10);
        let mut scheduler = rows.scheduler();
        for _ in 0..100 {
            (0..=PASSED_OVER_MAX).for_each(|_| assert!(scheduler.turn(&mut rows).unwrap()));
            let pieces = rows.take_pieces();
            for lane in Lane::ALL {
                assert!(pieces.iter().any(|(other, _)| *other == lane), "{lane:?} has a piece in so many turns");
            }
        }
    }

    #[test]
    fn a_lane_stops_when_its_budget_is_used_up_and_overruns_are_counted() {
        let mut rows = Rows::new([0, 1_000_000, 0], 80);
        let mut scheduler = rows.scheduler();
        scheduler.turn(&mut rows).unwrap();
        rows.row_ns = 40;
        for _ in 1..20 {
            scheduler.turn(&mut rows).unwrap();
        }
        let main = scheduler.metrics()[Lane::Main.index()];
        assert_eq!(main.runs, 20);
        assert_eq!(main.overruns, 1, "only the first piece was too large: {main:?}");
        rows.take_pieces();
        let before = rows.clock.now();
        scheduler.turn(&mut rows).unwrap();
        let piece = rows.pieces[0].1 as i64 * 40;
        assert!(piece <= 4_000 && rows.clock.now() - before <= 8_000, "{:?}", rows.pieces);
    }

    #[test]
    fn pieces_grow_where_rows_are_cheap_and_shrink_where_they_are_not() {
        for (row_ns, expected) in [(0, STEP_ROWS_MAX), (1_000_000, PIECE_ROWS_MIN)] {
            let mut rows = Rows::new([0, STEP_ROWS_MAX * 40, 0], row_ns);
            let mut scheduler = rows.scheduler();
            for _ in 0..20 {
                scheduler.turn(&mut rows).unwrap();
            }
            assert_eq!(scheduler.lanes[Lane::Main.index()].turns.rows(NodeId(0)), expected, "{row_ns} ns a row");
        }
    }

    /// Two tasks that share the main lane and never come to an end, each with its time a row; and time that each piece waits for others.
    struct Shared {
        clock: ManualClock,
        row_ns: [i64; 2],
        waited_ns: i64,
        pieces: Vec<(u32, usize)>,
    }

    impl Work for Shared {
        fn waits(&mut self, lane: Lane) -> Result<bool> {
            Ok(lane == Lane::Main)
        }

        fn tasks(&mut self, _: Lane, tasks: &mut Vec<Task>) -> Result<()> {
            tasks.extend([0, 1].map(|id| Task { id: NodeId(id), ready: true }));
            Ok(())
        }

        fn work(&mut self, _: Lane, task: NodeId, rows: usize) -> Result<Piece> {
            self.pieces.push((task.0, rows));
            self.clock.advance(rows as i64 * self.row_ns[task.0 as usize] + self.waited_ns);
            Ok(Piece { rows, waited_ns: self.waited_ns as u64, ahead_ns: 0 })
        }
    }

    /// The pieces after some turns of tasks that take so long for a row and wait so long in a piece.
    fn shared(row_ns: [i64; 2], waited_ns: i64) -> (Vec<(u32, usize)>, BudgetMetrics) {
        let mut work = Shared { clock: ManualClock::at(0), row_ns, waited_ns, pieces: Vec::new() };
        let mut scheduler = Scheduler::new(BUDGETS, Arc::new(work.clock.clone()));
        (0..40).for_each(|_| assert!(scheduler.turn(&mut work).unwrap()));
        (work.pieces.split_off(work.pieces.len() - 8), scheduler.metrics()[Lane::Main.index()])
    }

    #[test]
    fn tasks_that_share_a_lane_have_their_turns_and_pieces_of_their_own_size() {
        let (pieces, _) = shared([40, 2], 0);
        assert!(pieces.windows(2).all(|two| two[0].0 != two[1].0), "{pieces:?}");
        let rows = |id| pieces.iter().find(|piece| piece.0 == id).expect("it has turns").1;
        assert!(rows(0) as i64 * 40 <= 4_000 && rows(1) as i64 * 2 <= 4_000 && rows(1) > rows(0), "{pieces:?}");
    }

    #[test]
    fn time_in_which_the_worker_waits_for_others_neither_shrinks_pieces_nor_uses_budgets_up() {
        let ((alone, before), (beside, after)) = (shared([4, 4], 0), shared([4, 4], 1_000_000));
        assert_eq!((alone, before), (beside, after));
    }
}
