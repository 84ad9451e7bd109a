//! Where each key of a source has its place among the others.

use arrow_array::ArrayRef;
use arrow_row::Rows;
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::Result;
use crate::changelog::RowKeys;

/// Keys as bytes, each with a small number of its own. The number of a key that is gone goes to another.
pub(super) struct KeyPlaces {
    encoding: RowKeys,
    places: HashMap<Box<[u8]>, u32, FixedState>,
    free: Vec<u32>,
}

impl KeyPlaces {
    /// No keys, of these types.
    pub(super) fn new(types: &[DataType]) -> Result<Self> {
        let places = HashMap::with_hasher(FixedState::default());
        Ok(Self { encoding: RowKeys::new(types)?, places, free: Vec::new() })
    }

    pub(super) fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<Rows> {
        self.encoding.encode(columns, rows)
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.places.get(key).map(|place| *place as usize)
    }

    /// Gives a new key a place: one that is free, or else what `add` makes.
    pub(super) fn insert(&mut self, key: &[u8], add: impl FnOnce() -> usize) -> usize {
        let place = self.free.pop().unwrap_or_else(|| add() as u32);
        self.places.insert(key.into(), place);
        place as usize
    }

    /// Takes the keys away at whose places `stays` is false.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(usize) -> bool) {
        let free = &mut self.free;
        self.places.retain(|_, place| {
            let stays = stays(*place as usize);
            if !stays {
                free.push(*place);
            }
            stays
        });
    }

    /// The columns of all keys and their places, in the order of the keys.
    pub(super) fn columns(&self) -> Result<(Vec<ArrayRef>, Vec<usize>)> {
        let mut keys: Vec<(&[u8], usize)> = self.places.iter().map(|(key, place)| (key.as_ref(), *place as usize)).collect();
        keys.sort_unstable();
        Ok((self.encoding.decode(keys.iter().map(|(key, _)| *key))?, keys.into_iter().map(|(_, place)| place).collect()))
    }

    pub(super) fn bytes(&self) -> usize {
        let keys: usize = self.places.keys().map(|key| key.len()).sum();
        self.places.allocation_size() + keys + self.free.capacity() * size_of::<u32>()
    }
}
