//! Builds columns of text, row after row, in one buffer.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use laminar_core::Result;

use crate::generator::random::Draws;

/// A column of text under construction.
pub(super) struct TextColumn {
    /// The text of all rows so far; rows are written to its end.
    pub(super) text: Vec<u8>,
    ends: Vec<i32>,
}

impl TextColumn {
    /// A column for `rows` rows of about `bytes` bytes.
    pub(super) fn new(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { text: Vec::with_capacity(rows * bytes), ends }
    }

    /// What was written since the last call is the next row.
    pub(super) fn end_row(&mut self) {
        self.ends.push(self.text.len() as i32);
    }

    /// A row of this text.
    pub(super) fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
        self.end_row();
    }

    /// The column.
    pub(super) fn finish(self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(self.text), None)?))
    }
}

/// A column with one text a row, chosen by `choose`.
pub(super) fn chosen<'a>(events: &[u64], bytes: usize, choose: impl Fn(u64) -> &'a str) -> Result<ArrayRef> {
    let mut column = TextColumn::new(events.len(), bytes);
    events.iter().for_each(|event| column.push(choose(*event)));
    column.finish()
}

/// A column written row by row: `write` appends the row's text.
pub(super) fn written(events: &[u64], bytes: usize, write: impl Fn(u64, &mut Vec<u8>)) -> Result<ArrayRef> {
    let mut column = TextColumn::new(events.len(), bytes);
    for event in events {
        write(*event, &mut column.text);
        column.end_row();
    }
    column.finish()
}

/// Filler that brings a row of `used` bytes up to `average`, give or take a fifth of what is missing.
pub(super) fn extra(events: &[u64], average: usize, used: impl Fn(u64) -> usize, draws: Draws) -> Result<ArrayRef> {
    let lengths = draws.within(u64::MAX);
    written(events, average, |event, text| {
        let missing = average.saturating_sub(used(event));
        let spread = missing / 5;
        let length = missing - spread + lengths.below(event, (2 * spread + 1) as u64) as usize;
        draws.letters(event, length, text);
    })
}

/// Words of letters, `min` to `max` bytes with the blanks between them (one letter in 13, never the first or last).
pub(super) fn words(event: u64, (min, max): (usize, usize), draws: Draws, text: &mut Vec<u8>) {
    let (start, length) = (text.len(), phrase_length(event, (min, max), draws));
    draws.letters(event, length, text);
    let blanks = draws.within(event).within(1);
    let inner = text[start..].iter_mut().enumerate().filter(|(place, _)| *place > 0 && place + 1 < length);
    inner.filter(|(place, _)| blanks.below(*place as u64, 13) == 0).for_each(|(_, letter)| *letter = b' ');
}

/// The length of what [`words`] writes.
pub(super) fn phrase_length(event: u64, (min, max): (usize, usize), draws: Draws) -> usize {
    min + draws.within(event).below(u64::MAX, (max - min + 1) as u64) as usize
}
