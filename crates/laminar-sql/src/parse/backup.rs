//! `BACKUP TO 'directory'`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::statement::Backup;
use super::tokens::Cursor;

/// Reads the statement.
pub(super) fn backup(cursor: &mut Cursor<'_>) -> Result<Backup> {
    cursor.expect_word("BACKUP")?;
    cursor.expect_word("TO")?;
    let Some(Token::SingleQuotedString(directory)) = cursor.peek(0) else {
        return Err(cursor.expected("the directory in quotes"));
    };
    let (directory, span) = (directory.clone(), cursor.here());
    cursor.advance();
    Ok(Backup { directory, span })
}
