//! Bytes out of a text file, whatever its compression, and whether more of them can come.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use laminar_core::{Code, Error, Result};

use super::decompress::{Gzip, Zstd};
use super::encoding::{Encoding, Transcoder};
use super::magic::{Content, HEAD_BYTES, TextStart, content_of, is_open, text_start};
use super::paths::cannot_read;
use super::pipe::PipeReader;
use super::place::{SAMPLE_BYTES, Sample};
use super::settings::{Compression, SourceSettings};

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A window that moves over the bytes of a file.
pub(super) struct Input {
    stream: Stream,
    /// What the options say; `None`: the first bytes tell.
    declared: Option<Compression>,
    /// `None`: the bytes are UTF-8.
    transcoder: Option<Transcoder>,
    /// As messages call it, in quotes.
    name: String,
    buffer: Vec<u8>,
    start: usize,
    /// Whether it is known what the text begins with; until then the window is empty.
    start_known: bool,
    /// Whether the last call of [`fill`](Self::fill) came to the end of all there will be.
    over: bool,
}

/// Bytes of the file, and what is done with them.
enum Stream {
    /// Too few bytes have come to tell.
    Unknown(Raw),
    Plain(Raw),
    Gzip(Gzip<Raw>),
    Zstd(Zstd<Raw>),
    /// Only while one becomes another.
    Moving,
}

/// The bytes of a file as they are.
struct Raw {
    /// The first bytes, which were read to see what the file is, and how many of them have been given out.
    head: Vec<u8>,
    given: usize,
    from: Origin,
    /// Whether the end means that more may come.
    grows: bool,
    /// Bytes read so far.
    read: u64,
}

enum Origin {
    File(File),
    Pipe(PipeReader),
}

impl Input {
    /// Opens a file that is read to its end. One that is followed may not be complete yet: then that is its end for now.
    pub(super) fn open(path: &Path, settings: &SourceSettings) -> Result<Self> {
        let from = match &settings.pipe {
            Some(pipe) => Origin::Pipe(pipe.reader()),
            None => Origin::File(open_file(path)?),
        };
        Self::over(from, settings.follow, path, settings)
    }

    /// Opens a file that grows.
    pub(super) fn open_growing(path: &Path, settings: &SourceSettings) -> Result<(Self, Metadata)> {
        let file = open_file(path)?;
        let metadata = file.metadata().map_err(|error| cannot_read(path, &error))?;
        Ok((Self::over(Origin::File(file), true, path, settings)?, metadata))
    }

    fn over(from: Origin, grows: bool, path: &Path, settings: &SourceSettings) -> Result<Self> {
        let raw = Raw { head: Vec::new(), given: 0, from, grows, read: 0 };
        let mut input = Self {
            stream: Stream::Unknown(raw),
            declared: settings.compression,
            transcoder: settings.encoding.and_then(Encoding::transcoder),
            name: format!("'{}'", path.display()),
            buffer: Vec::new(),
            start: 0,
            start_known: false,
            over: false,
        };
        // What the file is not is an error of opening it, if that can be known now.
        input.know_stream().map_err(|error| cannot_read(path, &error))?;
        Ok(input)
    }

    /// Bytes that have been read and not yet consumed.
    pub(super) fn window(&self) -> &[u8] {
        if self.start_known { &self.buffer[self.start..] } else { &[] }
    }

    /// Moves the window on.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        debug_assert!(self.start <= self.buffer.len(), "consumed more than there is");
    }

    /// Bytes that have been read from the file so far, compressed as they are.
    pub(super) fn read_bytes(&self) -> u64 {
        self.stream.raw().map_or(0, |raw| raw.read)
    }

    /// Whether the file is compressed, as far as is known.
    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.stream, Stream::Gzip(_) | Stream::Zstd(_))
    }

    /// Whether no directory has the file any more, as far as the system tells.
    #[cfg(unix)]
    pub(super) fn is_unlinked(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let file = self.stream.raw().and_then(|raw| if let Origin::File(file) = &raw.from { Some(file) } else { None });
        file.is_some_and(|file| file.metadata().is_ok_and(|metadata| metadata.nlink() == 0))
    }

    #[cfg(not(unix))]
    pub(super) fn is_unlinked(&self) -> bool {
        false
    }

    /// Bytes that wait: those of the window, and those of which it is not known yet what they begin.
    pub(super) fn waiting(&self) -> &[u8] {
        match &self.stream {
            Stream::Unknown(raw) => &raw.head,
            _ => &self.buffer[self.start..],
        }
    }

    /// Drops everything that waits.
    pub(super) fn consume_all(&mut self) {
        self.start = self.buffer.len();
        if let Stream::Unknown(raw) = &mut self.stream {
            raw.head.clear();
        }
    }

    /// Whether more can be added to the file, as far as is known.
    pub(super) fn grows(&self) -> bool {
        self.stream.raw().is_some_and(|raw| raw.grows)
    }

    /// Says that the file does not grow any more: its end is its end.
    pub(super) fn stop_growing(&mut self) {
        if let Some(raw) = self.stream.raw_mut() {
            raw.grows = false;
        }
    }

    /// Whether the last call of [`fill`](Self::fill) found that nothing more comes, or that a compressed file that may
    /// grow is complete as it is. Otherwise more can come later.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Reads more; false if there is nothing more now.
    pub(super) fn fill(&mut self) -> std::io::Result<bool> {
        self.over = false;
        if !self.know_stream()? {
            return Ok(false);
        }
        // Some bytes that were consumed stay, so that a position can tell what stands before it.
        let passed = self.start.saturating_sub(SAMPLE_BYTES);
        self.buffer.drain(..passed);
        self.start -= passed;
        let old = self.buffer.len();
        // A long record is shown again from its start each time, so the steps grow with it.
        self.buffer.resize(old + CHUNK_BYTES.max(old), 0);
        let outcome = self.stream.read(&mut self.buffer[old..]);
        let new = *outcome.as_ref().unwrap_or(&0);
        self.buffer.truncate(old + new);
        match outcome {
            Ok(bytes) => self.over = bytes == 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.over = self.stream.is_between(),
            Err(error) => return Err(error),
        }
        if let Some(transcoder) = &mut self.transcoder {
            let raw = self.buffer.split_off(old);
            transcoder.append(&raw, self.over, &mut self.buffer);
        }
        self.know_start()?;
        // The end can bring the rest of a character that it cuts off.
        Ok(new > 0 || self.buffer.len() > old)
    }

    /// The last bytes of the `consumed` ones.
    pub(super) fn sample(&self, consumed: u64) -> Sample {
        let bytes = self.start.min(SAMPLE_BYTES).min(usize::try_from(consumed).unwrap_or(SAMPLE_BYTES));
        Sample::of(&self.buffer[self.start - bytes..self.start])
    }

    /// Whether this is what has been consumed last.
    pub(super) fn is_behind(&self, sample: Sample) -> bool {
        sample.bytes <= self.start && Sample::of(&self.buffer[self.start - sample.bytes..self.start]) == sample
    }

    /// Consumes so many bytes without a look at them; false if they are not all there.
    pub(super) fn skip(&mut self, mut bytes: u64) -> std::io::Result<bool> {
        loop {
            let there = self.window().len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.consume(there);
            bytes -= there as u64;
            if bytes == 0 {
                return Ok(true);
            }
            let jumped = self.jump(bytes.saturating_sub(SAMPLE_BYTES as u64))?;
            bytes -= jumped;
            if jumped == 0 && !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Moves on by so many bytes that have not been read yet, if they are those of the file as it is. Gives back how many.
    fn jump(&mut self, bytes: u64) -> std::io::Result<u64> {
        let Stream::Plain(raw) = &mut self.stream else { return Ok(0) };
        let Origin::File(file) = &mut raw.from else { return Ok(0) };
        if bytes == 0
            || !self.start_known
            || self.transcoder.is_some()
            || raw.given < raw.head.len()
            || file.metadata()?.len() < raw.read + bytes
        {
            return Ok(0);
        }
        raw.read = file.seek(SeekFrom::Start(raw.read + bytes))?;
        self.buffer.clear();
        self.start = 0;
        Ok(bytes)
    }

    /// Finds out what the file is, unless that is known; false if too few bytes have come.
    fn know_stream(&mut self) -> std::io::Result<bool> {
        let Stream::Unknown(raw) = &mut self.stream else { return Ok(true) };
        if !raw.look()? && is_open(&raw.head) {
            return Ok(false);
        }
        let compression = compression_of(&raw.head, self.declared, &self.name).map_err(std::io::Error::other)?;
        if let Stream::Unknown(raw) = std::mem::replace(&mut self.stream, Stream::Moving) {
            self.stream = Stream::new(raw, compression)?;
        }
        Ok(true)
    }

    /// Finds out what the text begins with, unless that is known.
    fn know_start(&mut self) -> std::io::Result<()> {
        if self.start_known {
            return Ok(());
        }
        match text_start(&self.buffer, self.over) {
            TextStart::Open => {}
            TextStart::Text(skipped) => (self.start, self.start_known) = (skipped, true),
            TextStart::Foreign(foreign) => return Err(std::io::Error::other(foreign.error(&self.name))),
        }
        Ok(())
    }
}

/// How a file is compressed that begins with `head`, or why it cannot be read.
fn compression_of(head: &[u8], declared: Option<Compression>, name: &str) -> Result<Compression> {
    let found = match content_of(head) {
        Content::Text => Compression::None,
        Content::Compressed(compression) => compression,
        Content::Foreign(foreign) => return Err(foreign.error(name)),
    };
    match declared {
        Some(declared) if declared != found && !head.is_empty() => {
            let is = match found {
                Compression::None => "not compressed".to_owned(),
                _ => format!("compressed with {}", found.name()),
            };
            Err(Error::new(Code::BadData, format!("{name} is {is}, but compression is '{}'", declared.name()))
                .with_hint("leave out compression: the first bytes of a file tell it"))
        }
        _ => Ok(found),
    }
}

impl Stream {
    fn new(raw: Raw, compression: Compression) -> std::io::Result<Self> {
        Ok(match compression {
            Compression::None => Stream::Plain(raw),
            Compression::Gzip => Stream::Gzip(Gzip::new(raw)),
            Compression::Zstd => Stream::Zstd(Zstd::new(raw)?),
        })
    }

    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let from: &mut dyn Read = match self {
            Stream::Plain(raw) => raw,
            Stream::Gzip(gzip) => gzip,
            Stream::Zstd(zstd) => zstd,
            Stream::Unknown(_) | Stream::Moving => return Ok(0),
        };
        loop {
            match from.read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Whether what is compressed is complete so far.
    fn is_between(&self) -> bool {
        match self {
            Stream::Gzip(gzip) => gzip.is_between(),
            Stream::Zstd(zstd) => zstd.is_between(),
            Stream::Unknown(_) | Stream::Plain(_) | Stream::Moving => false,
        }
    }

    fn raw(&self) -> Option<&Raw> {
        match self {
            Stream::Unknown(raw) | Stream::Plain(raw) => Some(raw),
            Stream::Gzip(gzip) => gzip.source(),
            Stream::Zstd(zstd) => Some(zstd.source()),
            Stream::Moving => None,
        }
    }

    fn raw_mut(&mut self) -> Option<&mut Raw> {
        match self {
            Stream::Unknown(raw) | Stream::Plain(raw) => Some(raw),
            Stream::Gzip(gzip) => gzip.source_mut(),
            Stream::Zstd(zstd) => Some(zstd.source_mut()),
            Stream::Moving => None,
        }
    }
}

impl Raw {
    /// Reads the first bytes; false if more of them can come.
    fn look(&mut self) -> std::io::Result<bool> {
        while self.head.len() < HEAD_BYTES {
            let mut bytes = [0; HEAD_BYTES];
            match self.pull(&mut bytes[self.head.len()..]) {
                Ok(0) => break,
                Ok(new) => {
                    let old = self.head.len();
                    self.head.extend_from_slice(&bytes[old..old + new]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads on behind the first bytes.
    fn pull(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let bytes = match &mut self.from {
            Origin::File(file) => file.read(into)?,
            Origin::Pipe(pipe) => pipe.read(into)?,
        };
        if bytes == 0 && self.grows && !into.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.read += bytes as u64;
        Ok(bytes)
    }
}

impl Read for Raw {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.head.len() {
            return self.pull(into);
        }
        let bytes = into.len().min(self.head.len() - self.given);
        into[..bytes].copy_from_slice(&self.head[self.given..self.given + bytes]);
        self.given += bytes;
        // What goes wrong behind the first bytes goes wrong again at the next call.
        Ok(bytes + self.pull(&mut into[bytes..]).unwrap_or(0))
    }
}

/// Opens a file for reading.
pub(super) fn open_file(path: &Path) -> Result<File> {
    if path.is_dir() {
        return Err(Error::new(Code::Io, format!("'{}' is a directory", path.display())));
    }
    File::open(path).map_err(|error| cannot_read(path, &error))
}

/// Refuses a file that should be Parquet and is known to be something else, such as one that is compressed as a whole.
pub(super) fn check_parquet(path: &Path) -> Result<()> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let read = open_file(path)?.take(HEAD_BYTES as u64).read_to_end(&mut head);
    read.map_err(|error| cannot_read(path, &error))?;
    let name = format!("'{}'", path.display());
    match content_of(&head) {
        Content::Compressed(compression) => {
            let text = format!("{name} is compressed with {}, and a Parquet file cannot be read so", compression.name());
            Err(Error::new(Code::BadData, text).with_hint("decompress it first; Parquet compresses its own pages"))
        }
        Content::Foreign(foreign) if !head.starts_with(b"PAR1") => Err(foreign.error(&name)),
        Content::Text if head.len() >= 4 && !head.starts_with(b"PAR") => {
            Err(Error::new(Code::BadData, format!("{name} is not a Parquet file"))
                .with_hint("set format = 'csv' or 'ndjson' if it is text"))
        }
        Content::Text | Content::Foreign(_) => Ok(()),
    }
}
