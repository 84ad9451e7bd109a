//! Numbers for strings of bytes: short ones are codes themselves, and found without a look elsewhere.

use arrow_array::builder::make_view;
use hashbrown::HashTable;

use super::code_table::{Code, CodeTable};
use crate::changelog::hash_bytes;

/// Bytes that a code has room for, as in Arrow's views: their number and they themselves.
const SHORT_MAX: u32 = 12;
/// Of codes that stand for longer ones. What is in them says nothing.
const LONG: Code = Code { words: [0, 0], nulls: 2 };
const NULL: Code = Code { words: [0, 0], nulls: 1 };

/// Strings of bytes, NULL among them, and their numbers.
#[derive(Default)]
pub(super) struct ByteCodes {
    short: CodeTable,
    /// The hashes and numbers of the others.
    long: HashTable<(u64, u32)>,
    /// By number, as far as there are long ones.
    texts: Vec<Option<Box<[u8]>>>,
    held: usize,
}

impl ByteCodes {
    pub(super) fn null_number(&mut self) -> u32 {
        self.short.number(NULL)
    }

    /// The number of a string of bytes; a new one gets one.
    #[inline]
    pub(super) fn number(&mut self, bytes: &[u8]) -> u32 {
        match u32::try_from(bytes.len()) {
            Ok(0..=SHORT_MAX) => self.short.number(Code::new(make_view(bytes, 0, 0), 0)),
            _ => self.long_number(bytes),
        }
    }

    /// The number of an element of an array of views, which is `bytes()`.
    #[inline]
    pub(super) fn number_of_view<'a>(&mut self, view: u128, bytes: impl FnOnce() -> &'a [u8]) -> u32 {
        match view as u32 {
            0..=SHORT_MAX => self.short.number(Code::new(view, 0)),
            _ => self.long_number(bytes()),
        }
    }

    fn long_number(&mut self, bytes: &[u8]) -> u32 {
        let hash = hash_bytes(bytes);
        let same = |(other, number): &(u64, u32)| *other == hash && self.texts[*number as usize].as_deref() == Some(bytes);
        if let Some((_, number)) = self.long.find(hash, same) {
            return *number;
        }
        let number = self.short.take(LONG);
        self.long.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        if self.texts.len() <= number as usize {
            self.texts.resize(number as usize + 1, None);
        }
        self.texts[number as usize] = Some(bytes.into());
        self.held += bytes.len();
        number
    }

    /// Calls `take` with the bytes of each of these numbers; `None`: NULL.
    pub(super) fn for_each(&self, numbers: impl Iterator<Item = u32>, mut take: impl FnMut(Option<&[u8]>)) {
        for number in numbers {
            match self.short.code(number) {
                NULL => take(None),
                LONG => take(self.texts[number as usize].as_deref()),
                code => {
                    let image = code.bytes().to_le_bytes();
                    take(image[4..].get(..image[0] as usize));
                }
            }
        }
    }

    /// One past the highest number so far.
    pub(super) fn end(&self) -> usize {
        self.short.end()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.short.len()
    }

    /// Forgets all numbers but those that are `used`.
    pub(super) fn retain(&mut self, used: &[bool]) {
        self.long.retain(|(_, number)| used[*number as usize]);
        for number in self.short.retain(used) {
            let text = self.texts.get_mut(number as usize).and_then(Option::take);
            self.held -= text.map_or(0, |text| text.len());
        }
    }

    pub(super) fn memory(&self) -> usize {
        let texts = self.texts.capacity() * size_of::<Option<Box<[u8]>>>() + self.held;
        self.short.memory() + self.long.allocation_size() + texts
    }
}
