//! Buffers that the kernel knows beforehand, so that a write does not look for their pages each time.

use std::sync::LazyLock;

use super::config::{IoUringConfig, PAGE_BYTES};
use crate::numa::{NumaAllocator, NumaMemory};
use crate::{Code, Error, Result};

/// Whose a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// No one's: it can be acquired.
    Free,
    /// Who acquired it may fill it, hand it to a ring or release it.
    Holder,
    /// A ring writes it out: nothing may change.
    Kernel,
}

/// Equal buffers in one piece of memory on the node of the thread that made it.
///
/// A buffer is acquired, filled, handed to a ring, and the holder's again when the write has completed; then it is written once more or released.
///
/// ```
/// use laminar_core::io_uring::{IoUringConfig, RegisteredBufferPool};
///
/// # fn main() -> laminar_core::Result<()> {
/// let mut pool = RegisteredBufferPool::new(&IoUringConfig::builder().buffer_size(4096).buffer_count(2).build()?)?;
/// let (first, buffer) = pool.acquire_buffer()?;
/// buffer[..5].copy_from_slice(b"hello");
/// pool.acquire_buffer()?;
/// assert_eq!(pool.acquire_buffer().unwrap_err().message(), "all 2 buffers are in use");
/// pool.release_buffer(first)?;
/// assert_eq!(pool.available(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RegisteredBufferPool {
    memory: NumaMemory,
    size: usize,
    owners: Vec<Owner>,
    free: Vec<u16>,
}

impl RegisteredBufferPool {
    /// Takes memory for the buffers that `config` asks for.
    pub fn new(config: &IoUringConfig) -> Result<Self> {
        let count = config.buffer_count;
        // The nodes of a machine are read from files.
        static ALLOCATOR: LazyLock<NumaAllocator> = LazyLock::new(NumaAllocator::new);
        let memory = ALLOCATOR.alloc_local(config.buffer_bytes(), PAGE_BYTES)?;
        let (owners, free) = (vec![Owner::Free; count.into()], (0..count).rev().collect());
        Ok(Self { memory, size: config.buffer_size, owners, free })
    }

    /// A buffer that no one has, and its number. What it holds is what it held last.
    pub fn acquire_buffer(&mut self) -> Result<(u16, &mut [u8])> {
        let Some(index) = self.free.pop() else {
            return Err(Error::new(Code::LimitReached, format!("all {} buffers are in use", self.owners.len()))
                .with_hint("poll completions and release buffers, or ask for more with buffer_count"));
        };
        self.owners[usize::from(index)] = Owner::Holder;
        let range = self.range(index);
        Ok((index, &mut self.memory[range]))
    }

    /// The bytes of a buffer that has been acquired and is not being written out.
    pub fn buffer_mut(&mut self, index: u16) -> Result<&mut [u8]> {
        self.check_held(index)?;
        let range = self.range(index);
        Ok(&mut self.memory[range])
    }

    /// Gives a buffer back. One that is being written out cannot be given back before its completion.
    pub fn release_buffer(&mut self, index: u16) -> Result<()> {
        self.check_held(index)?;
        self.owners[usize::from(index)] = Owner::Free;
        self.free.push(index);
        Ok(())
    }

    /// How many buffers can be acquired.
    pub fn available(&self) -> usize {
        self.free.len()
    }

    /// How many bytes each has.
    pub fn buffer_size(&self) -> usize {
        self.size
    }

    /// Each buffer's bytes, in the order of their numbers.
    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.memory.chunks(self.size)
    }

    /// The bytes that a ring shall write, from now on the kernel's.
    pub(super) fn hand_over(&mut self, index: u16, from: usize, len: usize) -> Result<&[u8]> {
        self.check_held(index)?;
        let range = self.range(index);
        if len == 0 || from + len > self.size {
            let text = format!("a write of {len} bytes from byte {from} of a buffer that has {}", self.size);
            return Err(Error::new(Code::InvalidOption, text).with_hint("write at least 1 byte, and those of one buffer"));
        }
        self.owners[usize::from(index)] = Owner::Kernel;
        Ok(&self.memory[range.start + from..range.start + from + len])
    }

    /// The kernel is done with a buffer: it is its holder's again.
    pub(super) fn take_back(&mut self, index: u16) {
        self.owners[usize::from(index)] = Owner::Holder;
    }

    fn range(&self, index: u16) -> std::ops::Range<usize> {
        let start = usize::from(index) * self.size;
        start..start + self.size
    }

    fn check_held(&self, index: u16) -> Result<()> {
        let text = match self.owners.get(usize::from(index)) {
            Some(Owner::Holder) => return Ok(()),
            Some(Owner::Free) => "has not been acquired",
            Some(Owner::Kernel) => "is being written out",
            None => "does not exist",
        };
        Err(Error::new(Code::InvalidOption, format!("buffer {index} {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> RegisteredBufferPool {
        RegisteredBufferPool::new(&IoUringConfig::builder().buffer_size(4096).buffer_count(3).build().unwrap()).unwrap()
    }

    #[test]
    fn buffers_do_not_overlap_and_lie_at_pages() {
        let mut pool = pool();
        for fill in 0..3 {
            let (index, buffer) = pool.acquire_buffer().unwrap();
            assert_eq!((u8::try_from(index).unwrap(), buffer.len(), buffer.as_ptr().addr() % PAGE_BYTES), (fill, 4096, 0));
            buffer.fill(fill);
        }
        assert!(pool.all().zip(0..).all(|(buffer, fill)| buffer.iter().all(|byte| *byte == fill)));
    }

    #[test]
    fn the_kernel_has_a_buffer_alone() {
        let mut pool = pool();
        let (index, _) = pool.acquire_buffer().unwrap();
        assert_eq!(
            pool.hand_over(index, 4000, 97).unwrap_err().message(),
            "a write of 97 bytes from byte 4000 of a buffer that has 4096"
        );
        assert_eq!(pool.hand_over(index, 0, 4096).unwrap().len(), 4096);
        assert_eq!(pool.release_buffer(index).unwrap_err().message(), "buffer 0 is being written out");
        assert_eq!(pool.buffer_mut(index).unwrap_err().message(), "buffer 0 is being written out");
        assert!(pool.hand_over(index, 0, 1).is_err());
        pool.take_back(index);
        pool.release_buffer(index).unwrap();
        assert_eq!(pool.release_buffer(index).unwrap_err().message(), "buffer 0 has not been acquired");
        assert_eq!(pool.release_buffer(9).unwrap_err().message(), "buffer 9 does not exist");
        assert_eq!(pool.available(), 3);
    }
}
