//! Where rows come from and go to: `FROM FILE (path = '…') FORMAT CSV (…)`, `INTO …`, `WITH (connector = 'file', …)`.

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::time::length::Length;
use laminar_core::{Code, Error, Result, Span};

use super::emit;
use super::statement::{ConnectorDef, FormatDef, OptionDef};
use super::tokens::Cursor;

/// The word before a connector's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// A source or table reads.
    From,
    /// A sink writes.
    Into,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Direction::From => "FROM",
            Direction::Into => "INTO",
        }
    }
}

/// Reads a connector that must be there.
pub(super) fn required(cursor: &mut Cursor<'_>, direction: Direction) -> Result<ConnectorDef> {
    let expected = cursor.expected(&format!("{} connector (…) or WITH (connector = …)", direction.word()));
    optional(cursor, direction)?.ok_or(expected)
}

/// Where the rows of a source come from, and how they are read.
pub(super) struct SourceRows {
    /// `None`: a program pushes them.
    pub(super) connector: Option<ConnectorDef>,
    /// Whether a program that pushes them may take them back: `WITH (changelog = 'true')`.
    pub(super) changelog: bool,
    /// `watermark_alignment_…`, among the options of the connector or in a WITH of their own.
    pub(super) alignment: Vec<OptionDef>,
}

/// Reads the connector of a source if there is one, and the options that are the engine's.
pub(super) fn of_source(cursor: &mut Cursor<'_>) -> Result<SourceRows> {
    let start = cursor.position();
    if cursor.take_word("WITH") {
        return with_options_of_source(cursor, start);
    }
    let mut connector = optional(cursor, Direction::From)?;
    let mut alignment = connector.iter_mut().flat_map(|connector| split_alignment(&mut connector.options)).collect::<Vec<_>>();
    if connector.is_some() && cursor.take_word("WITH") {
        let mut own = options(cursor)?;
        alignment.extend(split_alignment(&mut own));
        if let Some(other) = own.first() {
            let text = format!("the option '{}' stands behind the connector", other.key);
            let error = Error::new(Code::UnknownOption, text).at(other.span);
            return Err(error.with_hint("write the connector's options in its own parentheses: FROM FILE (path = '…')"));
        }
    }
    refuse_repeated(&alignment)?;
    Ok(SourceRows { connector, changelog: false, alignment })
}

/// What follows WITH at token `start`: a connector, `changelog`, or nothing but what the engine takes.
fn with_options_of_source(cursor: &mut Cursor<'_>, start: usize) -> Result<SourceRows> {
    let mut options = options(cursor)?;
    let mut alignment = split_alignment(&mut options);
    match options.as_slice() {
        [] if !alignment.is_empty() => {
            let mut connector = optional(cursor, Direction::From)?;
            alignment.extend(connector.iter_mut().flat_map(|connector| split_alignment(&mut connector.options)));
            refuse_repeated(&alignment)?;
            Ok(SourceRows { connector, changelog: false, alignment })
        }
        [only] if only.key == "changelog" => match only.value.to_ascii_lowercase().as_str() {
            "true" => Ok(SourceRows { connector: None, changelog: true, alignment }),
            "false" => Ok(SourceRows { connector: None, changelog: false, alignment }),
            other => {
                let text = format!("changelog is true or false, not '{other}'");
                Err(Error::new(Code::InvalidOption, text).at(only.span))
            }
        },
        _ => Ok(SourceRows { connector: Some(with_options(cursor, options, start)?), changelog: false, alignment }),
    }
}

/// Takes `watermark_alignment_…` out of the options.
fn split_alignment(options: &mut Vec<OptionDef>) -> Vec<OptionDef> {
    options.extract_if(.., |option| option.key.starts_with("watermark_alignment_")).collect()
}

/// Fails if two options have one name.
pub(super) fn refuse_repeated(options: &[OptionDef]) -> Result<()> {
    let is_repeated = |(at, option): &(usize, &OptionDef)| options[..*at].iter().any(|other| other.key == option.key);
    match options.iter().enumerate().find(is_repeated) {
        Some((_, option)) => Err(given_twice(option)),
        None => Ok(()),
    }
}

fn given_twice(option: &OptionDef) -> Error {
    Error::new(Code::InvalidOption, format!("option '{}' is given twice", option.key)).at(option.span)
}

/// Reads a connector if there is one.
pub(super) fn optional(cursor: &mut Cursor<'_>, direction: Direction) -> Result<Option<ConnectorDef>> {
    let start = cursor.position();
    if cursor.take_word(direction.word()) {
        return named(cursor, start).map(Some);
    }
    if cursor.take_word("WITH") {
        let options = options(cursor)?;
        return with_options(cursor, options, start).map(Some);
    }
    let other = if direction == Direction::From { Direction::Into } else { Direction::From };
    if cursor.is_word(0, other.word()) {
        return Err(cursor.expected(direction.word()));
    }
    if cursor.is_word(0, "FORMAT") {
        let error = cursor.expected(&format!("{} connector before its format", direction.word()));
        return Err(error);
    }
    Ok(None)
}

/// `FILE (path = '…') FORMAT …`, behind `FROM` or `INTO` at token `start`.
fn named(cursor: &mut Cursor<'_>, start: usize) -> Result<ConnectorDef> {
    let name = cursor.name("the connector's name")?;
    let options = match cursor.peek(0) {
        Some(Token::LParen) => options(cursor)?,
        _ => Vec::new(),
    };
    let written = format(cursor)?;
    let (options, in_options) = split_format(options)?;
    let format = one_format(written, in_options)?;
    Ok(ConnectorDef { name: name.text.to_ascii_lowercase(), name_span: name.span, options, format, span: cursor.since(start) })
}

/// What follows `(connector = 'file', …)`, behind `WITH` at token `start`.
fn with_options(cursor: &mut Cursor<'_>, mut options: Vec<OptionDef>, start: usize) -> Result<ConnectorDef> {
    let Some(at) = options.iter().position(|option| option.key == "connector") else {
        let error = Error::new(Code::InvalidOption, "the option 'connector' is missing").at(cursor.since(start));
        return Err(error.with_hint("write WITH (connector = 'file', …) or FROM FILE (…)"));
    };
    let connector = options.remove(at);
    let written = format(cursor)?;
    let (options, in_options) = split_format(options)?;
    let format = one_format(written, in_options)?;
    let name = connector.value.to_ascii_lowercase();
    Ok(ConnectorDef { name, name_span: connector.span, options, format, span: cursor.since(start) })
}

fn one_format(written: Option<FormatDef>, in_options: Option<FormatDef>) -> Result<Option<FormatDef>> {
    match (written, in_options) {
        (Some(written), Some(_)) => Err(Error::new(Code::InvalidOption, "the format is given twice")
            .at(written.span)
            .with_hint("write FORMAT or the option, not both")),
        (written, in_options) => Ok(written.or(in_options)),
    }
}

/// `FORMAT CSV (…)` or `FORMAT UPSERT ENCODE CSV (…)`, if it comes next.
fn format(cursor: &mut Cursor<'_>) -> Result<Option<FormatDef>> {
    let start = cursor.position();
    if !cursor.take_word("FORMAT") {
        return Ok(None);
    }
    let name = cursor.name("the format's name")?.text.to_ascii_lowercase();
    let encode_start = cursor.position();
    let encode = match cursor.take_word("ENCODE") {
        true => Some(cursor.name("the encoding's name")?.text.to_ascii_lowercase()),
        false => None,
    };
    let encode = encode.map(|value| OptionDef { key: "encode".to_owned(), value, span: cursor.since(encode_start) });
    let mut options = match cursor.peek(0) {
        Some(Token::LParen) => options(cursor)?,
        _ => Vec::new(),
    };
    if let Some(twice) = options.iter().find(|option| encode.is_some() && option.key == "encode") {
        return Err(given_twice(twice));
    }
    options.extend(encode);
    Ok(Some(FormatDef { name, options, span: cursor.since(start) }))
}

/// Takes `format` and `format.*` out of the options.
fn split_format(options: Vec<OptionDef>) -> Result<(Vec<OptionDef>, Option<FormatDef>)> {
    let (format, mut rest): (Vec<_>, Vec<_>) = options.into_iter().partition(|option| option.key == "format");
    let Some(format) = format.into_iter().next() else {
        return Ok((rest, None));
    };
    if format.value.is_empty() {
        return Err(Error::new(Code::InvalidOption, "the format has no name").at(format.span));
    }
    let of_format = rest.extract_if(.., |option| option.key.starts_with("format."));
    let options = of_format.map(|option| OptionDef { key: option.key["format.".len()..].to_owned(), ..option }).collect();
    Ok((rest, Some(FormatDef { name: format.value.to_ascii_lowercase(), options, span: format.span })))
}

/// `(key = value, …)`.
pub(super) fn options(cursor: &mut Cursor<'_>) -> Result<Vec<OptionDef>> {
    let mut found: Vec<OptionDef> = Vec::new();
    cursor.list(|cursor| {
        let option = option(cursor)?;
        if found.iter().any(|other| other.key == option.key) {
            return Err(given_twice(&option));
        }
        found.push(option);
        Ok(())
    })?;
    Ok(found)
}

fn option(cursor: &mut Cursor<'_>) -> Result<OptionDef> {
    let start = cursor.position();
    let key = key(cursor)?;
    let value = match cursor.peek(0) {
        Some(Token::Eq | Token::RArrow | Token::DoubleEq | Token::Assignment) => {
            cursor.advance();
            value(cursor, &key)?
        }
        Some(Token::Comma | Token::RParen) => "true".to_owned(),
        _ => return Err(cursor.expected(&format!("'=' and the value of option '{key}'"))),
    };
    Ok(OptionDef { key, value, span: cursor.since(start) })
}

/// `path`, `'bootstrap.servers'`, `bootstrap.servers`, `max-rows`.
fn key(cursor: &mut Cursor<'_>) -> Result<String> {
    if let Some(Token::SingleQuotedString(text)) = cursor.peek(0) {
        let key = text.trim().to_ascii_lowercase();
        if key.is_empty() {
            return Err(cursor.expected("an option's name"));
        }
        cursor.advance();
        return Ok(key);
    }
    let mut key = cursor.name("an option's name")?.text.to_ascii_lowercase();
    loop {
        let separator = match cursor.peek(0) {
            Some(Token::Period) => '.',
            Some(Token::Minus) => '-',
            _ => return Ok(key),
        };
        cursor.advance();
        key.push(separator);
        key.push_str(&cursor.name("the rest of the option's name")?.text.to_ascii_lowercase());
    }
}

/// A literal or a word, as text.
pub(super) fn value(cursor: &mut Cursor<'_>, key: &str) -> Result<String> {
    let negative = cursor.take(&Token::Minus);
    let text = match cursor.peek(0) {
        Some(Token::Number(number, _)) => number.clone(),
        Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) if !negative => text.clone(),
        Some(Token::DollarQuotedString(text)) if !negative => text.value.clone(),
        Some(Token::Word(word)) if !negative && word.quote_style.is_some() => word.value.clone(),
        Some(Token::Word(word)) if !negative => return words(cursor, word.value.clone()),
        _ => return Err(cursor.expected(&format!("the value of option '{key}'")).with_hint("quote it: 'value'")),
    };
    cursor.advance();
    Ok(if negative { format!("-{text}") } else { text })
}

/// A value that is a word, or `INTERVAL '5' SECOND`, as written.
fn words(cursor: &mut Cursor<'_>, first: String) -> Result<String> {
    let start = cursor.position();
    cursor.advance();
    if !first.eq_ignore_ascii_case("interval") || matches!(cursor.peek(0), None | Some(Token::Comma | Token::RParen)) {
        return Ok(first);
    }
    cursor.go_to(start);
    let end = cursor.find(|c, n| matches!(c.token(n), Some(Token::Comma | Token::RParen)));
    let mut own = cursor.up_to(end);
    let expr = own.parse(Parser::parse_expr)?;
    cursor.go_to(own.position());
    let span: Span = cursor.since(start);
    emit::nanos_of(&expr, "the value", span).map(|nanos| Length::Nanos(nanos).to_string())
}
