//! `SUBSCRIBE [TO] object [WHERE …] | query [WITH (snapshot = …)] [AS OF STEP n]`.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, SelectItem, SetExpr, WildcardAdditionalOptions};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result};

use super::connector;
use super::query;
use super::statement::{OptionDef, StreamQuery, Subscribe, SubscribeInput};
use super::syntax;
use super::tokens::{Cursor, token_is_word};
use crate::diagnostic::nearest;

/// Reads a `SUBSCRIBE` statement.
pub(super) fn subscribe(cursor: &mut Cursor<'_>) -> Result<Subscribe> {
    cursor.expect_word("SUBSCRIBE")?;
    cursor.take_word("TO");
    let input = if query::begins(cursor) {
        SubscribeInput::Query(query::stream_query_until(cursor, option_begins)?)
    } else {
        object(cursor)?
    };
    let (mut snapshot, mut as_of_step) = (None, None);
    loop {
        let start = cursor.position();
        let is_repeated = if cursor.take_word("WITH") {
            let asked = options(cursor)?;
            snapshot.replace(asked).is_some()
        } else if cursor.take_words(&["AS", "OF"]) {
            cursor.expect_word("STEP")?;
            as_of_step.replace(step(cursor)?).is_some()
        } else {
            return Ok(Subscribe { input, snapshot: snapshot.flatten(), as_of_step });
        };
        if is_repeated {
            return Err(Error::new(Code::Syntax, "the clause stands here a second time").at(cursor.since(start)));
        }
    }
}

fn option_begins(cursor: &Cursor<'_>, number: usize) -> bool {
    let is = |n: usize, word: &str| cursor.token(n).is_some_and(|token| token_is_word(token, word));
    (is(number, "WITH") && cursor.token(number + 1) == Some(&Token::LParen)) || (is(number, "AS") && is(number + 1, "OF"))
}

/// An object, which becomes a query if rows are chosen.
fn object(cursor: &mut Cursor<'_>) -> Result<SubscribeInput> {
    let start = cursor.position();
    let name = cursor.object_name("the object's name or a query")?;
    let place = cursor.place_before();
    if !cursor.take_word("WHERE") {
        return Ok(SubscribeInput::Object(name));
    }
    let mut own = cursor.up_to(cursor.find(option_begins));
    let condition = own.parse(Parser::parse_expr)?;
    cursor.go_to(own.position());
    let ident = Ident { value: name.text, quote_style: Some('"'), span: place };
    let star = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    let mut query = syntax::query_of(syntax::select_of(vec![star], syntax::table_of(ObjectName::from(ident))));
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.selection = Some(condition);
    }
    query::normalize(&mut query, &cursor.lines())?;
    let query = StreamQuery { query: Box::new(query), emit: None, lateness: None, late_to: None, span: cursor.since(start) };
    Ok(SubscribeInput::Query(query))
}

/// `(snapshot)`, `(snapshot = false)`.
fn options(cursor: &mut Cursor<'_>) -> Result<Option<bool>> {
    let mut snapshot = None;
    for option in connector::options(cursor)? {
        let key = option.key.as_str();
        if key != "snapshot" {
            let error = Error::new(Code::UnknownOption, format!("SUBSCRIBE has no option '{key}'")).at(option.span);
            return Err(match nearest(key, &["snapshot"]) {
                Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
                None => error.with_hint("it has the option snapshot = true | false"),
            });
        }
        snapshot = Some(yes_or_no(&option)?);
    }
    Ok(snapshot)
}

/// The value of an option that is true or false.
pub(super) fn yes_or_no(option: &OptionDef) -> Result<bool> {
    match option.value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => {
            let error = Error::new(Code::InvalidOption, format!("{} cannot be '{}'", option.key, option.value));
            Err(error.at(option.span).with_hint("write true or false"))
        }
    }
}

/// The number of a step.
pub(super) fn step(cursor: &mut Cursor<'_>) -> Result<u64> {
    let number = match cursor.peek(0) {
        Some(Token::Number(number, _)) => number.parse().ok(),
        _ => None,
    };
    let step = number.ok_or_else(|| cursor.expected("the number of a step"))?;
    cursor.advance();
    Ok(step)
}
