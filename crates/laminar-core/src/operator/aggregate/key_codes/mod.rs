//! From keys of any types to small numbers, and back.
//!
//! * [`KeyCodes`]: the keys of one table. A number is the same in all its namespaces, so that finding a key's group in one of them is
//!   what it is for numbers close together.
//! * `columns`: one key column; `byte_codes`: texts and other values as bytes; `code_table`: 16 bytes.

mod byte_codes;
mod code_table;
mod columns;
#[cfg(test)]
mod tests;

use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use crate::Result;
use byte_codes::ByteCodes;
use code_table::{Code, CodeTable};
use columns::{ColumnCodes, Packed, Position};

/// Rows that are coded at once, so that all columns of a row are still in the cache.
const ROWS_AT_ONCE: usize = 512;
/// Bytes of a code.
const CODE_BYTES: usize = 16;
/// Numbers below which it is not worth looking for unused ones.
const SWEPT_MIN: usize = 1024;

/// Keys of one or several columns and their numbers.
///
/// One column that is no whole number has the number of its value. Several are put next to each other into a code of 16 bytes, which
/// has a number; if there are more than that, the code of the first ones is a column of the next code.
pub(super) struct KeyCodes {
    columns: Vec<ColumnCodes>,
    types: Vec<DataType>,
    /// None for a single column.
    levels: Vec<Level>,
    /// How many numbers make it worth looking for unused ones.
    sweep_at: usize,
}

/// Columns that are together in one code, after the number of those before them.
struct Level {
    columns: Range<usize>,
    table: CodeTable,
}

impl KeyCodes {
    /// For keys of these types, of which there is at least one, and not a whole number alone. Fails for types that no key can have.
    pub(super) fn new(types: &[DataType]) -> Result<Self> {
        let columns = types.iter().map(ColumnCodes::new).collect::<Result<Vec<_>>>()?;
        let levels = if columns.len() > 1 { levels(&columns) } else { Vec::new() };
        Ok(Self { columns, types: types.to_vec(), levels, sweep_at: SWEPT_MIN })
    }

    pub(super) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The number of each row's key; new ones get the lowest that are free.
    pub(super) fn numbers(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<i64>> {
        let mut all = Vec::with_capacity(rows);
        let mut numbers = Vec::with_capacity(ROWS_AT_ONCE);
        for begin in (0..rows).step_by(ROWS_AT_ONCE) {
            let length = ROWS_AT_ONCE.min(rows - begin);
            let part = |column: usize| keys[column].slice(begin, length);
            numbers.clear();
            match self.levels.is_empty() {
                true => self.columns[0].numbers(&part(0), &mut numbers)?,
                false => self.packed_numbers(part, length, &mut numbers)?,
            }
            all.extend(numbers.iter().map(|number| i64::from(*number)));
        }
        Ok(all)
    }

    fn packed_numbers(&mut self, part: impl Fn(usize) -> ArrayRef, rows: usize, numbers: &mut Vec<u32>) -> Result<()> {
        for level in &mut self.levels {
            let mut packed = Packed::new(rows);
            // The number of the columns before these; there is none at first.
            packed.add(0, numbers.iter().map(|number| u128::from(*number)));
            for (column, at) in level.positions(&self.columns) {
                self.columns[column].pack(&part(column), at, &mut packed)?;
            }
            numbers.clear();
            numbers.extend(packed.codes().map(|code| level.table.number(code)));
        }
        Ok(())
    }

    /// The keys of these numbers, one column a key; any values for a number that is not in use.
    pub(super) fn columns(&self, numbers: &[i64]) -> Result<Vec<ArrayRef>> {
        let numbers = numbers.iter().map(|number| *number as u32);
        if self.levels.is_empty() {
            return Ok(vec![self.columns[0].values(numbers)?]);
        }
        let mut numbers: Vec<u32> = numbers.collect();
        let mut columns = vec![Vec::new(); self.levels.len()];
        for (level, columns) in self.levels.iter().zip(&mut columns).rev() {
            let codes: Vec<Code> = numbers.iter().map(|number| level.table.code(*number)).collect();
            for (column, at) in level.positions(&self.columns) {
                columns.push(self.columns[column].unpack(&codes, at)?);
            }
            numbers = codes.iter().map(|code| code.words[0] as u32).collect();
        }
        Ok(columns.concat())
    }

    /// Whether there are so many that it is worth looking for unused ones.
    pub(super) fn has_many(&self) -> bool {
        self.count() >= self.sweep_at
    }

    fn count(&self) -> usize {
        match self.levels.last() {
            Some(level) => level.table.len(),
            None => self.columns[0].byte_codes().map_or(0, ByteCodes::len),
        }
    }

    /// Forgets all numbers but those that `used` calls its argument with.
    pub(super) fn retain(&mut self, used: impl FnOnce(&mut dyn FnMut(i64))) {
        let end = match self.levels.last() {
            Some(level) => level.table.end(),
            None => self.columns[0].byte_codes().map_or(0, ByteCodes::end),
        };
        let mut is_used = vec![false; end];
        used(&mut |number| is_used[number as usize] = true);
        if self.levels.is_empty() {
            self.columns[0].retain(&is_used);
        }
        for number in (0..self.levels.len()).rev() {
            self.levels[number].table.retain(&is_used);
            self.retain_columns(number);
            is_used = match number.checked_sub(1) {
                Some(before) => self.levels[number].used_at(0, self.levels[before].table.end()),
                None => Vec::new(),
            };
        }
        self.sweep_at = (2 * self.count()).max(SWEPT_MIN);
    }

    /// Forgets the values of columns of which no code of this level has the number.
    fn retain_columns(&mut self, level: usize) {
        let level = &self.levels[level];
        for (column, at) in level.positions(&self.columns) {
            if let Some(codes) = self.columns[column].byte_codes() {
                let used = level.used_at(at.byte, codes.end());
                self.columns[column].retain(&used);
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        let levels = self.levels.iter().map(|level| level.table.memory());
        levels.sum::<usize>() + self.columns.iter().map(ColumnCodes::memory).sum::<usize>()
    }
}

impl Level {
    /// The columns and where they stand.
    fn positions(&self, columns: &[ColumnCodes]) -> Vec<(usize, Position)> {
        let mut byte = before(self.columns.start);
        let mut next = |column: usize| {
            let at = Position { byte, column: column - self.columns.start };
            byte += columns[column].width();
            (column, at)
        };
        self.columns.clone().map(&mut next).collect()
    }

    /// Which numbers below `end` stand at this byte of a code in use.
    fn used_at(&self, byte: usize, end: usize) -> Vec<bool> {
        let mut used = vec![false; end];
        for number in self.table.live() {
            used[(self.table.code(number).bytes() >> (8 * byte)) as u32 as usize] = true;
        }
        used
    }
}

/// Bytes that stand before the columns of a level that begins with this one.
fn before(first_column: usize) -> usize {
    if first_column == 0 { 0 } else { size_of::<u32>() }
}

/// As many columns to each level as there is room for.
fn levels(columns: &[ColumnCodes]) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    let mut room = 0;
    for (column, codes) in columns.iter().enumerate() {
        match levels.last_mut() {
            Some(level) if codes.width() <= room => level.columns.end = column + 1,
            _ => {
                levels.push(Level { columns: column..column + 1, table: CodeTable::default() });
                room = CODE_BYTES - before(column);
            }
        }
        room -= codes.width();
    }
    levels
}
