//! `CREATE STREAM | MATERIALIZED VIEW | VIEW name [(columns)] [WITH (history = …)] AS query`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result};

use super::connector;
use super::create::Head;
use super::query;
use super::statement::{CreateQuery, OptionDef};
use super::tokens::Cursor;

/// Reads what follows the object's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateQuery> {
    let columns = match cursor.peek(0) {
        Some(Token::LParen) => cursor.distinct_names("a column's name")?,
        _ => Vec::new(),
    };
    let options_at = cursor.here().start;
    let history = history(cursor)?;
    cursor.expect_word("AS")?;
    let query = query::stream_query(cursor)?;
    let Head { name, if_not_exists, or_replace, start } = head;
    let query = query::with_column_names(query, &name, columns);
    Ok(CreateQuery { name, if_not_exists, or_replace, query, history, options_at, span: cursor.since(start) })
}

/// `WITH (history = '…')`, if it comes next.
fn history(cursor: &mut Cursor<'_>) -> Result<Option<OptionDef>> {
    if !cursor.take_word("WITH") {
        return Ok(None);
    }
    let options = connector::options(cursor)?;
    if let Some(other) = options.iter().find(|option| option.key != "history") {
        return Err(Error::new(Code::UnknownOption, format!("a query has no option '{}'", other.key))
            .with_hint("the option is history, as in WITH (history = '1000 steps')")
            .at(other.span));
    }
    Ok(options.into_iter().next())
}
