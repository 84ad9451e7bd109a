//! `UNIQUE`: which row of a table has which key, known without a look at the rows.
//!
//! A table with such constraints notes for each of them who has which key ([`HeldKeys`]). What is to come in is first drafted ([`Uniques::claimed`]):
//! that fails if two rows would have one key when all of it is in, and changes nothing. What has been taken in is then noted ([`Claim::note`]). So the work
//! follows the change and not the table, and what could not be written into the log leaves nothing behind. After a restart it is noted anew from the rows.

use std::collections::HashMap;
use std::num::NonZeroU128;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use laminar_core::alloc::StateScope;
use laminar_core::changelog::RowKeys;
use laminar_core::{ChangeBatch, Result};

/// `[CONSTRAINT name] UNIQUE (columns)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unique {
    pub(crate) name: String,
    pub(crate) columns: Vec<usize>,
    /// Rows with a NULL among these columns have no key.
    pub(crate) nulls_distinct: bool,
}

/// The constraints of a table, and who has which key.
#[derive(Debug)]
pub(crate) struct Uniques {
    pub(crate) constraints: Vec<Unique>,
    encoders: Vec<RowKeys>,
    /// By what a row is told from others: the columns of the primary key, or all.
    identity: Unique,
    identities: RowKeys,
    /// Whether a row takes the place of that with the same identity: in a table with a primary key.
    replace: bool,
    held: Arc<Mutex<Vec<HeldKeys>>>,
}

/// The keys of one constraint.
#[derive(Debug, Default)]
struct HeldKeys {
    /// The row that has a key.
    owners: HashMap<Digest, Digest>,
    /// The key that a row has, where rows replace each other: of the one that goes no more is known than its primary key.
    of_rows: HashMap<Digest, Digest>,
}

/// A key, or the identity of a row: its bytes where they are few, else their hash.
type Digest = NonZeroU128;

/// What changes with rows that come in, until it is noted.
#[derive(Debug)]
pub(crate) struct Claim {
    changed: Vec<ChangedKeys>,
    held: Arc<Mutex<Vec<HeldKeys>>>,
}

/// What changes of the keys of one constraint.
#[derive(Debug, Default)]
struct ChangedKeys {
    owners: HashMap<Digest, Option<Digest>>,
    of_rows: HashMap<Digest, Option<Digest>>,
}

/// A key that two rows would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TakenKey {
    /// The number of its constraint.
    pub(crate) constraint: usize,
    /// The batch and the row of it that may not come.
    pub(crate) place: (usize, usize),
    /// Whether both rows come, so that none of them is in the table yet.
    pub(crate) is_new: bool,
}

/// A row, of which that in `place` is one: by what it is told from others, and its key of each constraint.
#[derive(Debug, Clone)]
struct KeyedRow {
    identity: Digest,
    keys: Vec<Option<Digest>>,
    place: (usize, usize),
}

impl Uniques {
    /// The constraints of a table with these columns, this primary key, and without a row.
    pub(crate) fn new(constraints: Vec<Unique>, schema: &SchemaRef, primary_key: &[usize], only_inserts: bool) -> Result<Self> {
        let of_rows = match only_inserts {
            // Rows that never go need not be told apart.
            _ if constraints.is_empty() => Vec::new(),
            true => Vec::new(),
            false if primary_key.is_empty() => (0..schema.fields().len()).collect(),
            false => primary_key.to_vec(),
        };
        let encoder = |columns: &[usize]| {
            let types: Vec<DataType> = columns.iter().map(|column| schema.field(*column).data_type().clone()).collect();
            RowKeys::new(&types)
        };
        let replace = !primary_key.is_empty();
        Ok(Self {
            encoders: constraints.iter().map(|unique| encoder(&unique.columns)).collect::<Result<_>>()?,
            identities: encoder(&of_rows)?,
            // A row without a primary key is not stored.
            identity: Unique { name: String::new(), columns: of_rows, nulls_distinct: replace },
            replace,
            held: Arc::new(Mutex::new(constraints.iter().map(|_| HeldKeys::default()).collect())),
            constraints,
        })
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.constraints.is_empty()
    }

    /// Knows what `other` does of the rows, which are the same table's, and from now on both know what one of them notes.
    pub(crate) fn share(&mut self, other: &Self) {
        self.held = Arc::clone(&other.held);
    }

    /// How many keys are known, and about how many bytes that takes.
    pub(crate) fn usage(&self) -> (usize, usize) {
        const ENTRY: usize = size_of::<(Digest, Digest)>() + 1;
        let held = self.held();
        let entries = |held: &HeldKeys| held.owners.capacity() + held.of_rows.capacity();
        (held.iter().map(|held| held.owners.len()).sum(), held.iter().map(entries).sum::<usize>() * ENTRY)
    }

    /// What changes when `batches` come into the table one after the other, or the first key that two rows would have then.
    pub(crate) fn claimed(&self, batches: &[&ChangeBatch]) -> Result<Result<Claim, TakenKey>> {
        let (gone, come) = self.net(batches)?;
        let held = self.held();
        let mut draft = Draft::over(&held);
        gone.iter().for_each(|row| self.remove(&mut draft, row));
        for row in &come {
            if let Some(taken) = draft.taken_of(row) {
                return Ok(Err(taken));
            }
            self.insert(&mut draft, row);
        }
        let changed = draft.changed;
        Ok(Ok(self.claim(changed)))
    }

    /// What changes when these rows come into the table, each for itself and without those that would have a key of another.
    pub(crate) fn sorted_out(&self, rows: &RecordBatch) -> Result<(Vec<TakenKey>, Claim)> {
        let held = self.held();
        let (mut draft, mut taken) = (Draft::over(&held), Vec::new());
        for row in self.keyed(0, rows)?.into_iter().flatten() {
            let is_others = |other: &TakenKey| !self.replace || draft.owner(other.constraint, &row) != Some(row.identity);
            let of_another = draft.all_taken_of(&row).find(is_others);
            match of_another {
                Some(other) => taken.push(other),
                None => {
                    if self.replace {
                        self.remove(&mut draft, &row);
                    }
                    self.insert(&mut draft, &row);
                }
            }
        }
        let changed = draft.changed;
        Ok((taken, self.claim(changed)))
    }

    /// Notes changes that were taken in when they came first.
    pub(crate) fn note_again(&self, changes: &ChangeBatch) -> Result<()> {
        let (gone, come) = self.net(&[changes])?;
        let changed = {
            let held = self.held();
            let mut draft = Draft::over(&held);
            gone.iter().for_each(|row| self.remove(&mut draft, row));
            come.iter().for_each(|row| self.insert(&mut draft, row));
            draft.changed
        };
        self.claim(changed).note();
        Ok(())
    }

    /// What goes and what comes, all in all. In a table with a primary key all goes that had a key that is named.
    fn net(&self, batches: &[&ChangeBatch]) -> Result<(Vec<KeyedRow>, Vec<KeyedRow>)> {
        let mut rows: Vec<(KeyedRow, i64)> = Vec::new();
        let mut places: HashMap<Digest, usize> = HashMap::new();
        // Where rows do not replace each other, those that only come need not be put together.
        let each = !self.replace && batches.iter().all(|changes| changes.is_append());
        for (batch, changes) in batches.iter().enumerate() {
            for (row, keyed) in self.keyed(batch, changes.rows())?.into_iter().enumerate() {
                let weight = changes.weight(row);
                let Some(keyed) = keyed.filter(|_| weight != 0) else { continue };
                let known = if each { None } else { places.get(&keyed.identity).copied() };
                match known {
                    Some(known) if self.replace => rows[known] = (keyed, weight),
                    Some(known) => rows[known].1 += weight,
                    None => {
                        if !each {
                            places.insert(keyed.identity, rows.len());
                        }
                        rows.push((keyed, weight));
                    }
                }
            }
        }
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for (row, weight) in rows {
            match weight {
                _ if self.replace => {
                    if weight > 0 {
                        come.push(row.clone());
                    }
                    gone.push(row);
                }
                // A row that is there once cannot go twice: then it stays.
                -1 => gone.push(row),
                1 => come.push(row),
                // One of two equal rows finds its key taken.
                2.. => come.extend([row.clone(), row]),
                _ => {}
            }
        }
        Ok((gone, come))
    }

    /// Each of `rows` with its keys; `None`: it is not stored, since a part of its primary key is NULL.
    fn keyed(&self, batch: usize, rows: &RecordBatch) -> Result<Vec<Option<KeyedRow>>> {
        let of_constraint = |(unique, encoder): (&Unique, &RowKeys)| digests(unique, encoder, rows);
        let keys = self.constraints.iter().zip(&self.encoders).map(of_constraint).collect::<Result<Vec<_>>>()?;
        let identities = digests(&self.identity, &self.identities, rows)?;
        let keyed = |(row, identity): (usize, Option<Digest>)| {
            let keys = keys.iter().map(|keys| keys[row]).collect();
            identity.map(|identity| KeyedRow { identity, keys, place: (batch, row) })
        };
        Ok(identities.into_iter().enumerate().map(keyed).collect())
    }

    fn remove(&self, draft: &mut Draft<'_>, row: &KeyedRow) {
        for constraint in 0..self.constraints.len() {
            let key = match self.replace {
                true => draft.key_of(constraint, row.identity),
                // That row and no other which has its key.
                false => row.keys[constraint].filter(|_| draft.owner(constraint, row) == Some(row.identity)),
            };
            let Some(key) = key else { continue };
            let changed = &mut draft.changed[constraint];
            changed.owners.insert(key, None);
            if self.replace {
                changed.of_rows.insert(row.identity, None);
            }
        }
    }

    fn insert(&self, draft: &mut Draft<'_>, row: &KeyedRow) {
        for (changed, key) in draft.changed.iter_mut().zip(&row.keys) {
            let Some(key) = key else { continue };
            changed.owners.insert(*key, Some(row.identity));
            if self.replace {
                changed.of_rows.insert(row.identity, Some(*key));
            }
        }
    }

    fn claim(&self, changed: Vec<ChangedKeys>) -> Claim {
        Claim { changed, held: Arc::clone(&self.held) }
    }

    fn held(&self) -> MutexGuard<'_, Vec<HeldKeys>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// What changes has been taken in.
    pub(crate) fn note(self) {
        let _scope = StateScope::enter();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for (held, changed) in held.iter_mut().zip(self.changed) {
            note(&mut held.owners, changed.owners);
            note(&mut held.of_rows, changed.of_rows);
        }
    }
}

fn note(held: &mut HashMap<Digest, Digest>, changed: HashMap<Digest, Option<Digest>>) {
    for (key, value) in changed {
        match value {
            Some(value) => held.insert(key, value),
            None => held.remove(&key),
        };
    }
}

/// The keys that are known, as they would be with what has changed.
struct Draft<'a> {
    held: &'a [HeldKeys],
    changed: Vec<ChangedKeys>,
}

impl<'a> Draft<'a> {
    fn over(held: &'a [HeldKeys]) -> Self {
        Self { held, changed: held.iter().map(|_| ChangedKeys::default()).collect() }
    }

    /// The row that has the key of `row`.
    fn owner(&self, constraint: usize, row: &KeyedRow) -> Option<Digest> {
        let key = row.keys[constraint]?;
        let changed = self.changed[constraint].owners.get(&key).copied();
        changed.unwrap_or_else(|| self.held[constraint].owners.get(&key).copied())
    }

    /// The key that the row with this identity has.
    fn key_of(&self, constraint: usize, identity: Digest) -> Option<Digest> {
        let changed = self.changed[constraint].of_rows.get(&identity).copied();
        changed.unwrap_or_else(|| self.held[constraint].of_rows.get(&identity).copied())
    }

    /// The first key of `row` that some row has.
    fn taken_of(&self, row: &KeyedRow) -> Option<TakenKey> {
        self.all_taken_of(row).next()
    }

    fn all_taken_of(&self, row: &KeyedRow) -> impl Iterator<Item = TakenKey> {
        let is_new = |constraint: usize| {
            row.keys[constraint].is_some_and(|key| matches!(self.changed[constraint].owners.get(&key), Some(Some(_))))
        };
        let taken = (0..row.keys.len()).filter(|constraint| self.owner(*constraint, row).is_some());
        taken.map(move |constraint| TakenKey { constraint, place: row.place, is_new: is_new(constraint) })
    }
}

/// The key of each row; `None`: it has none, since it is NULL.
fn digests(unique: &Unique, encoder: &RowKeys, rows: &RecordBatch) -> Result<Vec<Option<Digest>>> {
    let columns: Vec<ArrayRef> = unique.columns.iter().map(|column| Arc::clone(rows.column(*column))).collect();
    let nulls: Vec<_> = columns.iter().filter(|_| unique.nulls_distinct).filter_map(|column| column.logical_nulls()).collect();
    let keys = encoder.encode(&columns, rows.num_rows())?;
    let is_null = |row: usize| nulls.iter().any(|nulls| nulls.is_null(row));
    Ok(keys.iter().enumerate().map(|(row, key)| (!is_null(row)).then(|| digest(key.data()))).collect())
}

/// Up to 15 bytes as they are, in front of them how many, so that keys which are equal here are equal; the hash of more.
fn digest(bytes: &[u8]) -> Digest {
    const HASHED: u8 = u8::MAX;
    let mut parts = [0; size_of::<Digest>()];
    let short = parts.len() - 1;
    if bytes.len() <= short {
        parts[0] = bytes.len() as u8 + 1;
        parts[1..=bytes.len()].copy_from_slice(bytes);
    } else {
        parts[0] = HASHED;
        parts[1..].copy_from_slice(&blake3::hash(bytes).as_bytes()[..short]);
    }
    // The first byte is never 0.
    NonZeroU128::new(u128::from_be_bytes(parts)).unwrap_or(NonZeroU128::MAX)
}
