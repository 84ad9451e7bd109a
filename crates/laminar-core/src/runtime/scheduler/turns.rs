//! Whose turn it is among the tasks of a lane, and how many rows a piece of each may have.

use super::Task;
use crate::NodeId;
use crate::budget::PieceRows;

/// The tasks of one lane.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By ascending id: what is known of each.
    pieces: Vec<(NodeId, PieceRows)>,
    /// The task that had the last turn.
    last: Option<NodeId>,
}

impl Turns {
    /// These are the tasks now. Those that were there keep what is known of them.
    pub(super) fn follow(&mut self, tasks: &[Task]) {
        if self.pieces.len() == tasks.len() && self.pieces.iter().zip(tasks).all(|((id, _), task)| *id == task.id) {
            return;
        }
        let known = |id| self.index(id).map_or_else(PieceRows::default, |index| self.pieces[index].1);
        self.pieces = tasks.iter().map(|task| (task.id, known(task.id))).collect();
    }

    /// The task that has something to do and comes next after the one that had the last turn, and the rows of its next piece.
    pub(super) fn next(&mut self, tasks: &[Task]) -> Option<(NodeId, usize)> {
        let mut ready = tasks.iter().filter(|task| task.ready).map(|task| task.id);
        let first = ready.clone().next()?;
        let next = ready.find(|id| Some(*id) > self.last).unwrap_or(first);
        self.last = Some(next);
        Some((next, self.rows(next)))
    }

    /// Rows of the next piece of a task.
    pub(super) fn rows(&self, id: NodeId) -> usize {
        self.index(id).map_or_else(PieceRows::default, |index| self.pieces[index].1).rows()
    }

    /// A piece of the task had so many rows and took so long.
    pub(super) fn learn(&mut self, id: NodeId, rows: usize, spent: u64, limit: u64) {
        if let Some(index) = self.index(id) {
            self.pieces[index].1.learn(rows, spent, limit);
        }
    }

    fn index(&self, id: NodeId) -> Option<usize> {
        self.pieces.binary_search_by_key(&id, |(id, _)| *id).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tasks `all`, of which `ready` have something to do.
    fn tasks(all: &[u32], ready: &[u32]) -> Vec<Task> {
        all.iter().map(|id| Task { id: NodeId(*id), ready: ready.contains(id) }).collect()
    }

    /// Who has the next turns when these are always ready.
    fn order(turns: &mut Turns, ready: &[u32], count: usize) -> Vec<u32> {
        let tasks = tasks(&[0, 4, 7], ready);
        turns.follow(&tasks);
        (0..count).map(|_| turns.next(&tasks).expect("one is ready").0.0).collect()
    }

    #[test]
    fn each_that_has_something_to_do_has_its_turn_before_one_has_it_again() {
        let mut turns = Turns::default();
        assert_eq!(order(&mut turns, &[0, 4, 7], 6), [0, 4, 7, 0, 4, 7]);
        assert_eq!(order(&mut turns, &[0, 7], 4), [0, 7, 0, 7]);
        assert_eq!(order(&mut turns, &[4], 2), [4, 4]);
        assert_eq!(order(&mut turns, &[0, 4, 7], 2), [7, 0]);
        assert_eq!(turns.next(&tasks(&[0, 4, 7], &[])), None);
    }

    #[test]
    fn what_is_known_of_a_task_goes_with_its_id() {
        let mut turns = Turns::default();
        turns.follow(&tasks(&[0, 4, 7], &[]));
        let start = turns.rows(NodeId(4));
        turns.learn(NodeId(4), 64, 900, 1_000);
        turns.follow(&tasks(&[0, 2, 4], &[]));
        assert_eq!([0, 2, 4].map(|id| turns.rows(NodeId(id))), [start, start, start / 2]);
        turns.follow(&tasks(&[0], &[]));
        turns.follow(&tasks(&[0, 4], &[]));
        assert_eq!(turns.rows(NodeId(4)), start, "one that was gone begins anew");
    }
}
