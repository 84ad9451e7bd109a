//! `REPLAY object$errors [(field, …)] INTO target`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::statement::Replay;
use super::tokens::Cursor;

/// Reads the statement.
pub(super) fn replay(cursor: &mut Cursor<'_>) -> Result<Replay> {
    cursor.expect_word("REPLAY")?;
    let from = cursor.object_name("object$errors or object$late")?;
    let fields = match cursor.peek(0) {
        Some(Token::LParen) => cursor.distinct_names("a field's name")?,
        _ => Vec::new(),
    };
    cursor.expect_word("INTO")?;
    Ok(Replay { from, fields, into: cursor.object_name("the source's name")? })
}
