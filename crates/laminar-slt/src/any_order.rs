//! Rows in another order, in which none comes behind the watermark that those before it make.
//!
//! A source's watermark stays `lag` behind the latest time so far, and a row is late only if it is behind that. So a row can come before others as long as
//! none of those is more than `lag` earlier. An order is drawn row by row from the rows for which that holds.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use datafusion::sql::sqlparser::ast::{Expr, SetExpr};
use laminar_db::{Code, Database, Error, ParsedStatement, Result, Statement};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::session::SourceTime;

/// Rows that are inserted at once, at most.
const BATCH_ROWS: RangeInclusive<usize> = 1..=4;

/// A row of a block, as far as its order is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The source or table that gets it.
    pub(crate) object: String,
    /// The statement that inserts it, and which of its rows it is.
    pub(crate) statement: usize,
    pub(crate) row: usize,
    /// Its event time and how far its source's watermark stays behind it, in nanoseconds. `None`: it can come at any time.
    pub(crate) time: Option<(i64, i64)>,
}

/// The rows that `statements` insert, in their order.
pub(crate) fn arrivals(
    statements: &[ParsedStatement],
    times: &BTreeMap<String, SourceTime>,
    database: &Database,
) -> Result<Vec<Arrival>> {
    let mut arrivals = Vec::new();
    for (statement, parsed) in statements.iter().enumerate() {
        let Statement::Insert(insert) = &parsed.statement else { return Err(no_rows()) };
        let SetExpr::Values(values) = insert.source.body.as_ref() else { return Err(no_rows()) };
        if insert.default_values || insert.on_conflict.is_some() || insert.returning.is_some() {
            return Err(no_rows());
        }
        let object = insert.table.text.clone();
        let rows = values.rows.len();
        let time = times.get(&object).map(|time| time.lag.map(|lag| (time, lag)).ok_or_else(|| marked(&object))).transpose()?;
        let row_times = match time {
            Some((time, lag)) => {
                let named = &insert.columns;
                let column = if named.is_empty() {
                    Some(time.column)
                } else {
                    named.iter().position(|column| column.text == time.columns[time.column])
                };
                let cells = column.map(|column| values.rows.iter().map(|row| row.content.get(column)).collect::<Vec<_>>());
                event_times(cells.unwrap_or_default(), rows, database)?
                    .into_iter()
                    .map(|time| time.map(|time| (time, lag)))
                    .collect()
            }
            None => vec![None; rows],
        };
        arrivals.extend((0..rows).zip(row_times).map(|(row, time)| Arrival { object: object.clone(), statement, row, time }));
    }
    Ok(arrivals)
}

fn no_rows() -> Error {
    Error::new(Code::NotSupported, "only INSERT … VALUES can come in any order")
        .with_hint("end the block with `in order` before other statements; ON CONFLICT and RETURNING stand outside of it")
}

fn marked(source: &str) -> Error {
    Error::new(Code::NotSupported, format!("rows of '{source}' cannot come in any order: marked rows say how far its time is"))
        .with_hint("the order of such rows is what they say: leave out `any order`")
}

/// The times that the cells of the time column say, as INSERT would take them; `None` for NULL and what is no time.
fn event_times(cells: Vec<Option<&Expr>>, rows: usize, database: &Database) -> Result<Vec<Option<i64>>> {
    if cells.len() != rows || rows == 0 {
        return Ok(vec![None; rows]);
    }
    let cell = |cell: &Option<&Expr>| format!("(CAST({} AS TIMESTAMP))", cell.map_or("NULL".to_owned(), ToString::to_string));
    let sql = format!("VALUES {}", cells.iter().map(cell).collect::<Vec<_>>().join(", "));
    let mut times = Vec::new();
    for batch in database.query(&sql)?.batches {
        let nanos = cast(batch.column(0), &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
        times.extend(nanos.as_primitive::<TimestampNanosecondType>().iter());
    }
    Ok(times)
}

/// A row that is behind the watermark that the rows before it make, and the row that makes it: such a block promises nothing.
pub(crate) fn first_behind(arrivals: &[Arrival]) -> Option<(usize, usize)> {
    let mut latest: BTreeMap<&str, (i64, usize)> = BTreeMap::new();
    for (index, arrival) in arrivals.iter().enumerate() {
        let Some((time, lag)) = arrival.time else { continue };
        let (before, by) = *latest.entry(&arrival.object).or_insert((time, index));
        if time < before.saturating_sub(lag) {
            return Some((index, by));
        }
        if time > before {
            latest.insert(&arrival.object, (time, index));
        }
    }
    None
}

/// The rows in an order that `seed` draws, cut into pieces that are inserted at once, each out of one statement.
pub(crate) fn drawn(arrivals: &[Arrival], seed: u64) -> Vec<Vec<usize>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut left: Vec<usize> = (0..arrivals.len()).collect();
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    while !left.is_empty() {
        let can_come = those_that_can_come(arrivals, &left);
        let next = left.remove(can_come[random.random_range(0..can_come.len())]);
        match pieces.last_mut() {
            Some(piece) if room > 0 && arrivals[piece[0]].statement == arrivals[next].statement => piece.push(next),
            _ => {
                pieces.push(vec![next]);
                room = random.random_range(BATCH_ROWS);
            }
        }
        room -= 1;
    }
    pieces
}

/// The indexes in `left` of the rows that can come before all others that are left.
fn those_that_can_come(arrivals: &[Arrival], left: &[usize]) -> Vec<usize> {
    let mut earliest: BTreeMap<&str, i64> = BTreeMap::new();
    for arrival in left.iter().map(|index| &arrivals[*index]) {
        if let Some((time, _)) = arrival.time {
            earliest.entry(&arrival.object).and_modify(|earliest| *earliest = time.min(*earliest)).or_insert(time);
        }
    }
    let can_come = |index: usize| match arrivals[index].time {
        Some((time, lag)) => {
            earliest.get(arrivals[index].object.as_str()).is_none_or(|earliest| time.saturating_sub(lag) <= *earliest)
        }
        None => true,
    };
    (0..left.len()).filter(|at| can_come(left[*at])).collect()
}

/// The statement with these of its rows.
pub(crate) fn with_rows(parsed: &ParsedStatement, rows: &[usize]) -> ParsedStatement {
    let mut picked = parsed.clone();
    if let Statement::Insert(insert) = &mut picked.statement {
        let to_default = std::mem::take(&mut insert.to_default);
        for (at, row) in rows.iter().enumerate() {
            insert.to_default.extend(to_default.iter().filter(|(of, _)| of == row).map(|(_, column)| (at, *column)));
        }
        if let SetExpr::Values(values) = insert.source.body.as_mut() {
            values.rows = rows.iter().filter_map(|row| values.rows.get(*row).cloned()).collect();
        }
    }
    picked
}

/// The statement as it inserts these rows, for people.
pub(crate) fn describe(parsed: &ParsedStatement, rows: &[usize]) -> String {
    let picked = with_rows(parsed, rows);
    match &picked.statement {
        Statement::Insert(insert) => {
            let columns: Vec<&str> = insert.columns.iter().map(|column| column.text.as_str()).collect();
            let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
            format!("insert INTO {}{columns} {}", insert.table.text, insert.source)
        }
        _ => picked.text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(object: &str, time: Option<(i64, i64)>) -> Arrival {
        Arrival { object: object.to_owned(), statement: 0, row: 0, time }
    }

    #[test]
    fn no_order_has_a_row_behind_the_watermark_and_all_rows_move() {
        let mut rows: Vec<Arrival> = (0..12).map(|time| arrival("s", Some((time * 10, 25)))).collect();
        rows.extend((0..4).map(|time| arrival("other", Some((time, 0)))));
        rows.push(arrival("s", None));
        let mut orders = Vec::new();
        for seed in 0..200 {
            let order = drawn(&rows, seed).concat();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..rows.len()).collect::<Vec<_>>(), "each row comes once");
            let in_order: Vec<Arrival> = order.iter().map(|index| rows[*index].clone()).collect();
            assert_eq!(first_behind(&in_order), None, "{order:?}");
            orders.push(order);
        }
        let firsts = |index: usize| orders.iter().filter(|order| order[0] == index).count();
        assert!(
            [0, 1, 2, 12, 16].into_iter().all(|index| firsts(index) > 0) && firsts(3) == 0,
            "any row within 25 of the first can begin"
        );
    }

    #[test]
    fn a_row_behind_the_watermark_is_found_with_the_one_that_makes_it() {
        let rows =
            [arrival("s", Some((10, 5))), arrival("s", Some((30, 5))), arrival("t", Some((1, 5))), arrival("s", Some((24, 5)))];
        assert_eq!(first_behind(&rows), Some((3, 1)));
        assert_eq!(first_behind(&rows[..3]), None);
    }
}
