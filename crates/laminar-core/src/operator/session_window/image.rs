//! Images of sessions: what an operator remembers, and how it comes back from the images of one worker or of several.
//!
//! Keys and sessions have numbers, which each worker hands out itself. Where images are dealt anew, they get others.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_select::filter::{filter, filter_record_batch};
use hashbrown::HashMap;

use super::spans::{Session, Span};
use super::{SessionOperator, Store};
use crate::operator::aggregate::GroupTable;
use crate::state::{Imaged, Ownership, StateImage};
use crate::time::Watermark;
use crate::{Code, Error, Result};

/// Tables of an image: the watermark, the keys by number, the sessions, and what is kept of their rows.
const REACHED: &str = "watermark";
const KEYS: &str = "keys";
const SESSIONS: &str = "sessions";
const ROWS: &str = "rows";

/// Where a group table's image has its first key: the number of a session, or of a key.
const NUMBER: usize = 2;

impl Imaged for SessionOperator {
    fn image(&mut self) -> Result<StateImage> {
        debug_assert!(
            self.touched.is_empty() && self.before.is_empty() && self.closed.is_empty(),
            "images are taken between steps"
        );
        let mut image = StateImage::default();
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        image.push(REACHED, RecordBatch::try_from_iter([("nanos", column(vec![self.reached.0]))])?);
        image.push(KEYS, self.keys.image()?);
        let of = |value: fn(Session) -> i64| column(self.spans.iter().map(value).collect());
        let sessions = [
            ("key", of(|session| i64::from(session.key))),
            ("start", of(|session| session.span.start)),
            ("last", of(|session| session.span.last)),
            ("number", of(|session| session.span.number)),
        ];
        image.push(SESSIONS, RecordBatch::try_from_iter(sessions)?);
        image.push(
            ROWS,
            match &self.store {
                Store::Merged(merged) => merged.table().image()?,
                Store::Ordered(ordered) => ordered.table().image()?,
            },
        );
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        let reached = reached(parts)?;
        (self.reached, self.reached_before) = (reached, reached);
        if let ([image], Ownership::All) = (parts, owned) {
            self.keys.restore(image.get(KEYS)?)?;
            sessions_of(image)?.into_iter().for_each(|session| self.put(session));
            return self.restore_rows(&[image.get(ROWS)?]);
        }
        let rows = parts.iter().map(|image| self.take_part(image, owned)).collect::<Result<Vec<_>>>()?;
        self.restore_rows(&rows.iter().collect::<Vec<_>>())
    }

    fn rows(&self) -> usize {
        self.spans.len()
    }

    fn bytes(&self) -> usize {
        let rows = match &self.store {
            Store::Merged(merged) => merged.bytes(),
            Store::Ordered(ordered) => ordered.bytes(),
        };
        self.keys.bytes() + self.spans.bytes() + rows
    }
}

impl SessionOperator {
    /// Takes the keys and sessions of an image that are owned; gives what is kept of their rows, by numbers of this operator.
    fn take_part(&mut self, image: &StateImage, owned: &Ownership) -> Result<RecordBatch> {
        let keys = self.take_keys(image.get(KEYS)?, owned)?;
        let mut numbers = HashMap::new();
        for Session { key, span } in sessions_of(image)? {
            let Some(key) = keys.get(&i64::from(key)) else { continue };
            let number = self.store.next_number();
            numbers.insert(span.number, number);
            self.put(Session { key: *key, span: Span { number, ..span } });
        }
        let keys = keys.into_iter().map(|(theirs, ours)| (theirs, i64::from(ours))).collect();
        renumbered(image.get(ROWS)?, if self.store.is_by_session() { &numbers } else { &keys })
    }

    /// Takes the keys of an image that are owned: their numbers there, and here.
    fn take_keys(&mut self, image: &RecordBatch, owned: &Ownership) -> Result<HashMap<i64, u32>> {
        let types = &self.input.key_types()[..self.partition];
        let mut table = GroupTable::new(types, &[], false)?;
        table.restore(image)?;
        let theirs: Vec<u32> = table.groups().collect();
        let columns = table.keys(&theirs)?;
        let own = owned.owned(&columns, theirs.len())?;
        let columns = columns.iter().map(|column| Ok(filter(column, &own)?)).collect::<Result<Vec<_>>>()?;
        let ours = self.keys.assign(&columns, own.true_count())?;
        let theirs = own.values().set_indices().map(|row| i64::from(theirs[row]));
        Ok(theirs.zip(ours).collect())
    }

    /// Puts a session behind those of its key.
    fn put(&mut self, Session { key, span }: Session) {
        self.spans.replace(key, &[], &[span]);
    }

    fn restore_rows(&mut self, rows: &[&RecordBatch]) -> Result<()> {
        match &mut self.store {
            Store::Merged(merged) => merged.restore(rows, &self.spans),
            Store::Ordered(ordered) => ordered.restore(rows),
        }
    }
}

/// How far time had come. Where workers differ, what one has shown and another has not could not be told apart any more.
fn reached(parts: &[&StateImage]) -> Result<Watermark> {
    let nanos =
        |image: &&StateImage| Ok(values(image.get(REACHED)?, 0).first().map_or(Watermark::START, |nanos| Watermark(*nanos)));
    let reached = parts.iter().map(nanos).collect::<Result<Vec<_>>>()?;
    if reached.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(reached.first().copied().unwrap_or(Watermark::START));
    }
    Err(Error::new(Code::NotSupported, "the workers of a session have reached different times")
        .with_hint("try again when EMIT EVERY holds nothing back"))
}

/// The sessions of an image, those of a key by their start.
fn sessions_of(image: &StateImage) -> Result<Vec<Session>> {
    let sessions = image.get(SESSIONS)?;
    let [keys, starts, lasts, numbers] = [0, 1, 2, 3].map(|at| values(sessions, at));
    let session = |row: usize| {
        let key = u32::try_from(keys[row]).map_err(|_| Error::internal("image with a key number out of range"))?;
        Ok(Session { key, span: Span { start: starts[row], last: lasts[row], number: numbers[row] } })
    };
    (0..keys.len()).map(session).collect()
}

/// The groups of an image that have one of these numbers, with the other one that is theirs now.
fn renumbered(image: &RecordBatch, numbers: &HashMap<i64, i64>) -> Result<RecordBatch> {
    let live = image.column(0).as_boolean();
    let theirs = image.column(NUMBER).as_primitive::<Int64Type>();
    let ours = |row: usize| (live.value(row) && theirs.is_valid(row)).then(|| numbers.get(&theirs.value(row))).flatten();
    let keep: BooleanArray = (0..image.num_rows()).map(|row| Some(ours(row).is_some())).collect();
    let number: ArrayRef = Arc::new((0..image.num_rows()).filter_map(ours).map(|number| Some(*number)).collect::<Int64Array>());
    let kept = filter_record_batch(image, &keep)?;
    let mut columns = kept.columns().to_vec();
    columns[NUMBER] = number;
    Ok(RecordBatch::try_new(kept.schema(), columns)?)
}

fn values(table: &RecordBatch, at: usize) -> &[i64] {
    table.column(at).as_primitive::<Int64Type>().values()
}
