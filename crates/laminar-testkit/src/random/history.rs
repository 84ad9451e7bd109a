//! A history: what happens to the tables of a test, cut into steps and batches, and what the tables hold after each step.

use std::fmt;
use std::ops::RangeInclusive;

use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;
use laminar_core::{ChangeBatch, Result};
use rand::RngExt;

use super::{Cell, Changes, Random, Row, Table, from_seed};

/// How large a history is.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// How many steps.
    pub steps: RangeInclusive<usize>,
    /// How many changes a table sees in a step.
    pub changes: RangeInclusive<usize>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { steps: 2..=5, changes: 0..=8 }
    }
}

/// One change of one table, as it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The row.
    pub row: Row,
    /// +1 or −1.
    pub weight: i64,
    /// The source's watermark before this row came; `None`: nothing was promised yet.
    pub arrival: Option<i64>,
}

/// What happens in one step: batches for tables, in the order in which they are given to the engine.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// `(table number, its changes)`.
    pub batches: Vec<(usize, Vec<Change>)>,
}

/// A whole history.
#[derive(Debug, Clone)]
pub struct History {
    /// The number from which it can be made again.
    pub seed: u64,
    /// What happens.
    pub steps: Vec<Step>,
}

/// What a table holds at some point of a history.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Its rows, each with the watermark at its arrival.
    pub rows: Vec<(Row, Option<i64>)>,
    /// The watermark of its source.
    pub watermark: Option<i64>,
}

impl History {
    /// The history that belongs to `seed`.
    pub fn new(tables: &[Table], sizes: &Sizes, seed: u64) -> Self {
        let mut random = from_seed(seed);
        let mut writers: Vec<Writer<'_>> = tables.iter().map(Writer::new).collect();
        let steps = random.random_range(sizes.steps.clone());
        let steps = (0..steps).map(|_| {
            let mut changes = |writer: &mut Writer<'_>| {
                let count = random.random_range(sizes.changes.clone());
                writer.write(count, &mut random)
            };
            let all: Vec<Vec<Change>> = writers.iter_mut().map(&mut changes).collect();
            interleave(all, &mut random)
        });
        Self { seed, steps: steps.collect() }
    }

    /// The same changes of each table in the same order, cut into other steps and batches.
    #[must_use]
    pub fn cut_again(&self, tables: usize, seed: u64) -> Self {
        let mut random = from_seed(seed);
        let mut queues: Vec<Vec<Change>> = vec![Vec::new(); tables];
        for (table, changes) in self.steps.iter().flat_map(|step| &step.batches) {
            queues[*table].extend(changes.iter().cloned());
        }
        let steps = random.random_range(1..=2 * self.steps.len());
        let mut cut = Vec::new();
        for left in (1..=steps).rev() {
            let mut part = |queue: &mut Vec<Change>| {
                let count = if left == 1 { queue.len() } else { random.random_range(0..=queue.len()) };
                queue.drain(..count).collect()
            };
            let all = queues.iter_mut().map(&mut part).collect();
            cut.push(interleave(all, &mut random));
        }
        Self { seed: self.seed, steps: cut }
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.steps.iter().flat_map(|step| &step.batches).map(|(_, changes)| changes.len()).sum()
    }

    /// True if nothing happens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The history in a form that a person reads.
    pub fn display<'a>(&'a self, tables: &'a [Table]) -> impl fmt::Display + 'a {
        Display { history: self, tables }
    }
}

impl Contents {
    /// What is left after `changes`: the rows are a bag, except that a key holds one row.
    pub fn apply(&mut self, table: &Table, changes: &[Change]) {
        for change in changes {
            if let (Changes::Keyed(key), true) = (&table.changes, change.weight > 0) {
                self.rows.retain(|(row, _)| key.iter().any(|column| row[*column] != change.row[*column]));
            }
            if change.weight > 0 {
                self.rows.push((change.row.clone(), change.arrival));
            } else if let Some(at) = self.rows.iter().position(|(row, _)| *row == change.row) {
                self.rows.swap_remove(at);
            }
            self.watermark = advanced(table, self.watermark, &change.row);
        }
    }
}

/// The watermark of a source after `row`.
fn advanced(table: &Table, watermark: Option<i64>, row: &Row) -> Option<i64> {
    match table.watermark.map(|(column, delay)| (&row[column], delay)) {
        Some((Cell::Time(time), delay)) => watermark.max(Some(time - delay)),
        _ => watermark,
    }
}

impl Change {
    /// Several changes as a batch for the engine. Arrivals are left out: the engine has to know by itself.
    ///
    /// # Errors
    /// If the table was described wrongly.
    pub fn batch(table: &Table, changes: &[Change]) -> Result<ChangeBatch> {
        let rows: RecordBatch = table.batch(&changes.iter().map(|change| &change.row).collect::<Vec<_>>())?;
        let weights: ScalarBuffer<i64> = changes.iter().map(|change| change.weight).collect();
        Ok(ChangeBatch::new(rows, weights))
    }
}

/// Makes up the changes of one table and knows what it holds, so that only living rows are deleted.
struct Writer<'a> {
    table: &'a Table,
    front: i64,
    contents: Contents,
}

impl<'a> Writer<'a> {
    fn new(table: &'a Table) -> Self {
        Self { table, front: 0, contents: Contents::default() }
    }

    fn write(&mut self, count: usize, random: &mut Random) -> Vec<Change> {
        let mut changes = Vec::new();
        while changes.len() < count {
            let insert = self.contents.rows.is_empty() || self.table.changes == Changes::Append || random.random_bool(0.55);
            let next = match random.random_range(0..5) {
                _ if insert => vec![self.insert(random)],
                0 | 1 => self.update(random),
                _ => vec![self.delete(random)],
            };
            changes.extend(next);
        }
        changes
    }

    fn insert(&mut self, random: &mut Random) -> Change {
        let living = &self.contents.rows;
        let again = self.table.changes == Changes::Any && !living.is_empty() && random.random_bool(0.2);
        let row =
            if again { living[random.random_range(0..living.len())].0.clone() } else { self.table.row(random, &mut self.front) };
        self.happen(row, 1)
    }

    fn delete(&mut self, random: &mut Random) -> Change {
        let at = random.random_range(0..self.contents.rows.len());
        let row = self.contents.rows[at].0.clone();
        self.happen(row, -1)
    }

    /// Another value in one column: the old row goes, the new one comes. With a key the new row alone says it all.
    fn update(&mut self, random: &mut Random) -> Vec<Change> {
        let at = random.random_range(0..self.contents.rows.len());
        let old = self.contents.rows[at].0.clone();
        let mut new = old.clone();
        let column = random.random_range(0..new.len());
        if let Changes::Keyed(key) = &self.table.changes {
            if !key.contains(&column) {
                new[column] = self.table.value(column, random, &mut self.front);
            }
            return vec![self.happen(new, 1)];
        }
        new[column] = self.table.value(column, random, &mut self.front);
        vec![self.happen(old, -1), self.happen(new, 1)]
    }

    fn happen(&mut self, row: Row, weight: i64) -> Change {
        let change = Change { row, weight, arrival: self.contents.watermark };
        self.contents.apply(self.table, std::slice::from_ref(&change));
        change
    }
}

/// Cuts each table's changes into batches (some of them empty) and mixes the tables, keeping each one's order.
fn interleave(tables: Vec<Vec<Change>>, random: &mut Random) -> Step {
    let mut queues = tables;
    let mut step = Step::default();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let table = random.random_range(0..queues.len());
        let count = random.random_range(0..=queues[table].len());
        step.batches.push((table, queues[table].drain(..count).collect()));
    }
    step
}

struct Display<'a> {
    history: &'a History,
    tables: &'a [Table],
}

impl fmt::Display for Display<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.history.steps.iter().enumerate() {
            writeln!(f, "step {}", number + 1)?;
            for (table, changes) in &step.batches {
                writeln!(f, "  {} <- {} changes", self.tables[*table].name, changes.len())?;
                for change in changes {
                    write!(f, "    {:+}", change.weight)?;
                    change.row.iter().try_for_each(|cell| write!(f, " | {cell}"))?;
                    writeln!(f)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{EventTimes, Values};

    const SECOND: i64 = 1_000_000_000;

    fn tables() -> Vec<Table> {
        let times = EventTimes { grain: SECOND, advance: 2 * SECOND, jitter: 3 * SECOND, straggle: 60 * SECOND };
        vec![
            Table::new("a", Changes::Append, [("k", Values::Text(4)), ("ts", Values::Time(times))])
                .with_watermark("ts", 5 * SECOND),
            Table::new("b", Changes::Any, [("x", Values::Int(0, 3))]),
            Table::new("c", Changes::Keyed(vec![0]), [("k", Values::Int(0, 5)), ("v", Values::Text(3))]),
        ]
    }

    fn contents_after(history: &History, tables: &[Table]) -> Vec<Contents> {
        let mut contents = vec![Contents::default(); tables.len()];
        for (table, changes) in history.steps.iter().flat_map(|step| &step.batches) {
            contents[*table].apply(&tables[*table], changes);
        }
        contents
    }

    #[test]
    fn a_seed_repeats_its_history() {
        let print = |seed| History::new(&tables(), &Sizes::default(), seed).display(&tables()).to_string();
        assert_eq!(print(3), print(3));
        assert_ne!(print(3), print(4));
    }

    #[test]
    fn only_living_rows_are_deleted_and_keys_stay_unique() {
        let tables = tables();
        for seed in 0..200 {
            let history = History::new(&tables, &Sizes::default(), seed);
            let mut living = vec![Contents::default(); tables.len()];
            for (table, changes) in history.steps.iter().flat_map(|step| &step.batches) {
                for change in changes {
                    let before = living[*table].rows.iter().filter(|(row, _)| *row == change.row).count();
                    assert!(change.weight == 1 || before > 0, "seed {seed} deletes a row that is not there");
                    living[*table].apply(&tables[*table], std::slice::from_ref(change));
                }
            }
            let mut keys: Vec<&Cell> = living[2].rows.iter().map(|(row, _)| &row[0]).collect();
            let all = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), all, "seed {seed} holds a key twice");
        }
    }

    #[test]
    fn another_cut_ends_in_the_same_contents() {
        let tables = tables();
        for seed in 0..200 {
            let history = History::new(&tables, &Sizes::default(), seed);
            let again = history.cut_again(tables.len(), seed + 1);
            assert_eq!(history.len(), again.len());
            for (a, b) in contents_after(&history, &tables).iter().zip(&contents_after(&again, &tables)) {
                assert_eq!((&a.rows, a.watermark), (&b.rows, b.watermark), "seed {seed}");
            }
        }
    }

    #[test]
    fn late_rows_and_deletions_do_happen() {
        let tables = tables();
        let histories = (0..200).map(|seed| History::new(&tables, &Sizes::default(), seed));
        let changes: Vec<(usize, Change)> = histories
            .flat_map(|history| history.steps)
            .flat_map(|step| step.batches)
            .flat_map(|(table, changes)| changes.into_iter().map(move |change| (table, change)))
            .collect();
        let late = changes.iter().filter(|(_, c)| matches!((&c.row.get(1), c.arrival), (Some(Cell::Time(t)), Some(w)) if *t < w));
        assert!(late.count() > 50);
        assert!(changes.iter().filter(|(table, change)| *table == 1 && change.weight < 0).count() > 100);
    }
}
