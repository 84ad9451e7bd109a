//! Separated values.
//!
//! Quoting follows RFC 4180, strictly: a quote opens only at the start of a field, and nothing may stand between the
//! closing quote and the next delimiter. Strictness is what keeps damage local: when a stray quote swallows the lines
//! after it, the record it ends in is malformed, only its first line is rejected, and reading goes on with the second.
//! Where quotes pair, a fault is one of the whole record. A record ends at a line feed, a carriage return, or both.
//! The columns of a file are those of its [`header`], for who looks for types ([`sampler`]) as for who reads ([`decoder`]).
//! An empty field without quotes is NULL; `""` is the empty text.

mod decoder;
mod encoder;
mod header;
mod records;
mod sampler;
mod tokenizer;

pub use decoder::CsvDecoder;
pub use encoder::CsvEncoder;
pub(crate) use encoder::FORMAT;
pub use sampler::CsvSampler;

/// How a file separates values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// Whether the first record names the columns.
    pub header: bool,
    /// Between fields.
    pub delimiter: u8,
    /// Around fields that hold delimiters, quotes or line ends; `None`: quotes are ordinary characters.
    pub quote: Option<u8>,
    /// Unquoted texts that mean NULL besides the empty one.
    pub nulls: Vec<String>,
    /// Lines at the start that are passed over.
    pub skip: usize,
    /// What lines start with that are passed over wherever they stand between records.
    pub comment: Option<String>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { header: true, delimiter: b',', quote: Some(b'"'), nulls: Vec::new(), skip: 0, comment: None }
    }
}
