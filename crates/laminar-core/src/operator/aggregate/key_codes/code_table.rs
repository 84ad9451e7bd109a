//! Numbers for codes of 16 bytes: a new one gets the lowest number that is free.

use hashbrown::HashTable;

use super::super::group_ids::GroupIdAllocator;

/// Values next to each other in 16 bytes, and which of them are NULL: their bytes are then 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) words: [u64; 2],
    /// One bit a value.
    pub(super) nulls: u32,
}

impl Code {
    pub(super) fn new(bytes: u128, nulls: u32) -> Self {
        Self { words: [bytes as u64, (bytes >> 64) as u64], nulls }
    }

    pub(super) fn bytes(self) -> u128 {
        u128::from(self.words[1]) << 64 | u128::from(self.words[0])
    }

    /// Never leaves the tables here, so it need not be the project's hash of rows.
    #[inline]
    fn hash(self) -> u64 {
        let [first, second] = self.words;
        let wide = u128::from(first ^ 0x9e37_79b9_7f4a_7c15) * u128::from(second ^ 0xd1b5_4a32_d192_ed03);
        let mixed = (wide as u64) ^ ((wide >> 64) as u64) ^ u64::from(self.nulls);
        let wide = u128::from(mixed) * 0xa409_3822_299f_31d1_u128;
        (wide as u64) ^ ((wide >> 64) as u64)
    }
}

/// Codes and their numbers.
#[derive(Default)]
pub(super) struct CodeTable {
    table: HashTable<Entry>,
    /// By number.
    codes: Vec<Code>,
    numbers: GroupIdAllocator,
}

/// A code and its number: 24 bytes, where a pair of the two would have 32.
struct Entry {
    words: [u64; 2],
    nulls: u32,
    number: u32,
}

impl Entry {
    #[inline]
    fn code(&self) -> Code {
        Code { words: self.words, nulls: self.nulls }
    }
}

impl CodeTable {
    /// The number of a code; a new one gets one.
    #[inline]
    pub(super) fn number(&mut self, code: Code) -> u32 {
        let hash = code.hash();
        match self.table.find(hash, |entry| entry.code() == code) {
            Some(entry) => entry.number,
            None => self.add(hash, code),
        }
    }

    fn add(&mut self, hash: u64, code: Code) -> u32 {
        let number = self.take(code);
        let entry = Entry { words: code.words, nulls: code.nulls, number };
        self.table.insert_unique(hash, entry, |entry| entry.code().hash());
        number
    }

    /// A number for a code that is not looked for here.
    pub(super) fn take(&mut self, code: Code) -> u32 {
        let number = self.numbers.take();
        if self.codes.len() <= number as usize {
            self.codes.push(Code::default());
        }
        self.codes[number as usize] = code;
        number
    }

    /// The code of a number; any one for a number that is not in use.
    #[inline]
    pub(super) fn code(&self, number: u32) -> Code {
        self.codes.get(number as usize).copied().unwrap_or_default()
    }

    /// The numbers in use, ascending.
    pub(super) fn live(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers.live()
    }

    /// How many numbers are in use.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// One past the highest number so far.
    pub(super) fn end(&self) -> usize {
        self.numbers.end()
    }

    /// Forgets all numbers but those that are `used`; says which.
    pub(super) fn retain(&mut self, used: &[bool]) -> Vec<u32> {
        let gone: Vec<u32> = self.numbers.live().filter(|number| !used[*number as usize]).collect();
        self.table.retain(|entry| used[entry.number as usize]);
        self.numbers.give_back(&gone);
        gone
    }

    pub(super) fn memory(&self) -> usize {
        self.table.allocation_size() + self.codes.capacity() * size_of::<Code>() + self.numbers.bytes()
    }
}
