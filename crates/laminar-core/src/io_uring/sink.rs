//! A file that one thread writes: it fills a buffer while the kernel writes another one out.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use super::config::IoUringConfig;
use super::manager::RingClass;
use super::system::is_append_only;
use super::writes::Writes;

/// A [`Write`] into a file, from where it stands, as a [`BufWriter`](std::io::BufWriter) is: a buffer that is full is written out while the next one is filled. Who reads the
/// file meanwhile finds no holes in it.
/// An error of a write shows in a later call; after it the sink takes nothing more.
///
/// ```
/// use std::io::Write;
///
/// use laminar_core::io_uring::{IoUringConfig, IoUringSink};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if laminar_core::io_uring::probe().is_err() { return Ok(()) }
/// # let path = std::env::temp_dir().join(format!("laminar-ring-sink-{}", std::process::id()));
/// let mut sink = IoUringSink::new(std::fs::File::create(&path)?, &IoUringConfig::STANDARD).map_err(|(_, error)| error)?;
/// for number in 0..100_000 {
///     writeln!(sink, "{number}")?;
/// }
/// sink.finish()?.sync_data()?;
/// assert_eq!(std::fs::read_to_string(&path)?.lines().last(), Some("99999"));
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct IoUringSink {
    writes: Writes,
    file: File,
    /// The buffer that is being filled, and how far.
    filling: Option<(u16, usize)>,
    /// Where the buffer that is being filled will begin in the file.
    offset: u64,
    has_failed: bool,
}

impl IoUringSink {
    /// Writes into `file` from where it stands. Fails, and gives the file back, if the system refuses `io_uring`, or if the file was opened to append: writes that are
    /// in flight together would then come in any order.
    pub fn new(mut file: File, config: &IoUringConfig) -> Result<Self, (File, io::Error)> {
        if is_append_only(&file) {
            let text = "a file that was opened to append cannot be written at places: open it to write, and seek to its end";
            return Err((file, io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        let begun = Writes::new(config, RingClass::Main).and_then(|writes| Ok((writes, file.stream_position()?)));
        match begun {
            Ok((writes, offset)) => Ok(Self { writes, file, filling: None, offset, has_failed: false }),
            Err(error) => Err((file, error)),
        }
    }

    /// Writes out what is left, and gives back the file, which stands at its end.
    pub fn finish(mut self) -> io::Result<File> {
        self.flush()?;
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file)
    }

    /// Takes as many bytes as the buffer has room for.
    fn fill(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (index, filled) = match self.filling {
            Some(filling) => filling,
            None => (self.writes.buffer(&self.file)?.0, 0),
        };
        let buffer = self.writes.buffer_mut(index)?;
        let taken = bytes.len().min(buffer.len() - filled);
        buffer[filled..filled + taken].copy_from_slice(&bytes[..taken]);
        let is_full = filled + taken == buffer.len();
        self.filling = Some((index, filled + taken));
        if is_full {
            self.write_out()?;
        }
        Ok(taken)
    }

    /// Hands over the buffer that is being filled.
    fn write_out(&mut self) -> io::Result<()> {
        // One after the other: in flight together they would come in any order.
        self.writes.finish(&self.file)?;
        let Some((index, len)) = self.filling.take() else { return Ok(()) };
        let offset = self.offset;
        self.offset += len as u64;
        self.writes.write_out(&self.file, index, len, offset)
    }

    fn checked<T>(&mut self, act: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.has_failed {
            return Err(io::Error::other("a write of this file has failed before"));
        }
        let done = act(self);
        self.has_failed = done.is_err();
        done
    }
}

impl Write for IoUringSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.checked(|sink| sink.fill(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.checked(|sink| {
            sink.write_out()?;
            sink.writes.finish(&sink.file)
        })
    }
}

impl Drop for IoUringSink {
    /// Writes out what is left, as a `BufWriter` does: who wants to know whether that has worked calls [`finish`](Self::finish).
    fn drop(&mut self) {
        if !self.has_failed {
            let _ = self.flush();
        }
    }
}
