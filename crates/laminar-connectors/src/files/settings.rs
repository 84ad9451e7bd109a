//! What the options of a file source or sink say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::{Code, Error, Result};

use super::encoding::Encoding;
use super::paths;
use super::pipe::Pipe;
use crate::Options;
use crate::formats::Format;
use crate::formats::cell::CellOptions;
use crate::formats::csv::Dialect;
use crate::formats::envelope::Envelope;
use crate::formats::json::JsonLayout;
use crate::formats::parquet::ParquetCompression;
use crate::retry::Retry;

/// Rows that are looked at to find the types of a text file.
const SAMPLE_ROWS: usize = 10_000;
/// How often a followed file is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Memory that a row group of a Parquet file may take before it is written, in bytes.
const ROW_GROUP_BYTES: u64 = 64 << 20;

/// What every file source understands; each format adds its own.
const SOURCE_OPTIONS: &[&str] = &["path", "format", "follow", "poll_interval", "batch_rows", "on_bad_row", "hive_partitioning"];
/// What every file sink understands; each format adds its own.
const SINK_OPTIONS: &[&str] = &["path", "format", "compression", "overwrite", "publish", "changelog"];
/// What sources of text add.
const TEXT_SOURCE_OPTIONS: &[&str] = &["compression", "encoding", "schema_sample_rows", "epoch_unit"];
/// What sources of separated values add.
const CSV_SOURCE_OPTIONS: &[&str] = &["skip", "comment"];
/// What sources of JSON add.
const JSON_SOURCE_OPTIONS: &[&str] = &["root"];
/// What sinks of Parquet add.
const PARQUET_SINK_OPTIONS: &[&str] = &["row_group_bytes"];
/// What separated values add.
const CSV_OPTIONS: &[&str] = &["header", "delimiter", "quote", "null"];

/// What file sources of a format understand.
fn source_options(format: Format) -> Vec<&'static str> {
    match format {
        Format::Parquet => SOURCE_OPTIONS.to_vec(),
        Format::Csv => [SOURCE_OPTIONS, TEXT_SOURCE_OPTIONS, CSV_OPTIONS, CSV_SOURCE_OPTIONS].concat(),
        Format::Ndjson => [SOURCE_OPTIONS, TEXT_SOURCE_OPTIONS, JSON_SOURCE_OPTIONS].concat(),
    }
}

/// What file sources of some format understand.
fn all_source_options() -> Vec<&'static str> {
    [SOURCE_OPTIONS, TEXT_SOURCE_OPTIONS, CSV_OPTIONS, CSV_SOURCE_OPTIONS, JSON_SOURCE_OPTIONS].concat()
}

fn sink_options(format: Format) -> Vec<&'static str> {
    match format {
        Format::Parquet => [SINK_OPTIONS, PARQUET_SINK_OPTIONS].concat(),
        Format::Csv => [SINK_OPTIONS, CSV_OPTIONS].concat(),
        Format::Ndjson => SINK_OPTIONS.to_vec(),
    }
}

/// What file sinks of some format understand.
fn all_sink_options() -> Vec<&'static str> {
    [SINK_OPTIONS, PARQUET_SINK_OPTIONS, CSV_OPTIONS].concat()
}

/// How a file is compressed from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// As the option writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// Whether directories called `key=value` are columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HivePartitioning {
    /// Where all files have the same keys, and no such column of their own.
    Auto,
    On,
    Off,
}

/// What happens to a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnBadRow {
    /// It is rejected.
    Skip,
    /// The source fails.
    Fail,
}

/// A file source.
#[derive(Debug, Clone)]
pub(super) struct SourceSettings {
    /// As the user wrote it.
    pub path: String,
    pub format: Option<Format>,
    /// How records tell changes; `None`: they are rows.
    pub envelope: Option<Envelope>,
    /// `None`: by the first bytes of the file.
    pub compression: Option<Compression>,
    /// Whether to wait for more.
    pub follow: bool,
    pub poll_interval: Duration,
    pub batch_rows: usize,
    pub on_bad_row: OnBadRow,
    pub hive_partitioning: HivePartitioning,
    /// What is read, if it is not a regular file: it has been opened already, since that cannot be done twice.
    pub pipe: Option<Pipe>,
    pub sample_rows: usize,
    /// `delimiter` is `None` if not given: it depends on the file's name.
    pub delimiter: Option<u8>,
    pub dialect: Dialect,
    pub json: JsonLayout,
    /// `None`: UTF-8, as far as the first bytes do not say otherwise.
    pub encoding: Option<Encoding>,
    pub cells: CellOptions,
    /// Whether the columns' types were found in the data.
    pub inferred: bool,
    /// The options as written, to refuse those that the format does not have once the format is known.
    given: Options,
}

impl SourceSettings {
    pub(super) fn parse(mut options: Options) -> Result<Self> {
        // Who opens the connector has read these.
        Retry::take(&mut options)?;
        options.merge_prefix("format.")?;
        let envelope = take_envelope(&mut options)?;
        options.check_names("a file source", &all_source_options())?;
        let given = options.clone();
        let path = paths::local(&options.require("path", "a file source")?)?;
        let json = take_json_layout(&mut options)?;
        let format = options.take_enum("format", Format::CHOICES)?;
        let (delimiter, dialect) = take_dialect(&mut options)?;
        let dialect =
            Dialect { skip: options.take_u64("skip")?.unwrap_or(0) as usize, comment: take_comment(&mut options)?, ..dialect };
        check_comment(&dialect, delimiter)?;
        let settings = Self {
            path,
            format,
            envelope,
            compression: take_compression(&mut options)?,
            follow: options.take_bool("follow")?.unwrap_or(false),
            poll_interval: options.take_duration("poll_interval")?.unwrap_or(POLL_INTERVAL),
            batch_rows: options.take_count("batch_rows")?.unwrap_or(BATCH_ROWS_MAX),
            on_bad_row: options
                .take_enum("on_bad_row", &[("skip", OnBadRow::Skip), ("fail", OnBadRow::Fail)])?
                .unwrap_or(OnBadRow::Skip),
            hive_partitioning: take_hive_partitioning(&mut options)?,
            pipe: None,
            sample_rows: options.take_count("schema_sample_rows")?.unwrap_or(SAMPLE_ROWS),
            delimiter,
            dialect,
            json,
            encoding: options.take_parsed("encoding", Encoding::EXAMPLES, Encoding::by_name)?,
            cells: CellOptions { epoch_unit: options.take_enum("epoch_unit", CellOptions::EPOCH_UNITS)?, exact: false },
            inferred: false,
            given,
        };
        options.finish("a file source", &all_source_options())?;
        settings.check_follow()?;
        Ok(settings)
    }

    fn check_follow(&self) -> Result<()> {
        if self.follow || self.given.names().all(|name| name != "poll_interval") {
            return Ok(());
        }
        Err(Error::new(Code::InvalidOption, "poll_interval means nothing without follow")
            .with_hint("add follow = 'true', or leave out poll_interval"))
    }

    /// Refuses options that files of this format do not have.
    pub(super) fn check_format(&self, format: Format) -> Result<()> {
        let known = source_options(format);
        let mut foreign = self.given.clone();
        for name in &known {
            foreign.take(name);
        }
        foreign.finish(&format!("a file source of format {}", format.name()), &known)
    }

    /// The format of `file`: the declared one, or that of its name.
    pub(super) fn format_of(&self, file: &Path) -> Result<Format> {
        self.format.or_else(|| paths::format_of(file)).ok_or_else(|| unknown_format(file))
    }

    /// How `file` separates values.
    pub(super) fn dialect_of(&self, file: &Path) -> Dialect {
        Dialect { delimiter: self.delimiter.unwrap_or_else(|| paths::delimiter_of(file)), ..self.dialect.clone() }
    }
}

/// When readers see what a sink writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publish {
    /// All at once when the sink finishes, by renaming.
    AtEnd,
    /// As it is written.
    AtOnce,
}

/// A file sink.
#[derive(Debug, Clone)]
pub(super) struct SinkSettings {
    pub path: PathBuf,
    pub format: SinkFormat,
    /// Whether a file of that name is replaced.
    pub overwrite: bool,
    pub publish: Publish,
    /// Whether rows carry `op`, so that they may also go.
    pub changelog: bool,
    /// Whether the file is written through the kernel's rings: the database says so, not an option.
    pub io_uring: bool,
}

/// The format of a sink with what belongs to it.
#[derive(Debug, Clone)]
pub(super) enum SinkFormat {
    Parquet { compression: ParquetCompression, row_group_bytes: usize },
    Csv { dialect: Dialect, compression: Compression },
    Ndjson { compression: Compression },
}

impl SinkSettings {
    pub(super) fn parse(mut options: Options) -> Result<Self> {
        // Who opens the connector has read these.
        Retry::take(&mut options)?;
        options.merge_prefix("format.")?;
        options.check_names("a file sink", &all_sink_options())?;
        let path = PathBuf::from(paths::local(&options.require("path", "a file sink")?)?);
        let named = options.take_enum("format", Format::CHOICES)?.or_else(|| paths::format_of(&path));
        let format = named.ok_or_else(|| unknown_format(&path))?;
        let publish = take_publish(&mut options, format)?;
        let settings = Self {
            format: take_sink_format(&mut options, format, &path)?,
            overwrite: options.take_bool("overwrite")?.unwrap_or(true),
            publish,
            changelog: options.take_bool("changelog")?.unwrap_or(false),
            io_uring: false,
            path,
        };
        options.finish(&format!("a file sink of format {}", format.name()), &sink_options(format))?;
        Ok(settings)
    }
}

fn take_publish(options: &mut Options, format: Format) -> Result<Publish> {
    let given = options.take_enum("publish", &[("at_end", Publish::AtEnd), ("at_once", Publish::AtOnce)])?;
    match (format, given) {
        (Format::Parquet, Some(Publish::AtOnce)) => {
            Err(Error::new(Code::InvalidOption, "a Parquet file can only be published at its end")
                .with_detail("it cannot be read before its footer is written")
                .with_hint("leave out publish, or use format = 'csv' or 'ndjson'"))
        }
        (Format::Parquet, _) => Ok(Publish::AtEnd),
        (_, given) => Ok(given.unwrap_or(Publish::AtOnce)),
    }
}

fn take_sink_format(options: &mut Options, format: Format, path: &Path) -> Result<SinkFormat> {
    Ok(match format {
        Format::Parquet => SinkFormat::Parquet {
            compression: take_parquet_compression(options)?,
            row_group_bytes: usize::try_from(options.take_bytes("row_group_bytes")?.unwrap_or(ROW_GROUP_BYTES))
                .unwrap_or(usize::MAX),
        },
        Format::Csv => {
            let (delimiter, dialect) = take_dialect(options)?;
            let delimiter = delimiter.unwrap_or_else(|| paths::delimiter_of(path));
            SinkFormat::Csv { dialect: Dialect { delimiter, ..dialect }, compression: take_text_compression(options, path)? }
        }
        Format::Ndjson => SinkFormat::Ndjson { compression: take_text_compression(options, path)? },
    })
}

fn take_text_compression(options: &mut Options, path: &Path) -> Result<Compression> {
    Ok(take_compression(options)?.unwrap_or_else(|| paths::compression_of(path)))
}

fn take_parquet_compression(options: &mut Options) -> Result<ParquetCompression> {
    use ParquetCompression as P;
    let choices = [("auto", P::Zstd), ("none", P::None), ("gzip", P::Gzip), ("zstd", P::Zstd), ("snappy", P::Snappy)];
    Ok(options.take_enum("compression", &choices)?.unwrap_or(P::Zstd))
}

fn take_hive_partitioning(options: &mut Options) -> Result<HivePartitioning> {
    use HivePartitioning as H;
    Ok(options.take_enum("hive_partitioning", &[("auto", H::Auto), ("true", H::On), ("false", H::Off)])?.unwrap_or(H::Auto))
}

/// `FORMAT UPSERT ENCODE JSON`: what is read around rows. What they are encoded in is the format then.
fn take_envelope(options: &mut Options) -> Result<Option<Envelope>> {
    let format = options.take("format");
    let encode = options.take("encode");
    let named =
        format.as_deref().and_then(|name| Envelope::CHOICES.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(name.trim())));
    let encode = match (named, encode) {
        (None, None) => format,
        (None, Some(encode)) => {
            let text = match format {
                Some(format) => format!("ENCODE {} does not go with FORMAT {}", encode.to_uppercase(), format.to_uppercase()),
                None => format!("ENCODE {} says nothing without FORMAT", encode.to_uppercase()),
            };
            return Err(Error::new(Code::InvalidOption, text)
                .with_hint("ENCODE stands behind FORMAT PLAIN, FORMAT UPSERT and FORMAT DEBEZIUM"));
        }
        (Some((_, Some(Envelope::Debezium))), None) => Some(Format::Ndjson.name().to_owned()),
        (Some((_, Some(Envelope::Debezium))), Some(encode)) if !is_json(&encode) => {
            return Err(Error::new(Code::NotSupported, format!("FORMAT DEBEZIUM is read from JSON, not from {encode}"))
                .with_hint("write FORMAT DEBEZIUM ENCODE JSON"));
        }
        (Some(_), encode) => encode,
    };
    if let Some(encode) = encode {
        options.set("format", encode);
    }
    Ok(named.and_then(|(_, envelope)| *envelope))
}

fn is_json(encode: &str) -> bool {
    Format::CHOICES.iter().any(|(name, format)| *format == Format::Ndjson && name.eq_ignore_ascii_case(encode.trim()))
}

/// `None` is `auto`.
fn take_compression(options: &mut Options) -> Result<Option<Compression>> {
    let choices =
        [("auto", None), ("none", Some(Compression::None)), ("gzip", Some(Compression::Gzip)), ("zstd", Some(Compression::Zstd))];
    Ok(options.take_enum("compression", &choices)?.flatten())
}

/// The delimiter if one is given, and the rest of the dialect.
fn take_dialect(options: &mut Options) -> Result<(Option<u8>, Dialect)> {
    let plain = Dialect::default();
    let delimiter = options.take_byte("delimiter")?;
    let quote = match options.take("quote") {
        Some(word) if word.eq_ignore_ascii_case("none") || word.is_empty() => None,
        Some(word) => {
            let mut one = Options::new([("quote".to_owned(), word)]);
            one.take_byte("quote")?
        }
        None => plain.quote,
    };
    let dialect = Dialect {
        header: options.take_bool("header")?.unwrap_or(plain.header),
        quote,
        nulls: options.take("null").into_iter().collect(),
        ..plain
    };
    if quote.is_some() && delimiter == quote {
        return Err(Error::new(Code::InvalidOption, "delimiter and quote must differ"));
    }
    if delimiter.is_some_and(|byte| byte == b'\n' || byte == b'\r') {
        return Err(Error::new(Code::InvalidOption, "the delimiter cannot be a line end"));
    }
    Ok((delimiter, dialect))
}

/// `format = 'json'` says that the file may be any JSON, `root` which part of it; the other names say that each line is an object.
fn take_json_layout(options: &mut Options) -> Result<JsonLayout> {
    let root = options.take_parsed("root", "the name of a member, or several with dots between them", parse_root)?;
    let any = options.clone().take("format").is_some_and(|format| format.trim().eq_ignore_ascii_case("json"));
    match root {
        Some(root) => Ok(JsonLayout::Any { root }),
        None if any => Ok(JsonLayout::Any { root: Vec::new() }),
        None => Ok(JsonLayout::Lines),
    }
}

fn parse_root(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text.split('.').map(str::to_owned).collect();
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

/// What comment lines start with; an empty text would be the start of every line.
fn take_comment(options: &mut Options) -> Result<Option<String>> {
    options.take_parsed("comment", "the characters that comment lines start with, such as '#'", |text| {
        (!text.is_empty() && !text.contains(['\n', '\r'])).then(|| text.to_owned())
    })
}

fn check_comment(dialect: &Dialect, delimiter: Option<u8>) -> Result<()> {
    let first = dialect.comment.as_ref().and_then(|comment| comment.bytes().next());
    if first.is_none() || (first != dialect.quote && first != delimiter) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidOption, "a comment cannot start with the delimiter or the quote"))
}

fn unknown_format(file: &Path) -> Error {
    Error::new(Code::InvalidOption, format!("the format of '{}' cannot be told from its name", file.display()))
        .with_hint("add format = 'parquet', 'csv' or 'ndjson'")
}
