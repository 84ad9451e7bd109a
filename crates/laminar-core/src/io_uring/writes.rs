//! Writes of whole buffers, several in flight, each of them carried on until all of its bytes are written.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use super::config::IoUringConfig;
use super::manager::{Completion, CoreRingManager, RingClass};
use super::system::{number_of, was_not_done, write_at};

/// The rings and buffers of one writer.
#[derive(Debug)]
pub(super) struct Writes {
    rings: CoreRingManager,
    class: RingClass,
    /// What the kernel has, oldest first.
    writing: VecDeque<Extent>,
    /// The kernel does not say any more what has ended.
    is_stuck: bool,
}

/// What the kernel was asked to write: bytes of a buffer.
#[derive(Debug)]
struct Extent {
    id: u64,
    index: u16,
    from: usize,
    to: usize,
    /// Of the byte `from`, in the file.
    offset: u64,
}

impl Writes {
    /// Writes through a ring of that class. Fails with [`Unsupported`](io::ErrorKind::Unsupported) if the system refuses it.
    pub(super) fn new(config: &IoUringConfig, class: RingClass) -> io::Result<Self> {
        let rings = CoreRingManager::with_rings(0, config, &[class]);
        let rings = rings.map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error.message().to_owned()))?;
        Ok(Self { rings, class, writing: VecDeque::new(), is_stuck: false })
    }

    /// A buffer to fill: waits for one where all are being written out.
    pub(super) fn buffer(&mut self, file: &File) -> io::Result<(u16, &mut [u8])> {
        self.check()?;
        while self.rings.available_buffers() == 0 && !self.writing.is_empty() {
            self.wait(file)?;
        }
        self.rings.acquire_buffer().map_err(io::Error::other)
    }

    /// The bytes of a buffer that is being filled.
    pub(super) fn buffer_mut(&mut self, index: u16) -> io::Result<&mut [u8]> {
        self.rings.buffer_mut(index).map_err(io::Error::other)
    }

    /// Hands over the first `len` bytes of a buffer, to be written at `offset`.
    pub(super) fn write_out(&mut self, file: &File, index: u16, len: usize, offset: u64) -> io::Result<()> {
        while self.writing.len() == self.rings.capacity() {
            if let Err(error) = self.wait(file) {
                self.release(index)?;
                return Err(error);
            }
        }
        self.submit(file, Extent { id: 0, index, from: 0, to: len, offset })
    }

    /// Waits until nothing is in flight. The error is the first of all writes.
    pub(super) fn finish(&mut self, file: &File) -> io::Result<()> {
        let mut done = Ok(());
        while !self.writing.is_empty() {
            let completed = match self.rings.wait() {
                Ok(completed) => completed,
                Err(error) => {
                    // What the kernel still has it may write at any time: nothing else may come to the same places.
                    self.is_stuck = true;
                    return Err(io::Error::other(error));
                }
            };
            for completion in completed {
                done = done.and(self.complete(file, completion));
            }
        }
        done
    }

    /// Fails if what the kernel has might be written at any time.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_stuck { Err(io::Error::other("io_uring has failed before: it is unknown what it writes")) } else { Ok(()) }
    }

    fn submit(&mut self, file: &File, mut extent: Extent) -> io::Result<()> {
        let Extent { index, from, to, offset, .. } = extent;
        match self.rings.submit_write_on(self.class, number_of(file), index, offset, from..to) {
            Ok(id) => extent.id = id,
            Err(error) => {
                self.release(index)?;
                return Err(io::Error::other(error));
            }
        }
        self.writing.push_back(extent);
        self.rings.submit().map(drop).map_err(io::Error::other)
    }

    /// Waits until at least one of the writes has ended.
    fn wait(&mut self, file: &File) -> io::Result<()> {
        let mut done = Ok(());
        for completion in self.rings.wait().map_err(io::Error::other)? {
            done = done.and(self.complete(file, completion));
        }
        done
    }

    fn complete(&mut self, file: &File, completion: Completion) -> io::Result<()> {
        let place = self.writing.iter().position(|extent| extent.id == completion.id);
        let Some(mut extent) = place.and_then(|place| self.writing.remove(place)) else { return Ok(()) };
        let written = match completion.result {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            // The kernel has not done it, and may never: it has no thread for it, say.
            Err(error) if was_not_done(&error) => self.write_by_call(file, &extent),
            other => other,
        };
        if let Ok(written) = written {
            extent.from += written;
            extent.offset += written as u64;
            if extent.from < extent.to {
                return self.submit(file, extent);
            }
        }
        self.release(extent.index)?;
        written.map(drop)
    }

    fn write_by_call(&mut self, file: &File, extent: &Extent) -> io::Result<usize> {
        let buffer = self.rings.buffer_mut(extent.index).map_err(io::Error::other)?;
        write_at(file, &buffer[extent.from..extent.to], extent.offset)
    }

    fn release(&mut self, index: u16) -> io::Result<()> {
        self.rings.release_buffer(index).map_err(io::Error::other)
    }
}
