//! The parentheses behind a source's or table's name: columns, keys, the watermark.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result, Span};

use super::collation::{expect_bytewise, has_collation};
use super::connector;
use super::constraints::Constraints;
use super::dispatch::not_built;
use super::emit;
use super::names;
use super::statement::{ColumnDef, Name, WatermarkDef};
use super::tokens::{Cursor, token_is_word};

/// What stands in the parentheses.
#[derive(Debug, Default)]
pub(super) struct Definition {
    pub(super) columns: Vec<ColumnDef>,
    pub(super) primary_key: Vec<Name>,
    pub(super) watermark: Option<WatermarkDef>,
    pub(super) constraints: Constraints,
}

/// What a column or table may not have, with what to do instead.
const NOT_BUILT: &[(&[&str], &str)] = &[
    (&["GENERATED"], "write GENERATED ALWAYS AS (…) STORED, or compute the column in a view"),
    (&["AS"], "compute the column in a view"),
    (&["REFERENCES"], "join in a view"),
    (&["FOREIGN", "KEY"], "join in a view"),
    (&["CONSTRAINT"], "declare the key without a name: PRIMARY KEY (…)"),
    (&["INCLUDE"], "declare the column"),
    (&["PERIOD"], ""),
    (&["METADATA"], "declare the column"),
];

/// Reads `(…)` if it comes next; nothing means that the connector knows the columns.
pub(super) fn definition(cursor: &mut Cursor<'_>, owner: &Name) -> Result<Definition> {
    let found = items(cursor, owner)?;
    check_key(&found)?;
    Ok(found)
}

/// The same where the key alone may be said: then it names columns that the connector knows.
pub(super) fn definition_or_key(cursor: &mut Cursor<'_>, owner: &Name) -> Result<Definition> {
    let found = items(cursor, owner)?;
    if !found.columns.is_empty() {
        check_key(&found)?;
    }
    Ok(found)
}

fn items(cursor: &mut Cursor<'_>, owner: &Name) -> Result<Definition> {
    let mut found = Definition::default();
    if cursor.peek(0) == Some(&Token::LParen) {
        cursor.list(|cursor| item(cursor, owner, &mut found))?;
    }
    Ok(found)
}

fn check_key(found: &Definition) -> Result<()> {
    let uniques = found.constraints.uniques.iter().flat_map(|unique| &unique.columns);
    for key in found.primary_key.iter().chain(uniques) {
        if !found.columns.iter().any(|column| column.name.text == key.text) {
            return Err(no_key_column(key, &found.columns));
        }
    }
    Ok(())
}

fn no_key_column(key: &Name, columns: &[ColumnDef]) -> Error {
    let error = Error::new(Code::UnknownColumn, format!("there is no column '{}' for the key", key.text)).at(key.span);
    match crate::diagnostic::nearest(&key.text, columns.iter().map(|column| column.name.text.as_str())) {
        Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
        None => error,
    }
}

/// The columns of a key are never NULL.
pub(super) fn require_keys(columns: &mut [ColumnDef], primary_key: &[Name]) {
    for column in columns {
        column.not_null |= primary_key.iter().any(|key| key.text == column.name.text);
    }
}

fn item(cursor: &mut Cursor<'_>, owner: &Name, found: &mut Definition) -> Result<()> {
    if cursor.are_words(&["WATERMARK", "FOR"]) {
        return watermark(cursor, found);
    }
    if found.constraints.of_table(cursor, owner)? {
        return Ok(());
    }
    if cursor.are_words(&["PRIMARY", "KEY"]) {
        let start = cursor.position();
        cursor.take_words(&["PRIMARY", "KEY"]);
        let key = cursor.list(|cursor| cursor.name("a column's name"))?;
        return set_key(found, key, cursor.since(start));
    }
    if let Some(word) = cursor.word().filter(|_| cursor.is_word(1, "FOR"))
        && crate::diagnostic::nearest(&word, ["WATERMARK"]).is_some()
    {
        return Err(cursor.expected("WATERMARK").with_hint("did you mean 'WATERMARK'?"));
    }
    let is_name = cursor.peek(1).is_some_and(|token| matches!(token, Token::Word(_)));
    if !is_name || cursor.are_words(&["FOREIGN", "KEY"]) || cursor.is_word(0, "CONSTRAINT") {
        refuse_extras(cursor)?;
    }
    column(cursor, owner, found)
}

fn column(cursor: &mut Cursor<'_>, owner: &Name, found: &mut Definition) -> Result<()> {
    let start = cursor.position();
    let name = cursor.name("a column's name")?;
    if found.columns.iter().any(|column| column.name.text == name.text) {
        return Err(Error::new(Code::InvalidQuery, format!("there are two columns '{}'", name.text)).at(name.span));
    }
    refuse_extras(cursor)?;
    if matches!(cursor.peek(0), None | Some(Token::Comma | Token::RParen)) {
        return Err(cursor.expected(&format!("the type of column '{}'", name.text)));
    }
    let type_start = cursor.position();
    let end = cursor.find(|c, n| matches!(c.token(n), Some(Token::Comma | Token::RParen)));
    let mut own = cursor.up_to(end);
    let data_type = own.parse(Parser::parse_data_type)?;
    cursor.go_to(own.position());
    let type_span = cursor.since(type_start);
    let (mut not_null, mut is_key) = (false, false);
    loop {
        if cursor.take_words(&["NOT", "NULL"]) {
            not_null = true;
        } else if cursor.take_words(&["PRIMARY", "KEY"]) {
            is_key = true;
        } else if cursor.is_word(0, "COLLATE") {
            collate(cursor, &data_type)?;
        } else if !cursor.take_word("NULL") && !found.constraints.of_column(cursor, owner, &name)? {
            break;
        }
    }
    refuse_extras(cursor)?;
    let span = cursor.since(start);
    if is_key {
        set_key(found, vec![name.clone()], span)?;
    }
    found.columns.push(ColumnDef { name, data_type, type_span, not_null, span });
    Ok(())
}

/// `COLLATE "C"`, perhaps with a schema before the name.
fn collate(cursor: &mut Cursor<'_>, data_type: &DataType) -> Result<()> {
    let start = cursor.position();
    cursor.take_word("COLLATE");
    let mut name = cursor.name("the name of a collation")?;
    if cursor.take(&Token::Period) {
        name = cursor.name("the name of a collation")?;
    }
    if !has_collation(data_type) {
        let text = format!("a column of type {data_type} has no collation: texts have one");
        return Err(Error::new(Code::InvalidQuery, text).at(cursor.since(start)).with_hint("leave COLLATE out"));
    }
    expect_bytewise(&name.text).map_err(|error| error.at(name.span))
}

fn set_key(found: &mut Definition, key: Vec<Name>, span: Span) -> Result<()> {
    if !found.primary_key.is_empty() {
        let error = Error::new(Code::InvalidQuery, "there is a second primary key").at(span);
        return Err(error.with_hint("write one key over several columns as PRIMARY KEY (a, b)"));
    }
    if key.is_empty() {
        return Err(Error::new(Code::InvalidQuery, "the primary key has no columns").at(span));
    }
    if let Some(twice) = key.iter().enumerate().find(|(n, name)| key[..*n].iter().any(|other| other.text == name.text)) {
        return Err(Error::new(Code::InvalidQuery, format!("column '{}' is in the key twice", twice.1.text)).at(twice.1.span));
    }
    found.primary_key = key;
    Ok(())
}

fn refuse_extras(cursor: &Cursor<'_>) -> Result<()> {
    let Some((words, instead)) = NOT_BUILT.iter().find(|(words, _)| cursor.are_words(words)) else {
        return Ok(());
    };
    let mut after = cursor.clone();
    after.take_words(words);
    Err(not_built(&format!("{} in a definition of columns", words.join(" ")), after.since(cursor.position()), instead))
}

/// `WATERMARK FOR column [AS column - INTERVAL …] [WITH (strategy = …)]`.
fn watermark(cursor: &mut Cursor<'_>, found: &mut Definition) -> Result<()> {
    let start = cursor.position();
    cursor.take_words(&["WATERMARK", "FOR"]);
    let column = cursor.name("the event time column")?;
    let mut lag = 0;
    if cursor.take_word("AS") {
        let expr_start = cursor.position();
        let end = cursor.find(|c, n| {
            matches!(c.token(n), Some(Token::Comma | Token::RParen))
                || c.token(n).is_some_and(|token| token_is_word(token, "WITH"))
        });
        let mut own = cursor.up_to(end);
        let expr = own.parse(Parser::parse_expr)?;
        cursor.go_to(own.position());
        lag = lag_of(&expr, &column, cursor.since(expr_start))?;
    }
    let options = if cursor.take_word("WITH") { connector::options(cursor)? } else { Vec::new() };
    let span = cursor.since(start);
    if found.watermark.is_some() {
        return Err(Error::new(Code::InvalidWindow, "there is a second watermark").at(span));
    }
    found.watermark = Some(WatermarkDef { column, lag, options, span });
    Ok(())
}

/// How far behind its column a watermark stays.
fn lag_of(expr: &Expr, column: &Name, span: Span) -> Result<i64> {
    let refused = || {
        let error = Error::new(Code::InvalidWindow, "a watermark is its column, or its column minus an interval").at(span);
        error.with_hint(format!("write WATERMARK FOR {0} AS {0} - INTERVAL '5' SECOND", column.text))
    };
    match expr {
        Expr::Nested(inner) => lag_of(inner, column, span),
        Expr::Identifier(_) if is_column(expr, column) => Ok(0),
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if is_column(left, column) => {
            let lag = emit::nanos_of(right, "the distance of a watermark", span)?;
            if lag < 0 { Err(refused()) } else { Ok(lag) }
        }
        _ => Err(refused()),
    }
}

fn is_column(expr: &Expr, column: &Name) -> bool {
    match expr {
        Expr::Identifier(ident) => names::of_ident(ident) == column.text,
        _ => false,
    }
}
