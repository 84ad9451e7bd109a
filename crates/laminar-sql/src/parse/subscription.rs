//! `CREATE SUBSCRIPTION name ON object [WITH (…)]`, and what a reader says to it: `FETCH [n | ALL] FROM name`, `ACK name [THROUGH STEP n]`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result};

use super::connector;
use super::create::Head;
use super::statement::{Acknowledge, CreateSubscription, Fetch, OptionDef};
use super::subscribe::{step, yes_or_no};
use super::tokens::Cursor;
use crate::diagnostic::nearest;

/// What may wait for the reader is called `retention` in RisingWave.
const OPTIONS: &[&str] = &["snapshot", "history", "retention"];

/// Reads what follows the subscription's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateSubscription> {
    if !cursor.take_word("ON") && !cursor.take_word("FROM") {
        return Err(cursor.expected("ON and the name of what is read"));
    }
    let object = cursor.object_name("the name of what is read")?;
    let options = if cursor.take_word("WITH") { connector::options(cursor)? } else { Vec::new() };
    let (mut snapshot, mut history): (Option<bool>, Option<OptionDef>) = (None, None);
    for option in options {
        match option.key.as_str() {
            "snapshot" => snapshot = Some(yes_or_no(&option)?),
            "history" | "retention" if history.is_some() => {
                return Err(Error::new(Code::InvalidOption, "history and retention are the same option").at(option.span));
            }
            "history" | "retention" => history = Some(option),
            other => {
                let error = Error::new(Code::UnknownOption, format!("a subscription has no option '{other}'")).at(option.span);
                return Err(match nearest(other, OPTIONS) {
                    Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
                    None => error.with_hint("the options are snapshot = true | false, and history = '64 MiB'"),
                });
            }
        }
    }
    let Head { name, if_not_exists, or_replace, .. } = head;
    Ok(CreateSubscription { name, if_not_exists, or_replace, object, snapshot, history })
}

/// Reads a `FETCH` statement. Without a number it fetches one row, as in PostgreSQL.
pub(super) fn fetch(cursor: &mut Cursor<'_>) -> Result<Fetch> {
    cursor.expect_word("FETCH")?;
    let _ = cursor.take_word("NEXT") || cursor.take_word("FORWARD");
    let rows = match cursor.peek(0) {
        Some(Token::Number(number, _)) => {
            let rows = number.parse().ok().filter(|rows| *rows > 0);
            let rows = rows.ok_or_else(|| cursor.expected("how many rows, at least 1"))?;
            cursor.advance();
            Some(rows)
        }
        _ if cursor.take_word("ALL") => None,
        _ => Some(1),
    };
    if !cursor.take_word("FROM") && !cursor.take_word("IN") {
        return Err(cursor.expected("FROM and the subscription's name"));
    }
    Ok(Fetch { rows, subscription: cursor.object_name("the subscription's name")? })
}

/// Reads an `ACK` statement.
pub(super) fn acknowledge(cursor: &mut Cursor<'_>) -> Result<Acknowledge> {
    cursor.expect_word("ACK")?;
    let subscription = cursor.object_name("the subscription's name")?;
    let start = cursor.position();
    let mut through = None;
    if cursor.take_word("THROUGH") {
        cursor.expect_word("STEP")?;
        through = Some(step(cursor)?);
    }
    Ok(Acknowledge { subscription, through, through_span: cursor.since(start) })
}
