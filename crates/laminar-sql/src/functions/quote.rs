//! `format` and the functions that put quotes around texts.

use arrow_array::ArrayRef;
use laminar_core::{Code, Error, Result};

use super::columns::{Call, bad};
use super::kinds::Kind::{Any, Text};
use super::routine::{Constants, Routine, constant_text, routine};
use super::text_form::text_forms;

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("quote_literal").takes([Any], Text, |call| each_text(call, |text| text.map(literal))),
        routine("quote_nullable")
            .takes([Any], Text, |call| each_text(call, |text| Some(text.map_or_else(|| "NULL".to_owned(), literal)))),
        routine("quote_ident").takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(identifier(text))))),
        routine("format").takes_rest([Text], Any, Text, formatted).check(check),
    ]
}

fn each_text(call: &Call<'_>, answer: fn(Option<&str>) -> Option<String>) -> Result<ArrayRef> {
    let texts = text_forms(&call.columns[0].array)?;
    call.each(|row| Ok(answer(texts.get(call.columns[0].index(row)).and_then(Option::as_deref))))
}

/// `'it''s'`, with an E in front if it holds a backslash.
fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Words that a name cannot be without quotes.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

fn identifier(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_plain = begins && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain && !RESERVED.contains(&text) { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `%[n$][-][width]type`.
    Value {
        position: Option<usize>,
        is_left: bool,
        width: Width,
        conversion: char,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    None,
    Fixed(usize),
    /// `*` or `*n$`: the width is an argument.
    Argument(Option<usize>),
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidQuery, message)
}

fn check(constants: &Constants<'_>) -> Result<()> {
    let Some(format) = constant_text(constants, 0) else { return Ok(()) };
    pieces(format).map(drop)
}

/// The bounds of a format's width.
const WIDTH_MAX: usize = 1 << 20;

fn pieces(format: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut chars = format.chars().peekable();
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c != '%' || chars.next_if_eq(&'%').is_some() {
            text.push(c);
            continue;
        }
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        let mut spec = String::new();
        let conversion = loop {
            match chars.next() {
                Some(c) if c.is_ascii_digit() || "$-*".contains(c) => spec.push(c),
                Some(c @ ('s' | 'I' | 'L')) => break c,
                Some(c) => return Err(wrong(format!("a format has no '%{spec}{c}'")).with_hint("there are %s, %I, %L and %%")),
                None => return Err(wrong("a format ends within a '%'").with_hint("a single '%' is written as '%%'")),
            }
        };
        pieces.push(value(&spec, conversion)?);
    }
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

fn value(spec: &str, conversion: char) -> Result<Piece> {
    let unreadable = || wrong(format!("a format has no '%{spec}{conversion}'"));
    let (position, rest) = match spec.split_once('$') {
        Some((digits, rest)) if digits.chars().all(|c| c.is_ascii_digit()) && !digits.is_empty() => {
            (Some(digits.parse::<usize>().ok().filter(|position| *position > 0).ok_or_else(unreadable)?), rest)
        }
        _ => (None, spec),
    };
    let without_minus = rest.trim_start_matches('-');
    let is_left = without_minus.len() < rest.len();
    let width = match without_minus {
        "" => Width::None,
        "*" => Width::Argument(None),
        text => match text.strip_prefix('*').and_then(|text| text.strip_suffix('$')) {
            Some(digits) => Width::Argument(Some(digits.parse().ok().filter(|position| *position > 0).ok_or_else(unreadable)?)),
            None => Width::Fixed(text.parse().ok().filter(|width| *width <= WIDTH_MAX).ok_or_else(unreadable)?),
        },
    };
    Ok(Piece::Value { position, is_left, width, conversion })
}

fn formatted(call: &Call<'_>) -> Result<ArrayRef> {
    let formats = call.argument::<&str>(0)?;
    let texts = call.columns.iter().map(|column| text_forms(&column.array)).collect::<Result<Vec<_>>>()?;
    call.each(|row| {
        let Some(format) = formats.get(row) else { return Ok(None) };
        let mut result = String::new();
        let mut next = 1;
        for piece in pieces(format)? {
            match piece {
                Piece::Text(text) => result.push_str(&text),
                Piece::Value { position, is_left, width, conversion } => {
                    let mut take = |position: Option<usize>| {
                        let index = position.unwrap_or(next);
                        next = index + 1;
                        let column = texts.get(index).ok_or_else(|| bad("the format has too few arguments"))?;
                        Ok::<_, Error>(column.get(call.columns[index].index(row)).and_then(Option::as_deref))
                    };
                    let (is_left, width) = match width {
                        Width::None => (is_left, 0),
                        Width::Fixed(width) => (is_left, width),
                        Width::Argument(position) => star(take(position)?, is_left)?,
                    };
                    let text = converted(take(position)?, conversion)?;
                    let fill = " ".repeat(width.saturating_sub(text.chars().count()));
                    result.push_str(&if is_left { text + &fill } else { fill + &text });
                }
            }
        }
        Ok(Some(result))
    })
}

/// The width that an argument says: a negative one fills on the right.
fn star(text: Option<&str>, is_left: bool) -> Result<(bool, usize)> {
    let width: i64 = text.unwrap_or("0").parse().map_err(|_| bad("the width of a format is a whole number"))?;
    let all = usize::try_from(width.unsigned_abs()).ok().filter(|width| *width <= WIDTH_MAX);
    Ok((is_left || width < 0, all.ok_or_else(|| bad("the width of a format is too large"))?))
}

fn converted(text: Option<&str>, conversion: char) -> Result<String> {
    match (text, conversion) {
        (None, 'I') => Err(bad("NULL is no identifier")),
        (None, 'L') => Ok("NULL".to_owned()),
        (None, _) => Ok(String::new()),
        (Some(text), 'I') => Ok(identifier(text)),
        (Some(text), 'L') => Ok(literal(text)),
        (Some(text), _) => Ok(text.to_owned()),
    }
}
