//! `CREATE SINK name [FROM object | AS query] INTO CONNECTOR (…) FORMAT … | WITH (connector = …)`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::connector::{self, Direction};
use super::create::Head;
use super::query;
use super::statement::{CreateSink, SinkInput};
use super::tokens::{Cursor, token_is_word};

/// Reads what follows the sink's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateSink> {
    let input = if cursor.take_word("FROM") {
        SinkInput::Object(cursor.object_name("the name of what the sink writes")?)
    } else if cursor.take_word("AS") {
        SinkInput::Query(query::stream_query_until(cursor, connector_begins)?)
    } else if connector_begins(cursor, cursor.position()) {
        SinkInput::LateRows
    } else {
        return Err(cursor.expected("FROM name or AS query"));
    };
    let connector = connector::required(cursor, Direction::Into)?;
    let Head { name, if_not_exists, or_replace, .. } = head;
    Ok(CreateSink { name, if_not_exists, or_replace, input, connector })
}

/// Whether `INTO FILE (…)`, `INTO FILE` or `WITH (…)` stands at a token.
fn connector_begins(cursor: &Cursor<'_>, number: usize) -> bool {
    let is = |n: usize, word: &str| cursor.token(n).is_some_and(|token| token_is_word(token, word));
    is(number, "INTO") || (is(number, "WITH") && cursor.token(number + 1) == Some(&Token::LParen))
}
